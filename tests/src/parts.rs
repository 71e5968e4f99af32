//! The parts under test, built as their users build them.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::Engine;

/// The `hersh` command.
pub fn hersh() -> &'static Path {
    static HERSH: OnceLock<PathBuf> = OnceLock::new();
    HERSH.get_or_init(|| {
        run(Command::new(env!("CARGO")).args(["build", "--quiet", "--locked", "-p", "hersh-cli"]));
        target().join("debug/hersh")
    })
}

/// The folder of the demo's example program, ready to be deployed.
pub fn counter() -> &'static Path {
    static COUNTER: OnceLock<PathBuf> = OnceLock::new();
    COUNTER.get_or_init(|| staged("cli/examples/counter", "counter"))
}

/// A new folder, ready to be deployed: `dockerfile`, and beside it the program `probe`, which does what
/// its first argument says (`tests/probe`).
pub fn probe(dockerfile: &str) -> TempDir {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    let staged = PROBE.get_or_init(|| staged("tests/probe", "probe"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::copy(staged.join("probe"), folder.path().join("probe")).expect("the probe can be copied");
    fs::write(folder.path().join("Dockerfile"), dockerfile).expect("a file can be written");
    folder
}

/// The folder of a Python example, ready to be deployed on this engine, which has no registry: on an
/// image that `tests/python-image` made. `None` where there is no such image.
pub fn python_example(engine: &Engine, name: &str) -> Option<PathBuf> {
    let out = target().join("staged").join(name);
    let image = python_image(engine)?;
    run(Command::new(root().join("cli/examples/stage-python"))
        .arg(root().join("cli/examples").join(name))
        .arg(&out)
        .env("HERSH_BASE_IMAGE", image));
    Some(out)
}

/// The folder of the Python package's own program for a host, ready to be deployed on this engine.
/// `None` where there is no image with Python.
pub fn python_program(engine: &Engine) -> Option<PathBuf> {
    let out = target().join("staged/program");
    let image = python_image(engine)?;
    let (wheel, _) = wheel();
    run(Command::new(root().join("python/examples/program/stage"))
        .arg(&out)
        .env("HERSH_WHEEL", wheel)
        .env("HERSH_BASE_IMAGE", image));
    Some(out)
}

/// The name of an image with Python that came from no registry, or `None` after saying that the test is
/// skipped.
///
/// # Panics
/// In CI when there is none: there a missing part is a failure.
pub fn python_image(engine: &Engine) -> Option<&'static str> {
    static IMAGE: OnceLock<Option<String>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let mut command = Command::new(root().join("tests/python-image"));
        let command = command.env("CARGO_TARGET_DIR", target()).env("DOCKER_HOST", engine.host());
        let output = command.stderr(Stdio::inherit()).output().expect("bash runs");
        if output.status.success() {
            return Some(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        assert!(env::var("CI").as_deref() != Ok("true"), "no image with Python: {}", output.status);
        let _ = writeln!(io::stderr(), "skipped: there is no image with Python");
        None
    });
    image.as_deref()
}

/// hersh's wheel, and an interpreter that can install it.
pub fn wheel() -> (PathBuf, PathBuf) {
    let out = target().join("staged").join("wheel-only");
    run(Command::new(root().join("cli/examples/stage-python"))
        .arg(root().join("cli/examples/watcher-server"))
        .arg(&out));
    let wheels = fs::read_dir(target().join("staged/wheels")).expect("the stage makes wheels");
    let wheel = wheels.filter_map(Result::ok).map(|entry| entry.path()).next();
    (wheel.expect("one wheel"), target().join("stage-venv/bin/python"))
}

/// hersh's C library, with everything in it.
pub fn library() -> PathBuf {
    run(Command::new(env!("CARGO")).args(["build", "--quiet", "--locked", "-p", "hersh-ffi"]));
    target().join("debug/libhersh.a")
}

/// A new target folder of a project beside this one, kept from run to run.
pub fn target_of(project: &str) -> PathBuf {
    target().join("of").join(project)
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn staged(folder: &str, program: &str) -> PathBuf {
    let out = target().join("staged").join(program);
    run(Command::new(root().join("cli/examples/stage")).args([
        &root().join(folder),
        Path::new(program),
        &out,
    ]));
    out
}

/// The target folder in which this test itself was built: `…/debug/deps/it-0123` without its end.
fn target() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own file");
    test.ancestors().nth(3).expect("a test lies in a target folder").to_owned()
}

fn run(command: &mut Command) {
    // Where this test was built, the parts are built, whatever the caller's environment says.
    let status = command.current_dir(root()).env("CARGO_TARGET_DIR", target()).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
