//! The threaded body: the brain driven by real threads, channels and clocks.
//!
//! | thread | does | lives |
//! |---|---|---|
//! | `hersh-loop` | selects with priority over the watcher's channels, runs the managed function | a session |
//! | `hersh-time` | notices that a deadline has passed or a poll is due; never runs user code | a session |
//! | `hersh-poll` | runs polls, as many threads as slow polls need, at most 256 | while there are polls |
//!
//! The loop runs the managed function itself: a message costs no second hand-over between threads.
//! So that a function that does not return cannot make its watcher unobservable, nothing else
//! depends on the loop: lifecycle events and deadlines are fed by the threads that bring them.

mod flows;
mod inbox;
mod keeper;
mod os_signals;
mod pollers;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::brain::{Event, Input, Time, VarId};
use crate::crew::Crew;
use crate::drive::{Awaited, Body, Cell, Feed, Inner, Rest, Source, Woken};
use crate::sync::Instant;
use crate::sync::channel::{Receiver, Select, Sender, bounded};
use crate::sync::thread::{self, Builder};
use flows::Flows;
use inbox::Inbox;
use keeper::Keeper;

pub(crate) use os_signals::OsSignals;

/// A body made of threads.
pub(crate) struct Threads(Arc<Engine>);

/// What the loop thread and the handles share.
struct Engine {
    origin: Instant,
    epoch: SystemTime,
    /// At most one token: there is something new to look at.
    wake: (Sender<()>, Receiver<()>),
    inbox: Arc<Inbox>,
    flows: Flows,
    keeper: Arc<Keeper>,
    crew: Arc<Crew>,
}

impl Threads {
    pub(crate) fn new() -> Self {
        let wake = bounded(1);
        let inbox = Arc::new(Inbox::new(wake.0.clone()));
        let origin = Instant::now();
        let crew = Arc::new(Crew::default());
        Self(Arc::new(Engine {
            origin,
            epoch: SystemTime::now(),
            wake,
            keeper: Arc::new(Keeper::new(origin, &inbox, &crew)),
            inbox,
            flows: Flows::default(),
            crew,
        }))
    }
}

impl Engine {
    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn wake(&self) {
        // Full means that a token is there already.
        let _ = self.wake.0.try_send(());
    }

    /// The loop thread: from rest to rest until the session is over.
    fn run(&self, cell: &Arc<Cell>, session: u64) {
        loop {
            match cell.advance(session, u32::MAX).1 {
                Rest::Wait { until, flows } => self.select(cell, until, flows),
                Rest::NotYet => {}
                Rest::End => return,
            }
        }
    }

    /// Waits until one of the channels has something, looking at the higher classes first.
    ///
    /// Which operation woke the select does not matter, and nothing is received here: the next
    /// step takes what has arrived in order of priority (a biased select is biased only while it
    /// polls; after it has blocked, whatever came first wins).
    fn select(&self, cell: &Cell, until: Option<Time>, flows: bool) {
        let flows = if flows { self.flows.all() } else { Vec::new() };
        let mut select = Select::new_biased();
        select.recv(&self.wake.1);
        select.recv(cell.intake.receiver());
        for flow in &flows {
            flow.watch_in(&mut select);
        }
        match until {
            None => {
                select.ready();
            }
            Some(until) => {
                // Timing out is an answer too: the step finds what is due.
                let _ = select.ready_timeout(until - self.now());
            }
        }
        let _ = self.wake.1.try_recv();
    }
}

/// Kills the watcher if its loop dies, which only a fault of hersh itself can cause: better Killed
/// and seen than alive and deaf.
struct Lifeline<'a>(&'a Cell);

impl Drop for Lifeline<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Refused when it has ended anyway.
            let _ = self.0.feed(Event::Kill { reason: Arc::from("its loop thread panicked") });
        }
    }
}

impl Body for Threads {
    fn is_world(&self) -> bool {
        true
    }

    fn now(&self) -> Time {
        self.0.now()
    }

    fn wall(&self, at: Time) -> SystemTime {
        self.0.epoch + at.since_origin()
    }

    fn begin(&self, cell: &Arc<Cell>, session: u64) -> io::Result<()> {
        self.0.keeper.begin(cell)?;
        let (engine, cell) = (Arc::clone(&self.0), Arc::clone(cell));
        self.0.crew.spawn(Builder::new().name("hersh-loop".to_owned()), move || {
            let lifeline = Lifeline(&cell);
            engine.run(&cell, session);
            drop(lifeline);
        })
    }

    fn wake(&self) {
        self.0.wake();
    }

    fn alarm(&self, at: Time) {
        self.0.keeper.alarm(at);
    }

    fn watch(&self, id: VarId, _: &Arc<str>, feed: Feed) {
        match feed.source {
            Source::Flow { flow, latest } => self.0.flows.add(id, flow, latest),
            timed => self.0.keeper.watch(id, timed, self.now()),
        }
    }

    fn unwatch(&self, id: VarId) {
        self.0.flows.remove(id);
        self.0.keeper.unwatch(id);
    }

    fn settled(&self, ids: &mut dyn Iterator<Item = VarId>) {
        self.0.keeper.settled(ids);
    }

    fn inputs(&self, flows: bool, feed: &mut dyn FnMut(VarId, Input)) {
        self.0.inbox.take(feed);
        if flows {
            self.0.flows.take(feed);
        }
    }

    fn end(&self) {
        self.0.flows.clear();
        self.0.keeper.end();
        self.0.wake();
    }

    fn wait(
        &self,
        cell: &Cell,
        limit: Option<Duration>,
        awaited: Awaited,
        until: &mut dyn FnMut(&Inner) -> bool,
    ) -> Woken {
        // A limit too far away to be represented is none.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut inner = cell.lock();
        while !until(&inner) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Woken::Elapsed;
            }
            inner = cell.wait_changed(inner, left, awaited);
        }
        Woken::Satisfied
    }

    fn join(&self, limit: Option<Duration>) -> bool {
        self.0.crew.join(limit)
    }

    fn sleep(&self, cell: &Cell, duration: Duration, cancelled: &dyn Fn() -> bool) {
        self.wait(cell, Some(duration), Awaited::Change, &mut |_| cancelled());
    }
}
