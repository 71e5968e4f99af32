//! The stores against a model that searches everything: whatever is done to them in whatever
//! order, they answer the same.

use std::sync::Arc;
use std::time::Duration;

use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{
    CatchUp, Clock, Label, MemoryStore, NewTicket, Repeat, Status, Store, Ticket, TicketId,
    Timestamp, VirtualClock, rules,
};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_secs(10);

/// What is done to a store.
#[derive(Clone, Debug)]
enum Act {
    Add { id: u8, kind: u8, nice: i32, delay: u64, repeat: bool, if_exists: IfExists },
    Poll { at_most: usize, budget: Option<usize> },
    Update { id: u8, fenced: bool, change: Change },
    Expire(usize),
    Wait(u64),
}

fn change() -> impl Strategy<Value = Change> {
    let status = prop_oneof![Just(Status::Done), Just(Status::Failed), Just(Status::Cancelled)];
    let seconds = |most: u64| (0..most).prop_map(Duration::from_secs);
    prop_oneof![
        4 => (status, any::<bool>(), proptest::option::of(seconds(20))).prop_map(
            |(status, keep, expire_in)| Change::Finish {
                status, keep, expire_in, reason: None, payload: None,
            }
        ),
        2 => (seconds(8), proptest::option::of(0..3)).prop_map(|(delay, nice)| Change::Retry {
            delay, nice, reason: Some("again".into()), payload: None,
        }),
        1 => Just(Change::Release),
        1 => seconds(20).prop_map(|lease| Change::Extend { lease }),
        1 => Just(Change::Skip),
        1 => seconds(5).prop_map(|delay| Change::Revive { delay }),
        1 => Just(Change::Delete),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let if_exists =
        prop_oneof![Just(IfExists::Refuse), Just(IfExists::Replace), Just(IfExists::Keep)];
    prop_oneof![
        6 => (0..20_u8, 0..3_u8, 0..3, 0..6_u64, proptest::bool::weighted(0.1), if_exists).prop_map(
            |(id, kind, nice, delay, repeat, if_exists)| Act::Add {
                id, kind, nice, delay, repeat, if_exists,
            }
        ),
        5 => (0..5_usize, proptest::option::of(0..3_usize))
            .prop_map(|(at_most, budget)| Act::Poll { at_most, budget }),
        6 => (0..20_u8, proptest::bool::weighted(0.8), change())
            .prop_map(|(id, fenced, change)| Act::Update { id, fenced, change }),
        1 => (0..5_usize).prop_map(Act::Expire),
        4 => (0..12_u64).prop_map(Act::Wait),
    ]
}

fn id(number: u8) -> TicketId {
    TicketId::new(format!("{number}")).unwrap()
}

fn addition(act: &Act) -> Option<Addition> {
    let Act::Add { id: number, kind, nice, delay, repeat, if_exists } = act else { return None };
    let delay = Duration::from_secs(*delay);
    let mut ticket = NewTicket::new(id(*number), format!("kind {kind}")).unwrap();
    ticket = ticket.nice(*nice).delay(delay);
    if *repeat {
        let every = Repeat::every(Duration::from_secs(3)).unwrap();
        ticket = ticket.repeat(every.catch_up(CatchUp::All { at_most: 2 }));
    }
    Some(Addition { ticket, if_exists: *if_exists })
}

/// Tickets in a row, gone through for everything.
#[derive(Default)]
struct Model {
    tickets: Vec<Ticket>,
    claims: u64,
}

impl Model {
    fn add(&mut self, addition: Addition, now: Timestamp) -> bool {
        let old = self.tickets.iter().position(|ticket| ticket.id == addition.ticket.id);
        if old.is_some() && addition.if_exists != IfExists::Replace {
            return addition.if_exists == IfExists::Keep;
        }
        if let Some(old) = old {
            self.tickets.remove(old);
        }
        self.tickets.push(rules::admit(addition.ticket, now));
        true
    }

    fn poll(&mut self, poll: &Poll, now: Timestamp) -> Vec<Ticket> {
        let ready = |ticket: &Ticket| rules::ready_at(ticket).is_some_and(|at| at <= now);
        let mut order: Vec<_> =
            (0..self.tickets.len()).filter(|at| ready(&self.tickets[*at])).collect();
        order.sort_by_key(|at| (self.tickets[*at].nice, self.tickets[*at].runat));
        let mut claimed: Vec<Ticket> = Vec::new();
        for at in order {
            let ticket = &mut self.tickets[at];
            let same = claimed.iter().filter(|other| other.kind == ticket.kind).count();
            if claimed.len() < poll.at_most && same < poll.budget(&ticket.kind) {
                self.claims += 1;
                rules::claim(ticket, hersh::kharon::ClaimToken(self.claims), poll.lease, now);
                claimed.push(ticket.clone());
            }
        }
        claimed
    }

    fn update(&mut self, id: &TicketId, fenced: bool, change: &Change, now: Timestamp) -> bool {
        let Some(at) = self.tickets.iter().position(|ticket| ticket.id == *id) else {
            return false;
        };
        let token = self.tickets[at].token().filter(|_| fenced);
        let outcome = rules::apply(&mut self.tickets[at], token, change, now);
        if outcome.as_ref().is_ok_and(|outcome| outcome.removed) {
            self.tickets.remove(at);
        }
        outcome.is_ok()
    }

    fn expire(&mut self, at_most: usize, now: Timestamp) -> usize {
        let mut due: Vec<_> = self.tickets.iter().filter_map(|ticket| ticket.expires_at).collect();
        due.retain(|at| *at <= now);
        due.sort();
        due.len().min(at_most)
    }
}

/// A ticket without the token, which each store chooses for itself.
fn bare(mut ticket: Ticket) -> Ticket {
    if let Some(lease) = &mut ticket.lease {
        lease.token = hersh::kharon::ClaimToken(0);
    }
    ticket
}

fn agree(store: &dyn Store, clock: &VirtualClock, acts: &[Act]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    for act in acts {
        let now = clock.now();
        match act {
            Act::Wait(seconds) => clock.advance(Duration::from_secs(*seconds)),
            Act::Add { .. } => {
                let Some(addition) = addition(act) else { continue };
                let added = store.add(vec![addition.clone()]).unwrap();
                prop_assert_eq!(added[0].is_ok(), model.add(addition, now), "{:?}", act);
            }
            Act::Poll { at_most, budget } => {
                let limited = Label::new("kind 0").unwrap();
                let budgets = budget.map(|budget| (limited, budget)).into_iter().collect();
                let tubes = vec![Label::default_tube()];
                let poll = Poll { tubes, at_most: *at_most, lease: LEASE, budgets };
                let polled = store.poll_pending(&poll).unwrap().tickets;
                let claimed: Vec<_> = polled.into_iter().map(bare).collect();
                let expected: Vec<_> = model.poll(&poll, now).into_iter().map(bare).collect();
                prop_assert_eq!(claimed, expected);
            }
            Act::Update { id: number, fenced, change } => {
                let id = id(*number);
                let kept = store.get(&id).unwrap();
                let token = kept.and_then(|kept| kept.token()).filter(|_| *fenced);
                let update = Update { id: id.clone(), token, change: change.clone() };
                let updated = store.update(vec![update]).unwrap();
                prop_assert_eq!(updated[0].is_ok(), model.update(&id, *fenced, change, now));
            }
            Act::Expire(at_most) => {
                let removed = store.expire_tickets(*at_most).unwrap().removed;
                prop_assert_eq!(removed, model.expire(*at_most, now));
                model.tickets.retain(|ticket| store.get(&ticket.id).unwrap().is_some());
            }
        }
        for number in 0..20 {
            let id = id(number);
            let expected = model.tickets.iter().find(|ticket| ticket.id == id).cloned();
            prop_assert_eq!(store.get(&id).unwrap().map(bare), expected.map(bare), "{:?}", act);
        }
        prop_assert_eq!(store.stats().unwrap().total(), model.tickets.len() as u64);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn memory_agrees_with_the_model(acts in proptest::collection::vec(act(), 0..80)) {
        let clock = Arc::new(VirtualClock::new());
        agree(&MemoryStore::with_clock(Arc::clone(&clock)), &clock, &acts)?;
    }
}

#[cfg(feature = "kharon-sqlite")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn sqlite_agrees_with_the_model(acts in proptest::collection::vec(act(), 0..80)) {
        use hersh::kharon::{Durability, SqliteOptions, SqliteStore};
        let clock = Arc::new(VirtualClock::new());
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { durability: Durability::Normal, ..SqliteOptions::default() };
        let path = folder.path().join("tickets.db");
        let store = SqliteStore::open_with(path, &options, Arc::clone(&clock)).unwrap();
        agree(&store, &clock, &acts)?;
    }
}
