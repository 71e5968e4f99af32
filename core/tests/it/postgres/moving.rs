//! Tickets that come back to where they were while others look at them.

use std::thread;
use std::time::Duration;

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{Label, NewTicket, Store, Ticket};

use super::server::Schema;

/// What a statement saw before it got a lock may be gone, though the ticket looks the same again. It
/// must neither claim such a ticket a second time nor leave a row behind that hides another.
#[test]
fn tickets_that_are_given_back_at_once_are_in_one_place_each() {
    const TICKETS: usize = 6;
    let rounds: u64 =
        std::env::var("HERSH_SOAK_MOVES").ok().map_or(150, |text| text.parse().unwrap());
    let Some(schema) = Schema::new() else { return };
    let hasty = format!("{}?options=-c%20synchronous_commit%3Doff", schema.address);
    let store = schema.options().connections(8).connect(&hasty).unwrap();
    let additions = (0..TICKETS).map(|number| {
        let ticket = NewTicket::new(format!("{number}"), "work").unwrap();
        Addition { ticket, if_exists: IfExists::Refuse }
    });
    store.add(additions.collect()).unwrap();
    let poll = |at_most| Poll {
        tubes: vec![Label::default_tube()],
        at_most,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    };
    let give_back = |ticket: &Ticket, round: u64| {
        let delay = Duration::from_micros(round % 3 * 100);
        let change = match round % 2 {
            0 => Change::Release,
            _ => Change::Retry { delay, nice: None, reason: None, payload: None },
        };
        Update { id: ticket.id.clone(), token: ticket.token(), change }
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..rounds {
                    let tickets = store.poll_pending(&poll(2)).unwrap().tickets;
                    let updates = tickets.iter().map(|one| give_back(one, round)).collect();
                    for answer in store.update(updates).unwrap() {
                        answer.expect("nobody else has the ticket while the claim runs");
                    }
                }
            });
        }
    });
    schema.assert_in_order();
    thread::sleep(Duration::from_millis(1));
    let mut claimed = Vec::new();
    for _ in 0..TICKETS {
        claimed.extend(store.poll_pending(&poll(TICKETS)).unwrap().tickets);
    }
    assert_eq!(claimed.len(), TICKETS, "{claimed:?}");
}
