//! What the tests that cross parts share: the engine they run on, the parts they put on it, and a host
//! that ends with the test.
//!
//! Everything here panics where it cannot go on, with what it waited for and what the parts said: it is
//! only ever called by tests.

#![allow(clippy::missing_panics_doc, reason = "a panic is how a test fails, as said above")]

mod engine;
pub mod filters;
mod host;
mod parts;
mod terminal;
mod wait;

pub use engine::{Engine, engine};
pub use host::{Answer, HostProcess};
pub use parts::{
    counter, hersh, library, probe, python_example, python_image, python_program, root, target_of,
    wheel,
};
pub use terminal::Terminal;
pub use wait::{BOUND, until};
