//! The brain: the state machine of a watcher as a pure function.
//!
//! `(state, event, now) -> (state, output)`. Nothing here reads a clock, waits, or touches a
//! channel, a thread or a file: time arrives with the event, what is to be done leaves as
//! [`Effect`]s, and what is to be remembered as [`Record`]s. Two bodies drive it: the threaded
//! [runtime](crate::runtime) and the [simulation](crate::sim). Whatever order of events they feed,
//! the brain's invariants hold: one execution at a time, no accepted message lost or out of order,
//! terminal states final.

mod by_id;
mod counters;
mod effect;
mod event;
mod message;
mod record;
mod recovery;
mod reducer;
mod rng;
mod state;
mod time;
mod value;
mod vars;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;

pub use counters::{Counters, Histogram};
pub use effect::Trigger;
pub use message::Message;
pub use record::{Cause, Ending, StateFault, Transition};
pub use recovery::RecoveryPolicy;
pub use state::State;
pub use time::Time;
pub use value::{Data, Value};
pub use vars::{Change, WatchKind};

pub(crate) use by_id::ById;
pub(crate) use effect::{Effect, Execution, Output};
pub(crate) use event::{Declaration, Event, Input, StopRequest};
pub(crate) use record::Record;
pub(crate) use reducer::{Brain, Policy};
#[cfg(feature = "sim")]
pub(crate) use rng::Rng;
#[cfg(feature = "journal")]
pub(crate) use vars::Vars;
pub(crate) use vars::{Var, VarId};
