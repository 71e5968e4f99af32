//! A process that is stopped past the end of its claim, and then goes on as if nothing had been.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{Label, NewTicket, Payload, Status, Store, Ticket};
use rustix::process::{Pid, Signal, kill_process};

use super::child::{PROCESS_TIME, Process, payload, ticket_id, wait_for};
use super::ledger::Ledger;
use super::place::Place;

fn claim(store: &dyn Store) -> Ticket {
    let tubes = vec![Label::default_tube()];
    let poll = Poll { tubes, at_most: 1, lease: Duration::from_secs(60), budgets: Vec::new() };
    for _ in 0..600 {
        let polled = store.poll_pending(&poll).unwrap();
        if let Some(ticket) = polled.tickets.into_iter().next() {
            return ticket;
        }
        thread::sleep(
            polled
                .next_in
                .unwrap_or_default()
                .clamp(Duration::from_millis(1), Duration::from_millis(100)),
        );
    }
    panic!("the claim of the stopped process never ends");
}

fn a_stopped_worker_cannot_settle(place: &Place) {
    let store = place.open();
    let id = ticket_id(1);
    let new = NewTicket::new(id.clone(), "work").unwrap().payload(payload(id.as_str()));
    let addition = Addition { ticket: new, if_exists: IfExists::Refuse };
    store.add(vec![addition]).unwrap().remove(0).unwrap();
    let (send, events) = channel();
    let ledger = Arc::new(Ledger::with_listener(send));
    let mut worker = Process::start("hold", 0, &place.words, &ledger);
    wait_for(&events, "ran ticket-1");

    let pid = Pid::from_child(&worker.child);
    kill_process(pid, Signal::STOP).unwrap();
    // Past the end of its claim somebody else gets the ticket, with a claim of their own.
    let taken = claim(&*store);
    assert_eq!((taken.id.clone(), taken.attempts), (id.clone(), 2));
    kill_process(pid, Signal::CONT).unwrap();
    worker.tell("go");
    wait_for(&events, "stale ticket-1");
    assert_eq!(store.get(&id).unwrap().unwrap(), taken, "a void claim left a trace");

    let change = Change::Finish {
        status: Status::Done,
        keep: true,
        expire_in: None,
        reason: None,
        payload: Some(Payload::from("by the other")),
    };
    let update = Update { id: id.clone(), token: taken.token(), change };
    store.update(vec![update]).unwrap().remove(0).unwrap();
    worker.end();
    let settled = store.get(&id).unwrap().unwrap();
    assert_eq!((settled.status, &*settled.payload), (Status::Done, &b"by the other"[..]));
}

/// Nobody else wanted the ticket meanwhile, and yet the claim is void: it said for how long it is.
fn a_late_worker_cannot_settle_though_nobody_else_came(place: &Place) {
    let store = place.open();
    let id = ticket_id(1);
    let new = NewTicket::new(id.clone(), "work").unwrap().payload(payload(id.as_str()));
    let addition = Addition { ticket: new, if_exists: IfExists::Refuse };
    store.add(vec![addition]).unwrap().remove(0).unwrap();
    let (send, events) = channel();
    let mut worker =
        Process::start("hold", 0, &place.words, &Arc::new(Ledger::with_listener(send)));
    wait_for(&events, "ran ticket-1");
    let pid = Pid::from_child(&worker.child);
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(PROCESS_TIME + Duration::from_millis(50));
    kill_process(pid, Signal::CONT).unwrap();
    worker.tell("go");
    wait_for(&events, "stale ticket-1");
    // It may have it again, by a claim that is new; and settles it by that.
    worker.tell("go");
    wait_for(&events, "done ticket-1");
    worker.end();
    assert_eq!(store.get(&id).unwrap().unwrap().attempts, 2);
}

#[cfg(feature = "kharon-postgres")]
#[test]
fn in_postgres() {
    if let (Some(one), Some(other)) = (Place::postgres(), Place::postgres()) {
        a_stopped_worker_cannot_settle(&one);
        a_late_worker_cannot_settle_though_nobody_else_came(&other);
    }
}

#[cfg(feature = "kharon-sqlite")]
#[test]
fn in_sqlite() {
    a_stopped_worker_cannot_settle(&Place::sqlite());
    a_late_worker_cannot_settle_though_nobody_else_came(&Place::sqlite());
}
