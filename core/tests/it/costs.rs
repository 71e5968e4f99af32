//! What a message costs does not grow (spec 10.9): counted in allocations, under the simulation, where
//! everything happens on one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use hersh::Watcher;
use hersh::sim::Simulation;

/// A multiple of the number of messages that share one block of their channel.
const MESSAGES: usize = 31 * 32;

/// A watcher that watches so many variables and whose logs are full.
fn watcher(sim: &Simulation, vars: usize) -> Watcher {
    let watcher = sim.builder().build().unwrap();
    watcher
        .manage("nothing", move |_, ctx| {
            if ctx.trigger().as_str() == "Init" {
                for name in 0..vars {
                    let hour = Duration::from_secs(3600);
                    ctx.watch_call(&name.to_string(), hour, || Ok::<_, String>(0_u8))?;
                }
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    (0..3).for_each(|_| serve(sim, &watcher));
    assert_eq!(watcher.watched().iter().filter(|var| var.value.is_some()).count(), vars);
    watcher
}

fn serve(sim: &Simulation, watcher: &Watcher) {
    (0..MESSAGES).for_each(|_| watcher.send_message("a message").unwrap());
    sim.run_until_idle();
}

fn cost(vars: usize) -> AllocationInfo {
    let sim = Simulation::new(1);
    let watcher = watcher(&sim, vars);
    measure(|| serve(&sim, &watcher))
}

#[test]
fn a_message_costs_the_same_however_many_variables_are_watched() {
    let (none, many) = (cost(0), cost(1000));
    assert_eq!((many.count_total, many.bytes_total), (none.count_total, none.bytes_total));
    // Its content and its place among the signals; the rest is of the channel and of the simulation.
    assert!(none.count_total <= 3 * MESSAGES as u64, "{none:?}");
}

#[test]
fn served_messages_leave_nothing_behind() {
    for vars in [0, 1000] {
        let left = cost(vars);
        assert_eq!((left.count_current, left.bytes_current), (0, 0), "{vars} variables");
    }
}

/// What full logs keep of executions in each of which so many of 1,000 variables changed, never the same
/// as in the one before.
fn kept_of_changes(changed: usize) -> i64 {
    const VARS: usize = 1000;
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().unwrap();
    let round = Arc::new(AtomicUsize::new(0));
    let rounds = Arc::clone(&round);
    watcher
        .manage("nothing", move |_, ctx| {
            for number in 0..VARS {
                let rounds = Arc::clone(&rounds);
                ctx.watch_call(&number.to_string(), Duration::from_secs(1), move || {
                    let round = rounds.load(Ordering::SeqCst);
                    // A window of those that change moves on by one each round.
                    Ok::<_, String>(if (number + round) % VARS < changed { round } else { 0 })
                })?;
            }
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    sim.run_until_idle();
    let kept = measure(|| {
        for _ in 0..1100 {
            round.fetch_add(1, Ordering::SeqCst);
            sim.advance(Duration::from_secs(1));
        }
    });
    assert!(watcher.stats().counters.executions > 1100);
    kept.bytes_current
}

#[test]
fn what_logs_keep_does_not_grow_with_the_variables_that_changed_together() {
    let (few, many) = (kept_of_changes(50), kept_of_changes(1000));
    // Beside the logs there is room for what waits to be applied, once, however long it goes on.
    assert!(many < few + 512 * 1024, "{few} bytes of 50 variables each, {many} of 1,000");
}
