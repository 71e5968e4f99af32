//! The table of states (spec 10.2), under the simulation.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::sim::Simulation;
use hersh::{
    CancelToken, Config, ManagedError, RecoveryPolicy, SendError, StartError, State, StopError,
    StopOptions, Watcher,
};

const SECOND: Duration = Duration::from_secs(1);

/// A simulated watcher that keeps a list of what it was asked to do, and obeys.
struct Rig {
    sim: Simulation,
    watcher: Watcher,
    seen: Arc<Mutex<Vec<String>>>,
    cleanups: Arc<AtomicU32>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let sim = Simulation::new(1);
        let watcher = sim.builder().config(config).build().expect("a sound configuration");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let cleanups = Arc::new(AtomicU32::new(0));
        let (list, count) = (Arc::clone(&seen), Arc::clone(&cleanups));
        watcher
            .manage("obey", move |message, ctx| {
                let content = message.map_or("init", |message| message.content());
                list.lock().expect("no panic").push(format!("{content}/{}", ctx.attempt()));
                match content {
                    "stop" => Err(ManagedError::stop("asked")),
                    "kill" => Err(ManagedError::kill("asked")),
                    "crash" => Err(ManagedError::crash("asked")),
                    "panic" => panic!("asked"),
                    "error" => Err("asked".into()),
                    "crash once" if ctx.attempt() == 1 => Err(ManagedError::crash("asked")),
                    "sleep" => {
                        assert!(!ctx.sleep(60 * SECOND), "cancelled at the deadline");
                        Ok(())
                    }
                    _ => Ok(()),
                }
            })
            .expect("not running")
            .cleanup(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            })
            .expect("not running");
        watcher.start().expect("a first start");
        Self { sim, watcher, seen, cleanups }
    }

    fn send(&self, content: &str) {
        self.watcher.send_message(content).expect("there is room");
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    fn cleanups(&self) -> u32 {
        self.cleanups.load(Ordering::SeqCst)
    }

    /// The states entered, in order.
    fn path(&self) -> Vec<State> {
        self.sim.trace().entries().iter().map(|entry| entry.transition.to).collect()
    }
}

#[test]
fn a_session_begins_with_one_execution_without_a_message() {
    let rig = Rig::new();
    assert_eq!(rig.watcher.state(), State::InitRun);
    rig.sim.run_until_idle();
    assert_eq!(rig.watcher.state(), State::Ready);
    assert_eq!(rig.seen(), ["init/1"]);
}

#[test]
fn messages_are_served_in_order_one_execution_each() {
    let rig = Rig::new();
    for n in 0..5 {
        rig.send(&n.to_string());
    }
    rig.sim.run_until_idle();
    assert_eq!(rig.seen(), ["init/1", "0/1", "1/1", "2/1", "3/1", "4/1"]);
}

#[test]
fn a_stop_error_ends_in_good_order_and_the_watcher_may_start_again() {
    let rig = Rig::new();
    rig.send("stop");
    rig.send("left over");
    rig.sim.run_until_idle();
    assert_eq!((rig.watcher.state(), rig.cleanups()), (State::Stopped, 1));
    let report = rig.watcher.wait(None).expect("it has ended");
    assert_eq!(report.unserved.len(), 1);
    assert_eq!(report.unserved[0].content(), "left over");

    rig.watcher.start().expect("a second start");
    rig.sim.run_until_idle();
    assert_eq!(rig.watcher.state(), State::Ready);
    assert_eq!(rig.watcher.stats().counters.executions, 1, "counters begin anew");
}

#[test]
fn a_kill_error_ends_at_once_without_cleanup_and_for_good() {
    let rig = Rig::new();
    rig.send("kill");
    rig.sim.run_until_idle();
    assert_eq!((rig.watcher.state(), rig.cleanups()), (State::Killed, 0));
    assert!(matches!(rig.watcher.start(), Err(StartError::State(State::Killed))));
}

#[test]
fn a_normal_error_is_counted_and_the_watcher_goes_on() {
    let rig = Rig::new();
    rig.send("error");
    rig.send("next");
    rig.sim.run_until_idle();
    let counters = rig.watcher.stats().counters;
    assert_eq!((rig.watcher.state(), counters.errors), (State::Ready, 1));
    assert_eq!(counters.last_error.as_deref(), Some("asked"));
    assert_eq!(rig.seen().last().map(String::as_str), Some("next/1"));
}

#[test]
fn a_crash_runs_the_same_execution_again_after_a_growing_delay() {
    for how in ["crash", "panic"] {
        let rig = Rig::new();
        rig.send(how);
        rig.send("waits");
        rig.sim.run_until_idle();
        assert_eq!(rig.watcher.state(), State::WaitRecover);
        rig.sim.advance(SECOND);
        assert_eq!(rig.seen().len(), 3, "the first retry comes after 1 s");
        rig.sim.advance(SECOND);
        assert_eq!(rig.seen().len(), 3);
        rig.sim.advance(SECOND);
        assert_eq!(rig.seen().len(), 4, "the second after 2 s more");
        rig.sim.advance(4 * SECOND);
        let expected =
            ["init/1".to_owned()].into_iter().chain((1..=4).map(|n| format!("{how}/{n}")));
        assert_eq!(rig.seen(), expected.collect::<Vec<_>>());
        assert_eq!((rig.watcher.state(), rig.cleanups()), (State::Crashed, 1));
        assert_eq!(rig.watcher.wait(None).map(|report| report.unserved.len()), Some(1));
    }
}

#[test]
fn crashed_and_wait_recover_are_both_in_the_trace() {
    let rig = Rig::new();
    rig.send("crash once");
    rig.sim.advance(2 * SECOND);
    let path = rig.path();
    let expected = [
        State::InitRun,
        State::Ready,
        State::Running,
        State::Crashed,
        State::WaitRecover,
        State::Running,
        State::Ready,
    ];
    assert_eq!(path, expected);
}

#[test]
fn a_success_resets_the_count_of_crashes() {
    let recovery = RecoveryPolicy { max_retries: 1, ..Default::default() };
    let rig = Rig::with(Config { recovery, ..Default::default() });
    for _ in 0..5 {
        rig.send("crash once");
    }
    rig.sim.advance(10 * SECOND);
    assert_eq!(rig.watcher.state(), State::Ready);
    assert_eq!(rig.watcher.stats().counters.retries, 5);
}

#[test]
fn the_wait_for_recovery_is_interruptible() {
    let rig = Rig::new();
    rig.send("crash");
    rig.sim.run_until_idle();
    let before = rig.sim.now();
    let report = rig.watcher.stop().expect("stops in good order");
    assert_eq!((report.state, rig.sim.now()), (State::Stopped, before));
    assert_eq!(report.unserved[0].content(), "crash");

    let rig = Rig::new();
    rig.send("crash");
    rig.sim.run_until_idle();
    rig.watcher.kill();
    assert_eq!((rig.watcher.state(), rig.cleanups()), (State::Killed, 0));
}

#[test]
fn stopping_cancels_the_execution_and_is_idempotent() {
    let rig = Rig::new();
    rig.send("ok");
    let report = rig.watcher.stop().expect("stops in good order");
    assert_eq!((report.state, rig.cleanups()), (State::Stopped, 1));
    assert_eq!(rig.watcher.stop().expect("again"), report);
    assert!(matches!(
        rig.watcher.send_message("late"),
        Err(SendError::NotRunning { state: State::Stopped, .. })
    ));
}

#[test]
fn draining_serves_what_waits_first() {
    let rig = Rig::new();
    for _ in 0..3 {
        rig.send("ok");
    }
    let report = rig.watcher.stop_with(StopOptions { drain: true, timeout: None });
    assert_eq!(report.expect("stops in good order").unserved, []);
    assert_eq!(rig.seen().len(), 4);
}

#[test]
fn an_execution_past_its_deadline_is_cancelled_and_counted() {
    let rig = Rig::new();
    rig.send("sleep");
    rig.send("next");
    rig.sim.run_until_idle();
    let stats = rig.watcher.stats();
    assert_eq!((stats.state, stats.counters.timeouts), (State::Ready, 1));
    assert_eq!(rig.seen(), ["init/1", "sleep/1", "next/1"]);
    let slept = rig.sim.now().duration_since(Simulation::new(0).now()).expect("forward");
    assert_eq!(slept, Duration::from_secs(5), "cancelled at the deadline, not after a minute");
}

#[test]
fn a_function_cannot_wait_for_its_own_end() {
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().expect("sound");
    let own = watcher.downgrade();
    watcher
        .manage("stop itself", move |_, ctx| {
            let refused =
                own.upgrade().is_some_and(|own| matches!(own.stop(), Err(StopError::Inside)));
            ctx.set_value("refused", refused);
            Ok(())
        })
        .expect("not running");
    watcher.start().expect("starts");
    sim.run_until_idle();
    assert_eq!(watcher.values()["refused"].get::<bool>(), Some(&true));
}

#[test]
fn sending_from_inside_works_and_a_full_queue_is_an_error_at_once() {
    let sim = Simulation::new(1);
    let config = Config { signal_capacity: 2, ..Default::default() };
    let watcher = sim.builder().config(config).build().expect("sound");
    let own = watcher.downgrade();
    watcher
        .manage("send", move |message, ctx| {
            let own = own.upgrade().ok_or("dropped")?;
            if message.is_none() {
                let sent = (0..5).filter(|n| own.send_message(n.to_string()).is_ok()).count();
                ctx.set_value("sent", sent as u64);
                let full = own.send_message_timeout("one more", SECOND);
                ctx.set_value(
                    "full",
                    matches!(full, Err(SendError::QueueFull { capacity: 2, .. })),
                );
            }
            Ok(())
        })
        .expect("not running");
    watcher.start().expect("starts");
    sim.run_until_idle();
    assert_eq!(watcher.values()["sent"].get::<u64>(), Some(&2));
    assert_eq!(watcher.values()["full"].get::<bool>(), Some(&true));
    assert_eq!(watcher.stats().counters.executions, 3);
}

#[test]
fn a_parent_stops_its_children() {
    let sim = Simulation::new(1);
    let parent = CancelToken::new();
    let build = || {
        let watcher = sim.builder().parent(&parent).build().expect("sound");
        watcher.manage("nothing", |_, _| Ok(())).expect("not running");
        watcher
    };
    let children = [build(), build()];
    for child in &children {
        child.start().expect("starts");
    }
    sim.run_until_idle();
    parent.cancel();
    sim.run_until_idle();
    assert!(children.iter().all(|child| child.state() == State::Stopped));
    assert!(matches!(build().start(), Err(StartError::ParentCancelled)));
}

#[test]
fn starting_needs_a_function_and_an_idle_watcher() {
    let watcher = Simulation::new(1).builder().build().expect("sound");
    assert!(matches!(watcher.start(), Err(StartError::NotManaged)));
    watcher.manage("nothing", |_, _| Ok(())).expect("not running");
    watcher.start().expect("starts");
    assert!(matches!(watcher.start(), Err(StartError::State(State::InitRun))));
    assert!(matches!(watcher.manage("other", |_, _| Ok(())), Err(StartError::State(_))));
}

#[test]
fn a_panicking_cleanup_is_reported_and_still_ends() {
    let rig = Rig::new();
    rig.sim.run_until_idle();
    rig.watcher.stop().expect("stops");
    rig.watcher.cleanup(|_| panic!("untidy")).expect("stopped");
    rig.watcher.start().expect("starts again");
    assert_eq!(rig.watcher.stop().map(|report| report.state).ok(), Some(State::Stopped));
    let error = rig.watcher.stats().counters.last_error;
    assert_eq!(error.as_deref(), Some("the cleanup function panicked: untidy"));
}
