//! What all benches share: how a run is reported, and how a process is measured.
#![allow(dead_code, reason = "each bench uses its share")]

pub(crate) mod alone;
pub(crate) mod process;
pub(crate) mod report;

/// The middle of so many runs: these machines are noisy.
pub(crate) fn median_of(runs: usize, mut run: impl FnMut() -> f64) -> f64 {
    let mut results: Vec<f64> = (0..runs).map(|_| run()).collect();
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}
