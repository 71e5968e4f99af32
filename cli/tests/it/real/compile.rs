//! The program that is deployed on real engines: one static binary.
use std::path::Path;
use std::process::{Command, Stdio};

/// Compiles it to this place.
pub(crate) fn compile(out: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/real/program.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let status = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=program", "-Ctarget-feature=+crt-static"])
        .args(["-Copt-level=s", "-Cstrip=symbols", "-o"])
        .args([out, &source])
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}
