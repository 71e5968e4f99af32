//! What a program grows by when it uses the core: with no feature, with each alone, and with all that
//! are the default.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::common::report::{Report, as_f64};

const MANIFEST: &str = r#"[package]
name = "sized"
edition = "2024"

[features]
none = ["dep:hersh"]
signals = ["none", "hersh/signals"]
sim = ["none", "hersh/sim"]
persist = ["none", "hersh/persist"]
journal = ["none", "hersh/journal"]
kharon = ["none", "hersh/kharon", "tickets"]
api = ["none", "hersh/api"]
default-features = ["none", "hersh/default", "tickets"]
tickets = []

[dependencies.hersh]
path = "@core@"
default-features = false
optional = true

[profile.release]
lto = "thin"
codegen-units = 4
strip = true

[workspace]
"#;

/// A function, a timer and a message, and a ticket where there are any; without the core, a line.
const PROGRAM: &str = r#"
#[cfg(not(feature = "none"))]
fn main() {
    println!("ready");
}

#[cfg(feature = "none")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let watcher = hersh::Watcher::builder().build()?;
    watcher.manage("tick", |message, ctx| {
        let tick = ctx.watch_tick("tick", std::time::Duration::from_secs(1))?;
        println!("{:?} {:?}", message.map(|message| message.content()), tick.triggered());
        Ok(())
    })?;
    #[cfg(feature = "tickets")]
    greet()?;
    if std::env::args().len() > 1 {
        watcher.run()?;
    }
    watcher.start()?;
    watcher.send_message("hello")?;
    watcher.stop()?;
    Ok(())
}

#[cfg(feature = "tickets")]
fn greet() -> Result<(), Box<dyn std::error::Error>> {
    use hersh::kharon::{Kharon, MemoryStore, NewTicket, Router, Settings};
    let kharon = Kharon::new(MemoryStore::new(), Settings::default())?;
    kharon.add(NewTicket::new("one", "greet")?)?;
    let _workers = kharon.start(Router::new().handle("greet", |_| Ok(())))?;
    Ok(())
}
"#;

/// The features of the core, each alone, and all that are the default together.
const FEATURES: [&str; 7] =
    ["signals", "sim", "persist", "journal", "kharon", "api", "default-features"];

pub(crate) fn run(report: &mut Report) {
    let program = lay_out();
    let empty = built(&program, None);
    let kibibytes = |feature| as_f64(built(&program, Some(feature)) - empty) / 1024.0;
    let none = kibibytes("none");
    report.add("size: a program with the core, no feature", "KiB", none, None, None);
    for feature in FEATURES {
        let name = format!("size: the same, {feature}");
        report.add(name, "KiB", kibibytes(feature), Some(none), None);
    }
}

/// Lays the program out, with the versions that the core itself is built with.
fn lay_out() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sized");
    let core = env!("CARGO_MANIFEST_DIR");
    fs::create_dir_all(program.join("src")).unwrap();
    fs::write(program.join("Cargo.toml"), MANIFEST.replace("@core@", core)).unwrap();
    fs::write(program.join("src/main.rs"), PROGRAM).unwrap();
    fs::copy(Path::new(core).join("../Cargo.lock"), program.join("Cargo.lock")).unwrap();
    program
}

/// The bytes of the program, built with this feature.
fn built(program: &Path, feature: Option<&str>) -> usize {
    let target = program.join("target");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--quiet"]).current_dir(program);
    build.arg("--target-dir").arg(&target);
    // Not with the flags that the bench itself may have been built with.
    build.env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    build.args(feature.map(|feature| format!("--features={feature}")));
    assert!(build.status().unwrap().success(), "the program cannot be built");
    let file = target.join("release/sized").with_extension(env::consts::EXE_EXTENSION);
    fs::metadata(file).unwrap().len().try_into().unwrap()
}
