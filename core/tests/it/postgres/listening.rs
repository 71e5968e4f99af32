//! Hearing of tickets that other processes add.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hersh::kharon::{Bell, NewTicket, Store};

use super::server::Schema;
use super::trouble::add;

#[test]
fn a_store_hears_of_tickets_that_another_adds_until_it_is_dropped() {
    let Some(schema) = Schema::new() else { return };
    let named = format!("{}?application_name={}", schema.address, schema.name);
    let listening = || schema.options().listen(true).connect(&named).unwrap();
    let (one, other) = (listening(), listening());
    let bell = Arc::new(Bell::new());
    one.hang(&bell);
    // What is added before the connection is there that listens, it cannot hear of.
    let hears = |number: u32, at_most| {
        let before = bell.rings();
        add(&other, NewTicket::new(format!("t{number}"), "work").unwrap()).unwrap();
        bell.wait(before, at_most);
        bell.rings() > before
    };
    assert!((0..300).any(|number| hears(number, Duration::from_millis(200))), "it hears nothing");
    for number in 1000..1003 {
        assert!(hears(number, Duration::from_secs(60)), "it was not told");
    }

    drop((one, other));
    let mut client = schema.client();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let open: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1",
                &[&schema.name],
            )
            .unwrap()
            .get(0);
        if open == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{open} connections stay open");
        thread::sleep(Duration::from_millis(50));
    }
}
