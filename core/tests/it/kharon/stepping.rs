//! Kharon under a virtual clock: what takes hours takes a moment, and always the same way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hersh::kharon::store::{Filter, Page};
use hersh::kharon::{
    Backoff, CatchUp, Count, Label, Limit, NewGroup, NewTicket, Options, Repeat, Router, Settings,
    Status,
};

use super::{get, simulated, status, ticket};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn attempts_are_spaced_by_backoff_until_the_last_one_fails() {
    let backoff = Backoff { base: 2.0, max: 8 * SECOND, jitter: 0.0 };
    let settings = Settings { backoff, max_attempts: Some(5), ..Settings::default() };
    let (kharon, clock) = simulated(settings);
    let times = Arc::new(Mutex::new(Vec::new()));
    let router = {
        let times = Arc::clone(&times);
        Router::new().handle("work", move |claim| {
            times.lock().unwrap().push(claim.mtime.since(claim.ctime).as_secs());
            Err(format!("attempt {}", claim.attempts).into())
        })
    };
    kharon.add(ticket("one")).unwrap();
    let stepper = kharon.stepper(router).unwrap();
    assert_eq!(stepper.run_for(&clock, 3600 * SECOND), 5);
    assert_eq!(*times.lock().unwrap(), [0, 2, 6, 14, 22]);
    let dead = get(&kharon, "one");
    assert_eq!((dead.status, dead.attempts), (Status::Failed, 5));
    assert_eq!(dead.error_reason.as_deref(), Some("attempt 5"));
    let revived = kharon.revive_all(&Filter::default(), 100).unwrap();
    assert_eq!(revived, 1);
    assert_eq!(stepper.run_for(&clock, 3600 * SECOND), 5, "a dead letter has a way back");
}

#[test]
fn a_ticket_that_kills_its_workers_is_given_up() {
    let settings = Settings { max_attempts: Some(3), ..Settings::default() };
    let (kharon, clock) = simulated(settings);
    kharon.add(ticket("poison")).unwrap();
    let stepper = kharon.stepper(Router::new().handle("work", |claim| {
        claim.leave();
        Ok(())
    }));
    stepper.unwrap().run_for(&clock, 3600 * SECOND);
    let dead = get(&kharon, "poison");
    assert_eq!((dead.status, dead.attempts), (Status::Failed, 4));
}

#[test]
fn a_type_nobody_handles_fails_or_goes_to_the_handler_of_the_rest() {
    let (kharon, clock) = simulated(Settings::default());
    kharon.add(ticket("one")).unwrap();
    let stepper = kharon.stepper(Router::new()).unwrap();
    stepper.run_for(&clock, SECOND);
    let reason = get(&kharon, "one").error_reason;
    assert_eq!(reason.as_deref(), Some("no handler for the type work"));
    drop(stepper);
    kharon.revive("one", ()).unwrap();
    let router = Router::new().not_found(|claim| Ok(claim.ack(())?));
    kharon.stepper(router).unwrap().run_for(&clock, SECOND);
    assert!(kharon.get("one").unwrap().is_none());
}

#[test]
fn a_rate_spreads_tickets_over_time() {
    let (kharon, clock) = simulated(Settings::default());
    for number in 0..30 {
        kharon.add(ticket(&number.to_string())).unwrap();
    }
    let router =
        Router::new().limit("work", Limit::per(10, 10 * SECOND)).handle("work", |_| Ok(()));
    let stepper = kharon.stepper(router).unwrap();
    assert_eq!(stepper.run_for(&clock, Duration::ZERO), 10);
    assert_eq!(stepper.run_for(&clock, 5 * SECOND), 5);
    assert_eq!(stepper.run_for(&clock, 5 * SECOND), 5);
    assert_eq!(stepper.run_for(&clock, 60 * SECOND), 10);
}

#[test]
fn runs_that_nobody_was_there_for_are_caught_up_with_as_was_said() {
    let hours = |hours: u32| 3600 * SECOND * hours;
    for (catch_up, ran) in
        [(CatchUp::Once, 1), (CatchUp::Skip, 0), (CatchUp::All { at_most: 100 }, 5)]
    {
        let (kharon, clock) = simulated(Settings::default());
        let repeat = Repeat::every(hours(1)).unwrap().catch_up(catch_up);
        kharon.add(ticket("hourly").repeat(repeat)).unwrap();
        clock.advance(hours(5) + SECOND);
        let stepper = kharon.stepper(Router::new().handle("work", |_| Ok(()))).unwrap();
        assert_eq!(kharon.metrics().get(Count::Done), 0);
        stepper.run_for(&clock, SECOND);
        assert_eq!(kharon.metrics().get(Count::Done), ran, "{catch_up:?}");
        stepper.run_for(&clock, hours(1));
        assert_eq!(kharon.metrics().get(Count::Done), ran + 1, "{catch_up:?}");
    }
}

#[test]
fn done_tickets_go_when_their_time_is_over() {
    let settings = Settings { keep_done: Some(60 * SECOND), ..Settings::default() };
    let (kharon, clock) = simulated(settings);
    for number in 0..5 {
        kharon.add(ticket(&number.to_string())).unwrap();
    }
    let stepper = kharon.stepper(Router::new().handle("work", |_| Ok(()))).unwrap();
    stepper.run_for(&clock, 30 * SECOND);
    assert_eq!(kharon.stats().unwrap().done, 5);
    stepper.run_for(&clock, 60 * SECOND);
    assert_eq!(kharon.stats().unwrap().total(), 0);
    assert_eq!(kharon.metrics().get(Count::Expired), 5);
}

#[test]
fn a_group_ends_with_its_finalizer_which_can_see_how_it_went() {
    let (kharon, clock) = simulated(Settings { max_attempts: Some(1), ..Settings::default() });
    let name = Label::new("import").unwrap();
    let last = NewTicket::new("report", "report").unwrap();
    kharon.open_group(NewGroup::new(&name).unwrap().finalizer(last)).unwrap();
    for number in 0..9 {
        kharon.add(ticket(&number.to_string()).group(name.clone())).unwrap();
    }
    kharon.close_group(&name).unwrap();
    let router = {
        let name = name.clone();
        Router::new()
            .handle("work", |claim| if claim.id == "7" { Err("bad".into()) } else { Ok(()) })
            .handle("report", move |claim| {
                let group = claim.kharon().group(&name)?.ok_or("the group is gone")?;
                let text = format!("{} of {}", group.progress.done, group.progress.total());
                Ok(claim.done(Options::new().payload(text))?)
            })
    };
    let stepper = kharon.stepper(router).unwrap();
    assert_eq!(stepper.run_for(&clock, SECOND), 10);
    assert_eq!(&*get(&kharon, "report").payload, b"8 of 9");
    let dead = Filter { status: Some(Status::Failed), ..Filter::default() };
    let listing = kharon.list(&dead, &Page::first(10)).unwrap();
    assert_eq!(listing.tickets.len(), 1);
}

#[test]
fn a_day_of_one_second_ticks_runs_every_tick_the_same_way_twice() {
    let run = || {
        let (kharon, clock) = simulated(Settings::default());
        let repeat = Repeat::every(SECOND).unwrap();
        kharon.add(ticket("tick").repeat(repeat)).unwrap();
        let seen = Arc::new(Mutex::new(0_u64));
        let router = {
            let seen = Arc::clone(&seen);
            Router::new().handle("work", move |claim| {
                let mut seen = seen.lock().unwrap();
                *seen = seen.wrapping_mul(31).wrapping_add(claim.runat.as_micros());
                if claim.runat.as_micros() % 7 == 0 { Err("now and then".into()) } else { Ok(()) }
            })
        };
        let ran = kharon.stepper(router).unwrap().run_for(&clock, 24 * 3600 * SECOND);
        let seen = *seen.lock().unwrap();
        (ran, seen, status(&kharon, "tick"))
    };
    let first = run();
    assert!(first.0 >= 24 * 3600 * 6 / 7, "{first:?}");
    assert_eq!(first, run());
}

#[test]
fn the_figures_can_be_read_by_prometheus() {
    let (kharon, clock) = simulated(Settings::default());
    kharon.add(ticket("one")).unwrap();
    kharon.stepper(Router::new().handle("work", |_| Ok(()))).unwrap().run_for(&clock, SECOND);
    let text = kharon.prometheus().unwrap();
    for line in [
        "kharon_events_total{event=\"done\"} 1",
        "kharon_tickets{status=\"done\"} 1",
        "kharon_handle_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
