//! The server under test, and schemas of their own on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

use hersh::kharon::store::postgres::client::{Client, NoTls};
use hersh::kharon::store::postgres::{PostgresOptions, PostgresStore};

/// Where the server is. `None`, and a line that says what to do, where there is none; in CI that
/// is a failure.
pub(super) fn address() -> Option<String> {
    let address = env::var("HERSH_TEST_POSTGRES").ok();
    if address.is_none() {
        assert!(env::var("CI").as_deref() != Ok("true"), "no PostgreSQL in CI");
        skip("no PostgreSQL; for one: eval \"$(tests/postgres up)\"");
    }
    address
}

/// Says what was not tested, and what for.
#[allow(clippy::print_stderr, reason = "a test has nobody else to tell")]
pub(super) fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

/// A schema that nobody else uses, gone with this.
pub(crate) struct Schema {
    pub(crate) address: String,
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Some(Self { address: address()?, name: format!("t{}_{next}", process::id()) })
    }

    pub(super) fn options(&self) -> PostgresOptions {
        PostgresOptions::new().schema(&self.name).listen(false)
    }

    pub(crate) fn open(&self) -> Arc<PostgresStore> {
        Arc::new(self.options().connect(&self.address).unwrap())
    }

    /// That the tables agree with each other: each ticket is in the place where it says that it is, and
    /// nowhere else, no lease counts too few, and what was counted as it came and went is there.
    pub(crate) fn assert_in_order(&self) {
        let sql = include_str!("in_order.sql").replace("{0}", &self.name);
        let wrong: Vec<String> = self
            .client()
            .query(&sql, &[])
            .unwrap()
            .iter()
            .map(|row| format!("{} {}", row.get::<_, i64>(1), row.get::<_, &str>(0)))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", self.name);
    }

    /// A connection past the store.
    pub(super) fn client(&self) -> Client {
        Client::connect(&self.address, NoTls).unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(mut client) = Client::connect(&self.address, NoTls) {
            let _ = client.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        }
    }
}
