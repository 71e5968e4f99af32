//! A new build of a named program takes over from the old one.
//!
//! Registering a program under a name that its owner has given already makes a *successor*: another
//! program with an id, a port and a `/state` of its own, built and tried beside the old one, which goes
//! on serving. In its trial it has a copy of the old one's `/state` ([`prepare`]), which nobody keeps,
//! and `HERSH_TRIAL=1` in its environment ([`TRIAL`]). Once the successor is Ready both are stopped
//! for a moment, `/state`, name and port change hands, and the successor starts again with them; when
//! it is Ready the old one is removed. Two containers never write to one `/state`. A successor that
//! does not build, or does not become Ready beside the old one, changes nothing; one that does not
//! become Ready with the old one's `/state` gives everything back, and the old one is started again.
//! Where the old one is removed meanwhile there is nothing to hand over but the name.
//!
//! How far it has come stands in the successor's registration, and each step can be taken twice, so
//! a host that ends at any instant goes on where it was: a `redeploy` ticket says that there is
//! something to go on with. Until all is done a successor's view says that it is `Starting`.
mod decide;
mod step;
mod trial;

use serde::{Deserialize, Serialize};

use crate::program::ProgramId;

pub(super) use step::{Progressed, go_on};
pub(super) use trial::prepare;

/// The environment variable that a program finds set to `1` while it only proves itself: what it does
/// to the outside then, the old one does as well.
pub(super) const TRIAL: &str = "HERSH_TRIAL";

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

    /// Whether what runs of the successor now only proves itself, or did until it is stopped.
    pub(super) fn is_trial(&self) -> bool {
        matches!(self.phase, Phase::Beside | Phase::Switching)
    }

    /// Whether neither of the two may be touched by anybody else.
    pub(super) fn is_exclusive(&self) -> bool {
        self.phase != Phase::Beside
    }
}
