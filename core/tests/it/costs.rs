//! What a message costs does not grow (spec 10.9): counted in allocations, under the simulation, where
//! everything happens on one thread.

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
