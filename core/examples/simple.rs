//! The smallest useful watcher: messages come in, values stay, one costly thing is made once.
//!
//! ```sh
//! cargo run -p hersh --example simple
//! printf 'Ada\nGrace\nAda\n' | cargo run -p hersh --example simple
//! ```
//!
//! Type a name and it is greeted and counted; `refresh` forgets the phrase book; `stop` ends.
//! `--seconds N` ends it by itself. The same works over HTTP, at the address that it prints:
//!
//! ```sh
//! curl -d '{"content":"Ada"}' -H 'Content-Type: application/json' http://ADDRESS/watcher/message
//! curl http://ADDRESS/watcher/varState
//! ```

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::process::ExitCode;

use common::{Args, answer, tell};
use hersh::{Builder, Context, ManagedError, Message, Watcher};

fn main() -> ExitCode {
    common::ended(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let args = Args::parse(std::env::args().skip(1), &[])?;
    let watcher = greeter(Watcher::builder().parent(&args.lifetime()), "en")?;
    common::run(&watcher, &args, io::BufReader::new(io::stdin()))
}

/// A watcher that greets in one language. It takes its builder from outside, so that a test can
/// have it live in a simulation.
fn greeter(builder: Builder, language: &str) -> Result<Watcher, Box<dyn Error>> {
    let watcher = builder.name("greeter").env("LANGUAGE", language).build()?;
    watcher.manage("greet whoever comes", greet)?;
    watcher.cleanup(|ctx| {
        let guests = ctx.get_value::<Guests>("guests").ok().flatten().unwrap_or_default();
        tell(ctx, &format!("{} guests were here", guests.len()));
    })?;
    Ok(watcher)
}

/// How often each guest came.
type Guests = BTreeMap<String, u64>;

/// The managed function. It runs once when the watcher starts, without a message, and then once for
/// each message; never twice at once.
fn greet(message: Option<&Message>, ctx: &Context) -> Result<(), ManagedError> {
    let Some(message) = message else {
        tell(ctx, "who is there?");
        return Ok(());
    };
    match message.content().trim() {
        // This error is an order: end in good order. Any other would be logged, and that is all.
        "stop" => Err(ManagedError::stop("the user asked")),
        "refresh" => {
            let known = ctx.clear_memo("phrases");
            answer(ctx, if known { "phrase book forgotten" } else { "there is no phrase book" });
            Ok(())
        }
        name => welcome(name, ctx),
    }
}

fn welcome(name: &str, ctx: &Context) -> Result<(), ManagedError> {
    // A memo is computed once per session, however often it is asked for.
    let phrases = ctx.memo("phrases", || load_phrases(ctx))?;
    // A value stays from one execution to the next, and whoever asks the API sees it.
    let guests = ctx.update_value("guests", |guests: Option<Guests>| {
        let mut guests = guests.unwrap_or_default();
        *guests.entry(name.to_owned()).or_default() += 1;
        Ok(guests)
    })?;
    let language = ctx.get_env("LANGUAGE").unwrap_or("en");
    // A missing phrase is a normal error: the watcher logs and counts it, and goes on.
    let hello = phrases.get(language).ok_or_else(|| format!("no phrase in {language:?}"))?;
    answer(ctx, &format!("{hello}, {name} ({})", guests[name]));
    Ok(())
}

/// Stands for what is costly: a model, a connection, a table.
fn load_phrases(ctx: &Context) -> BTreeMap<&'static str, &'static str> {
    ctx.log("loading the phrase book");
    BTreeMap::from([("de", "Guten Tag"), ("en", "Hello"), ("fr", "Bonjour")])
}

#[cfg(test)]
mod tests {
    use hersh::sim::Simulation;
    use hersh::{LogKind, State};

    use super::*;

    /// A greeter that has been given these messages, in a world without waiting.
    fn after(language: &str, messages: &[&str]) -> Watcher {
        let sim = Simulation::new(1);
        let watcher = greeter(sim.builder(), language).unwrap();
        watcher.start().unwrap();
        for message in messages {
            watcher.send_message(*message).unwrap();
        }
        sim.run_until_idle();
        watcher
    }

    fn said(watcher: &Watcher, words: &str) -> usize {
        let lines = watcher.logs(LogKind::Context, 100);
        lines.iter().filter(|line| line.text.contains(words)).count()
    }

    #[test]
    fn guests_are_greeted_in_their_order_and_counted() {
        let watcher = after("fr", &["Ada", "Grace", " Ada "]);
        assert_eq!(watcher.values()["answer"].get::<String>().unwrap(), "Bonjour, Ada (2)");
        let guests = Guests::from([("Ada".to_owned(), 2), ("Grace".to_owned(), 1)]);
        assert_eq!(watcher.values()["guests"].get::<Guests>(), Some(&guests));
    }

    #[test]
    fn the_phrase_book_is_loaded_once_until_it_is_forgotten() {
        assert_eq!(said(&after("en", &[]), "loading"), 0);
        assert_eq!(said(&after("en", &["Ada", "Bob", "Eve"]), "loading"), 1);
        assert_eq!(said(&after("en", &["Ada", "refresh", "Bob", "Eve"]), "loading"), 2);
    }

    #[test]
    fn a_missing_phrase_is_counted_and_the_watcher_goes_on() {
        let watcher = after("tlh", &["Ada", "Bob"]);
        assert_eq!((watcher.state(), watcher.stats().counters.errors), (State::Ready, 2));
    }

    #[test]
    fn stop_ends_it_with_its_cleanup_and_hands_back_what_came_too_late() {
        let watcher = after("en", &["Ada", "stop", "too late"]);
        assert_eq!(watcher.state(), State::Stopped);
        assert_eq!(said(&watcher, "1 guests were here"), 1);
        let report = watcher.wait(None).unwrap();
        assert_eq!(report.unserved.len(), 1);
    }
}
