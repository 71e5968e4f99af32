//! The rules as a full table, and under random events.
mod random;
mod supervised;
mod table;

use super::{ContainerId, ImageId, ProgramId};

pub(super) fn program_id() -> ProgramId {
    "alice-build-0123456789ab-deadbeef".parse().unwrap()
}

pub(super) fn container(number: u32) -> ContainerId {
    format!("{number:012x}").parse().unwrap()
}

pub(super) fn image(number: u32) -> ImageId {
    format!("sha256:{number:064x}").parse().unwrap()
}
