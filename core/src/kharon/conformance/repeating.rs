//! Tickets that repeat.

use std::time::Duration;

use super::desk::{Desk, finish, ids, ticket};
use super::list_checks;
use crate::kharon::error::UpdateError;
use crate::kharon::schedule::{CatchUp, Repeat, Schedule};
use crate::kharon::store::Change;
use crate::kharon::ticket::{NewTicket, Status, Ticket};

list_checks!(
    a_ticket_that_repeats_comes_back_when_it_is_due,
    one_run_makes_up_for_all_that_were_missed,
    every_missed_run_is_made_up_for_up_to_a_number,
    a_run_can_be_skipped,
    a_cancelled_ticket_repeats_no_more,
);

/// A ticket that repeats every ten units, due at once.
fn periodic(desk: &Desk<'_>, catch_up: CatchUp) -> NewTicket {
    let every = Repeat::every(Duration::from_secs(60)).unwrap();
    let mut repeat = every.catch_up(catch_up);
    repeat.schedule = Schedule::Every(desk.units(10));
    ticket("one").repeat(repeat).delay(Duration::ZERO)
}

fn run(desk: &Desk<'_>) -> Ticket {
    let mut claimed = desk.claim(9);
    assert_eq!(ids(&claimed), ["one"], "it is due");
    claimed.remove(0)
}

fn due(ticket: &Ticket) -> crate::kharon::time::Timestamp {
    ticket.repeat.as_ref().expect("it repeats").due
}

fn a_ticket_that_repeats_comes_back_when_it_is_due(desk: &Desk<'_>) {
    desk.add(periodic(desk, CatchUp::Once));
    for status in [Status::Done, Status::Failed, Status::Done] {
        let first = run(desk);
        assert_eq!((first.attempts, first.runat), (1, due(&first)));
        desk.update("one", first.token(), finish(status)).unwrap();
        let next = desk.get("one");
        assert_eq!((next.status, next.attempts, next.lease), (Status::Pending, 0, None));
        assert_eq!(next.runat, first.runat + desk.units(10), "it is counted from the last time");
        assert_eq!(due(&next), next.runat);
        assert!(desk.claim(9).is_empty(), "early");
        let late = desk.update("one", first.token(), finish(Status::Done));
        assert!(matches!(late, Err(UpdateError::StaleClaim)), "{late:?}");
        desk.pass(11);
    }
}

fn one_run_makes_up_for_all_that_were_missed(desk: &Desk<'_>) {
    desk.add(periodic(desk, CatchUp::Once));
    let start = desk.get("one").runat;
    desk.pass(45);
    let token = run(desk).token();
    desk.update("one", token, finish(Status::Done)).unwrap();
    assert_eq!(desk.get("one").runat, start + desk.units(50));
    assert!(desk.claim(9).is_empty());
}

fn every_missed_run_is_made_up_for_up_to_a_number(desk: &Desk<'_>) {
    desk.add(periodic(desk, CatchUp::All { at_most: 2 }));
    let start = desk.get("one").runat;
    desk.pass(45);
    let mut times = Vec::new();
    for _ in 0..3 {
        let claimed = run(desk);
        times.push(claimed.runat);
        desk.update("one", claimed.token(), finish(Status::Done)).unwrap();
    }
    assert_eq!(times, [start, start + desk.units(30), start + desk.units(40)]);
    assert_eq!(desk.get("one").runat, start + desk.units(50));
    assert!(desk.claim(9).is_empty());
}

fn a_run_can_be_skipped(desk: &Desk<'_>) {
    desk.add(periodic(desk, CatchUp::Skip));
    let start = desk.get("one").runat;
    desk.pass(25);
    let token = run(desk).token();
    let refused = desk.update("one", None, Change::Skip);
    assert!(matches!(refused, Err(UpdateError::StaleClaim)), "{refused:?}");
    desk.update("one", token, Change::Skip).unwrap();
    let next = desk.get("one");
    assert_eq!((next.runat, next.attempts), (start + desk.units(30), 0));
    desk.add(ticket("plain").nice(0));
    let token = desk.claim(1)[0].token();
    let refused = desk.update("plain", token, Change::Skip);
    assert!(matches!(refused, Err(UpdateError::Invalid(_))), "{refused:?}");
}

fn a_cancelled_ticket_repeats_no_more(desk: &Desk<'_>) {
    desk.add(periodic(desk, CatchUp::Once));
    desk.update("one", None, finish(Status::Cancelled)).unwrap();
    assert_eq!(desk.get("one").status, Status::Cancelled);
    desk.pass(30);
    assert!(desk.claim(9).is_empty());
    desk.update("one", None, Change::Revive { delay: Duration::ZERO }).unwrap();
    let token = run(desk).token();
    desk.update("one", token, finish(Status::Done)).unwrap();
    assert_eq!(desk.get("one").status, Status::Pending, "revived, it repeats again");
}
