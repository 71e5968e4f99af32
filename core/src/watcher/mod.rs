//! What users hold: the builder, the handle, the context, watched values, memos, errors.

mod builder;
mod cancel;
mod config;
mod context;
mod error;
mod handle;
mod memo;
mod rehearsal;
mod report;
mod showing;
mod tick;
mod values;
mod watched;

pub use builder::Builder;
pub use cancel::CancelToken;
pub use config::{Config, ConfigError};
pub use context::Context;
pub use error::{
    ManagedError, MemoError, SendError, StartError, StopError, ValueError, WatchError,
};
pub use handle::{StopOptions, Watcher, WeakWatcher};
pub use report::StopReport;
pub use tick::Tick;
pub use watched::Watched;

#[cfg(feature = "journal")]
pub(crate) use builder::random;
pub(crate) use memo::Memos;
#[cfg(feature = "journal")]
pub(crate) use rehearsal::replay_asked;
pub(crate) use values::Values;
