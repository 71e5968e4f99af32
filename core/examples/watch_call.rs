//! A thermostat: what it polls, and how it reacts to what has changed.
//!
//! ```sh
//! cargo run -p hersh --example watch_call
//! cargo run -p hersh --example watch_call -- --seconds 10
//! ```
//!
//! Type a number and the room is kept at so many degrees; `stop` ends. It watches the room in
//! three ways:
//!
//! - `watch_call`: the sensor's reading. An execution follows when it differs from the last one.
//! - `watch_call_update`: the coldest and the warmest so far. It grows out of its last value, and
//!   says itself what counts as a change.
//! - `watch_tick`: a poll that fails triggers nothing, so a timer looks after a sensor that has
//!   gone silent.
//!
//! The room is made up; the polling, the threads and the time are real.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

mod common;

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::{Args, answer, tell};
use hersh::{Builder, Context, ManagedError, Message, Watcher};
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    common::ended(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::parse(std::env::args().skip(1), &[])?;
    let room = Arc::new(Mutex::new(Room { celsius: 17.0, heating: false, readings: 0 }));
    let watcher = thermostat(Watcher::builder().parent(&args.lifetime()), &room)?;
    common::run(&watcher, &args, io::BufReader::new(io::stdin()))
}

/// The outside world. It knows nothing of watchers.
#[derive(Debug)]
struct Room {
    celsius: f64,
    heating: bool,
    readings: u32,
}

impl Room {
    /// A reading of a cheap sensor: one in ten fails. The room moves on meanwhile.
    fn read(&mut self) -> Result<f64, &'static str> {
        self.readings += 1;
        self.celsius += if self.heating { 0.25 } else { -0.125 };
        if self.readings.is_multiple_of(10) { Err("the sensor is busy") } else { Ok(self.celsius) }
    }
}

/// The coldest and the warmest so far. What is watched can be of any type that can be compared and
/// that serde knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Extremes {
    coldest: f64,
    warmest: f64,
}

const READ_EVERY: Duration = Duration::from_millis(300);
const CHECK_EVERY: Duration = Duration::from_secs(5);
const TARGET: f64 = 20.0;
/// How far the room may be from its target before the heating is switched.
const TOLERANCE: f64 = 0.5;

fn thermostat(builder: Builder, room: &Arc<Mutex<Room>>) -> Result<Watcher, Box<dyn Error>> {
    let watcher = builder.name("thermostat").build()?;
    let managed = Arc::clone(room);
    watcher.manage("keep the room warm", move |message, ctx| control(message, ctx, &managed))?;
    let left = Arc::clone(room);
    // Whatever ends the session, nobody is left to watch the heating.
    watcher.cleanup(move |ctx| switch(ctx, &left, false))?;
    Ok(watcher)
}

/// The managed function: runs for each message, each new reading, each record and each check.
fn control(
    message: Option<&Message>,
    ctx: &Context,
    room: &Arc<Mutex<Room>>,
) -> Result<(), ManagedError> {
    // Watches are declared by calling them; the first call registers, later ones read. None waits.
    let sensor = Arc::clone(room);
    let reading = ctx.watch_call("celsius", READ_EVERY, move || lock(&sensor).read())?;
    let extremes = watch_extremes(ctx, room)?;
    let check = ctx.watch_tick("check", CHECK_EVERY)?;

    if let Some(message) = message {
        obey(message.content().trim(), ctx)?;
    }
    let target = ctx.get_value("target")?.unwrap_or(TARGET);
    match reading.value() {
        // A reading that is no longer to be trusted: better cold than on fire.
        _ if check.triggered() && reading.error().is_some() => switch(ctx, room, false),
        Some(celsius) if *celsius < target - TOLERANCE => switch(ctx, room, true),
        Some(celsius) if *celsius > target + TOLERANCE => switch(ctx, room, false),
        _ => {}
    }
    if let (true, Some(extremes)) = (extremes.triggered(), extremes.value()) {
        tell(ctx, &format!("between {} and {} °C so far", extremes.coldest, extremes.warmest));
    }
    Ok(())
}

fn watch_extremes(
    ctx: &Context,
    room: &Arc<Mutex<Room>>,
) -> Result<hersh::Watched<Extremes>, hersh::WatchError> {
    let room = Arc::clone(room);
    // In two steps: this function looks at the world, and brings one that makes the next value of
    // the last.
    ctx.watch_call_update("extremes", READ_EVERY, move || {
        let now = lock(&room).celsius;
        Ok::<_, &str>(move |last: Option<&Extremes>| {
            let Some(last) = last else {
                return Ok(Some(Extremes { coldest: now, warmest: now }));
            };
            // Less than a degree is no news.
            let news = now <= last.coldest - 1.0 || now >= last.warmest + 1.0;
            let next =
                || Extremes { coldest: last.coldest.min(now), warmest: last.warmest.max(now) };
            Ok(news.then(next))
        })
    })
}

fn obey(command: &str, ctx: &Context) -> Result<(), ManagedError> {
    if command == "stop" {
        return Err(ManagedError::stop("the user asked"));
    }
    match command.parse::<f64>() {
        Ok(target) if (5.0..=30.0).contains(&target) => {
            ctx.set_value("target", target);
            answer(ctx, &format!("the room will be kept at {target} °C"));
        }
        _ => answer(ctx, &format!("{command:?} is no temperature from 5 to 30")),
    }
    Ok(())
}

fn switch(ctx: &Context, room: &Mutex<Room>, on: bool) {
    let mut room = lock(room);
    if std::mem::replace(&mut room.heating, on) != on {
        tell(ctx, &format!("{:.2} °C: heating {}", room.celsius, if on { "on" } else { "off" }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hersh::sim::Simulation;

    use super::*;

    fn house() -> (Simulation, Watcher, Arc<Mutex<Room>>) {
        let sim = Simulation::new(1);
        let room = Arc::new(Mutex::new(Room { celsius: 17.0, heating: false, readings: 0 }));
        let watcher = thermostat(sim.builder(), &room).unwrap();
        watcher.start().unwrap();
        (sim, watcher, room)
    }

    fn is_near(celsius: f64, target: f64) -> bool {
        // The heating reacts one reading late, and two when the sensor is busy.
        (celsius - target).abs() <= TOLERANCE + 0.75
    }

    #[test]
    fn the_room_is_kept_warm_for_hours_and_then_warmer() {
        let (sim, watcher, room) = house();
        sim.advance(Duration::from_secs(60));
        for _ in 0..12 {
            sim.advance(Duration::from_secs(600));
            assert!(is_near(lock(&room).celsius, TARGET), "{room:?}");
        }
        watcher.send_message("25").unwrap();
        sim.advance(Duration::from_secs(60));
        assert!(is_near(lock(&room).celsius, 25.0), "{room:?}");
        assert!(watcher.stats().counters.watch_errors > 0, "the sensor fails now and then");
    }

    #[test]
    fn a_sensor_that_has_gone_silent_ends_the_heating() {
        let (sim, watcher, room) = house();
        sim.advance(Duration::from_secs(1));
        assert!(lock(&room).heating, "17 °C is cold");
        sim.fail_polls(&watcher, "celsius", 100, "the cable is cut");
        sim.advance(CHECK_EVERY);
        assert!(!lock(&room).heating);
    }

    #[test]
    fn a_reading_that_a_test_brings_is_obeyed_like_a_real_one() {
        let (sim, watcher, room) = house();
        sim.inject_poll(&watcher, "celsius", 35.0_f64);
        lock(&room).heating = true;
        sim.run_until_idle();
        assert!(!lock(&room).heating);
    }

    #[test]
    fn only_a_whole_degree_is_news() {
        let (sim, watcher, _) = house();
        sim.advance(Duration::from_secs(60));
        let variables = watcher.watched();
        let extremes = variables.iter().find(|entry| entry.name == "extremes").unwrap();
        let extremes = extremes.value.as_ref().and_then(|value| value.get::<Extremes>()).unwrap();
        // The room has been at 20.625 °C meanwhile, and that is no whole degree more.
        assert_eq!(*extremes, Extremes { coldest: 16.875, warmest: 19.875 });
    }

    #[test]
    fn nonsense_is_answered_and_the_end_switches_the_heating_off() {
        let (sim, watcher, room) = house();
        sim.advance(Duration::from_secs(1));
        watcher.send_message("99").unwrap();
        watcher.send_message("stop").unwrap();
        sim.run_until_idle();
        let answered = watcher.values()["answer"].get::<String>().cloned().unwrap();
        assert!(answered.contains("\"99\" is no temperature"), "{answered}");
        assert_eq!(watcher.state(), hersh::State::Stopped);
        assert!(!lock(&room).heating);
    }
}
