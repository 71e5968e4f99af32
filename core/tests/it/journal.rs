//! Journals and their replay (spec 10.10).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use hersh::sim::Simulation;
use hersh::{
    Config, Context, Journal, JournalError, ManagedError, Message, ReplayError, Replayed,
    StartError, State, StopOptions, Watcher, replay,
};

const SECOND: Duration = Duration::from_secs(1);

/// A function with something of everything. `twist` makes it do something else at noon.
fn app(
    flow: Receiver<u32>,
    twist: bool,
) -> impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send {
    move |message, ctx| {
        let load = ctx.watch_call("load", 7 * SECOND, || Err::<u64, _>("replays do not poll"))?;
        let event = ctx.watch_flow("events", &flow)?;
        let tick = ctx.watch_tick("tick", 10 * SECOND)?;
        let total = ctx.update_value("total", |total: Option<u64>| {
            Ok(total.unwrap_or(0)
                + load.value().unwrap_or(&0)
                + u64::from(*event.value().unwrap_or(&0)))
        })?;
        if twist && tick.triggered() && tick.value().is_some_and(|tick| tick.count == 60) {
            return Err("the twist".into());
        }
        match message.map(Message::content) {
            Some("crash") if ctx.attempt() < 2 => Err(ManagedError::crash(format!("at {total}"))),
            Some("slow") => {
                while !ctx.cancelled() {
                    ctx.sleep(SECOND);
                }
                Ok(())
            }
            Some("stop") => Err(ManagedError::stop(format!("total {total}"))),
            Some("report") => Err(format!("total {total}").into()),
            _ => Ok(()),
        }
    }
}

struct Recording {
    _folder: tempfile::TempDir,
    path: PathBuf,
    transitions: u64,
}

/// Twenty minutes of everything, recorded in the simulation.
fn record(change: impl FnOnce(&mut Journal)) -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.journal");
    let mut journal = Journal::to(&path);
    change(&mut journal);
    let sim = Simulation::new(5);
    let mut config = Config { journal: Some(journal), ..Config::default() };
    config.recovery.jitter = 0.5;
    let (sender, receiver) = bounded(100);
    let watcher = sim.builder().config(config).build().unwrap();
    for load in 1..200_u64 {
        sim.inject_poll(&watcher, "load", load * load % 11);
    }
    watcher.manage("app", app(receiver, false)).unwrap();
    watcher.start().unwrap();
    for minute in 0..20 {
        watcher.send_message(format!("minute {minute}")).unwrap();
        sender.send(minute).unwrap();
        sim.advance(30 * SECOND);
        match minute {
            3 => watcher.send_message("crash").unwrap(),
            5 => watcher.send_message("slow").unwrap(),
            8 => watcher.send_message("report").unwrap(),
            12 => {
                watcher.stop().unwrap();
                watcher.start().unwrap();
            }
            _ => {}
        }
        sim.advance(30 * SECOND);
    }
    watcher.send_message("stop").unwrap();
    sim.run_until_idle();
    assert_eq!(watcher.state(), State::Stopped);
    Recording { _folder: folder, path, transitions: sim.trace().len() }
}

fn replayed(path: &Path, twist: bool) -> Result<Replayed, ReplayError> {
    replay(path, app(bounded(1).1, twist))
}

#[test]
fn the_same_function_does_the_same_again() {
    let recording = record(|_| {});
    let replayed = replayed(&recording.path, false).unwrap();
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.transitions, recording.transitions);
    assert!(!replayed.torn && replayed.inputs > 200, "{replayed:?}");
}

#[test]
fn the_first_divergence_is_named_exactly() {
    let recording = record(|_| {});
    let divergence = replayed(&recording.path, true).unwrap().divergence.unwrap();
    assert_eq!(divergence.at, Duration::from_secs(600));
    assert_eq!(divergence.expected.as_deref(), Some("Running -> Ready: returned"));
    assert_eq!(divergence.found.as_deref(), Some("Running -> Ready: returned an error"));
}

#[test]
fn a_function_that_does_nothing_diverges_where_something_happened() {
    let recording = record(|_| {});
    let replayed = replay(&recording.path, |_, _| Ok(())).unwrap();
    let divergence = replayed.divergence.unwrap();
    assert!(divergence.index > 0, "its first execution is the same: {divergence}");
    assert_eq!(divergence.found, None, "{divergence}");
}

#[test]
fn a_torn_tail_is_passed_over() {
    let recording = record(|_| {});
    let whole = fs::read(&recording.path).unwrap();
    for cut in [1, 5, 40, 200] {
        fs::write(&recording.path, &whole[..whole.len() - cut]).unwrap();
        let replayed = replayed(&recording.path, false).unwrap();
        assert_eq!(replayed.divergence, None, "cut by {cut}");
        assert!(replayed.torn, "cut by {cut}");
    }
}

#[test]
fn a_line_changed_in_the_middle_is_an_error() {
    let recording = record(|_| {});
    let mut bytes = fs::read(&recording.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&recording.path, bytes).unwrap();
    let error = replayed(&recording.path, false).unwrap_err();
    assert!(matches!(error, ReplayError::Journal(JournalError::Damaged { .. })), "{error}");
}

#[test]
fn full_files_are_set_aside_and_replayed_together() {
    let recording = record(|journal| (journal.max_bytes, journal.keep) = (4096, 100));
    let older = recording.path.with_file_name("app.journal.1");
    assert!(older.exists());
    let all = replayed(&recording.path, false).unwrap();
    assert_eq!((all.divergence, all.transitions), (None, recording.transitions));
    fs::remove_file(older).unwrap();
    let error = replayed(&recording.path, false).unwrap_err();
    assert!(matches!(error, ReplayError::Journal(JournalError::Beginning { .. })), "{error}");
}

#[test]
fn the_oldest_files_are_removed() {
    let recording = record(|journal| (journal.max_bytes, journal.keep) = (4096, 2));
    let files = fs::read_dir(recording.path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 3);
}

#[test]
fn a_journal_of_an_earlier_run_is_kept_and_a_foreign_file_refused() {
    let recording = record(|_| {});
    let before = fs::read(&recording.path).unwrap();
    let config = Config { journal: Some(Journal::to(&recording.path)), ..Config::default() };
    let start = |config: Config| {
        let watcher = Simulation::new(1).builder().config(config).build().unwrap();
        watcher.manage("nothing", |_, _| Ok(())).unwrap();
        watcher.start()
    };
    start(config.clone()).unwrap();
    assert_eq!(fs::read(recording.path.with_file_name("app.journal.1")).unwrap(), before);

    fs::write(&recording.path, "Dear diary").unwrap();
    let refused = start(config);
    assert!(matches!(refused, Err(StartError::Journal(JournalError::Foreign { .. }))));
    assert_eq!(fs::read(&recording.path).unwrap(), b"Dear diary");
}

#[test]
fn another_type_under_the_name_is_told_apart_from_a_divergence() {
    let recording = record(|_| {});
    let (_sender, flow) = bounded::<u32>(1);
    let error = replay(&recording.path, move |_, ctx| {
        ctx.watch_call("load", SECOND, || Ok::<_, String>(String::new()))?;
        ctx.watch_flow("events", &flow)?;
        Ok(())
    });
    assert!(matches!(error, Err(ReplayError::Value { .. })), "{error:?}");
}

#[test]
fn threads_record_what_replays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("threads.journal");
    let config = Config { journal: Some(Journal::to(&path)), ..Config::default() };
    let managed = || {
        |message: Option<&Message>, ctx: &Context| {
            let count = AtomicU64::new(0);
            let poll = move || Ok::<_, String>(count.fetch_add(1, Ordering::Relaxed) / 2);
            ctx.watch_call("count", Duration::from_millis(1), poll)?;
            ctx.watch_tick("tick", Duration::from_millis(2))?;
            match message.map(Message::content) {
                Some("error") => Err(ctx.trigger().as_str().into()),
                _ => Ok(()),
            }
        }
    };
    let watcher = Watcher::builder().config(config).build().unwrap();
    watcher.manage("app", managed()).unwrap();
    watcher.start().unwrap();
    for n in 0..200 {
        let content = if n % 10 == 0 { "error" } else { "fine" };
        watcher.send_message_timeout(content, 10 * SECOND).unwrap();
    }
    let drain = StopOptions { drain: true, timeout: Some(10 * SECOND) };
    assert_eq!(watcher.stop_with(drain).unwrap().unserved, []);
    drop(watcher);
    let replayed = replay(&path, managed()).unwrap();
    assert_eq!(replayed.divergence, None);
    assert!(replayed.transitions > 400, "{replayed:?}");
}
