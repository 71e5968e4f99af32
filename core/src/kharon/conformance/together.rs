//! Many at once: threads that add, claim and settle, and the bell that wakes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::desk::{Desk, finish, label, retry, ticket};
use super::list_checks;
use crate::kharon::bell::Bell;
use crate::kharon::group::NewGroup;
use crate::kharon::store::{Addition, Change, IfExists, Update};
use crate::kharon::ticket::Status;

list_checks!(
    no_ticket_is_claimed_by_two,
    of_all_who_settle_one_ticket_one_does,
    the_last_of_many_finishes_the_group,
    a_bell_rings_when_there_is_something_to_do,
);

const THREADS: usize = 4;

fn no_ticket_is_claimed_by_two(desk: &Desk<'_>) {
    const EACH: usize = 50;
    let poll = crate::kharon::store::Poll { lease: desk.units(100_000), ..desk.poll_of(7) };
    let claims = Mutex::new(HashMap::new());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (claims, poll, store) = (&claims, &poll, &desk.store);
            scope.spawn(move || {
                let addition = |at| {
                    let ticket = ticket(&format!("{number} {at}"));
                    Addition { ticket, if_exists: IfExists::Refuse }
                };
                for portion in 0..EACH / 10 {
                    let portion = (portion * 10..(portion + 1) * 10).map(addition).collect();
                    let added = store.add(portion).unwrap();
                    assert!(added.iter().all(Result::is_ok), "{added:?}");
                    for claimed in store.poll_pending(poll).unwrap().tickets {
                        *claims.lock().unwrap().entry(claimed.id).or_insert(0) += 1;
                    }
                }
            });
        }
    });
    loop {
        let rest = desk.store.poll_pending(&poll).unwrap().tickets;
        if rest.is_empty() {
            break;
        }
        for claimed in rest {
            *claims.lock().unwrap().entry(claimed.id).or_insert(0) += 1;
        }
    }
    let claims = claims.into_inner().unwrap();
    assert_eq!(claims.len(), THREADS * EACH, "a ticket was lost");
    assert!(claims.values().all(|times| *times == 1), "a ticket was claimed twice");
}

fn of_all_who_settle_one_ticket_one_does(desk: &Desk<'_>) {
    for round in 0..10 {
        let id = round.to_string();
        desk.add(ticket(&id));
        let token = desk.claim(1)[0].token();
        let settled = Mutex::new(0);
        let store = &desk.store;
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    if store.update(vec![settle(&id, token)]).unwrap()[0].is_ok() {
                        *settled.lock().unwrap() += 1;
                    }
                });
            }
        });
        assert_eq!(settled.into_inner().unwrap(), 1);
    }
}

fn settle(id: &str, token: Option<crate::kharon::ticket::ClaimToken>) -> Update {
    let id = crate::kharon::name::TicketId::new(id).unwrap();
    Update { id, token, change: finish(Status::Done) }
}

fn the_last_of_many_finishes_the_group(desk: &Desk<'_>) {
    let group = NewGroup::new("group").unwrap().finalizer(ticket("last"));
    desk.store.open_group(group).unwrap();
    for at in 0..THREADS * 5 {
        desk.add(ticket(&at.to_string()).group(label("group")));
    }
    thread::scope(|scope| {
        for number in 0..THREADS {
            let store = Arc::clone(&desk.store);
            scope.spawn(move || {
                for at in 0..5 {
                    let id = (number * 5 + at).to_string();
                    let settled = store.update(vec![settle(&id, None)]).unwrap();
                    assert!(settled[0].is_ok(), "{settled:?}");
                }
            });
        }
        desk.store.close_group(&label("group")).unwrap();
    });
    let group = desk.store.group(&label("group")).unwrap().unwrap();
    assert_eq!(group.progress.done, 20);
    assert!(group.finished_at.is_some());
    assert_eq!(desk.claim(9).len(), 1, "the finalizer runs, once");
}

fn a_bell_rings_when_there_is_something_to_do(desk: &Desk<'_>) {
    let bell = Arc::new(Bell::new());
    desk.store.hang(&bell);
    let rang = |what: &str, act: &mut dyn FnMut()| {
        let before = bell.rings();
        act();
        // A store in another process may be told a little later; an hour is not a little.
        bell.wait(before, Duration::from_secs(3600));
        assert!(bell.rings() > before, "nobody was told: {what}");
    };
    rang("a ticket was added", &mut || desk.add(ticket("one")));
    rang("one will be due", &mut || desk.add(ticket("two").delay(desk.units(50))));
    let token = desk.claim(1)[0].token();
    rang("a ticket was given back", &mut || {
        desk.update("one", token, retry(Duration::ZERO)).unwrap();
    });
    desk.update("one", None, finish(Status::Failed)).unwrap();
    rang("a dead letter was revived", &mut || {
        desk.update("one", None, Change::Revive { delay: Duration::ZERO }).unwrap();
    });
    desk.store.open_group(NewGroup::new("g").unwrap().finalizer(ticket("last"))).unwrap();
    rang("a group was finished", &mut || desk.store.close_group(&label("g")).unwrap());
}
