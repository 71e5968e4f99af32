//! What users of the library can rely on, one module a subject.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod gate;
