//! A watcher whose process is asked to replay a journal goes the recorded way instead of living.
//!
//! It is asked by the environment variable `HERSH_REPLAY`, so that a program takes part without a
//! line of its own, whatever language it is written in: `start` is the one place where a watcher
//! comes to life.

use std::env;
use std::path::PathBuf;

#[cfg(not(feature = "journal"))]
use super::error::StartError;
use super::handle::Watcher;

/// Names the journal.
const REPLAY: &str = "HERSH_REPLAY";

/// The journal that this process is asked to replay.
pub(crate) fn replay_asked() -> Option<PathBuf> {
    env::var_os(REPLAY).filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Watcher {
    /// Whether it is asked to go the recorded way. One that lives by a virtual clock never is: a
    /// simulation is no more the world than a replay.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.own_cell().body.is_world() && replay_asked().is_some()
    }
}

#[cfg(not(feature = "journal"))]
impl Watcher {
    /// Better nothing than a program that lives although it was to be replayed.
    #[allow(clippy::unused_self, reason = "the same signature as where there are journals")]
    pub(super) fn rehearse(&self) -> Result<(), StartError> {
        Err(StartError::NoJournal)
    }
}

#[cfg(feature = "journal")]
pub(super) use recorded::Rehearsal;

#[cfg(feature = "journal")]
mod recorded {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    use super::super::error::StartError;
    use super::super::handle::{Watcher, kill};
    use crate::drive::Cell;
    use crate::journal::{Replay, ReplayError, Replayed, report};

    /// How far a watcher has gone the recorded way.
    #[derive(Default)]
    pub(crate) struct Rehearsal {
        begun: AtomicBool,
        under_way: AtomicBool,
        /// The watcher that went it, when it has.
        went: OnceLock<Arc<Cell>>,
    }

    impl Rehearsal {
        /// Whether what happens to the watcher now comes from the journal.
        pub(crate) fn is_under_way(&self) -> bool {
            self.under_way.load(Ordering::Acquire)
        }

        /// What has become of the watcher.
        pub(crate) fn cell(&self) -> Option<&Arc<Cell>> {
            self.went.get()
        }
    }

    impl Watcher {
        /// Goes the recorded way, on the calling thread, to its end or to where the function leaves
        /// it. From then on the watcher is as it was at that end.
        pub(crate) fn rehearse(&self) -> Result<(), StartError> {
            let rehearsal = self.rehearsal();
            if rehearsal.begun.swap(true, Ordering::AcqRel) {
                return Err(StartError::Replay(ReplayError::Again));
            }
            rehearsal.under_way.store(true, Ordering::Release);
            let result = self.replay();
            rehearsal.under_way.store(false, Ordering::Release);
            let reported = report(&result);
            let replayed = result.and_then(|replayed| reported.map(|()| replayed));
            match replayed.map_err(StartError::Replay)?.divergence {
                None => Ok(()),
                Some(divergence) => Err(StartError::Diverged(divergence)),
            }
        }

        fn replay(&self) -> Result<Replayed, ReplayError> {
            let cell = self.own_cell();
            let Some(replay) = Replay::from_env() else { return Ok(Replayed::default()) };
            let opened = replay.envs(&cell.env).open()?;
            let recorded = opened.header.called();
            if opened.header.name.is_some() && *recorded != *cell.name {
                let (recorded, started) = (recorded.to_owned(), cell.name.to_string());
                return Err(ReplayError::Watcher { recorded, started });
            }
            let name = cell.managed_name();
            let Some(managed) = cell.take_managed() else { return Err(ReplayError::Again) };
            let replayed = opened.play(&name, managed);
            // A record may end before its watcher did.
            kill(&opened.cell, "the journal ends here");
            let _ = self.rehearsal().went.set(opened.cell);
            replayed
        }
    }
}
