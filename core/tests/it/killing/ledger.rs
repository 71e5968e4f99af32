//! What was heard of all child processes, and what follows from it.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use hersh::kharon::store::{Filter, Page};
use hersh::kharon::{Status, Store, Ticket};

use super::child::{id, payload};

/// What the children have said.
#[derive(Default)]
pub(super) struct Ledger {
    heard: Mutex<Heard>,
    news: Condvar,
    /// Somebody who wants to hear it too.
    listener: Option<Mutex<Sender<String>>>,
}

#[derive(Default)]
struct Heard {
    /// All tickets below this number were acknowledged.
    added: usize,
    /// When each ticket was last claimed to be run, in microseconds by the clock of the store.
    claimed: HashMap<String, u64>,
    ran: usize,
    /// The tickets of which the settling was acknowledged, and how often.
    done: HashMap<String, usize>,
    stale: usize,
    unexpected: Vec<String>,
}

impl Ledger {
    pub(super) fn with_listener(listener: Sender<String>) -> Self {
        Self { listener: Some(Mutex::new(listener)), ..Self::default() }
    }

    /// Takes in a line.
    pub(super) fn hear(&self, line: &str) {
        let Some(event) = line.strip_prefix("> ").or_else(|| {
            // All that is said on the error output.
            line.starts_with("unexpected").then_some(line)
        }) else {
            return;
        };
        if let Some(listener) = &self.listener {
            let _ = listener.lock().unwrap().send(event.to_owned());
        }
        let mut heard = self.heard.lock().unwrap();
        let words: Vec<&str> = event.split(' ').collect();
        match words[..] {
            ["added", to] => heard.added = heard.added.max(to.parse().unwrap()),
            ["ran", id, at] => {
                heard.ran += 1;
                let last = heard.claimed.entry(id.to_owned()).or_default();
                *last = (*last).max(at.parse().unwrap());
            }
            ["done", id] => *heard.done.entry(id.to_owned()).or_default() += 1,
            ["stale", _] => heard.stale += 1,
            _ => heard.unexpected.push(event.to_owned()),
        }
        drop(heard);
        self.news.notify_all();
    }

    /// How many tickets were acknowledged.
    pub(super) fn added(&self) -> usize {
        self.heard.lock().unwrap().added
    }

    /// Waits for news, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        let heard = self.heard.lock().unwrap();
        drop(self.news.wait_timeout(heard, at_most).unwrap());
    }

    /// Holds what was heard against what the store has, when all is over.
    pub(super) fn settle_up(&self, store: &dyn Store, total: usize) -> Account {
        let heard = self.heard.lock().unwrap();
        let kept: HashMap<String, Ticket> =
            all(store).into_iter().map(|ticket| (ticket.id.to_string(), ticket)).collect();
        let mut account = Account { ran: heard.ran, stale: heard.stale, ..Account::default() };
        for number in 0..heard.added {
            let id = id(number);
            match kept.get(&id) {
                Some(ticket) if *ticket.payload == *payload(&id).as_bytes() => {}
                _ => account.lost.push(id),
            }
        }
        for (id, times) in &heard.done {
            // One that is not kept as Done is counted as lost: what was acknowledged did not last.
            let Some(ticket) = kept.get(id).filter(|ticket| ticket.status == Status::Done) else {
                account.lost.push(format!("done {id}"));
                continue;
            };
            let claimed = heard.claimed.get(id).copied().unwrap_or_default();
            if *times > 1 || claimed > ticket.mtime.as_micros() {
                account.again.push(id.clone());
            }
        }
        account.unexpected.clone_from(&heard.unexpected);
        if kept.len() != total {
            account.unexpected.push(format!("{} tickets of {total}", kept.len()));
        }
        let open = kept.values().filter(|ticket| ticket.status != Status::Done);
        account.unexpected.extend(open.map(|ticket| format!("{ticket:?}")));
        account
    }
}

/// All tickets of a store.
fn all(store: &dyn Store) -> Vec<Ticket> {
    let (mut tickets, mut page) = (Vec::new(), Page::first(1000));
    loop {
        let listing = store.list(&Filter::default(), &page).unwrap();
        tickets.extend(listing.tickets);
        match listing.next {
            Some(cursor) => page = page.after(cursor),
            None => return tickets,
        }
    }
}

/// What it came to.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) ran: usize,
    pub(super) stale: usize,
    /// Acknowledged, and not there, or not as it was acknowledged.
    pub(super) lost: Vec<String>,
    /// Run again after a Done that was durable.
    pub(super) again: Vec<String>,
    pub(super) unexpected: Vec<String>,
}

/// The other tests believe what this says, so it has to see what it is there to see.
#[test]
fn it_sees_what_is_lost_run_again_and_unexpected() {
    use hersh::kharon::store::{Addition, IfExists};
    use hersh::kharon::{Kharon, MemoryStore, NewTicket, Settings};

    let store = std::sync::Arc::new(MemoryStore::new());
    let kharon = Kharon::new(std::sync::Arc::clone(&store), Settings::default()).unwrap();
    let ticket = |number| {
        let id = id(number);
        NewTicket::new(id.as_str(), "work").unwrap().payload(payload(&id))
    };
    let additions = (0..3).map(|n| Addition { ticket: ticket(n), if_exists: IfExists::Refuse });
    kharon.add_all(additions.collect()).unwrap();
    for number in 0..3 {
        kharon.done(id(number).as_str(), ()).unwrap();
    }
    let hear = |lines: &[&str]| {
        let ledger = Ledger::default();
        for line in lines {
            ledger.hear(line);
        }
        ledger.settle_up(&*store, 3)
    };
    let account = hear(&["> added 3", "> ran ticket-1 5", "> done ticket-1", "noise"]);
    assert_eq!((account.lost.len(), account.again.len(), account.ran), (0, 0, 1));
    assert!(account.unexpected.is_empty(), "{account:?}");
    assert_eq!(hear(&["> added 4"]).lost, ["ticket-3"]);
    assert_eq!(hear(&["> done ticket-3"]).lost, ["done ticket-3"]);
    assert_eq!(hear(&["> done ticket-1", "> done ticket-1"]).again, ["ticket-1"]);
    let late = format!("> ran ticket-2 {}", u64::MAX);
    assert_eq!(hear(&["> done ticket-2", &late]).again, ["ticket-2"]);
    assert_eq!(hear(&["unexpected end of the world"]).unexpected.len(), 1);
    kharon.delete("ticket-0").unwrap();
    assert_eq!(hear(&["> added 3"]).lost, ["ticket-0"]);
}
