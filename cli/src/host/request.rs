//! What a host is asked for.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::program::{ProgramId, RestartMode, State, UserId};

/// How a program reaches other machines and is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// The host's own bridge: outward traffic, a port on 127.0.0.1, no way to other programs.
    #[default]
    Bridge,
    /// No network at all; nothing is published.
    None,
}

/// Limits that a program asks for; what is left out is the host's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsRequest {
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milli_cpus: Option<u32>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// Bytes in `/state`: refused by name, as no host can enforce it. `/state` is a folder of the
    /// machine's own file system, which other programs fill as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_bytes: Option<u64>,
}

/// When a program counts as Ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What it is asked for on port 8080: it is Ready while `GET` of this path is answered with 200.
    /// Without one it is asked as a watcher, for `/healthz` or `/watcher/status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How long it has until it answers, in milliseconds; the host's own time without one. One that
    /// stops answering has as long until it answers again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_timeout_ms: Option<u64>,
}

impl Health {
    /// What it is asked for, in words.
    pub(super) fn asked(&self) -> &str {
        self.path.as_deref().unwrap_or("its WatcherAPI")
    }
}

/// A program to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProgram {
    /// Its owner.
    pub user_id: UserId,
    /// The name that its owner gives it. One that another program of this owner has is taken over
    /// from that program once this one has proved itself; 1 to 63 lower-case letters, digits and
    /// dashes, beginning with a letter.
    pub name: Option<String>,
    /// The Dockerfile's content.
    pub dockerfile: Vec<u8>,
    /// The other files of the build context by their relative names.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Limits.
    pub limits: LimitsRequest,
    /// What to do when it ends by itself.
    pub restart: RestartMode,
    /// How it reaches and is reached.
    pub network: NetworkMode,
    /// When it counts as Ready.
    pub health: Health,
}

impl NewProgram {
    /// A program of this owner and Dockerfile, with the usual everything else.
    pub fn new(user_id: UserId, dockerfile: impl Into<Vec<u8>>) -> Self {
        Self {
            user_id,
            name: None,
            dockerfile: dockerfile.into(),
            files: BTreeMap::new(),
            env: BTreeMap::new(),
            limits: LimitsRequest::default(),
            restart: RestartMode::default(),
            network: NetworkMode::default(),
            health: Health::default(),
        }
    }
}

/// Which programs to list, and which page of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Of this owner alone.
    pub user: Option<UserId>,
    /// In this state alone.
    pub state: Option<State>,
    /// At most this many; the host's bound of 1,000 without it and above it.
    pub limit: Option<usize>,
    /// Those after this one: the last page's [`next`](super::ProgramPage::next).
    pub cursor: Option<ProgramId>,
}
