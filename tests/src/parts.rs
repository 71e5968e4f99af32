//! The parts under test, built as their users build them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

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

fn staged(folder: &str, program: &str) -> PathBuf {
    let out = target().join("staged").join(program);
    run(Command::new(root().join("cli/examples/stage")).args([
        &root().join(folder),
        Path::new(program),
        &out,
    ]));
    out
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
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
