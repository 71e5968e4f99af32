//! The threaded body: what a function may do to its own watcher without harming it (spec 10.4).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use hersh::{
    CancelToken, Config, Context, LogKind, ManagedError, Message, SendError, State, StopError,
    StopOptions, Watcher,
};

const LONG: Option<Duration> = Some(Duration::from_secs(30));

fn short() -> Config {
    Config {
        default_timeout: Duration::from_millis(20),
        stop_timeout: Duration::from_millis(50),
        ..Default::default()
    }
}

fn started(
    config: Config,
    managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
) -> Watcher {
    let watcher = Watcher::builder().config(config).build().expect("sound");
    watcher.manage("test", managed).expect("not running");
    watcher.start().expect("starts");
    watcher
}

/// Blocks the managed function until the test lets go.
struct Gate {
    entered: Barrier,
    leave: Barrier,
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self { entered: Barrier::new(2), leave: Barrier::new(2) })
    }

    fn pass(&self) {
        self.entered.wait();
        self.leave.wait();
    }
}

#[test]
fn executions_never_overlap_whatever_the_function_does() {
    let (inside, overlaps, runs) =
        (AtomicU32::new(0), Arc::new(AtomicU32::new(0)), AtomicU64::new(0));
    let seen = Arc::clone(&overlaps);
    let mut config = short();
    config.recovery.retry_delay = Duration::from_millis(1);
    config.recovery.max_retries = 1000;
    let watcher = started(config, move |_, ctx| {
        ctx.watch_tick("tick", Duration::from_millis(1))?;
        seen.fetch_add(inside.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        let run = runs.fetch_add(1, Ordering::SeqCst);
        if run % 50 == 7 {
            // Past its timeout, deaf to cancellation.
            thread::sleep(Duration::from_millis(30));
        }
        inside.fetch_sub(1, Ordering::SeqCst);
        match run % 7 {
            3 => panic!("on purpose"),
            4 => Err(ManagedError::crash("on purpose")),
            5 => Err("on purpose".into()),
            _ => Ok(()),
        }
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    // A full queue waits; nothing else may happen.
                    watcher.send_message_timeout("go", Duration::from_secs(30)).expect("room");
                }
            });
        }
    });
    let report = watcher
        .stop_with(StopOptions { drain: true, timeout: Some(Duration::from_secs(30)) })
        .expect("stops in good order");
    assert_eq!(overlaps.load(Ordering::SeqCst), 0);
    assert_eq!(report.state, State::Stopped);
}

#[test]
fn a_function_that_never_returns_delays_nobody_but_itself() {
    let gate = Gate::new();
    let inner = Arc::clone(&gate);
    let watcher = started(short(), move |message, _| {
        if message.is_some() {
            inner.pass();
        }
        Ok(())
    });
    watcher.send_message("hang").expect("room");
    gate.entered.wait();

    watcher.send_message("waits").expect("sending goes on");
    assert!(wait_until(|| watcher.stats().counters.timeouts == 1), "the timeout is recorded");
    assert_eq!((watcher.state(), watcher.stats().queue.user), (State::Running, 1));

    match watcher.stop() {
        Err(StopError::TimedOut { report, .. }) => {
            assert_eq!((report.state, report.unserved.len()), (State::Killed, 1));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(watcher.send_message("late"), Err(SendError::NotRunning { .. })));
    gate.leave.wait();
    assert!(wait_until(|| {
        let results = watcher.logs(LogKind::EffectResult, 100);
        results.iter().any(|entry| entry.text.contains("past its deadline"))
    }));
    assert_eq!(watcher.state(), State::Killed, "a late return changes nothing");
}

#[test]
fn killing_does_not_wait_for_the_function() {
    let gate = Gate::new();
    let inner = Arc::clone(&gate);
    let watcher = started(Config::default(), move |_, _| {
        inner.pass();
        Ok(())
    });
    gate.entered.wait();
    watcher.kill();
    assert_eq!(watcher.state(), State::Killed);
    gate.leave.wait();
}

#[test]
fn stopping_wakes_a_function_that_listens() {
    let (entered, began) = channel();
    let watcher = started(
        Config { default_timeout: Duration::from_secs(3600), ..Default::default() },
        move |_, ctx| {
            // The receiver is gone only when the test is.
            let _ = entered.send(());
            assert!(!ctx.sleep(Duration::from_secs(3600)), "cancelled long before");
            assert!(ctx.cancelled());
            Ok(())
        },
    );
    began.recv().expect("it began");
    assert_eq!(watcher.stop().map(|report| report.state).ok(), Some(State::Stopped));
}

#[test]
fn a_cleanup_that_hangs_is_given_up() {
    let gate = Gate::new();
    let inner = Arc::clone(&gate);
    let watcher = Watcher::builder().config(short()).build().expect("sound");
    watcher.manage("nothing", |_, _| Ok(())).expect("not running");
    watcher.cleanup(move |_| inner.pass()).expect("not running");
    watcher.start().expect("starts");
    let stopped = watcher.stop();
    assert!(matches!(stopped, Err(StopError::TimedOut { .. })), "{stopped:?}");
    assert_eq!(watcher.state(), State::Killed);
    gate.entered.wait();
    gate.leave.wait();
}

#[test]
fn messages_from_many_threads_are_all_served_in_each_threads_order() {
    let (out, served) = channel();
    let watcher =
        started(Config { signal_capacity: 8, ..Default::default() }, move |message, _| {
            if let Some(message) = message {
                out.send((message.id(), message.content().to_owned()))?;
            }
            Ok(())
        });
    thread::scope(|scope| {
        for sender in 0..4 {
            let watcher = &watcher;
            scope.spawn(move || {
                for n in 0..500 {
                    let content = format!("{sender}:{n}");
                    watcher.send_message_timeout(content, Duration::from_secs(30)).expect("room");
                }
            });
        }
    });
    let all: Vec<_> = served.iter().take(2000).collect();
    assert!(all.iter().map(|(id, _)| *id).eq(1..=2000), "numbered in the order of service");
    for sender in 0..4 {
        let prefix = format!("{sender}:");
        let own = all.iter().filter_map(|(_, content)| content.strip_prefix(&prefix));
        assert!(own.map(str::to_owned).eq((0..500).map(|n| n.to_string())));
    }
}

#[test]
fn a_poll_that_hangs_delays_no_other() {
    let gate = Gate::new();
    let inner = Arc::clone(&gate);
    let (out, ticks) = channel();
    let watcher = started(Config::default(), move |_, ctx| {
        let gate = Arc::clone(&inner);
        ctx.watch_call("hangs", Duration::from_millis(5), move || {
            gate.pass();
            Ok::<_, String>(0_u8)
        })?;
        let count = AtomicU64::new(0);
        let value = ctx.watch_call("counts", Duration::from_millis(5), move || {
            Ok::<_, String>(count.fetch_add(1, Ordering::SeqCst))
        })?;
        if value.triggered() {
            out.send(value.value().copied())?;
        }
        Ok(())
    });
    gate.entered.wait();
    assert!(ticks.iter().take(10).eq((0..10).map(Some)), "each differs from the last");
    watcher.stop().expect("stops although a poll hangs");
    gate.leave.wait();
}

#[test]
fn flows_deliver_every_value_once_and_in_order() {
    let (sender, receiver) = bounded::<u64>(4);
    let (out, seen) = channel();
    let watcher = started(Config::default(), move |_, ctx| {
        let event = ctx.watch_flow("events", &receiver)?;
        if let (Some(value), true) = (event.value(), event.triggered()) {
            out.send(*value)?;
        }
        Ok(())
    });
    let feeder = thread::spawn(move || (0..5000).all(|n| sender.send(n).is_ok()));
    assert!(seen.iter().take(5000).eq(0..5000));
    assert!(feeder.join().expect("no panic"));
    watcher.stop().expect("stops");
}

#[test]
fn a_parent_with_a_timeout_stops_its_child() {
    let parent = CancelToken::with_timeout(Duration::from_millis(30));
    let watcher = Watcher::builder().parent(&parent).build().expect("sound");
    watcher.manage("nothing", |_, _| Ok(())).expect("not running");
    watcher.start().expect("starts");
    assert_eq!(watcher.wait(LONG).map(|report| report.state), Some(State::Stopped));
}

#[test]
fn dropping_the_last_handle_ends_the_watcher() {
    let cancelled = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cancelled);
    let (entered, began) = channel();
    let watcher = started(Config::default(), move |_, ctx| {
        let _ = entered.send(());
        ctx.sleep(Duration::from_secs(3));
        seen.store(ctx.cancelled(), Ordering::SeqCst);
        Ok(())
    });
    began.recv().expect("it began");
    drop(watcher);
    assert!(wait_until(|| cancelled.load(Ordering::SeqCst)));
}

#[test]
fn sessions_follow_each_other_without_mixing() {
    let watcher = started(Config::default(), |_, ctx| {
        ctx.watch_tick("tick", Duration::from_micros(500))?;
        ctx.update_value("runs", |runs: Option<u64>| Ok(runs.unwrap_or(0) + 1))?;
        Ok(())
    });
    for _ in 0..50 {
        assert!(watcher.wait_for(State::Ready, LONG));
        watcher.stop().expect("stops");
        watcher.start().expect("starts again");
    }
    // Not a kill: an execution that returns after one is a fault, and belongs in the log.
    watcher.stop().expect("stops");
    assert_eq!(watcher.stats().counters.state_faults, 0);
}

/// Waits for what other threads bring about; bounded, and quick when it has come.
fn wait_until(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..10_000 {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}

#[test]
fn a_killed_watcher_is_joined_when_its_function_has_returned() {
    let gate = Gate::new();
    let inside = Arc::clone(&gate);
    let watcher = started(short(), move |_, _| {
        inside.pass();
        Ok(())
    });
    gate.entered.wait();
    watcher.kill();
    assert!(!watcher.join(Some(Duration::from_millis(1))), "its function has not returned");
    gate.leave.wait();
    assert!(watcher.join(LONG));
}

#[test]
fn an_error_whose_words_panic_counts_as_a_panic() {
    #[derive(Debug)]
    struct Nasty;
    impl std::fmt::Display for Nasty {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Nasty {}
    let watcher = started(Config::default(), |_, ctx| match ctx.attempt() {
        1 => Err(Nasty.into()),
        _ => Ok(()),
    });
    assert!(watcher.wait_for(State::Ready, LONG));
    assert_eq!(watcher.stats().counters.crashes, 1);
}
