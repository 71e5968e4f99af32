//! What a scenario saw, and what must hold of it.

use std::sync::Arc;
use std::sync::Mutex as Plain;

use crate::sync::thread;
use crate::{Config, Context, ManagedError, Message, SendError, State, StopReport, Watcher};

/// Sees the executions of one watcher. The plain lock is no choice of the schedule.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Plain<Seen>>);

#[derive(Default)]
struct Seen {
    inside: bool,
    overlapped: bool,
    accepted: Vec<String>,
    served: Vec<String>,
}

impl Witness {
    /// A started watcher whose executions are seen.
    pub(super) fn start(
        &self,
        config: Config,
        managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
    ) -> Watcher {
        let watcher = Watcher::builder().config(config).seed(7).build().expect("sound");
        self.manage(&watcher, managed);
        watcher.start().expect("starts");
        watcher
    }

    pub(super) fn manage(
        &self,
        watcher: &Watcher,
        mut managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
    ) {
        let witness = self.clone();
        let seen = move |message: Option<&Message>, ctx: &Context| {
            witness.enter(message.filter(|_| ctx.attempt() == 1));
            thread::yield_now();
            let outcome = managed(message, ctx);
            witness.leave();
            outcome
        };
        watcher.manage("seen", seen).expect("not running");
    }

    fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().expect("nobody panics with it"))
    }

    fn enter(&self, message: Option<&Message>) {
        self.seen(|seen| {
            seen.overlapped |= std::mem::replace(&mut seen.inside, true);
            seen.served.extend(message.map(|message| message.content().to_owned()));
        });
    }

    fn leave(&self) {
        self.seen(|seen| seen.inside = false);
    }

    /// Notes whether a message was accepted; hands the answer on.
    pub(super) fn sent(
        &self,
        content: &str,
        answer: Result<(), SendError>,
    ) -> Result<(), SendError> {
        if answer.is_ok() {
            self.seen(|seen| seen.accepted.push(content.to_owned()));
        }
        answer
    }

    /// Sends numbered messages, whatever the answers are.
    pub(super) fn send(&self, watcher: &Watcher, sender: &str, messages: u32) {
        for number in 1..=messages {
            let content = format!("{sender}{number}");
            let _ = self.sent(&content, watcher.send_message(content.clone()));
        }
    }

    /// Waits for the end of everything, and checks it.
    pub(super) fn check_end(&self, watcher: &Watcher) -> StopReport {
        let report = watcher.wait(None).expect("a session that has ended");
        assert!(report.state.is_terminal());
        assert!(watcher.join(None), "every thread ends");
        assert_eq!(watcher.state(), report.state, "an end is final");
        let late = watcher.send_message("late");
        assert!(matches!(late, Err(SendError::NotRunning { .. })), "{late:?}");
        let unserved = report.unserved.iter().map(|message| message.content().to_owned());
        self.seen(|seen| {
            assert!(!seen.overlapped, "never two executions at once");
            let mut accounted = seen.served.clone();
            // A message whose execution crashed is among the unserved as well.
            accounted.extend(unserved.filter(|content| !seen.served.contains(content)));
            for sender in ["a", "b", "c"] {
                let of = |all: &[String]| -> Vec<String> {
                    all.iter().filter(|content| content.starts_with(sender)).cloned().collect()
                };
                assert_eq!(of(&accounted), of(&seen.accepted), "in order, and none lost");
            }
            assert_eq!(accounted.len(), seen.accepted.len());
        });
        report
    }

    pub(super) fn served(&self) -> usize {
        self.seen(|seen| seen.served.len())
    }
}

/// Whether this is how a session ends that somebody stopped, in time or not.
pub(super) fn was_stopped(state: State) -> bool {
    matches!(state, State::Stopped | State::Killed)
}
