//! Tickets that repeat, shown under a virtual clock: two days pass in a moment.
//!
//! ```sh
//! cargo run -p hersh --example tickets_periodic
//! ```
//!
//! A nightly backup by the calendar, and an hourly report. In the second night nobody is there for
//! five hours: the backup is made up for, once; of the reports that were missed, those whose
//! successor is due already are left out.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::kharon::{
    CatchUp, Kharon, MemoryStore, NewTicket, Repeat, Router, Settings, VirtualClock,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Lets two days pass, and returns what ran, and at which hour.
///
/// # Errors
/// None, while the names and the schedules make sense.
pub fn two_days() -> Result<Vec<(String, u64)>, Box<dyn Error>> {
    let clock = Arc::new(VirtualClock::new());
    let store = MemoryStore::with_clock(Arc::clone(&clock));
    let kharon = Kharon::with_clock(store, Settings::default(), Arc::clone(&clock))?;
    kharon.add(NewTicket::new("backup", "backup")?.repeat(Repeat::cron("0 3 * * *")?))?;
    let hourly = Repeat::every(HOUR)?.catch_up(CatchUp::Skip);
    kharon.add(NewTicket::new("report", "report")?.repeat(hourly))?;

    let ran = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let (ran, clock) = (Arc::clone(&ran), Arc::clone(&clock));
        let midnight = hersh::kharon::Clock::now(&*clock);
        move |_: &hersh::kharon::Claim| {
            let hours = hersh::kharon::Clock::now(&*clock).since(midnight).as_secs() / 3600;
            ran.lock().map_err(|_| "another handler panicked")?.push((name.to_owned(), hours));
            Ok(())
        }
    };
    let router = Router::new().handle("backup", note("backup")).handle("report", note("report"));
    let workers = kharon.stepper(router)?;
    workers.run_for(&clock, 24 * HOUR);
    clock.advance(5 * HOUR);
    workers.run_for(&clock, 19 * HOUR);
    let ran = ran.lock().map_err(|_| "a handler panicked")?.clone();
    Ok(ran)
}

#[allow(clippy::print_stdout, reason = "an example shows what it did")]
fn main() -> Result<(), Box<dyn Error>> {
    for (name, hour) in two_days()? {
        println!("day {}, {:02} h: {name}", hour / 24 + 1, hour % 24);
    }
    Ok(())
}
