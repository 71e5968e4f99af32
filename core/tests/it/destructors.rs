//! A destructor may call the watcher, wherever the watcher drops what it belongs to: none is run under
//! a lock that the call would wait for.

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

/// Looks at its watcher from every side when it is dropped.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Curious {
    number: u64,
    #[serde(skip)]
    watcher: Option<WeakWatcher>,
    #[serde(skip)]
    dropped: Arc<AtomicU64>,
}

impl Curious {
    fn numbered(&self, number: u64) -> Self {
        let mut numbered = self.clone();
        numbered.number = number;
        numbered
    }
}

impl PartialEq for Curious {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.as_ref().and_then(WeakWatcher::upgrade) {
            watcher.stats();
            watcher.watched();
            watcher.memos();
            watcher.values();
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
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

fn live() -> u64 {
    let sim = Simulation::new(1);
    let config = Config { max_log_entries: 3, ..Config::default() };
    let watcher = sim.builder().config(config).build().unwrap();
    let (weak, dropped) = (watcher.downgrade(), Arc::<AtomicU64>::default());
    let curious = Curious { number: 0, watcher: Some(weak), dropped: Arc::clone(&dropped) };
    watcher.manage("hold", move |_, ctx| hold(ctx, &curious)).unwrap();
    for _ in 0..3 {
        watcher.start().unwrap();
        for _ in 0..40 {
            watcher.send_message("go on").unwrap();
            sim.advance(SECOND);
        }
        watcher.stop().unwrap();
    }
    dropped.load(Ordering::SeqCst)
}

#[test]
fn destructors_may_call_the_watcher() {
    let (done, finished) = channel();
    // A thread of its own: what this prevents is that it never ends.
    thread::spawn(move || done.send(live()).unwrap());
    let dropped = finished.recv_timeout(Duration::from_secs(60)).expect("no destructor waits");
    assert!(dropped > 500, "{dropped} were dropped");
}
