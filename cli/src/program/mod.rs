//! The program domain: what a program is, what may happen to it and what has to be done about it.
//!
//! Nothing here touches a disk, a clock, a socket or a container engine: time and results arrive
//! as data, and what must be done leaves as data.
mod id;

pub use id::{BuildId, IdError, ProgramId, UserId};
