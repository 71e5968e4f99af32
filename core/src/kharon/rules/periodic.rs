//! When a ticket that repeats is due again.

use std::time::Duration;

use crate::kharon::schedule::{CatchUp, Repeat};
use crate::kharon::time::Timestamp;

/// When the run after the present one is due, if it is decided at this moment.
pub fn next_due(repeat: &Repeat, now: Timestamp) -> Timestamp {
    let Repeat { schedule, catch_up, due } = repeat;
    // A run that is due at this very moment is not missed.
    let before_now = now - Duration::from_micros(1);
    let after_now = schedule.next(*due, before_now.max(*due));
    match catch_up {
        CatchUp::Once | CatchUp::Skip => after_now,
        CatchUp::All { at_most } => {
            let mut next = after_now;
            for _ in 0..*at_most {
                match schedule.previous(*due, next) {
                    Some(missed) if missed > *due => next = missed,
                    _ => break,
                }
            }
            next
        }
    }
}

/// Whether the present run is one to leave out at this moment: its successor is due already, and
/// the policy is [`CatchUp::Skip`].
pub fn is_missed(repeat: &Repeat, now: Timestamp) -> bool {
    repeat.catch_up == CatchUp::Skip && repeat.schedule.next(repeat.due, repeat.due) <= now
}
