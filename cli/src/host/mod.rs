//! The host: keeps programs on disk, builds them, runs them in containers and knows what they do.
pub mod api;
pub mod auth;
pub mod compose;
pub mod docker;
pub mod engine;
pub mod registry;
pub mod storage;
mod takeover;
mod tickets;

mod answers;
mod config;
mod contract;
mod counts;
mod error;
mod facade;
mod follow;
mod handler;
mod ledger;
mod lock;
mod monitor;
mod parts;
mod plan;
mod ports;
mod proxy;
mod request;
mod resolv;
mod view;

pub use config::{DockerConfig, HostConfig, Limits, Runtime};
pub use error::HostError;
pub use facade::Host;
pub use request::{Health, LimitsRequest, ListFilter, NetworkMode, NewProgram};
pub use takeover::{Phase, Takeover};
pub use tickets::{TicketFilter, TicketPage, TicketView};
pub use view::{
    BuildLogView, EngineReport, EventView, EventsView, LogsView, ProgramPage, ProgramView,
    SourceView, Timestamp,
};
