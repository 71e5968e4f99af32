//! Workers on threads: waking, stopping, panics, claims that are over.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use hersh::kharon::{
    Backoff, Count, Limit, Options, Router, RunError, Settings, Status, UpdateError,
};

use super::{LONG, get, in_memory, post, status, ticket};

#[test]
fn a_new_ticket_wakes_an_idle_worker_though_no_poll_is_due() {
    let settings = Settings { max_poll_interval: LONG * 60, ..Settings::default() };
    let kharon = in_memory(settings);
    let (send, receive) = post();
    let router = Router::new().handle("work", move |claim| {
        send.send(claim.id.clone())?;
        Ok(())
    });
    kharon.start(router).unwrap();
    for id in ["one", "two", "three"] {
        kharon.add(ticket(id)).unwrap();
        assert_eq!(receive.recv_timeout(LONG).unwrap(), id);
    }
    kharon.stop(LONG);
    for id in ["one", "two", "three"] {
        assert_eq!(status(&kharon, id), Status::Done);
    }
}

/// One worker looked, found nothing and waits for the next ticket; the other has just done one.
#[test]
fn a_result_does_not_wait_for_the_next_ticket() {
    let settings = Settings { workers: 2, max_poll_interval: LONG * 60, ..Settings::default() };
    let kharon = in_memory(settings);
    let router = Router::new().handle("work", |_| {
        // Long enough for the other worker to look and to settle down.
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    });
    kharon.start(router).unwrap();
    kharon.add(ticket("one")).unwrap();
    let until = Instant::now() + LONG;
    while status(&kharon, "one") != Status::Done {
        assert!(Instant::now() < until, "it was done long ago, and nobody was told");
        std::thread::sleep(Duration::from_millis(5));
    }
    kharon.stop(LONG);
}

#[test]
fn a_delayed_ticket_runs_when_it_is_due_and_not_before() {
    let kharon = in_memory(Settings::default());
    let (send, receive) = post();
    let router = Router::new().handle("work", move |claim| {
        send.send((claim.mtime, claim.runat))?;
        Ok(())
    });
    kharon.start(router).unwrap();
    kharon.add(ticket("late").delay(Duration::from_millis(60))).unwrap();
    let (claimed, runat) = receive.recv_timeout(LONG).unwrap();
    assert!(claimed >= runat, "early");
    kharon.stop(LONG);
}

#[test]
fn every_ticket_is_handled_once_by_many_workers() {
    const TICKETS: usize = 2000;
    let kharon = in_memory(Settings { workers: 8, ..Settings::default() });
    let (send, receive) = post();
    let router = Router::new().handle("work", move |claim| {
        send.send(claim.id.clone())?;
        Ok(())
    });
    kharon.start(router).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let kharon = &kharon;
            scope.spawn(move || {
                for number in 0..TICKETS / 4 {
                    kharon.add(ticket(&format!("{thread} {number}"))).unwrap();
                }
            });
        }
    });
    let handled: Vec<_> = (0..TICKETS).map(|_| receive.recv_timeout(LONG).unwrap()).collect();
    assert_eq!(handled.iter().collect::<HashSet<_>>().len(), TICKETS);
    let report = kharon.stop(LONG);
    assert_eq!((report.still_running, report.unsaved), (0, 0));
    assert!(receive.try_recv().is_err(), "a ticket was handled twice");
    let stats = kharon.stats().unwrap();
    assert_eq!((stats.done, stats.pending), (TICKETS as u64, 0));
    assert_eq!(kharon.metrics().get(Count::Done), TICKETS as u64);
}

#[test]
fn a_panic_is_a_failed_attempt_and_the_worker_lives() {
    let settings = Settings { workers: 1, max_attempts: Some(1), ..Settings::default() };
    let kharon = in_memory(settings);
    let (send, receive) = post();
    let router = Router::new()
        .handle("work", |claim| if claim.id == "bad" { panic!("on purpose") } else { Ok(()) })
        .handle("after", move |_| Ok(send.send(())?));
    kharon.add(ticket("bad")).unwrap();
    kharon.add(hersh::kharon::NewTicket::new("good", "after").unwrap()).unwrap();
    kharon.start(router).unwrap();
    receive.recv_timeout(LONG).unwrap();
    kharon.stop(LONG);
    let bad = get(&kharon, "bad");
    assert_eq!(bad.status, Status::Failed);
    assert_eq!(bad.error_reason.as_deref(), Some("the handler panicked: on purpose"));
    assert_eq!(kharon.metrics().get(Count::Panicked), 1);
}

#[test]
fn stopping_finishes_what_runs_and_gives_back_what_does_not() {
    let kharon = in_memory(Settings { workers: 2, ..Settings::default() });
    let (running, is_running) = post();
    let gate = Arc::new(Barrier::new(2));
    let router = {
        let gate = Arc::clone(&gate);
        Router::new().handle("work", move |claim| {
            running.send(())?;
            if claim.id == "first" {
                gate.wait();
            }
            while !claim.is_stopping() {
                std::thread::yield_now();
            }
            Ok(())
        })
    };
    kharon.add(ticket("first")).unwrap();
    kharon.add(ticket("second")).unwrap();
    kharon.add(ticket("third")).unwrap();
    kharon.start(router).unwrap();
    assert!(matches!(kharon.start(Router::new()), Err(RunError::Running)));
    is_running.recv_timeout(LONG).unwrap();
    is_running.recv_timeout(LONG).unwrap();
    let stopped = {
        let kharon = kharon.clone();
        std::thread::spawn(move || kharon.stop(LONG))
    };
    gate.wait();
    let report = stopped.join().unwrap();
    assert_eq!((report.still_running, report.unsaved), (0, 0));
    assert_eq!(status(&kharon, "first"), Status::Done);
    assert_eq!(status(&kharon, "second"), Status::Done);
    let third = get(&kharon, "third");
    assert_eq!((third.status, third.attempts, third.lease), (Status::Pending, 0, None));
}

#[test]
fn a_worker_that_comes_late_is_refused_and_undoes_nothing() {
    let process_time = Duration::from_millis(200);
    let settings = Settings { workers: 2, process_time, ..Settings::default() };
    let kharon = in_memory(settings);
    let (late, was_late) = post();
    let (again, ran_again) = post();
    let (release, released) = post::<()>();
    let released = Mutex::new(released);
    let router = Router::new().handle("work", move |claim| {
        if claim.attempts == 1 {
            released.lock().unwrap().recv_timeout(LONG)?;
            assert!(claim.remaining().is_zero());
            late.send(claim.done(()))?;
        } else {
            claim.done(Options::new().payload("by the second"))?;
            again.send(())?;
        }
        Ok(())
    });
    kharon.add(ticket("one")).unwrap();
    kharon.start(router).unwrap();
    ran_again.recv_timeout(LONG).unwrap();
    release.send(()).unwrap();
    let refused = was_late.recv_timeout(LONG).unwrap();
    assert!(matches!(refused, Err(UpdateError::StaleClaim)), "{refused:?}");
    kharon.stop(LONG);
    assert_eq!(&*get(&kharon, "one").payload, b"by the second");
    assert!(kharon.metrics().get(Count::Stale) >= 1);
}

#[test]
fn a_left_ticket_stays_claimed_until_somebody_settles_it() {
    let kharon = in_memory(Settings::default());
    let (send, receive) = post();
    let router = Router::new().handle("work", move |claim| {
        claim.leave();
        send.send(claim.ticket().clone())?;
        Ok(())
    });
    kharon.add(ticket("one")).unwrap();
    kharon.start(router).unwrap();
    let left = receive.recv_timeout(LONG).unwrap();
    kharon.stop(LONG);
    assert_eq!(get(&kharon, "one").lease, left.lease);
    kharon.done(&left, ()).unwrap();
    assert_eq!(status(&kharon, "one"), Status::Done);
}

#[test]
fn a_type_runs_no_more_at_once_than_its_limit() {
    let kharon = in_memory(Settings { workers: 8, batch_size: 8, ..Settings::default() });
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (send, receive) = post();
    let router = {
        let most = Arc::clone(&most);
        Router::new().limit("work", Limit::concurrency(2)).handle("work", move |_| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(send.send(())?)
        })
    };
    kharon.start(router).unwrap();
    for number in 0..200 {
        kharon.add(ticket(&number.to_string())).unwrap();
    }
    for _ in 0..200 {
        receive.recv_timeout(LONG).unwrap();
    }
    kharon.stop(LONG);
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?} at once");
}

#[test]
fn it_can_be_started_again_and_run_blocks_until_it_is_stopped() {
    let kharon = in_memory(Settings::default());
    for id in ["one", "two"] {
        kharon.add(ticket(id)).unwrap();
        let (send, receive) = post();
        let router = Router::new().handle("work", move |_| Ok(send.send(())?));
        let running = {
            let kharon = kharon.clone();
            std::thread::spawn(move || kharon.run(router))
        };
        receive.recv_timeout(LONG).unwrap();
        kharon.stop(LONG);
        running.join().unwrap().unwrap();
        assert_eq!(status(&kharon, id), Status::Done);
    }
}

#[test]
fn a_handler_that_outlives_the_grace_is_reported_and_can_still_settle() {
    let kharon = in_memory(Settings { workers: 1, ..Settings::default() });
    let (begun, has_begun) = post();
    let (settled, has_settled) = post();
    let (release, released) = post::<()>();
    let released = Mutex::new(released);
    let router = Router::new().handle("work", move |claim| {
        begun.send(())?;
        released.lock().unwrap().recv_timeout(LONG)?;
        settled.send(claim.done(()))?;
        Ok(())
    });
    kharon.add(ticket("one")).unwrap();
    kharon.start(router).unwrap();
    has_begun.recv_timeout(LONG).unwrap();
    let report = kharon.stop(Duration::from_millis(1));
    assert!(report.still_running >= 1, "{report:?}");
    release.send(()).unwrap();
    has_settled.recv_timeout(LONG).unwrap().unwrap();
    assert_eq!(status(&kharon, "one"), Status::Done);
}

#[test]
fn a_failing_ticket_does_not_hold_up_others() {
    let backoff = Backoff { max: LONG, base: 60.0, ..Backoff::default() };
    let kharon = in_memory(Settings { workers: 1, backoff, ..Settings::default() });
    let (send, receive) = post();
    let router = Router::new().handle("work", move |claim| {
        if claim.id == "bad" {
            return Err("not today".into());
        }
        Ok(send.send(())?)
    });
    kharon.add(ticket("bad").nice(1)).unwrap();
    kharon.add(ticket("good")).unwrap();
    kharon.start(router).unwrap();
    receive.recv_timeout(LONG).unwrap();
    kharon.stop(LONG);
    let bad = get(&kharon, "bad");
    assert_eq!((bad.status, bad.attempts), (Status::Pending, 1));
    assert_eq!(bad.error_reason.as_deref(), Some("not today"));
    assert!(bad.runat > bad.mtime);
}
