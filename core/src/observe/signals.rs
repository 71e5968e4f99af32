//! The signals that came last, of each class.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::ring::Ring;
use crate::brain::{Cause, Message, Time, Value};

/// How many signals are shown, and so kept of each class.
const MOST: usize = 30;

/// The most characters of a message that are shown.
const MOST_SHOWN: usize = 1024;

/// What asked for an execution or for another state, the highest class first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalClass {
    /// A start, a stop or a kill.
    Watcher,
    /// A message.
    User,
    /// A watched variable has a new value.
    Var,
}

impl SignalClass {
    /// The name that the WatcherAPI uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Var => "var",
            Self::User => "user",
            Self::Watcher => "watcher",
        }
    }
}

impl fmt::Display for SignalClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signal, whether it waits or has been served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalEntry {
    /// Its class.
    pub class: SignalClass,
    /// What it brings: a message, a variable and its value, or a lifecycle call and its reason. Cut
    /// short if it is long.
    pub content: String,
    /// When it came, on the watcher's clock.
    pub at: SystemTime,
}

/// A signal as it is kept: words are made when somebody reads.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Var { name: Arc<str>, value: Value },
    User(Arc<Message>),
    Watcher(Cause),
}

impl Signal {
    pub(crate) const fn class(&self) -> SignalClass {
        match self {
            Self::Var { .. } => SignalClass::Var,
            Self::User(_) => SignalClass::User,
            Self::Watcher(_) => SignalClass::Watcher,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Var { name, value } => write!(f, "{name}: {value}"),
            Self::User(message) => {
                let content = message.content();
                match content.char_indices().nth(MOST_SHOWN) {
                    Some((end, _)) => write!(f, "{}…", &content[..end]),
                    None => f.write_str(content),
                }
            }
            Self::Watcher(cause) => cause.fmt(f),
        }
    }
}

/// The newest signals. Each class has a ring of its own, so that within it they stand in the order
/// in which they came, and a crowd of one class does not hide the others before it is their turn.
#[derive(Debug)]
pub(crate) struct Signals {
    rings: [Ring<(Time, Signal)>; 3],
}

impl Signals {
    pub(crate) fn new() -> Self {
        Self { rings: std::array::from_fn(|_| Ring::new(MOST)) }
    }

    pub(crate) fn push(&mut self, at: Time, signal: Signal) {
        self.rings[signal.class() as usize].push((at, signal));
    }

    /// The values of variables among them.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        let vars = self.rings[SignalClass::Var as usize].tail(MOST);
        vars.filter_map(|(_, (_, signal))| match signal {
            Signal::Var { value, .. } => Some(value),
            Signal::User(_) | Signal::Watcher(_) => None,
        })
    }

    /// The newest of all classes, oldest first.
    pub(crate) fn newest(&self) -> Vec<(Time, Signal)> {
        let all = self.rings.iter().flat_map(|ring| ring.tail(MOST).map(|(_, signal)| signal));
        let mut all: Vec<_> = all.cloned().collect();
        all.sort_by_key(|(at, _)| *at);
        all.split_off(all.len().saturating_sub(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_all_classes_are_shown_in_order() {
        let mut signals = Signals::new();
        let message = |n: u64| {
            let sent = Time::from_nanos(n);
            (sent, Signal::User(Arc::new(Message::new(n, n.to_string(), sent))))
        };
        // Messages may be noted later than variables that came after them.
        for n in [1, 50, 99] {
            signals.push(Time::from_nanos(n), Signal::Watcher(Cause::Start));
        }
        for n in 10..60 {
            let (at, signal) = message(n);
            signals.push(at, signal);
        }
        let shown = signals.newest();
        assert_eq!(shown.len(), MOST);
        assert!(shown.is_sorted_by_key(|(at, _)| *at));
        assert_eq!(shown.last().map(|(at, _)| at.as_nanos()), Some(99));
        assert_eq!(shown.iter().filter(|(_, s)| s.class() == SignalClass::Watcher).count(), 2);
        assert_eq!(shown.first().map(|(_, signal)| signal.to_string()).as_deref(), Some("32"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let message = Message::new(1, "ä".repeat(2000), Time::ZERO);
        let shown = Signal::User(Arc::new(message)).to_string();
        assert_eq!(shown, "ä".repeat(MOST_SHOWN) + "…");
    }
}
