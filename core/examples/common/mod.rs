//! What the examples share: their arguments, the keyboard, the WatcherAPI, and how they answer.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use hersh::{CancelToken, Context, State, StopOptions, Watcher};

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Args {
    /// `--seconds N`: end after this long. Without it, the end of the input is the end.
    pub(crate) seconds: Option<u64>,
    own: BTreeMap<String, String>,
}

impl Args {
    /// Reads arguments, those after the program's name. Besides `--seconds` there are the example's
    /// own, each with a value.
    pub(crate) fn parse(
        args: impl IntoIterator<Item = String>,
        own: &[&str],
    ) -> Result<Self, String> {
        let (mut parsed, mut args) = (Self::default(), args.into_iter());
        while let Some(arg) = args.next() {
            if arg == "--seconds" {
                let number = args.next().and_then(|number| number.parse().ok());
                parsed.seconds = Some(number.ok_or("--seconds needs a whole number")?);
            } else if own.contains(&arg.as_str()) {
                let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
                parsed.own.insert(arg, value);
            } else {
                return Err(format!("{arg:?} is not known; there are --seconds {}", own.join(" ")));
            }
        }
        Ok(parsed)
    }

    /// The value of one of the example's own arguments.
    #[allow(dead_code, reason = "not every example has arguments of its own")]
    pub(crate) fn get(&self, own: &str) -> Option<&str> {
        self.own.get(own).map(String::as_str)
    }

    /// A parent for the watcher: when its time is over, it stops its children in good order.
    pub(crate) fn lifetime(&self) -> CancelToken {
        match self.seconds {
            Some(seconds) => CancelToken::with_timeout(Duration::from_secs(seconds)),
            None => CancelToken::new(),
        }
    }
}

/// What `main` returns: says in words why the program did not do what it should.
pub(crate) fn ended(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a watcher until its end, which Ctrl-C, `stop`, the arguments or the input may bring. Each
/// line of the input is a message; the API takes more of them.
pub(crate) fn run(
    watcher: &Watcher,
    args: &Args,
    input: impl BufRead + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let address = watcher.start_api_server("127.0.0.1:0")?;
    println!("{} listens to its keyboard, and at http://{address}/watcher/state", watcher.name());
    let (typed_into, input_decides) = (watcher.clone(), args.seconds.is_none());
    thread::spawn(move || type_into(&typed_into, input, input_decides));
    match watcher.run()?.state {
        State::Stopped => Ok(()),
        state => Err(format!("{} ended as {state}", watcher.name()).into()),
    }
}

fn type_into(watcher: &Watcher, input: impl BufRead, input_decides: bool) {
    // A watcher takes messages from its start on, and that happens on another thread.
    while watcher.state() == State::NotRun {
        thread::sleep(Duration::from_millis(1));
    }
    for line in input.lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        // A fast typist waits for room in the queue, a dead watcher for nobody.
        if watcher.send_message_timeout(line, Duration::from_secs(10)).is_err() {
            return;
        }
    }
    if input_decides {
        let served_first = StopOptions { drain: true, ..StopOptions::default() };
        watcher.request_stop_with("the input has ended", served_first);
    }
}

/// Says something on the screen, and in the log that `/watcher/logs?type=context` shows.
pub(crate) fn tell(ctx: &Context, words: &str) {
    println!("{words}");
    ctx.log(words);
}

/// Answers a message: also in the value `answer`, which `/watcher/varState` shows.
pub(crate) fn answer(ctx: &Context, words: &str) {
    tell(ctx, words);
    ctx.set_value("answer", words.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_and_nonsense_is_refused() {
        let parse =
            |line: &str| Args::parse(line.split_whitespace().map(str::to_owned), &["--feed"]);
        assert_eq!(parse(""), Ok(Args::default()));
        let both = parse("--feed replay --seconds 3").unwrap();
        assert_eq!((both.seconds, both.get("--feed")), (Some(3), Some("replay")));
        for wrong in ["--seconds", "--seconds soon", "--feed", "--food replay", "replay"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_end_of_the_input_is_the_end_and_every_line_is_served_before() {
        let watcher = Watcher::builder().name("scripted").build().unwrap();
        let serve = |message: Option<&hersh::Message>, ctx: &Context| {
            if let Some(message) = message {
                answer(ctx, message.content());
            }
            Ok(())
        };
        watcher.manage("repeat", serve).unwrap();
        run(&watcher, &Args::default(), &b"one\n\ntwo"[..]).unwrap();
        assert_eq!(watcher.values()["answer"].get::<String>().unwrap(), "two");
    }
}
