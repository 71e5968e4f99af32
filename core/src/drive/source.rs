//! Where watched variables get their values from, with the types forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::managed::panic_words;
use crate::brain::{Data, Input, Value};
use crate::later::Later;
use crate::sync::channel::{Receiver, Select, TryRecvError};

/// Asks the world for the next value of a variable; it is given the last.
pub(crate) type Poll = Box<dyn FnMut(Option<&Value>) -> Input + Send>;

/// The source of one variable.
pub(crate) enum Source {
    /// Polled at once and then at a fixed rate, outside the loop.
    Poll { every: Duration, poll: Poll },
    /// A timer; its values are [`Tick`](crate::Tick)s.
    Tick { every: Duration },
    /// A channel, received from by the loop itself: what it does not take stays with the sender.
    Flow { flow: Arc<dyn FlowSource>, latest: bool },
}

/// Everything a body needs to know of a variable.
pub(crate) struct Feed {
    pub(crate) source: Source,
    #[cfg(feature = "journal")]
    pub(crate) decode: Decode,
}

/// Reads a recorded value back as the type of its variable.
#[cfg(feature = "journal")]
pub(crate) type Decode = fn(serde_json::Value) -> Result<Value, serde_json::Error>;

impl Feed {
    #[cfg_attr(
        not(feature = "journal"),
        expect(clippy::extra_unused_type_parameters, reason = "only a journal asks for the type")
    )]
    pub(crate) fn of<T: Data>(source: Source) -> Self {
        Self {
            source,
            #[cfg(feature = "journal")]
            decode: |json| serde_json::from_value::<T>(json).map(Value::new),
        }
    }
}

/// A channel of any type.
pub(crate) trait FlowSource: Send + Sync {
    fn next(&self) -> Next;
    /// Adds the receiving end to a select.
    fn watch_in<'a>(&'a self, select: &mut Select<'a>);
}

/// What a flow has to offer now.
pub(crate) enum Next {
    Value(Value),
    Empty,
    Closed,
}

/// The receiving end of a channel of `T`.
pub(crate) struct Receiving<T: 'static>(pub(crate) Later<Receiver<T>>);

impl<T: Data> FlowSource for Receiving<T> {
    fn next(&self) -> Next {
        match self.0.get().try_recv() {
            Ok(value) => Next::Value(Value::new(value)),
            Err(TryRecvError::Empty) => Next::Empty,
            Err(TryRecvError::Disconnected) => Next::Closed,
        }
    }

    fn watch_in<'a>(&'a self, select: &mut Select<'a>) {
        select.recv(self.0.get());
    }
}

/// The most values one look at a `latest` flow passes over, so that a sender faster than the loop
/// cannot hold it.
const MOST_PASSED_OVER: usize = 65_536;

/// Takes what a flow offers: one value, or the newest of all. The input to feed, if any, and
/// whether the flow has ended.
pub(crate) fn take_from(flow: &dyn FlowSource, latest: bool) -> (Option<Input>, bool) {
    let mut newest = None;
    for _ in 0..MOST_PASSED_OVER {
        match flow.next() {
            Next::Value(value) if latest => newest = Some(Input::Value(value)),
            Next::Value(value) => return (Some(Input::Value(value)), false),
            Next::Closed if newest.is_none() => return (Some(Input::Closed), true),
            // A last value is fed first; the end is found again at the next look.
            Next::Closed | Next::Empty => break,
        }
    }
    (newest, false)
}

/// A poll, and the value that it brought last.
///
/// Values are compared here, so that the user's `PartialEq` runs where the poll does: outside every
/// lock of the watcher, and delaying no other variable. As one update per variable is under way at a
/// time, what was brought last is what the next value follows.
pub(crate) struct Polled {
    poll: Poll,
    last: Option<Value>,
}

impl Polled {
    pub(crate) const fn new(poll: Poll) -> Self {
        Self { poll, last: None }
    }

    /// Polls once; a panic is a failed poll.
    pub(crate) fn once(&mut self) -> Input {
        let Self { poll, last } = self;
        match catch_unwind(AssertUnwindSafe(|| poll(last.as_ref()))) {
            Ok(Input::Value(value)) => self.bring(value),
            Ok(Input::Changed(value)) => {
                self.last = Some(value.clone());
                Input::Changed(value)
            }
            Ok(other) => other,
            Err(payload) => {
                let words = panic_words(&*payload);
                Input::Failed(Arc::from(format!("the poll panicked: {words}")))
            }
        }
    }

    /// What it means that this value was polled.
    pub(crate) fn bring(&mut self, value: Value) -> Input {
        let compare = || self.last.as_ref().is_some_and(|last| value.same(last));
        match catch_unwind(AssertUnwindSafe(compare)) {
            Ok(true) => Input::Same,
            Ok(false) => {
                self.last = Some(value.clone());
                Input::Changed(value)
            }
            Err(_) => Input::Failed(Arc::from("comparing the value with the last one panicked")),
        }
    }
}
