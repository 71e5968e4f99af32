//! What a host answers; each view serialises to a body of the host API.
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::config::Limits;
use super::request::{Health, NetworkMode};
use crate::program::{Attempt, BuildId, Exit, Millis, ProgramId, RestartMode, State, UserId};

/// A moment that serialises as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub Millis);

impl Timestamp {
    /// The machine's clock, now.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The last moment that the format can write: the end of the year 9999.
        let bounded = self.0.min(253_402_300_799_999);
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(bounded)).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One program. Texts that are not known yet are empty, as the seed's clients expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramView {
    /// Which program.
    pub program_id: ProgramId,
    /// Which build.
    pub build_id: BuildId,
    /// Its owner.
    pub user_id: UserId,
    /// The name that its owner gave it.
    pub name: Option<String>,
    /// Where it is in its life.
    pub state: State,
    /// What its owner last asked for: `Ready`, `Stopped` or, while it goes, `Removed` or `Purged`.
    pub desired: &'static str,
    /// The image of its last successful build.
    pub image_id: String,
    /// Its container.
    pub container_id: String,
    /// Where its `WatcherAPI` is published; empty without a network.
    pub proxy_url: String,
    /// The published port; none without a network.
    pub port: Option<u16>,
    /// What went wrong last.
    pub error_msg: String,
    /// How its last container ended by itself.
    pub exit: Option<Exit>,
    /// Its current start, counted from 1; 0 before the first.
    pub attempt: Attempt,
    /// Automatic restarts in a row.
    pub restarts: u32,
    /// What it may use.
    pub limits: Limits,
    /// What happens when it ends by itself.
    pub restart: RestartMode,
    /// How it reaches and is reached.
    pub network: NetworkMode,
    /// When it counts as Ready.
    pub health: Health,
    /// The program that it takes over from, until it has: it is `Starting` until then, and has no
    /// name yet.
    pub replaces: Option<ProgramId>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

/// One page of programs, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramPage {
    /// The programs.
    pub programs: Vec<ProgramView>,
    /// How many are on this page.
    pub count: usize,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<ProgramId>,
}

/// What a program wrote to its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogsView {
    /// Which program.
    pub program_id: ProgramId,
    /// Of which container; empty when the lines are those kept of an earlier one.
    pub container_id: String,
    /// The lines; bytes that are not UTF-8 are replaced.
    pub logs: String,
    /// When they were read.
    pub timestamp: Timestamp,
}

/// What a build wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildLogView {
    /// Which program.
    pub program_id: ProgramId,
    /// Of which start.
    pub attempt: Attempt,
    /// The lines; bytes that are not UTF-8 are replaced.
    pub log: String,
    /// When they were read.
    pub timestamp: Timestamp,
}

/// A program's sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceView {
    /// Which program.
    pub program_id: ProgramId,
    /// Texts by name, the Dockerfile among them.
    pub files: BTreeMap<String, String>,
    /// Files that are not UTF-8, by name, as base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files_base64: BTreeMap<String, String>,
    /// When they were read.
    pub retrieved_at: Timestamp,
}

/// One thing that happened to a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventView {
    /// Its number; numbers grow over all programs of a host.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Its name, as in the program domain.
    pub event: String,
    /// Its fields.
    pub detail: serde_json::Value,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// The start that it led to or happened in.
    pub attempt: Attempt,
}

/// What happened to a program, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventsView {
    /// Which program.
    pub program_id: ProgramId,
    /// The events.
    pub events: Vec<EventView>,
    /// How many are here.
    pub count: usize,
}

/// What the host found out about its engine when it was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// The engine's version; empty while it does not answer.
    pub version: String,
    /// The runtime that programs run under.
    pub runtime: super::config::Runtime,
    /// What this machine cannot do of the contract, a sentence each; empty when it can do all.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_rfc_3339_whatever_they_are() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
