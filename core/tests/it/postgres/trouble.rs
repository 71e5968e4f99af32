//! Servers that go away, fill up, or keep one waiting.

use std::thread;
use std::time::Duration;

use hersh::kharon::store::postgres::PostgresStore;
use hersh::kharon::store::{Added, Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{AddError, Label, NewTicket, Status, Store, StoreError, StoreFault, TicketId};

use super::server::{Schema, skip};

pub(super) fn add(store: &PostgresStore, ticket: NewTicket) -> Result<Added, AddError> {
    store.add(vec![Addition { ticket, if_exists: IfExists::Refuse }])?.remove(0)
}

fn ticket(id: &str) -> NewTicket {
    NewTicket::new(id, "work").unwrap()
}

fn poll(at_most: usize) -> Poll {
    let tubes = vec![Label::default_tube()];
    Poll { tubes, at_most, lease: Duration::from_secs(60), budgets: Vec::new() }
}

/// Ends every connection of the store but the one that asks.
fn terminate(schema: &Schema) -> i64 {
    let mut client = schema.client();
    let row = client.query_one(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND application_name = $1",
        &[&schema.name],
    );
    row.unwrap().get(0)
}

/// Calls until the answer is not that the server is away, as a caller would. A call that broke off
/// may have been done: so what comes then may be a refusal.
fn insist<T>(mut call: impl FnMut() -> Result<T, StoreError>) -> T {
    for _ in 0..5 {
        match call() {
            Ok(answer) => return answer,
            Err(error) => assert_eq!(error.fault, StoreFault::Unavailable, "{error}"),
        }
    }
    panic!("the store does not recover");
}

#[test]
fn a_store_recovers_from_connections_that_were_ended() {
    let Some(schema) = Schema::new() else { return };
    let named = format!("{}?application_name={}", schema.address, schema.name);
    let store = schema.options().connect(&named).unwrap();
    for round in 0..5 {
        let id = TicketId::new(format!("t{round}")).unwrap();
        let new = || Addition { ticket: ticket(id.as_str()), if_exists: IfExists::Keep };
        insist(|| store.add(vec![new()])).remove(0).unwrap();
        assert!(terminate(&schema) > 0);
        // Reading is repeated by itself, so it never fails.
        assert!(store.get(&id).unwrap().is_some());
        assert!(terminate(&schema) > 0);
        insist(|| store.poll_pending(&poll(1)));
        let claimed = store.get(&id).unwrap().unwrap();
        assert!(claimed.lease.is_some(), "a claim that was made is kept");
        assert!(terminate(&schema) > 0);
        let change = Change::Finish {
            status: Status::Done,
            keep: true,
            expire_in: None,
            reason: None,
            payload: None,
        };
        let update = Update { id: id.clone(), token: claimed.token(), change };
        insist(|| store.update(vec![update.clone()]));
        assert_eq!(store.get(&id).unwrap().unwrap().status, Status::Done);
    }
}

#[test]
fn a_server_that_is_away_is_said_to_be() {
    let Some(schema) = Schema::new() else { return };
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("postgresql://hersh@127.0.0.1:{}/postgres", nobody.port());
    let options = schema.options().patience(Duration::from_millis(50));
    let error = options.connect(&address).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unavailable, "{error}");
    assert!(error.fault.is_transient());
}

#[test]
fn more_threads_than_connections_wait_for_their_turn() {
    let Some(schema) = Schema::new() else { return };
    let store = schema.options().connections(2).connect(&schema.address).unwrap();
    thread::scope(|scope| {
        for worker in 0..16 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..20 {
                    add(store, ticket(&format!("{worker}-{n}"))).unwrap();
                }
            });
        }
    });
    assert_eq!(store.stats().unwrap().pending, 320);
    let mut claimed = Vec::new();
    thread::scope(|scope| {
        let claims: Vec<_> = (0..4)
            .map(|_| {
                let store = &store;
                scope.spawn(move || {
                    let mut mine: Vec<TicketId> = Vec::new();
                    loop {
                        let polled = store.poll_pending(&poll(7)).unwrap().tickets;
                        if polled.is_empty() {
                            return mine;
                        }
                        mine.extend(polled.into_iter().map(|ticket| ticket.id));
                    }
                })
            })
            .collect();
        for claim in claims {
            claimed.extend(claim.join().unwrap());
        }
    });
    claimed.sort_unstable();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((all, claimed.len()), (320, 320), "each is claimed, and by one alone");
}

/// The tablespace is a few megabytes of memory, which only root may mount.
#[test]
fn a_full_disk_is_said_to_be_and_nothing_is_lost() {
    let Some(schema) = Schema::new() else { return };
    let mut client = schema.client();
    let small =
        client.query_opt("SELECT 1 FROM pg_tablespace WHERE spcname = 'small'", &[]).unwrap();
    if small.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no small tablespace in CI");
        skip("no tablespace small; as root, tests/postgres makes one");
        return;
    }
    let small = format!("{}?options=-c%20default_tablespace%3Dsmall", schema.address);
    let store = schema.options().connect(&small).unwrap();
    // Something else that takes room, and gives it back later.
    client
        .batch_execute(&format!(
            "CREATE TABLE {}.filler TABLESPACE small AS SELECT generate_series(1, 50000)",
            schema.name
        ))
        .unwrap();
    // What can not be compressed, so that it takes the room it seems to.
    let mut random = 88_172_645_463_325_252_u64;
    let payload: Vec<u8> = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()[0]
    })
    .take(100_000)
    .collect();
    let mut acknowledged = Vec::new();
    let error = loop {
        assert!(acknowledged.len() < 1000, "the disk never fills");
        let id = format!("t{}", acknowledged.len());
        match add(&store, ticket(&id).payload(payload.clone())) {
            Ok(added) => {
                assert_eq!(added, Added::New);
                acknowledged.push(TicketId::new(id).unwrap());
            }
            Err(AddError::Store(error)) => break error,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(error.fault, StoreFault::Full, "{error}");
    assert!(!acknowledged.is_empty());
    for id in &acknowledged {
        let kept = store.get(id).unwrap().expect("acknowledged, so there");
        assert_eq!(*kept.payload, payload);
    }
    client.batch_execute(&format!("DROP TABLE {}.filler", schema.name)).unwrap();
    add(&store, ticket("after").payload(payload)).unwrap();
}
