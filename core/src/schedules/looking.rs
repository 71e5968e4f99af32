//! Looking at a watcher while it runs, as its API does.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::witness::{Witness, was_stopped};
use super::{explored, small};
use crate::sync::thread;
use crate::{LogKind, ManagedError, SignalClass};

#[test]
fn looking_takes_nothing_away_and_changes_no_order() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, ctx| {
            ctx.watch_tick("tick", Duration::from_millis(500))?;
            ctx.update_value("runs", |runs: Option<u32>| Ok(runs.unwrap_or(0) + 1))?;
            Ok(())
        });
        let seen = watcher.clone();
        let looker = thread::spawn(move || {
            for _ in 0..2 {
                let stats = seen.stats();
                assert!(stats.counters.executions >= stats.counters.retries);
                let signals = seen.recent_signals();
                let users = signals.iter().filter(|signal| signal.class == SignalClass::User);
                let contents: Vec<_> = users.map(|signal| signal.content.clone()).collect();
                assert!(contents.is_sorted(), "in the order of arrival: {contents:?}");
                drop((seen.watched(), seen.values(), seen.memos(), seen.logs(LogKind::Reduce, 10)));
            }
        });
        witness.send(&watcher, "a", 3);
        let stopped = watcher.stop();
        looker.join().expect("every call returns");
        let report = witness.check_end(&watcher);
        assert!(stopped.is_err() || stopped.is_ok_and(|stopped| stopped == report));
    });
}

#[cfg(feature = "api")]
#[test]
fn a_follower_of_the_logs_misses_nothing() {
    explored(|| {
        let witness = Witness::default();
        let watcher = witness.start(small(), |_, ctx| {
            ctx.log("ran");
            Ok(())
        });
        let behind = watcher.clone();
        let follower = thread::spawn(move || {
            let (mut after, mut idle) = (0, 0);
            // One that finds nothing at an end and nothing a second later has all there is.
            while idle < 2 {
                let ended = behind.state().is_terminal();
                let news = behind.cell().news(after, Duration::from_secs(1));
                let entries = news.entries.len() as u64;
                assert_eq!((news.missed, news.place), (0, after + entries));
                idle = if entries == 0 && ended { idle + 1 } else { 0 };
                after = news.place;
            }
            after
        });
        witness.send(&watcher, "a", 2);
        let _ = watcher.stop();
        witness.check_end(&watcher);
        let read = follower.join().expect("every call returns");
        assert_eq!(read, watcher.cell().lock().logs.written());
    });
}

#[test]
fn two_threads_that_ask_for_a_memo_get_one() {
    explored(|| {
        let witness = Witness::default();
        let (computed, agreed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (count, agreement) = (Arc::clone(&computed), Arc::clone(&agreed));
        let watcher = witness.start(small(), move |_, ctx| {
            let ask = |ctx: &crate::Context, count: &AtomicU32| {
                let compute = || {
                    thread::yield_now();
                    Ok::<_, Infallible>(count.fetch_add(1, Ordering::SeqCst) + 1)
                };
                ctx.try_memo("answer", compute).map(|answer| *answer)
            };
            let (other, counter) = (ctx.clone(), Arc::clone(&count));
            let asked = thread::spawn(move || ask(&other, &counter));
            let own = ask(ctx, &count)?;
            let others = asked.join().map_err(|_| "the other thread panicked")??;
            agreement.store(own + others, Ordering::SeqCst);
            Err(ManagedError::stop("both have it"))
        });
        let _ = watcher.memos();
        assert!(was_stopped(witness.check_end(&watcher).state));
        assert_eq!((computed.load(Ordering::SeqCst), agreed.load(Ordering::SeqCst)), (1, 2));
    });
}
