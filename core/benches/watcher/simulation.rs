//! A simulated day.

use std::time::{Duration, Instant};

use hersh::sim::Simulation;

use crate::common::median_of;
use crate::common::report::{Bar, Report};

pub(crate) fn run(report: &mut Report) {
    let day = median_of(5, day);
    report.add("simulation: a day of ticks", "ms", day, None, Some(Bar::AtMost(500.0)));
}

fn day() -> f64 {
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().unwrap();
    watcher
        .manage("tick", |_, ctx| {
            ctx.watch_tick("tick", Duration::from_secs(1))?;
            Ok(())
        })
        .unwrap();
    watcher.start().unwrap();
    let began = Instant::now();
    sim.advance(Duration::from_secs(86_400));
    began.elapsed().as_secs_f64() * 1e3
}
