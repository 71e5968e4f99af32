//! Measuring in a process of its own, which holds and does nothing else.

use std::env;
use std::process::Command;

const ASK: &str = "HERSH_BENCH_ALONE";

/// What this process is to measure, if it was started for that.
pub(crate) fn asked() -> Option<String> {
    env::var(ASK).ok()
}

/// Has this measured by a process of its own, which prints as many numbers as are expected.
pub(crate) fn ask<const N: usize>(what: &str) -> [f64; N] {
    let output = Command::new(env::current_exe().unwrap()).env(ASK, what).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}
