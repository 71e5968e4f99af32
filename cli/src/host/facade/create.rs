//! Registering a program: everything about it is looked at before anything of it is written.
use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;

use super::load::register;
use super::{Host, refused};
use crate::host::config::{HostConfig, Limits};
use crate::host::parts::{Entry, view};
use crate::host::request::{LimitsRequest, NewProgram};
use crate::host::storage::{Meta, check_sources};
use crate::host::view::{ProgramView, Timestamp};
use crate::host::{HostError, compose, lock, ports};
use crate::program::{BuildId, ProgramId, ProgramState, RestartPolicy};

impl Host {
    /// Registers a program. It is not built or started yet.
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
        let limits = self.limits(new.limits)?;
        let files = new.files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
        let build = BuildId::of(&new.dockerfile, files);
        let _registering = self.inner.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let program_id = self.new_id(&new, &build)?;
        let meta = Meta {
            port: self.new_port()?,
            program_id,
            name: new.name,
            env: new.env,
            limits,
            policy: RestartPolicy::with_mode(new.restart),
            network: new.network,
            created_at: Timestamp::now().0,
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
        self.get(&id)
    }

    fn limits(&self, asked: LimitsRequest) -> Result<Limits, HostError> {
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
        if let Some(name) = &new.name {
            let same = |meta: &Meta| {
                meta.name.as_ref() == Some(name) && meta.program_id.user() == new.user_id
            };
            if let Some(entry) = entries.values().find(|entry| same(&entry.meta)) {
                let holder = entry.meta.program_id.clone();
                return Err(HostError::NameTaken { name: name.clone(), holder });
            }
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
