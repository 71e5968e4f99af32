//! What is needed to register a program again from its folder alone.
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::atomic::{self, PRIVATE_FILE};
use crate::host::config::Limits;
use crate::host::request::{Health, NetworkMode};
use crate::host::takeover::Takeover;
use crate::program::{Attempt, Desired, ProgramId, RestartPolicy};

/// What a program is, besides its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Which program.
    pub program_id: ProgramId,
    /// The name that its owner gave it.
    pub name: Option<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// What happens when it ends by itself.
    pub policy: RestartPolicy,
    /// How it reaches and is reached.
    pub network: NetworkMode,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// When it counts as Ready.
    #[serde(default)]
    pub health: Health,
    /// When it was registered, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// What it takes over from another program, until it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<Takeover>,
}

/// How far a program has come. Written at each start, and when its owner wants something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Its last start.
    pub attempt: Attempt,
    /// What its owner wanted then.
    pub desired: Desired,
}

const META: &str = "meta/program.json";
const PROGRESS: &str = "meta/progress.json";

pub(super) fn write(program: &Path, meta: &Meta) -> io::Result<()> {
    // It holds the environment, and with it secrets: for the host alone.
    atomic::write(&program.join(META), &serde_json::to_vec_pretty(meta)?, PRIVATE_FILE)
}

pub(super) fn write_progress(program: &Path, progress: Progress) -> io::Result<()> {
    atomic::write(&program.join(PROGRESS), &serde_json::to_vec(&progress)?, PRIVATE_FILE)
}

pub(super) fn read(program: &Path) -> io::Result<(Meta, Progress)> {
    let meta = serde_json::from_slice(&fs::read(program.join(META))?)?;
    let progress = match fs::read(program.join(PROGRESS)) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        // It was never started.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Progress { attempt: Attempt::default(), desired: Desired::Stopped }
        }
        Err(error) => return Err(error),
    };
    Ok((meta, progress))
}
