//! The rules under random events: whatever happens to a ticket in whatever order, the invariants
//! hold.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::kharon::schedule::{CatchUp, Repeat};
use crate::kharon::store::Change;

/// What may happen to a ticket.
#[derive(Clone, Debug)]
enum Act {
    Claim { lease: u64 },
    Apply { stale: bool, fenced: bool, change: Change },
    Wait(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let seconds = || (0..100_u64).prop_map(Duration::from_secs);
    let status = prop_oneof![Just(Status::Done), Just(Status::Failed), Just(Status::Cancelled)];
    prop_oneof![
        (status, any::<bool>(), proptest::option::of(seconds())).prop_map(
            |(status, keep, expire_in)| Change::Finish {
                status,
                keep,
                expire_in,
                reason: None,
                payload: None
            }
        ),
        (seconds(), proptest::option::of(any::<i32>())).prop_map(|(delay, nice)| Change::Retry {
            delay,
            nice,
            reason: None,
            payload: None
        }),
        Just(Change::Release),
        seconds().prop_map(|lease| Change::Extend { lease }),
        Just(Change::Skip),
        seconds().prop_map(|delay| Change::Revive { delay }),
        Just(Change::Delete),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..60_u64).prop_map(|lease| Act::Claim { lease }),
        6 => (any::<bool>(), any::<bool>(), change())
            .prop_map(|(stale, fenced, change)| Act::Apply { stale, fenced, change }),
        4 => (0..120_u64).prop_map(Act::Wait),
    ]
}

fn catch_up() -> impl Strategy<Value = CatchUp> {
    prop_oneof![
        Just(CatchUp::Once),
        Just(CatchUp::Skip),
        (0..5_u32).prop_map(|at_most| CatchUp::All { at_most }),
    ]
}

fn ticket(repeat: Option<CatchUp>, now: Timestamp) -> Ticket {
    let mut new = NewTicket::new("one", "kind").unwrap();
    if let Some(catch_up) = repeat {
        let every = Repeat::every(Duration::from_secs(10)).unwrap();
        new = new.repeat(every.catch_up(catch_up)).delay(Duration::ZERO);
    }
    admit(new, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A claim that is void changes nothing; a settled ticket stays settled until it is revived;
    /// what is refused leaves no trace; a ticket that repeats never goes back in time.
    #[test]
    fn invariants_hold_whatever_happens(
        acts in proptest::collection::vec(act(), 0..60),
        repeat in proptest::option::of(catch_up()),
    ) {
        let mut now = Timestamp::from_micros(1_000_000_000);
        let mut ticket = ticket(repeat, now);
        let mut tokens = 0;
        for act in acts {
            let before = ticket.clone();
            match act {
                Act::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Act::Claim { lease } => {
                    if ready_at(&ticket).is_some_and(|at| at <= now) {
                        tokens += 1;
                        claim(&mut ticket, ClaimToken(tokens), Duration::from_secs(lease), now);
                        prop_assert!(holds(&ticket, ClaimToken(tokens), now));
                        prop_assert!(!holds(&ticket, ClaimToken(tokens - 1), now));
                        prop_assert_eq!(ticket.runat, before.runat);
                        prop_assert_eq!(ticket.attempts, before.attempts + 1);
                    }
                }
                Act::Apply { stale, fenced, change } => {
                    let token = fenced.then_some(ClaimToken(if stale { tokens.saturating_sub(1) } else { tokens }));
                    let held = token.is_none_or(|token| holds(&before, token, now));
                    let result = apply(&mut ticket, token, &change, now);
                    match result {
                        Err(_) => prop_assert_eq!(&ticket, &before),
                        Ok(outcome) => {
                            prop_assert!(held, "a void claim changed the ticket");
                            if outcome.removed {
                                return Ok(());
                            }
                            check(&before, &ticket, &change, now)?;
                        }
                    }
                }
            }
            prop_assert!(ticket.status == Status::Pending || ticket.lease.is_none());
        }
    }
}

fn check(
    before: &Ticket,
    after: &Ticket,
    change: &Change,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    if before.status.is_final() {
        let revived = matches!(change, Change::Revive { .. });
        prop_assert!(revived, "{change:?} changed a settled ticket");
    }
    if let (Some(was), Some(is)) = (&before.repeat, &after.repeat)
        && !matches!(change, Change::Revive { .. })
    {
        prop_assert!(is.due >= was.due);
        if is.due != was.due {
            prop_assert_eq!(after.runat, is.due);
            prop_assert_eq!(after.attempts, 0);
            let missed_runs_are_made_up = matches!(is.catch_up, CatchUp::All { .. });
            prop_assert!(is.due >= now || missed_runs_are_made_up);
        }
    }
    if let Change::Extend { lease } = change {
        prop_assert_eq!(ready_at(after), Some(after.runat.max(now + *lease)));
    }
    Ok(())
}
