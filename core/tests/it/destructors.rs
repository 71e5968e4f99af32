//! A destructor or a comparison may call the watcher, wherever the watcher drops or compares what it
//! belongs to: none is run under a lock that the call would wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use hersh::sim::Simulation;
use hersh::{Config, Context, ManagedError, WeakWatcher};
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);

/// Looks at its watcher from every side when it is compared and when it is dropped.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Curious {
    number: u64,
    #[serde(skip)]
    watcher: Option<WeakWatcher>,
    #[serde(skip)]
    compared: Arc<AtomicU64>,
    #[serde(skip)]
    dropped: Arc<AtomicU64>,
}

impl Curious {
    fn look(&self, looked: &AtomicU64) {
        if let Some(watcher) = self.watcher.as_ref().and_then(WeakWatcher::upgrade) {
            watcher.stats();
            watcher.watched();
            watcher.memos();
            watcher.values();
            looked.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn numbered(&self, number: u64) -> Self {
        let mut numbered = self.clone();
        numbered.number = number;
        numbered
    }
}

impl PartialEq for Curious {
    fn eq(&self, other: &Self) -> bool {
        self.look(&self.compared);
        self.number == other.number
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        self.look(&self.dropped);
    }
}

impl std::fmt::Debug for Curious {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// Holds a curious thing wherever a function can put one.
fn hold(ctx: &Context, curious: &Curious) -> Result<(), ManagedError> {
    let (polled, mut number) = (curious.clone(), 0);
    ctx.watch_call("polled", SECOND, move || {
        number += 1;
        Ok::<_, String>(polled.numbered(number))
    })?;
    let (sender, receiver) = bounded(8);
    (0..4).for_each(|number| sender.send(curious.numbered(number)).unwrap());
    ctx.watch_flow_latest("flowing", &receiver)?;
    ctx.set_value("kept", curious.numbered(ctx.execution()));
    ctx.update_value("updated", |_: Option<Curious>| Ok(curious.clone()))?;
    ctx.clear_memo("memo");
    ctx.memo("memo", || curious.clone())?;
    if ctx.execution().is_multiple_of(5) {
        ctx.unwatch("polled");
        ctx.unwatch("flowing");
    }
    Ok(())
}

/// How many were compared, and how many were dropped.
fn live() -> (u64, u64) {
    let sim = Simulation::new(1);
    let config = Config { max_log_entries: 3, ..Config::default() };
    let watcher = sim.builder().config(config).build().unwrap();
    let mut curious = Curious::default();
    curious.watcher = Some(watcher.downgrade());
    let (compared, dropped) = (Arc::clone(&curious.compared), Arc::clone(&curious.dropped));
    watcher.manage("hold", move |_, ctx| hold(ctx, &curious)).unwrap();
    for _ in 0..3 {
        watcher.start().unwrap();
        for _ in 0..40 {
            watcher.send_message("go on").unwrap();
            sim.advance(SECOND);
        }
        watcher.stop().unwrap();
    }
    (compared.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst))
}

#[test]
fn destructors_and_comparisons_may_call_the_watcher() {
    let (done, finished) = channel();
    // A thread of its own: what this prevents is that it never ends.
    thread::spawn(move || done.send(live()).unwrap());
    let (compared, dropped) =
        finished.recv_timeout(Duration::from_secs(60)).expect("none of them waits");
    assert!(compared > 50 && dropped > 500, "{compared} were compared, {dropped} dropped");
}
