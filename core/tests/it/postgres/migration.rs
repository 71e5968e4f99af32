//! Tables: made once, brought up to date, and left alone where they are not ours.

use std::thread;
use std::time::Duration;

use hersh::kharon::store::{Change, Poll, Update};
use hersh::kharon::{
    ClaimToken, Label, NewTicket, Status, Store, StoreFault, TicketId, UpdateError,
};

use super::server::Schema;

#[test]
fn many_processes_that_come_first_at_once_make_the_tables_once() {
    let Some(schema) = Schema::new() else { return };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| schema.open());
        }
    });
    let versions =
        schema.client().query(&format!("SELECT version FROM {}.layout", schema.name), &[]).unwrap();
    assert_eq!(versions.len(), 1);
}

#[test]
fn tickets_are_there_when_the_store_is_opened_again() {
    let Some(schema) = Schema::new() else { return };
    let new = NewTicket::new("one", "work").unwrap().payload("kept");
    super::trouble::add(&schema.open(), new).unwrap();
    let store = schema.open();
    let ticket = store.get(&TicketId::new("one").unwrap()).unwrap();
    assert_eq!(&*ticket.unwrap().payload, b"kept");
}

/// What came before the present version is brought up to it as it stands: no ticket is lost, a claim goes
/// on, and one that was over is over.
#[test]
fn tickets_of_the_first_version_are_where_they_were() {
    let Some(schema) = Schema::new() else { return };
    let first = format!("CREATE SCHEMA {0}; SET search_path TO {0};", schema.name);
    schema.client().batch_execute(&(first + include_str!("version_1.sql"))).unwrap();
    let store = schema.open();
    schema.assert_in_order();
    let stats = store.stats().unwrap();
    assert_eq!((stats.pending, stats.claimed, stats.done, stats.failed), (4, 1, 1, 1), "{stats:?}");
    let poll = Poll {
        tubes: vec![Label::default_tube()],
        at_most: 9,
        lease: Duration::from_secs(60),
        budgets: Vec::new(),
    };
    let claimed = store.poll_pending(&poll).unwrap().tickets;
    let ids: Vec<&str> = claimed.iter().map(|ticket| ticket.id.as_str()).collect();
    assert_eq!(ids, ["ready", "over"]);
    assert!(claimed.iter().all(|ticket| &*ticket.payload == b"kept"));
    schema.assert_in_order();
    let finish = |id: &str, token| {
        let change = Change::Finish {
            status: Status::Done,
            keep: true,
            expire_in: None,
            reason: None,
            payload: None,
        };
        let id = TicketId::new(id).unwrap();
        store.update(vec![Update { id, token: Some(ClaimToken(token)), change }]).unwrap().remove(0)
    };
    finish("claimed", 77).unwrap();
    assert!(matches!(finish("over", 78), Err(UpdateError::StaleClaim)));
    schema.assert_in_order();
    assert_eq!(store.stats().unwrap().done, 2);
    let ticket = store.get(&TicketId::new("delayed").unwrap()).unwrap().unwrap();
    assert!(ticket.lease.is_none() && ticket.runat > ticket.ctime);
}

#[test]
fn tables_of_a_later_version_or_of_somebody_else_are_left_as_they_are() {
    let Some(schema) = Schema::new() else { return };
    drop(schema.open());
    let mut client = schema.client();
    client.batch_execute(&format!("UPDATE {}.layout SET version = 999", schema.name)).unwrap();
    let error = schema.options().connect(&schema.address).unwrap_err();
    assert_eq!(error.fault, StoreFault::TooNew, "{error}");
    client
        .batch_execute(&format!(
            "DROP SCHEMA {0} CASCADE; CREATE SCHEMA {0}; CREATE TABLE {0}.tickets (seat int)",
            schema.name
        ))
        .unwrap();
    let error = schema.options().connect(&schema.address).unwrap_err();
    assert_eq!(error.fault, StoreFault::Foreign, "{error}");
    client.batch_execute(&format!("SELECT seat FROM {}.tickets", schema.name)).unwrap();
}

#[test]
fn addresses_and_names_that_make_no_sense_are_refused() {
    let options = hersh::kharon::store::postgres::PostgresOptions::new;
    let error = options().connect("nonsense").unwrap_err();
    assert_eq!(error.fault, StoreFault::Broken);
    let error = options().schema("a; DROP").connect("host=127.0.0.1").unwrap_err();
    assert_eq!(error.fault, StoreFault::Broken);
}
