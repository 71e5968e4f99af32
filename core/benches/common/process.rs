//! What the operating system says of this process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::report::as_f64;

/// The bytes in a line of `/proc/self/status`, such as `VmRSS:`.
pub(crate) fn memory(line: &str) -> usize {
    number("/proc/self/status", line) * 1024
}

/// Resident memory in mebibytes.
pub(crate) fn resident_mib() -> f64 {
    as_f64(memory("VmRSS:")) / 1_048_576.0
}

pub(crate) fn threads() -> usize {
    number("/proc/self/status", "Threads:")
}

/// How often a thread of this process has gone to sleep, all threads together.
pub(crate) fn sleeps() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let status = tasks.map(|task| task.unwrap().path().join("status"));
    status.map(|path| number(path.to_str().unwrap(), "voluntary_ctxt_switches:")).sum()
}

/// The seconds of processor time that this process has used, all threads together.
pub(crate) fn processor_time() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap(), used.tv_nsec.try_into().unwrap()).as_secs_f64()
}

fn number(path: &str, line: &str) -> usize {
    let status = fs::read_to_string(path).unwrap();
    let rest = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
