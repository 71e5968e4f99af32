//! How many tickets there are, without looking at them.

use std::thread;
use std::time::Duration;

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{Label, NewTicket, Status, Store, Ticket};

use super::server::Schema;

/// Each call adds a row of what it changed; they are folded on the way, by several at once, and no count
/// is lost or doubled by it.
#[test]
fn tallies_stay_few_and_right_while_many_make_them() {
    const THREADS: usize = 4;
    const CALLS: usize = 600;
    let Some(schema) = Schema::new() else { return };
    let hasty = format!("{}?options=-c%20synchronous_commit%3Doff", schema.address);
    let store = schema.options().connections(THREADS).connect(&hasty).unwrap();
    let poll = Poll {
        tubes: vec![Label::default_tube()],
        at_most: 1,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    };
    let settle = |ticket: &Ticket, number: usize| {
        let change = Change::Finish {
            status: [Status::Done, Status::Failed, Status::Cancelled][number % 3],
            keep: !number.is_multiple_of(4),
            expire_in: number.is_multiple_of(5).then_some(Duration::ZERO),
            reason: None,
            payload: None,
        };
        Update { id: ticket.id.clone(), token: ticket.token(), change }
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, poll) = (&store, &poll);
            scope.spawn(move || {
                for number in 0..CALLS {
                    let ticket = NewTicket::new(format!("{thread}-{number}"), "work").unwrap();
                    let addition = Addition { ticket, if_exists: IfExists::Refuse };
                    store.add(vec![addition]).unwrap().remove(0).unwrap();
                    if number.is_multiple_of(2) {
                        let claimed = store.poll_pending(poll).unwrap().tickets;
                        let updates = claimed.iter().map(|one| settle(one, number)).collect();
                        store.update(updates).unwrap().into_iter().for_each(Result::unwrap);
                    }
                    if number.is_multiple_of(100) {
                        store.expire_tickets(10).unwrap();
                    }
                }
            });
        }
    });
    schema.assert_in_order();
    let count = format!("SELECT count(*) FROM {}.tallies", schema.name);
    let rows: i64 = schema.client().query_one(&count, &[]).unwrap().get(0);
    assert!(rows < 1000, "{rows} rows of tallies");
}
