//! Gives the shared library its name, by which programs that are linked against it find it.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |key: &str, wanted: &str| env::var(key).is_ok_and(|value| value == wanted);
    if is("CARGO_CFG_UNIX", "") && !is("CARGO_CFG_TARGET_VENDOR", "apple") {
        // Before 1.0 each minor version may change the ABI, so it is part of the name.
        let minor = env::var("CARGO_PKG_VERSION_MINOR").unwrap_or_default();
        let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
        let abi = if major == "0" { format!("0.{minor}") } else { major };
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libhersh.so.{abi}");
    }
}
