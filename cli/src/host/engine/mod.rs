//! What the host asks of a container engine, so that it can be asked of another.
mod fake;
mod ready;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::compose::ComposeSpec;
use super::docker::RunError;
use crate::program::{Attempt, Cancel, ContainerId, ImageId, ProgramId};

pub use fake::{FakeEngine, inspected};
pub use ready::answers_on;

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Its command failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It refuses, or what it would do is refused, for this reason.
    #[error("{0}")]
    Refused(String),
    /// A file of the host could not be read or written.
    #[error("{0}")]
    File(String),
    /// It was given up.
    #[error("cancelled")]
    Cancelled,
    /// There is a container of this name.
    #[error("{0}")]
    NameTaken(String),
    /// Somebody else listens at the port that a container was to have.
    #[error("{0}")]
    PortTaken(String),
}

/// What an engine is and can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// The runtimes that it knows.
    pub runtimes: Vec<String>,
    /// Whether programs on the host's bridge cannot reach each other.
    pub keeps_apart: bool,
    /// Why programs on the host's bridge can reach this machine's services and its cloud's metadata
    /// addresses, where they can.
    pub open: Option<String>,
    /// What it cannot limit: a program's contract names all of it, and so none can be started.
    pub cannot_limit: Vec<&'static str>,
    /// What it cannot do of the contract, a sentence each.
    pub warnings: Vec<String>,
}

/// A build to be done.
#[derive(Debug)]
pub struct BuildJob<'a> {
    /// Whose.
    pub program_id: &'a ProgramId,
    /// For which start.
    pub attempt: Attempt,
    /// The folder with the Dockerfile and all that it may read.
    pub context: PathBuf,
    /// Gets everything that the build writes, while it writes.
    pub log: File,
    /// How long it may take.
    pub timeout: Duration,
    /// Bytes of memory that each of its steps may use.
    pub memory_bytes: u64,
    /// Bytes of its output that the log takes; the rest is left out, and the log says so.
    pub log_bytes: u64,
}

/// One of this host's containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub container_id: ContainerId,
    /// Whose; none when its label is no program's id.
    pub program_id: Option<ProgramId>,
    /// Of which start.
    pub attempt: Attempt,
    /// Whether it runs.
    pub running: bool,
}

/// A container engine. All calls block; all are bounded in time; all may come from any thread.
pub trait Engine: Send + Sync + 'static {
    /// Finds out what the engine is and can do, and makes what programs share.
    ///
    /// # Errors
    /// The engine does not answer.
    fn probe(&self) -> Result<EngineFacts, EngineError>;

    /// Builds an image that writes to no place but `/state`.
    ///
    /// # Errors
    /// The build failed, took too long or was cancelled; or the image declares other volumes.
    fn build(&self, job: BuildJob<'_>, cancel: &Cancel) -> Result<ImageId, EngineError>;

    /// Starts a container. After an error there may be one all the same: list and remove.
    ///
    /// # Errors
    /// The engine refused, or did not answer in time.
    fn run(&self, spec: &ComposeSpec, cancel: &Cancel) -> Result<ContainerId, EngineError>;

    /// What the engine says of a container, in `docker inspect`'s words; none when it has none.
    ///
    /// # Errors
    /// The engine did not answer.
    fn inspect(&self, container: &ContainerId) -> Result<Option<Value>, EngineError>;

    /// What the engine says of these containers; of one that it has not, nothing.
    ///
    /// # Errors
    /// The engine did not answer.
    fn inspect_all(&self, containers: &[ContainerId]) -> Result<Vec<Value>, EngineError> {
        containers.iter().filter_map(|one| self.inspect(one).transpose()).collect()
    }

    /// Asks a container to end and kills it after `grace`; what it wrote can be read until it is
    /// removed. One that is gone is a success.
    ///
    /// # Errors
    /// It may still run.
    fn halt(&self, container: &ContainerId, grace: Duration) -> Result<(), EngineError>;

    /// Removes a container, by force if it runs. One that is gone is a success.
    ///
    /// # Errors
    /// It may still be there.
    fn remove(&self, container: &ContainerId) -> Result<(), EngineError>;

    /// Asks a container to end, kills it after `grace`, and removes it. None left is a success.
    ///
    /// # Errors
    /// It may still be there.
    fn stop(&self, container: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        self.halt(container, grace)?;
        self.remove(container)
    }

    /// All containers with this host's label, running or not.
    ///
    /// # Errors
    /// The engine did not answer.
    fn list(&self) -> Result<Vec<Listed>, EngineError>;

    /// The last lines that a container wrote.
    ///
    /// # Errors
    /// The engine did not answer.
    fn logs(&self, container: &ContainerId, tail: usize) -> Result<Vec<u8>, EngineError>;

    /// The last lines that a container wrote and all that follow, until it ends or `cancel` is.
    ///
    /// # Errors
    /// The engine's command could not be started.
    fn follow(
        &self,
        container: &ContainerId,
        tail: usize,
        cancel: &Cancel,
    ) -> Result<Box<dyn Read + Send>, EngineError>;

    /// Removes all images of a program.
    ///
    /// # Errors
    /// Some may still be there.
    fn remove_images(&self, program: &ProgramId) -> Result<(), EngineError>;

    /// All images with this host's label, and whose they are; none when that is no program's id.
    ///
    /// # Errors
    /// The engine did not answer.
    fn images(&self) -> Result<Vec<(ImageId, Option<ProgramId>)>, EngineError>;

    /// Removes an image. One that is not there is a success.
    ///
    /// # Errors
    /// It may still be there.
    fn remove_image(&self, image: &ImageId) -> Result<(), EngineError>;

    /// The host is shutting down: questions under way are given up, and all later ones but
    /// [`Engine::close`]. Programs keep running.
    fn interrupt(&self);

    /// Makes sure that what keeps programs from this machine's services, and from its cloud's, is in
    /// place: others may have cleared it away.
    ///
    /// # Errors
    /// Why it is not.
    fn uphold(&self) -> Result<(), String> {
        Ok(())
    }

    /// The host is done with the engine for now: what programs share and none uses may go.
    fn close(&self);

    /// Whether a program answers on this port of 127.0.0.1 within this time: with 200 to `path`, or
    /// as a watcher where there is none.
    fn answers(&self, port: u16, path: Option<&str>, within: Duration) -> bool {
        answers_on(port, path, within)
    }
}
