//! Watched variables, memos and values (spec 10.3, 10.5, 10.6), under the simulation.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::bounded;
use hersh::sim::Simulation;
use hersh::{Config, Context, LogKind, ManagedError, Message, State, WatchError, Watcher};

const SECOND: Duration = Duration::from_secs(1);

fn watcher(
    sim: &Simulation,
    managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
) -> Watcher {
    let watcher = sim.builder().build().expect("sound");
    watcher.manage("watch", managed).expect("not running");
    watcher.start().expect("starts");
    watcher
}

fn texts(watcher: &Watcher, kind: LogKind) -> Vec<String> {
    watcher.logs(kind, 1000).into_iter().map(|entry| entry.text).collect()
}

#[test]
fn an_execution_follows_only_a_value_that_differs() {
    let sim = Simulation::new(1);
    let polls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&polls);
    let watcher = watcher(&sim, move |_, ctx| {
        let polls = Arc::clone(&counted);
        let value = ctx.watch_call("third", SECOND, move || {
            Ok::<_, String>(polls.fetch_add(1, Ordering::SeqCst) / 3)
        })?;
        ctx.log(&format!("{:?} {}", value.value(), value.triggered()));
        Ok(())
    });
    sim.advance(8 * SECOND);
    assert_eq!(polls.load(Ordering::SeqCst), 9, "at once, and then each second");
    let seen = texts(&watcher, LogKind::Context);
    assert_eq!(seen, ["None false", "Some(0) true", "Some(1) true", "Some(2) true"]);
}

#[test]
fn a_poll_in_two_steps_decides_itself_what_a_change_is() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |_, ctx| {
        let mut polls = 0_u32;
        let value = ctx.watch_call_update("sum", SECOND, move || {
            polls += 1;
            let add = polls;
            if add == 4 {
                return Err("no fourth");
            }
            Ok(move |last: Option<&u32>| match (add, last) {
                (3, _) => Ok(None),
                (6, _) => Err("no sixth"),
                (7, Some(last)) => Ok(Some(*last)),
                (add, last) => Ok(Some(last.unwrap_or(&0) + add)),
            })
        })?;
        ctx.log(&format!("{:?} {}", value.value(), value.triggered()));
        Ok(())
    });
    sim.advance(6 * SECOND);
    let expected = ["None false", "Some(1) true", "Some(3) true", "Some(8) true", "Some(8) true"];
    assert_eq!(texts(&watcher, LogKind::Context), expected);
    assert_eq!(texts(&watcher, LogKind::WatchError), ["sum: no fourth", "sum: no sixth"]);
}

#[test]
fn what_is_injected_is_what_the_next_poll_follows() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |_, ctx| {
        ctx.watch_call("same", SECOND, || Ok::<_, String>(1_u32))?;
        ctx.watch_call_update("sum", SECOND, || {
            Ok(|last: Option<&u32>| Ok::<_, String>(Some(last.unwrap_or(&0) + 1)))
        })?;
        ctx.log(&ctx.trigger().to_string());
        Ok(())
    });
    sim.run_until_idle();
    sim.inject_poll(&watcher, "same", 2_u32);
    sim.inject_poll(&watcher, "sum", 40_u32);
    sim.advance(3 * SECOND);
    let expected = [
        "Init",
        "Vars same: 1, sum: 1",
        "Vars same: 1 -> 2, sum: 1 -> 40",
        "Vars same: 2 -> 1, sum: 40 -> 41",
        "Vars sum: 41 -> 42",
    ];
    assert_eq!(texts(&watcher, LogKind::Context), expected);
}

#[test]
fn the_log_says_why_an_execution_ran() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        ctx.watch_call("price", SECOND, || Ok::<_, String>(10_u32))?;
        match message {
            Some(_) if ctx.attempt() == 1 => Err(ManagedError::crash("once")),
            _ => Ok(()),
        }
    });
    sim.run_until_idle();
    sim.inject_poll(&watcher, "price", 11_u32);
    sim.advance(SECOND);
    watcher.send_message("crash").expect("room");
    sim.advance(2 * SECOND);
    let expected = [
        "execution 1 begins (attempt 1): Init",
        "execution 2 begins (attempt 1): Vars price: 10",
        "execution 3 begins (attempt 1): Vars price: 10 -> 11",
        "execution 4 begins (attempt 1): Message 1",
        "execution 5 begins (attempt 2): Message 1",
    ];
    assert_eq!(texts(&watcher, LogKind::Effect)[..5], expected);
}

#[test]
fn a_failing_poll_keeps_the_last_value_and_goes_on() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        let value = ctx.watch_call("n", SECOND, || Ok::<_, String>(7_u32))?;
        if message.is_some() {
            ctx.log(&format!("{:?} {:?}", value.value(), value.error()));
        }
        Ok(())
    });
    sim.advance(SECOND / 2);
    sim.fail_polls(&watcher, "n", 1, "no network");
    sim.advance(SECOND);
    watcher.send_message("look").expect("room");
    sim.run_until_idle();
    sim.advance(SECOND);
    watcher.send_message("look").expect("room");
    sim.run_until_idle();
    assert_eq!(texts(&watcher, LogKind::Context), ["Some(7) Some(\"no network\")", "Some(7) None"]);
    assert_eq!(texts(&watcher, LogKind::WatchError), ["n: no network"]);
}

#[test]
fn a_panicking_poll_is_a_failed_poll() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |_, ctx| {
        ctx.watch_call("n", SECOND, || -> Result<u32, String> { panic!("bad day") })?;
        Ok(())
    });
    sim.advance(2 * SECOND);
    assert_eq!(watcher.state(), State::Ready);
    assert_eq!(texts(&watcher, LogKind::WatchError).len(), 3);
    assert_eq!(watcher.watched()[0].error.as_deref(), Some("the poll panicked: bad day"));
}

#[test]
fn updates_that_wait_are_applied_together_in_the_order_of_registration() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        for name in ["z", "a", "m"] {
            ctx.watch_call(name, 2 * SECOND, || Ok::<_, String>(1_u32))?;
        }
        ctx.log(&ctx.trigger().vars().collect::<Vec<_>>().join(" "));
        if message.is_some() {
            ctx.sleep(3 * SECOND);
        }
        Ok(())
    });
    sim.run_until_idle();
    assert_eq!(texts(&watcher, LogKind::Context), ["", "z a m"]);
    watcher.send_message("be busy").expect("room");
    for name in ["m", "z"] {
        sim.inject_poll(&watcher, name, 2_u32);
    }
    sim.advance(2 * SECOND);
    assert_eq!(texts(&watcher, LogKind::Context), ["", "z a m", "", "z m"]);
}

#[test]
fn messages_come_before_variables() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        ctx.watch_tick("tick", SECOND)?;
        ctx.log(message.map_or(ctx.trigger().as_str(), |message| message.content()));
        if message.is_some_and(|message| message.content() == "busy") {
            ctx.sleep(2 * SECOND);
        }
        Ok(())
    });
    sim.run_until_idle();
    for content in ["busy", "one", "two"] {
        watcher.send_message(content).expect("room");
    }
    sim.advance(Duration::ZERO);
    assert_eq!(texts(&watcher, LogKind::Context), ["Init", "busy", "one", "two", "Vars"]);
}

#[test]
fn ticks_that_come_while_one_is_pending_are_skipped_and_counted() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        let tick = ctx.watch_tick("tick", SECOND)?;
        if let (Some(tick), true) = (tick.value(), tick.triggered()) {
            ctx.log(&tick.count.to_string());
        }
        if message.is_some() {
            ctx.sleep(4 * SECOND);
        }
        Ok(())
    });
    sim.run_until_idle();
    watcher.send_message("be busy").expect("room");
    sim.advance(Duration::ZERO);
    sim.advance(SECOND);
    assert_eq!(texts(&watcher, LogKind::Context), ["1", "5"]);
    assert_eq!(watcher.stats().counters.skipped_ticks, 3);
}

#[test]
fn every_value_of_a_flow_causes_its_own_execution_and_senders_are_held_back() {
    let sim = Simulation::new(1);
    let (sender, receiver) = bounded::<u32>(2);
    let watcher = watcher(&sim, move |_, ctx| {
        let event = ctx.watch_flow("events", &receiver)?;
        if event.triggered() {
            ctx.log(&format!("{:?}", event.value()));
        }
        Ok(())
    });
    sim.run_until_idle();
    for n in 0..2 {
        sender.try_send(n).expect("room for two");
    }
    assert!(sender.try_send(2).is_err(), "the third waits with the sender");
    sim.run_until_idle();
    sender.try_send(2).expect("room again");
    drop(sender);
    sim.run_until_idle();
    assert_eq!(texts(&watcher, LogKind::Context), ["Some(0)", "Some(1)", "Some(2)"]);
    assert_eq!(texts(&watcher, LogKind::WatchError), ["events: the source is closed"]);
    assert_eq!(watcher.watched()[0].value.as_ref().and_then(|v| v.get::<u32>()), Some(&2));
}

#[test]
fn the_newest_of_a_latest_flow_counts() {
    let sim = Simulation::new(1);
    let (sender, receiver) = bounded::<u32>(10);
    let watcher = watcher(&sim, move |_, ctx| {
        let event = ctx.watch_flow_latest("events", &receiver)?;
        ctx.log(&format!("{:?}", event.value()));
        Ok(())
    });
    sim.run_until_idle();
    for n in 0..10 {
        sender.try_send(n).expect("room");
    }
    sim.run_until_idle();
    assert_eq!(texts(&watcher, LogKind::Context), ["None", "Some(9)"]);
}

#[test]
fn unwatched_names_are_free_again_and_silent() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |message, ctx| {
        match message.map(Message::content) {
            None => drop(ctx.watch_tick("x", SECOND)?),
            Some("drop") => ctx.set_value("dropped", (ctx.unwatch("x"), ctx.unwatch("x"))),
            Some(_) => drop(ctx.watch_call("x", SECOND, || Ok::<_, String>(1_u8))?),
        }
        Ok(())
    });
    sim.advance(SECOND);
    assert_eq!(watcher.stats().counters.executions, 2);
    watcher.send_message("drop").expect("room");
    sim.advance(5 * SECOND);
    assert_eq!(watcher.stats().counters.executions, 3);
    assert_eq!(watcher.values()["dropped"].get::<(bool, bool)>(), Some(&(true, false)));
    watcher.send_message("watch another").expect("room");
    sim.advance(5 * SECOND);
    assert_eq!(watcher.state(), State::Ready);
    assert_eq!(watcher.watched()[0].kind, hersh::WatchKind::Call);
}

#[test]
fn a_name_stands_for_one_kind_and_type() {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, |_, ctx| {
        ctx.watch_call("x", SECOND, || Ok::<_, String>(1_u8))?;
        let kind = ctx.watch_tick("x", SECOND).expect_err("another kind");
        assert!(matches!(&kind, WatchError::Mismatch { .. }));
        assert!(kind.to_string().contains("watch_call of u8"), "{kind}");
        assert!(kind.to_string().contains("watch_tick of"), "{kind}");
        assert!(ctx.watch_call("x", SECOND, || Ok::<_, String>(1_u16)).is_err(), "another type");
        let zero = ctx.watch_tick("zero", Duration::ZERO).expect_err("no period");
        assert_eq!(zero, WatchError::ZeroPeriod { name: "zero".to_owned() });
        Err(ManagedError::stop("checked"))
    });
    sim.run_until_idle();
    assert_eq!(watcher.state(), State::Stopped, "{}", sim.trace());
    assert!(sim.trace().to_string().contains("checked"));
}

#[test]
fn one_variable_too_many_is_an_error() {
    let sim = Simulation::new(1);
    let config = Config { max_watches: 2, ..Default::default() };
    let watcher = sim.builder().config(config).build().expect("sound");
    watcher
        .manage("watch", |_, ctx| {
            ctx.watch_tick("a", SECOND)?;
            ctx.watch_tick("b", SECOND)?;
            ctx.watch_tick("a", SECOND)?;
            ctx.watch_tick("c", SECOND)?;
            Ok(())
        })
        .expect("not running");
    watcher.start().expect("starts");
    sim.run_until_idle();
    let error = watcher.stats().counters.last_error.expect("an error");
    assert!(error.contains("\"c\"") && error.contains("max_watches"), "{error}");
}

#[test]
fn memos_live_for_a_session_and_values_too() {
    let sim = Simulation::new(1);
    let computed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&computed);
    let watcher = watcher(&sim, move |message, ctx| {
        if message.is_some_and(|message| message.content() == "refresh") {
            ctx.clear_memo("client");
        }
        let client = ctx.memo("client", || counted.fetch_add(1, Ordering::SeqCst))?;
        ctx.update_value("runs", |runs: Option<u64>| Ok(runs.unwrap_or(0) + 1))?;
        ctx.set_value("client", *client);
        Ok(())
    });
    watcher.send_message("again").expect("room");
    watcher.send_message("refresh").expect("room");
    sim.run_until_idle();
    assert_eq!(computed.load(Ordering::SeqCst), 2);
    assert_eq!(watcher.values()["runs"].get::<u64>(), Some(&3));
    watcher.stop().expect("stops");
    watcher.start().expect("starts again");
    sim.run_until_idle();
    assert_eq!(computed.load(Ordering::SeqCst), 3, "a new session");
    assert_eq!(watcher.values()["runs"].get::<u64>(), Some(&1));
}

#[test]
fn env_is_what_was_given() {
    let sim = Simulation::new(1);
    let watcher = sim.builder().env("API_KEY", "secret").build().expect("sound");
    watcher
        .manage("read", |_, ctx| {
            assert_eq!((ctx.get_env("API_KEY"), ctx.get_env("OTHER")), (Some("secret"), None));
            Err(ManagedError::stop("checked"))
        })
        .expect("not running");
    watcher.start().expect("starts");
    sim.run_until_idle();
    assert_eq!(watcher.state(), State::Stopped);
}

/// A day of one-second ticks with a crash at noon that is recovered from.
fn a_day(seed: u64) -> (hersh::sim::Trace, u64) {
    let sim = Simulation::new(seed);
    let watcher = watcher(&sim, |_, ctx| {
        let tick = ctx.watch_tick("tick", SECOND)?;
        let Some(tick) = tick.value() else { return Ok(()) };
        if tick.count == 43_200 && ctx.attempt() < 3 {
            return Err(ManagedError::crash("noon"));
        }
        ctx.update_value("ticks", |ticks: Option<u64>| Ok(ticks.unwrap_or(0) + 1))?;
        Ok(())
    });
    sim.advance(24 * 3600 * SECOND);
    assert_eq!(watcher.state(), State::Ready);
    let ticks = watcher.values()["ticks"].get::<u64>().copied().unwrap_or(0);
    (sim.trace(), ticks + watcher.stats().counters.skipped_ticks)
}

#[test]
fn a_day_of_ticks_with_a_crash_gives_the_same_trace_twice() {
    let (first, ticks) = a_day(3);
    assert_eq!(ticks, 86_400, "every tick was served or counted as skipped");
    let (second, _) = a_day(3);
    assert_eq!(first, second);
    assert_eq!(first.to_string(), second.to_string());
    assert!(first.to_string().contains("crash: noon"));
}

#[test]
fn a_slow_poll_in_the_simulation_arrives_later() {
    let sim = Simulation::new(1);
    let at = Arc::new(Mutex::new(Cell::new(None)));
    let seen = Arc::clone(&at);
    let origin = sim.now();
    let watcher = sim.builder().build().expect("sound");
    watcher
        .manage("watch", move |_, ctx| {
            let value = ctx.watch_call("n", 10 * SECOND, || Ok::<_, String>(1_u8))?;
            if value.triggered() {
                seen.lock().expect("no panic").set(ctx.now().duration_since(origin).ok());
            }
            Ok(())
        })
        .expect("not running");
    sim.delay_polls(&watcher, "n", 3 * SECOND);
    watcher.start().expect("starts");
    sim.advance(5 * SECOND);
    assert_eq!(at.lock().expect("no panic").get(), Some(3 * SECOND));
}

#[test]
fn what_only_the_logs_still_tell_of_is_among_the_kept_values() {
    let sim = Simulation::new(1);
    let (sender, receiver) = bounded(3);
    let watcher = watcher(&sim, move |_, ctx| {
        ctx.watch_flow("number", &receiver)?;
        ctx.set_value("kept", 7_u32);
        Ok(())
    });
    (1..=3_u32).for_each(|number| sender.send(number).unwrap());
    sim.run_until_idle();
    let kept = watcher.kept_values();
    let mut kept: Vec<_> = kept.iter().filter_map(|value| value.get::<u32>()).collect();
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(kept, [&1, &2, &3, &7]);
}

#[test]
#[should_panic(expected = "\"restless\" has run a million times in a row at 1.000000000s")]
fn a_function_that_never_comes_to_rest_is_named() {
    let sim = Simulation::new(1);
    let watcher = sim.builder().name("restless").build().expect("sound");
    let own = watcher.downgrade();
    let again = move |message: Option<&Message>, ctx: &Context| {
        if message.is_some() || ctx.watch_tick("second", SECOND)?.triggered() {
            own.upgrade().expect("it lives").send_message("again").expect("there is room");
        }
        Ok(())
    };
    watcher.manage("again", again).expect("not running");
    watcher.start().expect("starts");
    sim.advance(SECOND);
}
