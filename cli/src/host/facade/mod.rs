//! The host as its API and its command see it.
mod access;
mod create;
mod load;
mod read;
mod tickets;

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::config::{HostConfig, Runtime};
use super::docker::Docker;
use super::engine::Engine;
use super::handler::HostHandler;
use super::ledger::HostLedger;
use super::lock::{self, HostLock};
use super::parts::{Entry, Parts, storage_error, view};
use super::registry::Registry;
use super::storage::Storage;
use super::takeover::Takeover;
use super::tickets::Tickets;
use super::view::{EngineReport, ProgramView, Timestamp};
use super::{HostError, monitor, resolv};
use crate::program::{
    Answer, Event, ProgramId, ProgramState, Refusal, Supervisor, SupervisorConfig, SupervisorError,
};

/// A host: programs on disk, in its registry and in containers.
///
/// Clones are handles to one host. Every call may come from any thread and blocks; none waits for
/// a build or a container, except those that say so. When the last handle is dropped the host is
/// shut down; its programs keep running.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Arc<Parts>,
    supervisor: Arc<Supervisor>,
    /// Taken while a program is registered, so that names and ports are given once.
    registering: Mutex<()>,
    _lock: HostLock,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Inner {
    fn shutdown(&self) {
        self.supervisor.close();
        self.parts.closing.cancel();
        self.parts.engine.interrupt();
        self.parts.tickets.stop();
        self.supervisor.shutdown();
        self.parts.engine.close();
    }
}

impl Host {
    /// Opens a data folder with Docker as its engine, and takes up what the last host left:
    /// running containers are adopted, what was under way goes on.
    ///
    /// An engine that does not answer is no error here: the host looks for it again and again, and
    /// says so in [`Host::engine_report`].
    ///
    /// # Errors
    /// [`HostError::Locked`] when another host works on the folder, [`HostError::Config`],
    /// [`HostError::Storage`], [`HostError::Registry`], [`HostError::Tickets`].
    pub fn open(config: HostConfig) -> Result<Self, HostError> {
        Self::open_with(config, |config, host_id, storage| {
            let docker = Docker::new(&config.docker, host_id, storage.scratch());
            Arc::new(docker.with_name_servers(resolv::servers(&config.dns)))
        })
    }

    /// Opens a data folder with another engine, made when the host's id is known.
    ///
    /// # Errors
    /// As [`Host::open`].
    pub fn open_with(
        config: HostConfig,
        engine: impl FnOnce(&HostConfig, &str, &Storage) -> Arc<dyn Engine>,
    ) -> Result<Self, HostError> {
        if config.runtime == Runtime::Runc && !config.allow_runc {
            let words = "runtime runc does without gVisor's walls: say --allow-runc if you mean it";
            return Err(HostError::Config(words.to_owned()));
        }
        let storage = Storage::open(&config.data_dir)?;
        let held = HostLock::take(&storage)?;
        let host_id = lock::host_id(&storage)?;
        let registry = Registry::open(&storage.data().join("registry.db"))?;
        let tickets = Tickets::open(&storage.data().join("tickets.db"))?;
        let engine = engine(&config, &host_id, &storage);
        let parts = Arc::new(Parts::new(config, host_id, storage, registry, tickets, engine));
        let states = load::load(&parts)?;
        parts.tickets.align(&states, &parts.successors(), Timestamp::now().0)?;
        let supervisor = Supervisor::new(
            SupervisorConfig::default(),
            HostHandler(Arc::clone(&parts)),
            HostLedger(Arc::clone(&parts)),
            || Timestamp::now().0,
        );
        let supervisor = supervisor.map_err(|error| {
            storage_error("threads cannot be started", parts.storage.data(), error)
        })?;
        for state in states {
            supervisor.add(state).map_err(|error| HostError::Registry(error.to_string()))?;
        }
        let supervisor = Arc::new(supervisor);
        parts.note("name servers", resolv::lack(&resolv::text(&parts.config.dns)));
        // An engine that does not answer yet has been noted, and is asked again by a ticket.
        drop(monitor::take_up(&parts, &supervisor));
        parts.tickets.start(&parts, &supervisor)?;
        let inner = Inner { parts, supervisor, registering: Mutex::default(), _lock: held };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Has a program built and started. Returns at once; the view says `Building`.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Conflict`], [`HostError::Busy`],
    /// [`HostError::Registry`], [`HostError::ShuttingDown`].
    pub fn start(&self, id: &ProgramId) -> Result<ProgramView, HostError> {
        self.ask(id, Event::UserStartRequested)
    }

    /// Has a program stopped. Returns at once; a build that runs is cancelled.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn stop(&self, id: &ProgramId) -> Result<ProgramView, HostError> {
        self.ask(id, Event::UserStopRequested)
    }

    /// Has a program stopped, built and started; one that does not run is started. Returns at once.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn restart(&self, id: &ProgramId) -> Result<ProgramView, HostError> {
        self.ask(id, Event::UserRestartRequested)
    }

    /// Has a program removed, in whatever state it is. Returns at once; when it is gone,
    /// [`Host::get`] says [`HostError::NotFound`]. Its `/state` is set aside unless `purge`.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn delete(&self, id: &ProgramId, purge: bool) -> Result<ProgramView, HostError> {
        self.ask(id, Event::UserDeleteRequested { purge })
    }

    /// Nobody but the host touches programs between which `/state` changes hands.
    fn allowed(&self, id: &ProgramId) -> Result<(), HostError> {
        let (entry, state) = self.known(id)?;
        let successor = self.inner.parts.successor_of(id);
        let entries = [Some(entry), successor];
        let exclusive = entries
            .iter()
            .flatten()
            .any(|entry| entry.meta.takeover.as_ref().is_some_and(Takeover::is_exclusive));
        if !exclusive {
            return Ok(());
        }
        let refusal = Refusal::TakingOver;
        Err(HostError::Conflict { id: id.clone(), state: state.state, refusal })
    }

    fn ask(&self, id: &ProgramId, event: Event) -> Result<ProgramView, HostError> {
        self.allowed(id)?;
        let entry = self.inner.parts.entry(id)?;
        let reply = self.inner.supervisor.send(id, event);
        let reply = reply.map_err(|error| refused(id, error))?;
        match reply.answer {
            Answer::Refused(refusal) => {
                Err(HostError::Conflict { id: id.clone(), state: reply.state.state, refusal })
            }
            Answer::Applied | Answer::Stale => Ok(view(&entry, &reply.state)),
        }
    }

    fn known(&self, id: &ProgramId) -> Result<(Arc<Entry>, ProgramState), HostError> {
        let entry = self.inner.parts.entry(id)?;
        let state = self.inner.supervisor.state(id);
        Ok((entry, state.ok_or_else(|| HostError::NotFound(id.clone()))?))
    }

    /// What the host knows of its engine, and what is wrong with either.
    pub fn engine_report(&self) -> EngineReport {
        self.inner.parts.report()
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        self.inner.parts.storage.data()
    }

    /// The host's id: the value of the label `hersh.host`.
    pub fn host_id(&self) -> &str {
        &self.inner.parts.host_id
    }

    /// Takes no more requests, gives up what is under way and waits for its threads. Programs keep
    /// running; what was under way goes on at the next opening.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

fn refused(id: &ProgramId, error: SupervisorError) -> HostError {
    match error {
        SupervisorError::Unknown(id) => HostError::NotFound(id),
        SupervisorError::EventQueueFull(id) => HostError::Busy(id),
        SupervisorError::Stopped => HostError::ShuttingDown,
        other => HostError::Registry(format!("program {id}: {other}")),
    }
}
