//! The programs' folders.
mod source;

pub use source::{SourceError, SourceFault, SourceLimits, check_sources};
