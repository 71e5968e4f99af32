//! Everything that orders threads. Each scenario touches the same memory from several threads, and one means
//! alone keeps them apart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use hersh::{Config, ManagedError, StopOptions, Watcher};

use crate::Bare;

/// How often each scenario takes its turns: long enough for threads to wait for each other, and to pass
/// each other without waiting.
const ROUNDS: u64 = 2_000;
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn all() {
    locks();
    signals();
    turns();
    parking();
    last_reference();
    flags();
    std_channels();
    channels();
    watcher();
    watcher_that_recovers();
}

/// Has four threads do the same, and counts what came of it.
fn four(number: &Bare, each: impl Fn() + Sync) {
    let before = number.get();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..ROUNDS).for_each(|_| each()));
        }
    });
    assert_eq!(number.get() - before, 4 * ROUNDS);
}

fn locks() {
    let (number, mutex, lock) = (Bare::default(), Mutex::new(()), RwLock::new(()));
    four(&number, || {
        let guard = mutex.lock();
        number.add(1);
        drop(guard);
    });
    four(&number, || {
        let guard = lock.write();
        number.add(1);
        drop(guard);
        let guard = lock.read();
        assert!(number.get() > 0);
        drop(guard);
    });
}

/// Two threads that wait for each other's turn with a lock and a condition.
fn signals() {
    let (number, turn, passed) = (Bare::default(), Mutex::new(0), Condvar::new());
    let half = |mine: u64| {
        for _ in 0..ROUNDS {
            let turn = turn.lock().expect("no panic");
            let (mut turn, waited) =
                passed.wait_timeout_while(turn, LONG, |turn| *turn % 2 != mine).expect("no panic");
            assert!(!waited.timed_out());
            number.add(1);
            *turn += 1;
            passed.notify_one();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| half(0));
        scope.spawn(|| half(1));
    });
    assert_eq!(number.get(), 2 * ROUNDS);
}

fn turns() {
    let (number, barrier) = (Bare::default(), Barrier::new(4));
    let once = OnceLock::new();
    thread::scope(|scope| {
        for mine in 0..4 {
            let (number, barrier, once) = (&number, &barrier, &once);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    if round % 4 == mine {
                        number.add(1);
                    }
                    barrier.wait();
                }
                let made = once.get_or_init(|| {
                    let made = Bare::default();
                    made.add(number.get());
                    made
                });
                assert_eq!(made.get(), ROUNDS);
            });
        }
    });
}

fn parking() {
    for _ in 0..ROUNDS {
        let number = Arc::new(Bare::default());
        let inner = Arc::clone(&number);
        let parked = thread::spawn(move || {
            // std promises less, but its `park` returns for `unpark` alone.
            thread::park();
            inner.add(1);
        });
        number.add(1);
        parked.thread().unpark();
        parked.join().expect("no panic");
        assert_eq!(number.get(), 2);
    }
}

/// The last of an `Arc`'s owners takes apart what all of them have used.
fn last_reference() {
    struct Counted(Bare);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.add(1);
        }
    }
    for _ in 0..ROUNDS {
        let shared = Arc::new(Counted(Bare::default()));
        let other = Arc::clone(&shared);
        let owner = thread::spawn(move || assert_eq!(other.0.get(), 0));
        assert_eq!(shared.0.get(), 0);
        drop(shared);
        owner.join().expect("no panic");
    }
}

/// A lock of one's own, of an atomic number.
fn flags() {
    let (number, taken) = (Bare::default(), AtomicU64::new(0));
    four(&number, || {
        while taken.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            thread::yield_now();
        }
        number.add(1);
        taken.store(0, Ordering::Release);
    });
}

fn std_channels() {
    for room in [0, 1, 64] {
        let (there, arrived) = mpsc::sync_channel::<Arc<Bare>>(room);
        let (back, returned) = mpsc::channel();
        let other = thread::spawn(move || {
            for number in arrived {
                number.add(1);
                back.send(number).expect("somebody waits");
            }
        });
        let mut number = Arc::new(Bare::default());
        for _ in 0..ROUNDS {
            number.add(1);
            there.send(number).expect("somebody waits");
            number = returned.recv().expect("it comes back");
        }
        drop(there);
        other.join().expect("no panic");
        assert_eq!(number.get(), 2 * ROUNDS);
    }
}

fn channels() {
    for (there, arrived) in [bounded(0), bounded(1), bounded(64), unbounded()] {
        to_and_fro(&there, &arrived);
    }
}

/// One number that goes round among three threads, through a channel that all of them share.
fn to_and_fro(there: &Sender<Arc<Bare>>, arrived: &Receiver<Arc<Bare>>) {
    let number = Arc::new(Bare::default());
    let (back, returned) = bounded(1);
    thread::scope(|scope| {
        for _ in 0..3 {
            let (arrived, back) = (arrived.clone(), back.clone());
            scope.spawn(move || {
                while let Ok(number) = arrived.recv_timeout(LONG) {
                    if number.get() >= 2 * ROUNDS {
                        break;
                    }
                    number.add(1);
                    back.send(number).expect("somebody waits");
                }
            });
        }
        for _ in 0..ROUNDS {
            number.add(1);
            there.send(Arc::clone(&number)).expect("somebody waits");
            select! {
                recv(returned) -> number => drop(number.expect("it comes back")),
                default(LONG) => panic!("it does not come back"),
            }
        }
        for _ in 0..3 {
            there.send(Arc::clone(&number)).expect("somebody waits");
        }
    });
    assert_eq!(number.get(), 2 * ROUNDS);
}

/// What was written before a message is sent is seen by the execution that it causes; executions follow one
/// another; and what all of them and the cleanup wrote is seen by who waited for the end.
fn watcher() {
    let number = Arc::new(Bare::default());
    let watcher = Watcher::builder().build().expect("sound");
    let inner = Arc::clone(&number);
    let (done, finished) = bounded(1);
    watcher
        .manage("add", move |message, _| {
            if message.is_some() {
                inner.add(1);
                done.send(()).map_err(|_| ManagedError::from("nobody waits"))?;
            }
            Ok(())
        })
        .expect("not running");
    let last = Arc::clone(&number);
    watcher.cleanup(move |_| last.add(1)).expect("not running");
    watcher.start().expect("starts");
    for _ in 0..ROUNDS {
        number.add(1);
        watcher.send_message("go").expect("there is room");
        finished.recv_timeout(LONG).expect("it is served");
    }
    watcher.stop().expect("stops");
    assert_eq!(number.get(), 2 * ROUNDS + 1);
}

/// Executions of a function that panics and comes back late, on whichever threads, follow one another too;
/// and the end alone orders them before what comes after it.
fn watcher_that_recovers() {
    let number = Arc::new(Bare::default());
    let mut config = Config { default_timeout: Duration::from_millis(5), ..Config::default() };
    config.recovery.max_retries = u32::MAX;
    config.recovery.retry_delay = Duration::from_millis(1);
    let watcher = Watcher::builder().config(config).build().expect("sound");
    let inner = Arc::clone(&number);
    watcher
        .manage("add", move |message, ctx| {
            ctx.watch_tick("tick", Duration::from_millis(1))?;
            let Some(message) = message else { return Ok(()) };
            inner.add(1);
            match message.content() {
                "late" => thread::sleep(Duration::from_millis(10)),
                "fall" if inner.get() % 2 == 0 => return Err(ManagedError::crash("on purpose")),
                _ => {}
            }
            inner.add(1);
            Ok(())
        })
        .expect("not running");
    watcher.start().expect("starts");
    for _ in 0..20 {
        for content in ["late", "fall", "go"] {
            watcher.send_message_timeout(content, LONG).expect("there is room");
        }
    }
    let options = StopOptions { drain: true, timeout: Some(LONG) };
    watcher.stop_with(options).expect("stops");
    assert!(number.get() >= 3 * 20, "{}", number.get());
}
