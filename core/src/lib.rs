//! hersh: reactive watchers.

#[cfg(feature = "api")]
pub mod http;
