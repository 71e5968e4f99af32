//! What the fuzzers call: bytes from anywhere, and what must hold whatever they are.
//!
//! `core/fuzz` has a program for each, which looks for new bytes (`make soak-core`). The tests here try
//! the same on what has been found worth keeping (`core/fuzz/seeds`), and on that with a little damage.

use std::path::PathBuf;

#[cfg(feature = "kharon")]
use crate::kharon::{Cron, Timestamp};

/// A request to the gate, see `http::reading`.
#[cfg(feature = "api")]
pub fn request(data: &[u8]) {
    crate::http::reading::any_request(data);
}

/// A chunked body.
#[cfg(feature = "api")]
pub fn chunks(data: &[u8]) {
    crate::http::reading::any_chunks(data);
}

/// The bodies of the WatcherAPI, those that it reads and those that it writes.
#[cfg(all(feature = "api", feature = "sim"))]
pub fn body(data: &[u8]) {
    crate::api::any_body::any_body(data);
}

/// A journal, read and replayed.
#[cfg(feature = "journal")]
pub fn journal(data: &[u8]) {
    let file = scratch("journal");
    crate::journal::any_file::any_journal(&file, data);
    remove(&file);
}

/// A file of persisted values.
#[cfg(feature = "persist")]
pub fn values(data: &[u8]) {
    let file = scratch("values");
    crate::persist::any_file::any_values(&file, data);
    remove(&file);
}

/// A line of a calendar: it names times in order, and is understood again as it is shown.
#[cfg(feature = "kharon")]
pub fn cron(data: &[u8]) {
    let Some((hours, line)) = data.split_first() else { return };
    let Ok(cron) = String::from_utf8_lossy(line).parse::<Cron>() else { return };
    assert_eq!(cron.to_string().parse().as_ref(), Ok(&cron));
    // Some time between 2025 and 2054.
    let mut time =
        Timestamp::from_micros((1_735_689_600 + u64::from(*hours) * 3_600_000) * 1_000_000);
    for _ in 0..3 {
        let next = cron.next(time);
        assert!(next > time, "{cron}: {next:?} after {time:?}");
        let before = cron.previous(next);
        assert!(before.is_none_or(|before| before <= time), "{cron}: {before:?} before {next:?}");
        time = next;
    }
}

/// A file that is this thread's alone, in memory where there is a folder for that.
#[cfg(any(feature = "journal", feature = "persist"))]
fn scratch(kind: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id());
    let digits: String = thread.chars().filter(char::is_ascii_digit).collect();
    folder.join(format!("hersh-fuzz-{kind}-{}-{digits}", std::process::id()))
}

#[cfg(any(feature = "journal", feature = "persist"))]
fn remove(file: &std::path::Path) {
    // It may not have come to be.
    let _ = std::fs::remove_file(file);
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::scale::scaled;

    /// Tries a target on its seeds, and on each with as much damage as there is time for.
    fn over_seeds(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let mut seeds: Vec<Vec<u8>> = fs::read_dir(&folder)
            .expect("a folder of seeds")
            .map(|entry| fs::read(entry.expect("listed").path()).expect("a seed"))
            .collect();
        seeds.sort();
        assert!(seeds.len() >= 3, "{target} has seeds");
        let mut numbers = Numbers(1);
        for seed in &seeds {
            check(seed);
            for _ in 0..scaled("HERSH_SOAK_MUTATIONS", 200) {
                let other = &seeds[numbers.below(seeds.len())];
                check(&numbers.damage(seed, other));
            }
        }
    }

    /// A small generator of well-spread numbers (`SplitMix64`).
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        fn below(&mut self, bound: usize) -> usize {
            usize::try_from(self.next() % bound.max(1) as u64).expect("below a bound that fits")
        }

        fn damage(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
            let mut bytes = seed.to_vec();
            for _ in 0..=self.below(3) {
                let at = self.below(bytes.len() + 1);
                let end = bytes.len().min(at + 1 + self.below(16));
                match self.below(5) {
                    0 if at < bytes.len() => bytes[at] = self.next().to_le_bytes()[0],
                    1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                    2 => drop(bytes.drain(at..end)),
                    3 => {
                        let again = bytes[at..end].to_vec();
                        bytes.splice(at..at, again);
                    }
                    _ => {
                        let from = self.below(other.len() + 1);
                        let to = other.len().min(from + self.below(64));
                        bytes.splice(at..at, other[from..to].iter().copied());
                    }
                }
            }
            bytes
        }
    }

    #[cfg(feature = "api")]
    #[test]
    fn requests() {
        over_seeds("request", super::request);
    }

    #[cfg(feature = "api")]
    #[test]
    fn chunked_bodies() {
        over_seeds("chunks", super::chunks);
    }

    #[cfg(all(feature = "api", feature = "sim"))]
    #[test]
    fn bodies() {
        over_seeds("body", super::body);
    }

    #[cfg(feature = "journal")]
    #[test]
    fn journals() {
        over_seeds("journal", super::journal);
    }

    #[cfg(feature = "persist")]
    #[test]
    fn persisted_values() {
        over_seeds("values", super::values);
    }

    #[cfg(feature = "kharon")]
    #[test]
    fn calendar_lines() {
        over_seeds("cron", super::cron);
    }
}
