//! What all benches share: how a run is reported, and how a process is measured.
#![allow(dead_code, reason = "each bench uses its share")]

pub(crate) mod alone;
pub(crate) mod process;
pub(crate) mod report;

/// The middle of so many runs: these machines are noisy.
pub(crate) fn median_of(runs: usize, mut run: impl FnMut() -> f64) -> f64 {
    let mut results: Vec<f64> = (0..runs).map(|_| run()).collect();
    middle(&mut results)
}

/// The middle of so many runs of each, a run of the first followed by one of the next and so on, so
/// that whatever else the machine does meets all of them alike: for figures that are compared.
pub(crate) fn medians_in_turn<const N: usize>(
    rounds: usize,
    mut runs: [&mut dyn FnMut() -> f64; N],
) -> [f64; N] {
    let mut results = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (results, run) in results.iter_mut().zip(&mut runs) {
            results.push(run());
        }
    }
    results.map(|mut results| middle(&mut results))
}

/// The one in the middle of these.
pub(crate) fn middle(results: &mut [f64]) -> f64 {
    results.sort_by(f64::total_cmp);
    results[results.len() / 2]
}
