//! `kill -9` at random instants: nothing that was acknowledged is lost, and nothing is run again
//! after a Done that was acknowledged.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::child::Process;
use super::ledger::Ledger;
use super::place::Place;

/// How much is done: little in the tests of every day, much in `make soak`.
struct Size {
    tickets: usize,
    kills: usize,
}

impl Size {
    fn of_today() -> Self {
        let number = |name: &str, default| {
            std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
        };
        Self { tickets: number("HERSH_SOAK_TICKETS", 2_000), kills: number("HERSH_SOAK_KILLS", 40) }
    }
}

/// Chance that can be had again, by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const WORKERS: usize = 3;

/// Workers and who adds tickets for them, as they are killed and started again.
struct Field<'a> {
    place: &'a Place,
    ledger: Arc<Ledger>,
    adder: Process,
    workers: Vec<Process>,
    /// How many tickets the adders were told to add.
    allowed: usize,
}

impl<'a> Field<'a> {
    fn new(place: &'a Place) -> Self {
        let ledger = Arc::new(Ledger::default());
        let adder = Process::start("add", 0, &place.words, &ledger);
        let workers = (0..WORKERS).map(|_| Process::start("work", 0, &place.words, &ledger));
        let workers = workers.collect();
        Self { place, ledger, adder, workers, allowed: 0 }
    }

    fn allow(&mut self, tickets: usize) {
        if tickets > 0 {
            self.allowed += tickets;
            self.adder.tell(&tickets.to_string());
        }
    }

    fn kill(&mut self, which: usize) {
        let words = &self.place.words;
        if which < WORKERS {
            let new = Process::start("work", 0, words, &self.ledger);
            std::mem::replace(&mut self.workers[which], new).kill();
            return;
        }
        // The next one goes on where this one was heard last, so it has to be heard out.
        let idle = Process::start("add", usize::MAX, words, &self.ledger);
        std::mem::replace(&mut self.adder, idle).kill();
        let added = self.ledger.added();
        self.adder = Process::start("add", added, words, &self.ledger);
        if self.allowed > added {
            self.adder.tell(&(self.allowed - added).to_string());
        }
    }
}

fn storm(place: &Place) {
    let size = Size::of_today();
    let seed = u64::from(std::process::id()) | 1;
    let mut dice = Dice(seed);
    let mut field = Field::new(place);
    let store = place.open();
    let began = Instant::now();
    for kill in 0..size.kills {
        field.allow(size.tickets * (kill + 1) / size.kills - field.allowed);
        thread::sleep(Duration::from_millis(20 + dice.below(120)));
        field.kill(usize::try_from(dice.below(WORKERS as u64 + 1)).unwrap());
    }
    // Then they are left in peace, to bring it to an end.
    let deadline = Instant::now() + Duration::from_secs(60) + began.elapsed();
    while field.ledger.added() < size.tickets || store.stats().unwrap().pending > 0 {
        assert!(Instant::now() < deadline, "it does not end: {:?}", store.stats());
        field.ledger.wait(Duration::from_millis(100));
    }
    let Field { ledger, adder, workers, .. } = field;
    adder.end();
    workers.into_iter().for_each(Process::end);
    place.assert_in_order();
    let account = ledger.settle_up(&*store, size.tickets);
    say(&format!(
        "{}: {} tickets, {} kills, {} runs, {} stale claims: {} lost, {} run again, {} unexpected",
        place.words.split(' ').next().unwrap(),
        size.tickets,
        size.kills,
        account.ran,
        account.stale,
        account.lost.len(),
        account.again.len(),
        account.unexpected.len()
    ));
    assert!(account.lost.is_empty(), "seed {seed}: {account:?}");
    assert!(account.again.is_empty(), "seed {seed}: {account:?}");
    assert!(account.unexpected.is_empty(), "seed {seed}: {account:?}");
    assert!(account.ran >= size.tickets, "each ran: {account:?}");
}

/// The figures of a soak are its result.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(feature = "kharon-postgres")]
#[test]
fn nothing_is_lost_in_postgres() {
    if let Some(place) = Place::postgres() {
        storm(&place);
    }
}

#[cfg(feature = "kharon-sqlite")]
#[test]
fn nothing_is_lost_in_sqlite() {
    storm(&Place::sqlite());
}
