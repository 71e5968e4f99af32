//! What one execution does: count, answer, keep.

use std::io::Write;
use std::time::Duration;

use hersh::{Context, ManagedError, Message};

use crate::command::Command;
use crate::count::{Count, Store, StoreError};
use crate::load::{Load, LoadError};

const TICK: Duration = Duration::from_secs(1);
const LOAD_EVERY: Duration = Duration::from_secs(2);
/// Ticks between two lines in the log that say nothing but that it still counts.
const LINE_EVERY: u64 = 10;

/// The program: the count, where it is kept, how the load is read, and where it logs.
pub(crate) struct Counter<L, W> {
    store: Store,
    count: Count,
    /// The last tick of this session that was counted.
    ticked: u64,
    load: L,
    log: W,
}

impl<L, W> Counter<L, W>
where
    L: FnMut() -> Result<Load, LoadError> + Clone + Send + 'static,
    W: Write,
{
    /// Takes up the count that `store` keeps, and keeps that it was taken up once more.
    pub(crate) fn start(store: Store, load: L, log: W) -> Result<Self, StoreError> {
        let mut count = store.load()?;
        count.starts += 1;
        store.save(count)?;
        Ok(Self { store, count, ticked: 0, load, log })
    }

    /// The managed function.
    pub(crate) fn execute(
        &mut self,
        message: Option<&Message>,
        context: &Context,
    ) -> Result<(), ManagedError> {
        let before = self.count;
        let tick = context.watch_tick("tick", TICK)?;
        if let Some(tick) = tick.value() {
            // Ticks that came while nothing could run are in the number of the next one.
            self.count.ticks += tick.count.saturating_sub(self.ticked);
            self.ticked = tick.count;
        }
        let load = context.watch_call("load", LOAD_EVERY, self.load.clone())?;
        let load = match (load.error(), load.value()) {
            (Some(error), _) => format!("load unknown: {error}"),
            (None, Some(load)) => load.to_string(),
            (None, None) => "load not yet measured".to_owned(),
        };

        let answer = message.map(|message| self.obey(message.content(), &load));
        if self.count != before {
            self.store.save(self.count)?;
            if message.is_none() && self.count.ticks.is_multiple_of(LINE_EVERY) {
                writeln!(self.log, "{}; {load}", self.count)?;
            }
        }
        context.set_value("count", self.count);
        if let (Some(message), Some(answer)) = (message, answer) {
            writeln!(self.log, "message {:?}: {answer}", message.content())?;
            context.set_value("answer", answer);
            if Command::parse(message.content()) == Command::Stop {
                return Err(ManagedError::stop("asked to by a message"));
            }
        }
        Ok(())
    }

    /// Does what a message asks for, and says what it did.
    fn obey(&mut self, text: &str, load: &str) -> String {
        self.count.messages += 1;
        match Command::parse(text) {
            Command::Status => format!("status: {}; {load}", self.count),
            Command::Add(ticks) => {
                self.count.ticks = self.count.ticks.saturating_add(ticks);
                format!("added {ticks}: {}", self.count)
            }
            Command::Reset => {
                self.count = Count { starts: self.count.starts, ..Count::default() };
                format!("reset: {}", self.count)
            }
            Command::Stop => format!("stopping at {}", self.count),
            Command::Misspelt(why) => why,
            Command::Said(_) => format!("heard it; it was message {}", self.count.messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::{Arc, Mutex, PoisonError};

    use hersh::sim::Simulation;
    use hersh::{State, Watcher};

    use super::*;

    /// A log that can be read while the program holds it.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8(bytes.clone()).unwrap()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The program under a virtual clock, its count kept in `folder`.
    struct Lab {
        sim: Simulation,
        watcher: Watcher,
        log: Lines,
    }

    impl Lab {
        fn new(folder: &Path) -> Self {
            let sim = Simulation::new(1);
            let log = Lines::default();
            let idle = || Ok(Load::Average(0.5));
            let mut counter =
                Counter::start(Store::open(folder).unwrap(), idle, log.clone()).unwrap();
            let watcher = sim.builder().name("counter").build().unwrap();
            watcher.manage("count", move |m, context| counter.execute(m, context)).unwrap();
            watcher.start().unwrap();
            sim.run_until_idle();
            Self { sim, watcher, log }
        }

        fn send(&self, message: &str) {
            self.watcher.send_message(message).unwrap();
            self.sim.run_until_idle();
        }

        fn count(&self) -> Count {
            *self.watcher.values()["count"].get().unwrap()
        }

        fn answer(&self) -> String {
            self.watcher.values()["answer"].get::<String>().unwrap().clone()
        }
    }

    #[test]
    fn seconds_and_messages_are_counted_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(folder.path());
        lab.sim.advance(Duration::from_secs(60));
        lab.send("hello");
        let count = Count { starts: 1, ticks: 60, messages: 1 };
        assert_eq!(lab.count(), count);
        assert_eq!(Store::open(folder.path()).unwrap().load().unwrap(), count);
        assert!(lab.log.text().contains("60 ticks, 0 messages, start 1; 0.5 tasks on average\n"));
        assert!(lab.log.text().ends_with("message \"hello\": heard it; it was message 1\n"));
    }

    #[test]
    fn commands_are_answered_in_the_state_and_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(folder.path());
        lab.send("add 40");
        assert_eq!(lab.answer(), "added 40: 40 ticks, 1 messages, start 1");
        lab.send("status");
        assert!(lab.answer().starts_with("status: 40 ticks, 2 messages, start 1; "));
        lab.send("add forty");
        assert!(lab.answer().contains("\"forty\""), "{}", lab.answer());
        lab.send("reset");
        assert_eq!(lab.answer(), "reset: 0 ticks, 0 messages, start 1");
        for answer in ["added 40: ", "status: 40 ", "cannot add ", "reset: 0 "] {
            assert!(lab.log.text().contains(answer), "{}", lab.log.text());
        }
    }

    #[test]
    fn the_next_start_goes_on_where_the_last_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(folder.path());
        lab.sim.advance(Duration::from_secs(5));
        lab.send("hello");
        lab.watcher.kill();
        let lab = Lab::new(folder.path());
        lab.sim.advance(Duration::from_secs(2));
        assert_eq!(lab.count(), Count { starts: 2, ticks: 7, messages: 1 });
    }

    #[test]
    fn stop_ends_it_after_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(folder.path());
        lab.send("stop");
        assert_eq!(lab.watcher.state(), State::Stopped);
        assert_eq!(lab.answer(), "stopping at 0 ticks, 1 messages, start 1");
        assert_eq!(Store::open(folder.path()).unwrap().load().unwrap().messages, 1);
    }

    #[test]
    fn a_load_that_cannot_be_measured_is_told_and_counting_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(folder.path());
        let error = LoadError::ClockStands.to_string();
        lab.sim.fail_polls(&lab.watcher, "load", 1, &error);
        lab.sim.advance(LOAD_EVERY);
        lab.send("status");
        assert!(lab.answer().contains(&error), "{}", lab.answer());
        lab.sim.advance(LOAD_EVERY);
        lab.send("status");
        assert!(lab.answer().ends_with("0.5 tasks on average"), "{}", lab.answer());
        assert_eq!(lab.count().ticks, 4);
    }

    #[test]
    fn what_could_not_be_kept_is_kept_when_it_can_be_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let lab = Lab::new(&state);
        fs::remove_dir_all(&state).unwrap();
        lab.sim.advance(TICK * 3);
        assert_eq!(lab.watcher.state(), State::Ready, "an error is no end");
        assert_eq!(lab.watcher.stats().counters.errors, 3);
        fs::create_dir(&state).unwrap();
        lab.sim.advance(TICK);
        let count = Count { starts: 1, ticks: 4, messages: 0 };
        assert_eq!(Store::open(&state).unwrap().load().unwrap(), count);
        assert_eq!(lab.count(), count);
    }
}
