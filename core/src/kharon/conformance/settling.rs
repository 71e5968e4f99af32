//! Settling tickets, and who may.

use std::time::Duration;

use super::desk::{Desk, finish, ids, retry, ticket};
use super::list_checks;
use crate::kharon::error::UpdateError;
use crate::kharon::name::TicketId;
use crate::kharon::payload::Payload;
use crate::kharon::store::{Change, Update};
use crate::kharon::ticket::{ClaimToken, Status, Ticket};

list_checks!(
    a_settled_ticket_stays_or_goes_as_it_was_said,
    a_settled_ticket_cannot_be_settled_again,
    a_void_claim_changes_nothing,
    a_claim_whose_time_is_over_is_void_though_nobody_else_has_the_ticket,
    without_a_claim_a_ticket_is_settled_whoever_has_it,
    a_retry_waits_and_keeps_the_attempts,
    a_release_takes_the_attempt_back,
    a_lease_can_be_extended,
    a_dead_letter_can_be_revived,
    a_batch_of_changes_answers_each_by_itself,
    what_is_not_there_is_not_found,
    a_turn_settles_and_then_claims,
);

fn a_settled_ticket_stays_or_goes_as_it_was_said(desk: &Desk<'_>) {
    for status in [Status::Done, Status::Failed, Status::Cancelled] {
        for keep in [true, false] {
            let id = format!("{status} {keep}");
            desk.add(ticket(&id));
            let token = desk.claim(1)[0].token();
            let reason = Some("the reason".into());
            let payload = Some(Payload::from("a result"));
            let change = Change::Finish { status, keep, expire_in: None, reason, payload };
            desk.update(&id, token, change).unwrap();
            let Some(kept) = desk.find(&id) else {
                assert!(!keep, "{id}");
                continue;
            };
            assert!(keep, "{id}");
            assert_eq!((kept.status, kept.attempts, kept.lease), (status, 1, None));
            assert_eq!(kept.error_reason.as_deref(), Some("the reason"));
            assert_eq!(&*kept.payload, b"a result");
            assert_eq!(kept.expires_at, None);
        }
    }
    assert!(desk.claim(9).is_empty(), "a settled ticket is not claimed");
}

fn a_settled_ticket_cannot_be_settled_again(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    desk.update("one", None, finish(Status::Done)).unwrap();
    for change in [finish(Status::Failed), retry(Duration::ZERO)] {
        match desk.update("one", None, change) {
            Err(UpdateError::Settled { status }) => assert_eq!(status, Status::Done),
            other => panic!("a settled ticket must be left alone, not {other:?}"),
        }
    }
    assert_eq!(desk.get("one").status, Status::Done);
}

fn every_fenced_change(desk: &Desk<'_>) -> [Change; 5] {
    let lease = desk.units(1);
    [
        finish(Status::Done),
        retry(Duration::ZERO),
        Change::Release,
        Change::Extend { lease },
        Change::Delete,
    ]
}

fn assert_void(desk: &Desk<'_>, id: &str, token: Option<ClaimToken>) {
    let before = desk.get(id);
    for change in every_fenced_change(desk) {
        match desk.update(id, token, change.clone()) {
            Err(UpdateError::StaleClaim) => {}
            other => panic!("{change:?} under a void claim must be refused, not {other:?}"),
        }
    }
    assert_eq!(desk.get(id), before, "what was refused left a trace");
}

fn a_void_claim_changes_nothing(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let first = desk.claim(1)[0].token();
    desk.pass(11);
    let second = desk.claim(1)[0].token();
    assert!(second > first, "tokens grow");
    assert_void(desk, "one", first);
    desk.update("one", second, retry(Duration::ZERO)).unwrap();
    assert_void(desk, "one", second);
    let third = desk.claim(1)[0].token();
    desk.update("one", third, finish(Status::Done)).unwrap();
    assert_void(desk, "one", third);
    assert_void(desk, "one", Some(ClaimToken(u64::MAX >> 1)));
}

fn a_claim_whose_time_is_over_is_void_though_nobody_else_has_the_ticket(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let token = desk.claim(1)[0].token();
    desk.pass(11);
    assert_void(desk, "one", token);
    assert_eq!(ids(&desk.claim(9)), ["one"]);
}

fn without_a_claim_a_ticket_is_settled_whoever_has_it(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let token = desk.claim(1)[0].token();
    for change in [Change::Release, Change::Extend { lease: desk.units(1) }] {
        let refused = desk.update("one", None, change);
        assert!(matches!(refused, Err(UpdateError::StaleClaim)), "{refused:?}");
    }
    desk.update("one", None, finish(Status::Cancelled)).unwrap();
    assert_void(desk, "one", token);
    desk.add(ticket("two"));
    let token = desk.claim(1)[0].token();
    desk.update("two", None, Change::Delete).unwrap();
    assert!(desk.find("two").is_none());
    let late = desk.update("two", token, finish(Status::Done));
    assert!(matches!(late, Err(UpdateError::NotFound)), "{late:?}");
}

fn a_retry_waits_and_keeps_the_attempts(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let claimed = desk.claim(1).remove(0);
    let delay = desk.units(5);
    let reason = Some("not yet".into());
    let payload = Some(Payload::from("half"));
    let change = Change::Retry { delay, nice: Some(3), reason, payload };
    desk.update("one", claimed.token(), change).unwrap();
    let waiting = desk.get("one");
    assert_eq!((waiting.attempts, waiting.nice, waiting.lease), (1, 3, None));
    assert_eq!(waiting.runat, waiting.mtime + delay);
    assert_eq!(waiting.error_reason.as_deref(), Some("not yet"));
    assert_eq!(&*waiting.payload, b"half");
    assert!(desk.claim(1).is_empty(), "early");
    desk.pass(6);
    assert_eq!(desk.claim(1)[0].attempts, 2);
}

fn a_release_takes_the_attempt_back(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    desk.add(ticket("two"));
    let claimed = desk.claim(1).remove(0);
    desk.update("one", claimed.token(), Change::Release).unwrap();
    let released = desk.get("one");
    assert_eq!((released.attempts, released.lease), (0, None));
    assert_eq!(released.runat, claimed.runat);
    assert_eq!(ids(&desk.claim(2)), ["one", "two"], "it keeps its place");
}

fn a_lease_can_be_extended(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let token = desk.claim(1)[0].token();
    desk.pass(5);
    desk.update("one", token, Change::Extend { lease: desk.units(20) }).unwrap();
    desk.pass(10);
    assert!(desk.claim(1).is_empty(), "its lease runs");
    desk.update("one", token, finish(Status::Done)).unwrap();
}

fn a_dead_letter_can_be_revived(desk: &Desk<'_>) {
    let revive = || Change::Revive { delay: Duration::ZERO };
    for status in [Status::Failed, Status::Cancelled] {
        let id = status.as_str();
        desk.add(ticket(id));
        let token = desk.claim(1)[0].token();
        desk.update(id, token, finish(status)).unwrap();
        desk.update(id, None, revive()).unwrap();
        let again = desk.claim(1).remove(0);
        assert_eq!((again.id.as_str(), again.attempts), (id, 1));
        let refused = desk.update(id, None, revive());
        assert!(matches!(refused, Err(UpdateError::NotDead { .. })), "{refused:?}");
        desk.update(id, again.token(), finish(Status::Done)).unwrap();
        let refused = desk.update(id, None, revive());
        assert!(matches!(refused, Err(UpdateError::NotDead { .. })), "{refused:?}");
    }
}

fn a_batch_of_changes_answers_each_by_itself(desk: &Desk<'_>) {
    assert!(desk.store.update(Vec::new()).unwrap().is_empty());
    desk.add(ticket("a"));
    desk.add(ticket("b"));
    let claimed = desk.claim(2);
    let update = |id: &str, token, change| Update { id: TicketId::new(id).unwrap(), token, change };
    let answers = desk.store.update(vec![
        update("a", claimed[0].token(), finish(Status::Done)),
        update("b", claimed[0].token(), finish(Status::Done)),
        update("nobody", None, finish(Status::Done)),
        update("a", claimed[0].token(), finish(Status::Failed)),
        update("b", claimed[1].token(), finish(Status::Failed)),
    ]);
    let answers = answers.unwrap();
    assert!(
        matches!(
            answers[..],
            [
                Ok(()),
                Err(UpdateError::StaleClaim),
                Err(UpdateError::NotFound),
                Err(UpdateError::StaleClaim),
                Ok(())
            ]
        ),
        "{answers:?}"
    );
    assert_eq!(desk.get("a").status, Status::Done);
    assert_eq!(desk.get("b").status, Status::Failed);
}

fn what_is_not_there_is_not_found(desk: &Desk<'_>) {
    let changes = [finish(Status::Done), Change::Delete, Change::Revive { delay: Duration::ZERO }];
    for change in changes {
        for token in [None, Some(ClaimToken(1))] {
            let answer = desk.update("nobody", token, change.clone());
            assert!(matches!(answer, Err(UpdateError::NotFound)), "{answer:?}");
        }
    }
}

fn a_turn_settles_and_then_claims(desk: &Desk<'_>) {
    for id in ["a", "b", "c"] {
        desk.add(ticket(id));
    }
    let poll = desk.poll_of(2);
    let first = desk.store.turn(Vec::new(), &poll);
    assert!(first.updated.unwrap().is_empty());
    let first = first.polled.unwrap().tickets;
    assert_eq!(ids(&first), ["a", "b"]);
    let update = |at: usize, change| {
        let ticket: &Ticket = &first[at];
        Update { id: ticket.id.clone(), token: ticket.token(), change }
    };
    let changes = vec![update(0, finish(Status::Done)), update(1, Change::Release)];
    let second = desk.store.turn(changes.clone(), &poll);
    assert!(second.updated.unwrap().iter().all(Result::is_ok));
    let second = second.polled.unwrap().tickets;
    assert_eq!(ids(&second), ["b", "c"], "what was given back can be claimed at once");
    let third = desk.store.turn(changes, &poll);
    let refused = third.updated.unwrap();
    assert!(refused.iter().all(|answer| matches!(answer, Err(UpdateError::StaleClaim))));
    assert!(third.polled.unwrap().tickets.is_empty());
    let stats = desk.store.stats().unwrap();
    assert_eq!((stats.pending, stats.claimed, stats.done), (2, 2, 1), "{stats:?}");
}
