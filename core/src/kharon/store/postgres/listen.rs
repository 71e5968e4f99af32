//! Telling other processes of new tickets, and hearing of theirs. It only shortens the wait: what
//! is lost here, polling finds.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use fallible_iterator::FallibleIterator;
use postgres::Error;

use super::pool::{Connect, Repeat};
use super::schema::SchemaName;
use super::{Core, chance};
use crate::kharon::bell::Bells;
use crate::kharon::error::{StoreError, StoreFault};

/// Notifications are at least so far apart: those between become one.
const GAP: Duration = Duration::from_millis(5);

/// How long after the store is gone its listening connection is too, at most.
const ROUND: Duration = Duration::from_secs(1);

/// How many idle workers a notification wakes: it does not say how many tickets there are.
const WOKEN: usize = 1 << 16;

/// The two threads that send and hear notifications. They end when this is dropped.
pub(super) struct Listener {
    desk: Arc<Desk>,
}

/// What the store and its threads share.
#[derive(Default)]
struct Desk {
    wanted: Mutex<Wanted>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Default)]
struct Wanted {
    announcement: bool,
    stop: bool,
}

impl Listener {
    /// Begins to listen.
    pub(super) fn start(
        open: Connect,
        core: &Arc<Core>,
        bells: &Arc<Bells>,
        schema: &SchemaName,
    ) -> Result<Self, StoreError> {
        let listener = Self { desk: Arc::default() };
        let channel = format!("hersh_kharon_{}", schema.as_str());
        // Everybody hears everything, themselves too: by this they know their own.
        let sender = chance()?.to_string();
        let (desk, bells) = (Arc::clone(&listener.desk), Arc::downgrade(bells));
        let (heard_on, own) = (channel.clone(), sender.clone());
        spawn("kharon-listen", move || listen(&desk, &open, &bells, &heard_on, &own))?;
        let (desk, core) = (Arc::clone(&listener.desk), Arc::clone(core));
        spawn("kharon-announce", move || announce(&desk, &core, &channel, &sender))?;
        Ok(listener)
    }

    /// Sends a notification soon.
    pub(super) fn announce(&self) {
        let mut wanted = self.desk.lock();
        if !wanted.announcement {
            wanted.announcement = true;
            self.desk.changed.notify_all();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.desk.stopped.store(true, Ordering::Relaxed);
        self.desk.lock().stop = true;
        self.desk.changed.notify_all();
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an announcement to be wanted. Not when it is over.
    fn next(&self) -> bool {
        let idle = |wanted: &mut Wanted| !wanted.announcement && !wanted.stop;
        let wanted = self.changed.wait_while(self.lock(), idle);
        let mut wanted = wanted.unwrap_or_else(PoisonError::into_inner);
        wanted.announcement = false;
        !wanted.stop
    }

    /// Waits, unless it is over. Whether it is not.
    fn pause(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |wanted| !wanted.stop);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stop
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map(drop).map_err(|error: io::Error| {
        let message = "the machine refused a thread to listen for tickets";
        StoreError::new(StoreFault::Unavailable, message).with_cause(error)
    })
}

fn announce(desk: &Desk, core: &Core, channel: &str, sender: &str) {
    while desk.next() {
        let sent = core.run(Repeat::Harmless, |session| {
            Ok(session.query("SELECT pg_notify($1, $2)", &[&channel, &sender])?)
        });
        // Whoever did not hear of it finds it by polling.
        drop(sent);
        if !desk.pause(GAP) {
            return;
        }
    }
}

fn listen(desk: &Desk, open: &Connect, bells: &Weak<Bells>, channel: &str, own: &str) {
    loop {
        // Whatever breaks the connection: it is opened again, and until then there is polling.
        let _ = hear(desk, open, bells, channel, own);
        if !desk.pause(ROUND) {
            return;
        }
    }
}

fn hear(
    desk: &Desk,
    open: &Connect,
    bells: &Weak<Bells>,
    channel: &str,
    own: &str,
) -> Result<(), Error> {
    let mut client = open()?;
    client.batch_execute(&format!("LISTEN \"{channel}\""))?;
    // What came before this connection was there has to be looked for.
    let mut ring = true;
    while !desk.stopped.load(Ordering::Relaxed) {
        let Some(bells) = bells.upgrade() else { break };
        if ring {
            bells.ring(WOKEN);
        }
        drop(bells);
        let heard = client.notifications().timeout_iter(ROUND).next()?;
        ring = heard.is_some_and(|notification| notification.payload() != own);
        if client.is_closed() {
            break;
        }
    }
    Ok(())
}
