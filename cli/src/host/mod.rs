//! The host: keeps programs on disk, builds them, runs them in containers and knows what they do.
pub mod auth;
pub mod compose;
pub mod docker;
pub mod engine;
pub mod storage;

mod config;
mod error;
mod request;
mod view;

pub use config::{DockerConfig, HostConfig, Limits, Runtime};
pub use error::HostError;
pub use request::{LimitsRequest, ListFilter, NetworkMode, NewProgram};
pub use view::{
    BuildLogView, EngineReport, EventView, EventsView, LogsView, ProgramPage, ProgramView,
    SourceView, Timestamp,
};
