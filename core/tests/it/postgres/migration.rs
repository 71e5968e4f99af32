//! Tables: made once, brought up to date, and left alone where they are not ours.

use std::thread;

use hersh::kharon::{NewTicket, StoreFault, TicketId};

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
    let ticket = hersh::kharon::Store::get(&*store, &TicketId::new("one").unwrap()).unwrap();
    assert_eq!(&*ticket.unwrap().payload, b"kept");
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
