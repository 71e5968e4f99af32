//! {{name}}: counts the seconds it has lived, and answers what it is asked.
//!
//! Messages: `status`, `add N`, `stop`. The count is kept in the folder that HERSH_STATE_DIR names,
//! and is there again after a restart.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use hersh::{ApiConfig, Builder, Config, Context, ManagedError, Message, Persist, State, Watcher};

fn main() -> Result<(), Box<dyn Error>> {
    let mut api = ApiConfig::default();
    // `hersh dev` says where the WatcherAPI is to listen; in a container the usual place is right.
    if let Ok(address) = env::var("HERSH_API_ADDR") {
        api.address = address.parse()?;
    }
    let folder = PathBuf::from(env::var("HERSH_STATE_DIR").unwrap_or_else(|_| ".".into()));
    let persist = Some(Persist::to(folder.join("values.json")));
    let config = Config { api: Some(api), persist, ..Config::default() };
    let end = program(Watcher::builder().config(config))?.run()?;
    match end.state {
        State::Stopped => Ok(()),
        other => Err(format!("it ended as {other}").into()),
    }
}

/// The program. It takes its builder from outside, so that a test can have it live in a simulation.
fn program(builder: Builder) -> Result<Watcher, Box<dyn Error>> {
    let watcher = builder.name("{{name}}").build()?;
    watcher.manage("count", count)?;
    watcher.cleanup(|ctx| say(ctx, "good-bye"))?;
    Ok(watcher)
}

/// Runs once at the start, then again for each message and each second; never twice at once.
fn count(message: Option<&Message>, ctx: &Context) -> Result<(), ManagedError> {
    let second = ctx.watch_tick("second", Duration::from_secs(1))?;
    if second.triggered() {
        add(ctx, 1)?;
    }
    let Some(message) = message else { return Ok(()) };
    let words: Vec<&str> = message.content().split_whitespace().collect();
    match words.as_slice() {
        ["status"] => {
            let seconds = add(ctx, 0)?;
            say(ctx, &format!("{seconds} seconds"));
        }
        ["add", number] => match number.parse() {
            Ok(number) => {
                let seconds = add(ctx, number)?;
                say(ctx, &format!("added {number}: {seconds} seconds"));
            }
            Err(error) => say(ctx, &format!("{number} is no number: {error}")),
        },
        // This error is an order: end in good order. Any other would be logged, and that is all.
        ["stop"] => return Err(ManagedError::stop("the user asked")),
        _ => say(ctx, "say status, add N or stop"),
    }
    Ok(())
}

/// Adds to the count, and returns it. A value stays from one execution to the next, and `hersh
/// watch` shows it.
fn add(ctx: &Context, number: u64) -> Result<u64, ManagedError> {
    let seconds = ctx.update_value("seconds", |seconds: Option<u64>| {
        Ok(seconds.unwrap_or(0).saturating_add(number))
    })?;
    Ok(seconds)
}

/// Answers: in the log of the program (`hersh logs`), and as a value.
fn say(ctx: &Context, words: &str) {
    println!("{words}");
    ctx.set_value("answer", words.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hersh::sim::Simulation;

    #[test]
    fn a_day_is_counted_in_a_moment() {
        let sim = Simulation::new(7);
        let watcher = program(sim.builder()).unwrap();
        watcher.start().unwrap();
        sim.advance(Duration::from_secs(24 * 3600));
        assert_eq!(watcher.values()["seconds"].get::<u64>(), Some(&86_400));
    }

    #[test]
    fn messages_are_answered() {
        let sim = Simulation::new(7);
        let watcher = program(sim.builder()).unwrap();
        watcher.start().unwrap();
        for (message, answer) in [
            ("add 40", "added 40: 40 seconds"),
            ("add x", "x is no number: invalid digit found in string"),
            ("status", "40 seconds"),
            ("hello", "say status, add N or stop"),
        ] {
            watcher.send_message(message).unwrap();
            sim.run_until_idle();
            assert_eq!(watcher.values()["answer"].get::<String>().unwrap(), answer);
        }
        watcher.send_message("stop").unwrap();
        sim.run_until_idle();
        assert_eq!(watcher.state(), State::Stopped);
    }
}
