//! The program domain: what a program is, what may happen to it and what has to be done about it.
//!
//! Nothing here touches a disk, a clock, a socket or a container engine: time and results arrive
//! as data, and what must be done leaves as data.
mod answer;
mod effect;
mod event;
mod id;
mod policy;
mod reducer;
mod state;

pub use answer::{Answer, Reduced, Refusal};
pub use effect::Effect;
pub use event::{Event, FoundContainer};
pub use id::{BuildId, IdError, ProgramId, UserId};
pub use policy::{RestartMode, RestartPolicy};
pub use reducer::reduce;
pub use state::{
    Attempt, ContainerId, Desired, Exit, ImageId, Millis, PendingRestart, ProgramState, State,
    UnknownState,
};
