//! The bodies of the host API, as both its ends see them.
//!
//! The host writes these types and the client reads them, so a renamed field cannot go unnoticed
//! on one side. What the client reads is lenient (unknown fields are skipped, later ones default),
//! so that an older `hersh` can talk to a newer host; what the host reads is strict.

mod tickets;
mod tokens;

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::host::{Health, LimitsRequest, NetworkMode};
use crate::program::RestartMode;

pub use self::tickets::{TicketBody, TicketsBody};
pub use self::tokens::{
    CreateToken, CreatedToken, RevokedToken, Scope, TokenBody, TokensBody, UnknownScope,
};

/// The body of `POST /programs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateProgram {
    /// Who the program belongs to.
    pub user_id: String,
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// Text files of the build context, by their name relative to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub src_files: BTreeMap<String, String>,
    /// Files that are not UTF-8, as base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub src_files_base64: BTreeMap<String, String>,
    /// The name people use; the host makes one up where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Environment of the program.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What the program may use.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsRequest>,
    /// What to do when it ends by itself.
    #[serde(default)]
    pub restart: RestartMode,
    /// How it reaches and is reached.
    #[serde(default)]
    pub network: NetworkMode,
    /// When it counts as Ready.
    #[serde(default, deserialize_with = "object_or_default")]
    pub health: Health,
}

/// Reads an object, or null, and no sequence that would stand for one without its names.
fn object<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let fields: Option<serde_json::Map<String, serde_json::Value>> =
        Option::deserialize(deserializer)?;
    fields.map(|fields| T::deserialize(fields).map_err(D::Error::custom)).transpose()
}

/// The same for what has a usual value.
fn object_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    object(deserializer).map(Option::unwrap_or_default)
}

/// The answer to `POST /programs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The new program.
    pub program_id: String,
    /// Its build.
    pub build_id: String,
    /// Its state, `Created`.
    pub state: String,
    /// Where its WatcherAPI will be published.
    pub proxy_url: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// The name it was given.
    #[serde(default)]
    pub name: Option<String>,
}

/// One program, as `GET /programs/{id}` tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgramBody {
    /// Its id.
    pub program_id: String,
    /// Its build.
    pub build_id: String,
    /// Its owner.
    pub user_id: String,
    /// Its state.
    pub state: String,
    /// The image, empty before the first build.
    #[serde(default)]
    pub image_id: String,
    /// The container, empty while there is none.
    #[serde(default)]
    pub container_id: String,
    /// Where its WatcherAPI is published.
    #[serde(default)]
    pub proxy_url: String,
    /// The published port; none without a network.
    #[serde(default)]
    pub port: Option<u16>,
    /// Why it is in `Error`, else empty.
    #[serde(default)]
    pub error_msg: String,
    /// How its last container ended by itself, if one did.
    #[serde(default)]
    pub exit: Option<crate::program::Exit>,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// RFC 3339.
    #[serde(default)]
    pub updated_at: String,
    /// The name its owner gave it.
    #[serde(default)]
    pub name: Option<String>,
    /// The state its owner asked for.
    #[serde(default)]
    pub desired: String,
    /// How often a build or start was tried.
    #[serde(default)]
    pub attempt: u64,
    /// How often the restart policy brought it back.
    #[serde(default)]
    pub restarts: u64,
    /// What it may use.
    #[serde(default)]
    pub limits: serde_json::Value,
    /// What is done when it ends by itself.
    #[serde(default)]
    pub restart: String,
    /// How it reaches and is reached.
    #[serde(default)]
    pub network: String,
    /// When it counts as Ready.
    #[serde(default)]
    pub health: serde_json::Value,
    /// The program whose name it takes over once it is Ready; it has none itself until then.
    #[serde(default)]
    pub replaces: Option<String>,
}

impl ProgramBody {
    /// What people call it: its name, or its id where it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.program_id)
    }
}

/// The answer to `GET /programs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProgramsBody {
    /// The programs of this page, in the order of their ids.
    pub programs: Vec<ProgramBody>,
    /// How many are in `programs`.
    pub count: usize,
    /// Where the next page begins; missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The answer to start, stop, restart and delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionBody {
    /// The program.
    pub program_id: String,
    /// Where it is going.
    pub state: String,
    /// The same in words.
    pub message: String,
}

/// The answer to `GET /programs/{id}/logs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsBody {
    /// The program.
    pub program_id: String,
    /// The container the lines come from.
    #[serde(default)]
    pub container_id: String,
    /// The lines.
    pub logs: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub timestamp: String,
}

/// The answer to `GET /programs/{id}/build-log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildLogBody {
    /// The program.
    pub program_id: String,
    /// The start the build was for.
    #[serde(default)]
    pub attempt: u64,
    /// What it wrote.
    pub log: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub timestamp: String,
}

/// The answer to `GET /programs/{id}/source`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBody {
    /// The program.
    pub program_id: String,
    /// Texts by name, the Dockerfile among them.
    pub files: BTreeMap<String, String>,
    /// Files that are not UTF-8, by name, as base64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files_base64: BTreeMap<String, String>,
    /// When they were read, RFC 3339.
    #[serde(default)]
    pub retrieved_at: String,
}

/// One thing that happened to a program: in `GET /programs/{id}/events`, and the data of the
/// events named `program` of `GET /events`, whose id is `seq`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventBody {
    /// Its number; numbers grow over all programs of a host.
    pub seq: i64,
    /// The program; of the answer about one program it is said once, beside the events.
    #[serde(default)]
    pub program_id: String,
    /// When, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// Its name, as `UserStartRequested`.
    pub event: String,
    /// Its fields.
    #[serde(default)]
    pub detail: serde_json::Value,
    /// The state before.
    #[serde(default)]
    pub from: String,
    /// The state after; `Removed` when the program is gone.
    #[serde(default)]
    pub to: String,
    /// The start that it led to or happened in.
    #[serde(default)]
    pub attempt: u64,
}

/// The answer to `GET /programs/{id}/events`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventsBody {
    /// The program.
    pub program_id: String,
    /// The events after `?after=`, oldest first.
    pub events: Vec<EventBody>,
    /// How many are in `events`.
    pub count: usize,
}

/// Every error of the host API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The name of the status, as `Not Found`.
    pub error: String,
    /// The status.
    #[serde(default)]
    pub code: u16,
    /// What happened, to what, and what to do.
    #[serde(default)]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named() {
        let body = r#"{"user_id":"a","dockerfile":"FROM scratch","colour":"red"}"#;
        let error = serde_json::from_str::<CreateProgram>(body).unwrap_err();
        assert!(error.to_string().contains("unknown field `colour`"), "{error}");
    }

    #[test]
    fn an_object_without_its_names_is_refused() {
        let limits = |limits: &str| {
            let body = format!(r#"{{"user_id":"a","dockerfile":"x","limits":{limits}}}"#);
            serde_json::from_str::<CreateProgram>(&body)
        };
        assert!(limits("[1, 2]").is_err());
        assert!(limits(r#"{"gpu": 1}"#).unwrap_err().to_string().contains("unknown field `gpu`"));
        assert_eq!(limits(r#"{"pids": 7}"#).unwrap().limits.unwrap().pids, Some(7));
        assert_eq!(limits("null").unwrap().limits, None);
    }

    #[test]
    fn a_newer_host_may_say_more() {
        let body = r#"{"program_id":"p","build_id":"b","user_id":"u","state":"Ready","new":1}"#;
        let program: ProgramBody = serde_json::from_str(body).unwrap();
        assert_eq!(program.state, "Ready");
        assert_eq!(program.label(), "p");
    }
}
