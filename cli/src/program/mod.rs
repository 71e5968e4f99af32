//! The program domain: what a program is, what may happen to it and what has to be done about it.
//!
//! Nothing here touches a disk, a socket or a container engine: time and results arrive as data,
//! and what must be done leaves as data. The rules ([`reduce`]) have no threads either; the
//! [`Supervisor`] runs them.
mod answer;
mod cancel;
mod effect;
mod event;
mod fake;
mod id;
mod policy;
mod reducer;
mod state;
mod supervisor;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Reduced, Refusal};
pub use cancel::Cancel;
pub use effect::Effect;
pub use event::{Event, FoundContainer};
pub use fake::{FakeHandler, Step};
pub use id::{BuildId, IdError, ProgramId, UserId};
pub use policy::{RestartMode, RestartPolicy};
pub use reducer::reduce;
pub(crate) use state::quoted;
pub use state::{
    Attempt, ContainerId, Desired, Exit, ImageId, Millis, PendingRestart, ProgramState, State,
    UnknownState,
};
pub use supervisor::{EffectHandler, Ledger, Reply, Supervisor, SupervisorConfig, SupervisorError};
