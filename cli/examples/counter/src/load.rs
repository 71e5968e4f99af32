//! How busy the machine is, by the best measure that can be had.
//!
//! Linux tells its load average. Inside gVisor `/proc/loadavg` is there but empty of meaning: no task is
//! ever counted. There the load is measured by what it does to others: how much longer a fixed piece of
//! work takes than it took at its best.

use std::fmt;
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Steps of one piece of work: about a millisecond on a machine of today.
const STEPS: u64 = 1_000_000;
/// Pieces of one measurement: long enough that the scheduler must choose between this and others.
const PIECES: u32 = 30;

/// A load, and by which measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "measure", content = "value", rename_all = "lowercase")]
pub(crate) enum Load {
    /// Tasks that ran or wanted to, averaged over the last minute, as the kernel counts them.
    Average(f64),
    /// How many times longer work takes than at its best: 1 on an idle machine.
    Slowdown(f64),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Average(tasks) => write!(f, "{tasks} tasks on average"),
            Self::Slowdown(times) => {
                write!(f, "work takes {times:.1} times as long as at its best")
            }
        }
    }
}

/// Why there is no load to tell.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The kernel's file is there and cannot be read.
    Unreadable(io::Error),
    /// The kernel's file says something else than it should.
    Malformed(String),
    /// Work takes no time at all by this machine's clock.
    ClockStands,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot read the load average: {error}"),
            Self::Malformed(line) => write!(f, "not a load average: {line:?}"),
            Self::ClockStands => f.write_str("the clock stands still while work is done"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Malformed(_) | Self::ClockStands => None,
        }
    }
}

/// Measures the load, and remembers the best time that work took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    best: Option<Duration>,
}

impl Meter {
    /// The load now. Takes no time where the kernel tells it, and some 30 ms of work where it does not.
    pub(crate) fn read(&mut self) -> Result<Load, LoadError> {
        match average(Path::new("/proc/loadavg"))? {
            Some(tasks) => Ok(Load::Average(tasks)),
            None => self.slowdown(piece_of_work),
        }
    }

    fn slowdown(&mut self, mut piece: impl FnMut() -> Duration) -> Result<Load, LoadError> {
        let mut total = Duration::ZERO;
        for _ in 0..PIECES {
            let took = piece();
            if took.is_zero() {
                return Err(LoadError::ClockStands);
            }
            total += took;
            self.best = Some(self.best.map_or(took, |best| best.min(took)));
        }
        let best = self.best.ok_or(LoadError::ClockStands)?;
        Ok(Load::Slowdown(rounded((total / PIECES).div_duration_f64(best), 10.0)))
    }
}

/// The kernel's load average, or `None` where it keeps none.
fn average(path: &Path) -> Result<Option<f64>, LoadError> {
    match fs::read_to_string(path) {
        Ok(line) => parse(line.trim_end()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LoadError::Unreadable(error)),
    }
}

/// Reads `0.42 0.30 0.20 2/345 6789`: the averages, the tasks that run and that are, the newest's id.
fn parse(line: &str) -> Result<Option<f64>, LoadError> {
    let malformed = || LoadError::Malformed(line.chars().take(80).collect());
    let mut fields = line.split(' ');
    let tasks: f64 = fields.next().and_then(|f| f.parse().ok()).ok_or_else(malformed)?;
    let (_, existing) = fields.nth(2).and_then(|f| f.split_once('/')).ok_or_else(malformed)?;
    let existing: u32 = existing.parse().map_err(|_| malformed())?;
    if !tasks.is_finite() || tasks < 0.0 {
        return Err(malformed());
    }
    // Whoever reads this is a task: a kernel that counts none does not count.
    Ok((existing > 0).then_some(rounded(tasks, 100.0)))
}

fn piece_of_work() -> Duration {
    let began = Instant::now();
    let mut x = 1_u64;
    for step in 0..STEPS {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
    }
    black_box(x);
    began.elapsed()
}

/// To a fraction of one: a load that trembles in the third digit has not changed.
fn rounded(value: f64, fraction: f64) -> f64 {
    (value * fraction).round() / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_average_is_read() {
        assert_eq!(parse("0.42 0.30 0.20 2/345 6789").unwrap(), Some(0.42));
    }

    #[test]
    fn gvisor_counts_no_tasks_so_it_tells_no_average() {
        assert_eq!(parse("0.00 0.00 0.00 0/0 0").unwrap(), None);
    }

    #[test]
    fn an_idle_kernel_does_tell() {
        assert_eq!(parse("0.00 0.00 0.00 1/2 3").unwrap(), Some(0.0));
    }

    #[test]
    fn anything_else_is_an_error_that_shows_it() {
        for line in ["", "x", "0.42", "0.42 1 2", "0.42 1 2 3", "NaN 0 0 1/2 3", "-1 0 0 1/2 3"] {
            let error = parse(line).unwrap_err();
            assert!(error.to_string().contains(line), "{error}");
        }
        assert!(parse(&"9".repeat(10_000)).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn a_missing_file_is_no_error_and_a_folder_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(average(&folder.path().join("none")).unwrap(), None);
        assert!(matches!(average(folder.path()), Err(LoadError::Unreadable(_))));
    }

    #[test]
    fn slowdown_is_told_against_the_best_ever() {
        let mut meter = Meter::default();
        assert_eq!(meter.slowdown(|| Duration::from_millis(2)).unwrap(), Load::Slowdown(1.0));
        assert_eq!(meter.slowdown(|| Duration::from_millis(5)).unwrap(), Load::Slowdown(2.5));
        // A better best: what came before was not an idle machine.
        assert_eq!(meter.slowdown(|| Duration::from_millis(1)).unwrap(), Load::Slowdown(1.0));
        assert_eq!(meter.slowdown(|| Duration::from_millis(5)).unwrap(), Load::Slowdown(5.0));
    }

    #[test]
    fn a_clock_that_stands_is_an_error() {
        let error = Meter::default().slowdown(|| Duration::ZERO).unwrap_err();
        assert!(matches!(error, LoadError::ClockStands));
    }

    #[test]
    fn this_machine_has_a_load_and_its_work_takes_time() {
        Meter::default().read().unwrap();
        let Load::Slowdown(times) = Meter::default().slowdown(piece_of_work).unwrap() else {
            panic!("a slowdown is measured");
        };
        assert!(times >= 1.0);
    }
}
