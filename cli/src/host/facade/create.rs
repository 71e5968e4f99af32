//! Registering a program: everything about it is looked at before anything of it is written.
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;

use super::load::register;
use super::{Host, refused};
use crate::host::config::{HostConfig, Limits};
use crate::host::parts::{Entry, view};
use crate::host::request::{Health, LimitsRequest, NetworkMode, NewProgram};
use crate::host::storage::{Meta, check_sources};
use crate::host::takeover::Takeover;
use crate::host::view::{ProgramView, Timestamp};
use crate::host::{HostError, compose, lock, ports};
use crate::program::{BuildId, ProgramId, ProgramState, RestartPolicy};

impl Host {
    /// Registers a program. It is not built or started yet.
    ///
    /// Under a name that its owner has given already it becomes the successor of that program: once
    /// it is started and has proved itself beside it, it takes over `/state`, name and port, and the
    /// old one is removed. Until then its view says `Starting` and names the other in `replaces`; if
    /// it fails, the old one goes on serving, or is started again. To deploy is therefore the same
    /// whether there is one or not: create, start, wait until it is Ready or has failed.
    ///
    /// # Errors
    /// [`HostError::Source`], [`HostError::Invalid`], [`HostError::NameTaken`] and
    /// [`HostError::Full`] with nothing written; [`HostError::Storage`], [`HostError::Registry`].
    pub fn create(&self, new: NewProgram) -> Result<ProgramView, HostError> {
        self.create_noted(new, |_| Ok(()))
    }

    /// Registers a program as [`Host::create`] does; `note` is told of it before anything of it is
    /// written, and nothing is if it fails.
    ///
    /// # Errors
    /// As [`Host::create`], and as `note`.
    pub fn create_noted(
        &self,
        new: NewProgram,
        note: impl FnOnce(&ProgramView) -> Result<(), HostError>,
    ) -> Result<ProgramView, HostError> {
        let parts = &self.inner.parts;
        check_sources(&new.dockerfile, &new.files, &parts.config.sources)?;
        compose::check_env(&new.env).map_err(|error| invalid("env", &error))?;
        if let Some(name) = &new.name {
            check_name(name)?;
        }
        check_health(&new.health, new.network)?;
        let limits = self.limits(new.limits)?;
        let files = new.files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
        let build = BuildId::of(&new.dockerfile, files);
        let _registering = self.inner.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let program_id = self.new_id(&new, &build)?;
        let (takeover, earlier) = self.takeover(&new)?;
        let meta = Meta {
            port: self.new_port()?,
            program_id,
            // A successor gets its name when it has taken over.
            name: new.name.filter(|_| takeover.is_none()),
            env: new.env,
            limits,
            policy: RestartPolicy::with_mode(new.restart),
            network: new.network,
            health: new.health,
            created_at: Timestamp::now().0,
            takeover,
        };
        note(&planned(&meta))?;
        parts.storage.create(&meta, &new.dockerfile, &new.files)?;
        let registered = register(parts, meta.clone(), None);
        if registered.is_err() {
            // What failed is what matters; a folder that stays is found at the next opening.
            let _ = parts.storage.remove(&meta.program_id, true);
        }
        let state = registered?;
        let id = meta.program_id;
        self.inner.supervisor.add(state).map_err(|error| refused(&id, error))?;
        if let Some(earlier) = earlier {
            self.delete(&earlier, true)?;
        }
        if meta.takeover.is_some() {
            // One that cannot be laid now is laid when the program first changes.
            parts.note("tickets", parts.tickets.redeploy(&id).err());
        }
        self.get(&id)
    }

    fn limits(&self, asked: LimitsRequest) -> Result<Limits, HostError> {
        if asked.state_bytes.is_some() {
            let reason = "cannot be enforced: /state is a folder of this machine's file system, \
                          which has no bound for one folder; leave it out, and give the host's data \
                          folder a file system of its own to bound all programs together";
            let field = "limits.state_bytes".to_owned();
            return Err(HostError::Invalid { field, reason: reason.to_owned() });
        }
        let HostConfig { default_limits, max_limits, .. } = &self.inner.parts.config;
        let limits = Limits {
            memory_bytes: asked.memory_bytes.unwrap_or(default_limits.memory_bytes),
            milli_cpus: asked.milli_cpus.unwrap_or(default_limits.milli_cpus),
            pids: asked.pids.unwrap_or(default_limits.pids),
            log_bytes: default_limits.log_bytes,
        };
        compose::check_limits(&limits, max_limits).map_err(|error| invalid("limits", &error))?;
        Ok(limits)
    }

    fn new_id(&self, new: &NewProgram, build: &BuildId) -> Result<ProgramId, HostError> {
        let parts = &self.inner.parts;
        let entries = parts.all_entries();
        let limit = parts.config.max_programs;
        if entries.len() >= limit {
            return Err(HostError::Full { what: "there are too many programs", limit });
        }
        loop {
            // The high half of 64 random bits; a collision among 10,000 is rare, not impossible.
            let unique = (lock::random(parts.storage.data())? >> 32) as u32;
            let id = ProgramId::new(&new.user_id, build, unique);
            if !entries.contains_key(&id) {
                return Ok(id);
            }
        }
    }

    /// What the new program takes over: the name of another one of the same owner; and who was to
    /// take it over before, and now gives way.
    fn takeover(
        &self,
        new: &NewProgram,
    ) -> Result<(Option<Takeover>, Option<ProgramId>), HostError> {
        let Some(name) = &new.name else { return Ok((None, None)) };
        let parts = &self.inner.parts;
        let same =
            |meta: &Meta| meta.name.as_ref() == Some(name) && meta.program_id.user() == new.user_id;
        let Some(holder) = parts.all_entries().into_values().find(|entry| same(&entry.meta)) else {
            return Ok((None, None));
        };
        let holder = holder.meta.program_id.clone();
        self.allowed(&holder)?;
        if self.known(&holder).is_ok_and(|(_, state)| state.desired.is_removal()) {
            return Err(HostError::NameTaken { name: name.clone(), holder });
        }
        let earlier = parts.successor_of(&holder).map(|entry| entry.meta.program_id.clone());
        Ok((Some(Takeover::new(holder, name.clone())), earlier))
    }

    fn new_port(&self) -> Result<u16, HostError> {
        let parts = &self.inner.parts;
        let taken: BTreeSet<u16> = parts.all_entries().values().map(|e| e.meta.port).collect();
        let range = parts.config.ports.clone();
        let limit = range.len();
        ports::free_port(range, &taken)
            .ok_or(HostError::Full { what: "no port is left for a program", limit })
    }
}

/// A program as it will be.
fn planned(meta: &Meta) -> ProgramView {
    let state = ProgramState::new(meta.program_id.clone(), meta.policy);
    let updated_at = AtomicU64::new(meta.created_at);
    view(&Entry { meta: meta.clone(), updated_at }, &state)
}

fn invalid(field: &str, error: &compose::ContractError) -> HostError {
    HostError::Invalid { field: field.to_owned(), reason: format!("is refused: {error}") }
}

/// The longest path that a program is asked for.
const MAX_HEALTH_PATH: usize = 1024;
/// The longest time that a program may take to be Ready, in milliseconds: a day.
const MAX_READY_MS: u64 = 24 * 3600 * 1000;

fn check_health(health: &Health, network: NetworkMode) -> Result<(), HostError> {
    let refuse = |field: &str, reason: &str| {
        Err(HostError::Invalid { field: format!("health.{field}"), reason: reason.to_owned() })
    };
    if let Some(path) = &health.path {
        // It becomes part of a request's first line.
        let plain = path.bytes().all(|b| b.is_ascii_graphic());
        if !path.starts_with('/') || !plain || path.len() > MAX_HEALTH_PATH {
            return refuse("path", "is no path: a slash and up to 1,023 visible ASCII characters");
        }
        if network == NetworkMode::None {
            return refuse("path", "cannot be asked for in a program without a network");
        }
    }
    match health.ready_timeout_ms {
        Some(time) if !(1..=MAX_READY_MS).contains(&time) => {
            refuse("ready_timeout_ms", "is not within 1 and 86400000")
        }
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), HostError> {
    let good = (1..=63).contains(&name.len())
        && name.as_bytes()[0].is_ascii_lowercase()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good {
        return Ok(());
    }
    let reason = format!(
        "{name:?} is not 1 to 63 lower-case letters, digits and dashes, beginning with a letter"
    );
    Err(HostError::Invalid { field: "name".to_owned(), reason })
}
