//! Kharon, as its users see it.

mod agreement;
#[cfg(feature = "api")]
mod examples;
mod running;
mod stepping;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use hersh::kharon::{Kharon, MemoryStore, NewTicket, Settings, Status, Ticket, VirtualClock};

/// Longer than anything here takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

fn ticket(id: &str) -> NewTicket {
    NewTicket::new(id, "work").unwrap()
}

fn in_memory(settings: Settings) -> Kharon {
    Kharon::new(MemoryStore::new(), settings).unwrap()
}

/// A Kharon whose time passes only when it is told.
fn simulated(settings: Settings) -> (Kharon, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new());
    let store = MemoryStore::with_clock(Arc::clone(&clock));
    (Kharon::with_clock(store, settings, Arc::clone(&clock)).unwrap(), clock)
}

fn get(kharon: &Kharon, id: &str) -> Ticket {
    kharon.get(id).unwrap().unwrap_or_else(|| panic!("{id} is gone"))
}

fn status(kharon: &Kharon, id: &str) -> Status {
    get(kharon, id).status
}

/// A way for handlers to tell a test what they did.
fn post<T>() -> (Sender<T>, Receiver<T>) {
    channel()
}
