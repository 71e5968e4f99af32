//! What the `hersh` command is made of: the program domain (pure) and the host that serves it.
//!
//! Arrows point one way: `host → program → nothing`.
pub mod host;
pub mod program;
