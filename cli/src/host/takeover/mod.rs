//! A new build of a named program takes over from the old one.
//!
//! Registering a program under a name that its owner has given already makes a *successor*: another
//! program with an id, a port and an (empty) `/state` of its own, built and started beside the old
//! one, which goes on serving. Once the successor is Ready both are stopped for a moment, `/state`,
//! name and port change hands, and the successor starts again with them; when it is Ready the old
//! one is removed. Two containers never write to one `/state`. A successor that does not build, or
//! does not become Ready beside the old one, changes nothing; one that does not become Ready with
//! the old one's `/state` gives everything back, and the old one is started again.
//!
//! How far it has come stands in the successor's registration, and each step can be taken twice, so
//! a host that ends at any instant goes on where it was: a `redeploy` ticket says that there is
//! something to go on with. Until all is done a successor's view says that it is `Starting`.
mod decide;
mod step;

use serde::{Deserialize, Serialize};

use crate::program::ProgramId;

pub(super) use step::{Progressed, go_on};

/// What a successor takes over, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takeover {
    /// The program that is replaced.
    pub of: ProgramId,
    /// The name that changes hands.
    pub name: String,
    /// How far it has come.
    pub phase: Phase,
    /// Whether the old one was to run when the hand-over began.
    pub old_runs: bool,
}

/// How far a takeover has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The successor proves itself beside the old one.
    Beside,
    /// Both are being stopped.
    Switching,
    /// State, name and port are the successor's; it is being started with them.
    Taken,
    /// It did not become Ready with them: it is being stopped, to give them back.
    Returning,
    /// They are the old one's again; it is being started.
    Returned,
}

impl Takeover {
    /// A takeover that has just been asked for.
    pub(super) fn new(of: ProgramId, name: String) -> Self {
        Self { of, name, phase: Phase::Beside, old_runs: false }
    }

    /// Whether neither of the two may be touched by anybody else.
    pub(super) fn is_exclusive(&self) -> bool {
        self.phase != Phase::Beside
    }
}
