//! Time as tickets know it, and the clocks that tell it.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// A moment: microseconds since 1970-01-01 00:00 UTC.
///
/// Microseconds because every store can keep them exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);

    /// Later than everything: what waits for it waits until somebody changes it.
    pub const NEVER: Self = Self(i64::MAX.cast_unsigned());

    /// The moment so many microseconds after the epoch; at most [`NEVER`](Self::NEVER).
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::NEVER.0 { Self::NEVER } else { Self(micros) }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// From a signed number of microseconds, as databases keep it; before the epoch is the epoch.
    pub const fn from_database(micros: i64) -> Self {
        if micros < 0 { Self::EPOCH } else { Self(micros.cast_unsigned()) }
    }

    /// As a signed number of microseconds, as databases keep it.
    pub const fn to_database(self) -> i64 {
        self.0.cast_signed()
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`NEVER`](Self::NEVER). Parts of a microsecond count as a whole one, so that
    /// nothing happens early.
    fn add(self, by: Duration) -> Self {
        let micros = u64::try_from(by.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the epoch.
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    /// Before the epoch is the epoch.
    fn from(time: SystemTime) -> Self {
        Self::EPOCH + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        Self::UNIX_EPOCH + Duration::from_micros(time.0)
    }
}

impl fmt::Display for Timestamp {
    /// Seconds since the epoch, with six decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// What tells the time to a store that has no clock of its own, and to a
/// [`Kharon`](crate::kharon::Kharon).
pub trait Clock: Send + Sync + 'static {
    /// The time. Never less than it said before.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The wall clock as it stood when this was made, carried on by the monotonic clock.
///
/// So a step of the wall clock, an hour ahead or back, makes no ticket early and none late while
/// the process runs; a process that starts afterwards goes by the new time. Time that the machine
/// spends suspended does not pass.
#[derive(Clone, Debug)]
pub struct SystemClock {
    wall: Timestamp,
    since: Instant,
}

impl SystemClock {
    /// Reads the wall clock, once.
    pub fn new() -> Self {
        Self::from_wall(SystemTime::now())
    }

    /// As if the wall clock stood at this time now.
    pub fn from_wall(wall: SystemTime) -> Self {
        Self { wall: wall.into(), since: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Rounded down: a ticket may be a microsecond late, never early.
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        Timestamp::from_micros(self.wall.0.saturating_add(micros))
    }
}

/// A clock that stands still until it is moved: for tests and simulations.
///
/// ```
/// use std::time::Duration;
/// use hersh::kharon::{Clock, VirtualClock};
/// let clock = VirtualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().since(before), Duration::from_secs(3600));
/// ```
#[derive(Debug)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// A clock that stands at 2025-01-01 00:00 UTC.
    pub const fn new() -> Self {
        Self(AtomicU64::new(1_735_689_600_000_000))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.move_to(self.now() + by);
    }

    /// Moves the clock to a moment, unless it is past it already.
    pub fn move_to(&self, time: Timestamp) {
        self.0.fetch_max(time.0, Ordering::SeqCst);
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_rounds_so_that_nothing_is_early() {
        let at = Timestamp::from_micros(10);
        assert_eq!((at + Duration::from_nanos(1)).as_micros(), 11);
        assert_eq!(at + Duration::MAX, Timestamp::NEVER);
        assert_eq!(at - Duration::MAX, Timestamp::EPOCH);
        assert_eq!(Timestamp::from_micros(u64::MAX), Timestamp::NEVER);
        assert_eq!(Timestamp::from_database(-5), Timestamp::EPOCH);
        assert_eq!(Timestamp::from_database(Timestamp::NEVER.to_database()), Timestamp::NEVER);
    }

    #[test]
    fn a_system_clock_starts_at_the_wall_clock_and_goes_on() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let clock = SystemClock::from_wall(wall);
        let first = clock.now();
        assert!(first >= Timestamp::from(wall));
        assert!(clock.now() >= first);
    }
}
