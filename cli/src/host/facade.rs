//! The host as its API and its command see it.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;

use super::config::{HostConfig, Limits, Runtime};
use super::docker::Docker;
use super::engine::Engine;
use super::follow::BuildLog;
use super::handler::HostHandler;
use super::ledger::HostLedger;
use super::lock::{self, HostLock};
use super::parts::{Entry, Parts, storage_error, view};
use super::registry::{Registered, Registry};
use super::request::{LimitsRequest, ListFilter, NetworkMode, NewProgram};
use super::storage::{Meta, Storage, check_sources};
use super::view::{
    BuildLogView, EngineReport, EventsView, LogsView, ProgramPage, ProgramView, SourceView,
    Timestamp,
};
use super::{HostError, compose, monitor, ports};
use crate::program::{
    Answer, BuildId, Event, ProgramId, ProgramState, RestartPolicy, State, Supervisor,
    SupervisorConfig, SupervisorError,
};

/// The most programs on one page.
const PAGE: usize = 1_000;
/// The most events in one answer.
const EVENTS: usize = 1_000;

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
    monitor: Mutex<Option<JoinHandle<()>>>,
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
        self.parts.closing.cancel();
        let monitor = self.monitor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = monitor {
            // A panic there has been reported where it happened.
            let _ = thread.join();
        }
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
    /// [`HostError::Storage`], [`HostError::Registry`].
    pub fn open(config: HostConfig) -> Result<Self, HostError> {
        Self::open_with(config, |config, host_id, storage| {
            Arc::new(Docker::new(&config.docker, host_id, storage.scratch()))
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
        let engine = engine(&config, &host_id, &storage);
        let parts = Arc::new(Parts::new(config, host_id, storage, registry, engine));
        let states = load(&parts)?;
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
        let taken_up = monitor::take_up(&parts, &supervisor);
        let thread = {
            let (parts, supervisor) = (Arc::clone(&parts), Arc::downgrade(&supervisor));
            std::thread::Builder::new()
                .name("monitor".into())
                .spawn(move || monitor::watch(&parts, &supervisor, taken_up))
        };
        let thread = thread.map_err(|error| {
            storage_error("threads cannot be started", parts.storage.data(), error)
        })?;
        let monitor = Mutex::new(Some(thread));
        let inner =
            Inner { parts, supervisor, monitor, registering: Mutex::default(), _lock: held };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Registers a program. It is not built or started yet.
    ///
    /// # Errors
    /// [`HostError::Source`], [`HostError::Invalid`], [`HostError::NameTaken`] and
    /// [`HostError::Full`] with nothing written; [`HostError::Storage`], [`HostError::Registry`].
    pub fn create(&self, new: NewProgram) -> Result<ProgramView, HostError> {
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

    fn ask(&self, id: &ProgramId, event: Event) -> Result<ProgramView, HostError> {
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

    /// A program as it is now.
    ///
    /// # Errors
    /// [`HostError::NotFound`].
    pub fn get(&self, id: &ProgramId) -> Result<ProgramView, HostError> {
        self.known(id).map(|(entry, state)| view(&entry, &state))
    }

    /// Programs as they are now, in the order of their ids.
    pub fn list(&self, filter: &ListFilter) -> ProgramPage {
        let limit = filter.limit.unwrap_or(PAGE).clamp(1, PAGE);
        let entries = self.inner.parts.all_entries();
        let from = filter.cursor.as_ref();
        let mut programs = Vec::new();
        let mut next = None;
        for (id, entry) in entries.iter().filter(|(id, _)| from.is_none_or(|from| *id > from)) {
            if filter.user.as_ref().is_some_and(|user| id.user() != *user) {
                continue;
            }
            let Some(state) = self.inner.supervisor.state(id) else { continue };
            if filter.state.is_some_and(|wanted| state.state != wanted) {
                continue;
            }
            if programs.len() == limit {
                next = programs.last().map(|last: &ProgramView| last.program_id.clone());
                break;
            }
            programs.push(view(entry, &state));
        }
        ProgramPage { count: programs.len(), programs, next }
    }

    /// Waits until a program is as wanted, at most this long, and returns it as it is then: the
    /// caller looks again whether it is. A program that is removed meanwhile is
    /// [`HostError::NotFound`].
    ///
    /// # Errors
    /// [`HostError::NotFound`].
    pub fn wait(
        &self,
        id: &ProgramId,
        at_most: Duration,
        wanted: impl Fn(&ProgramView) -> bool,
    ) -> Result<ProgramView, HostError> {
        let entry = self.inner.parts.entry(id)?;
        let seen = self.inner.supervisor.wait(id, at_most, |state| wanted(&view(&entry, state)));
        match seen.filter(|state| !state.removed) {
            Some(state) => Ok(view(&entry, &state)),
            None => Err(HostError::NotFound(id.clone())),
        }
    }

    /// Where a program's `WatcherAPI` answers.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::NotReady`], [`HostError::NoNetwork`].
    pub fn address(&self, id: &ProgramId) -> Result<SocketAddr, HostError> {
        let (entry, state) = self.known(id)?;
        if state.state != State::Ready {
            return Err(HostError::NotReady { id: id.clone(), state: state.state });
        }
        if entry.meta.network == NetworkMode::None {
            return Err(HostError::NoNetwork(id.clone()));
        }
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, entry.meta.port)))
    }

    /// The last lines that a program wrote; those of its last container when none is there.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Engine`], [`HostError::Storage`].
    pub fn logs(&self, id: &ProgramId, tail: usize) -> Result<LogsView, HostError> {
        let (_, state) = self.known(id)?;
        let (container_id, bytes) = match &state.container_id {
            Some(container) => {
                let logs = self.inner.parts.engine.logs(container, tail);
                let logs = logs.map_err(|error| HostError::Engine(error.to_string()))?;
                (container.to_string(), logs)
            }
            None => (String::new(), self.kept_log(&state)?),
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        Ok(LogsView {
            program_id: id.clone(),
            container_id,
            logs: lines[lines.len().saturating_sub(tail)..].concat(),
            timestamp: Timestamp::now(),
        })
    }

    /// What the container of the current start wrote, kept when it went.
    fn kept_log(&self, state: &ProgramState) -> Result<Vec<u8>, HostError> {
        let storage = &self.inner.parts.storage;
        storage.read_log(&storage.run_log(&state.id, state.attempt))
    }

    /// The last lines that a program wrote, and what it writes until its container ends. A read
    /// ends within a second after the host shuts down; dropping the reader lets go of everything.
    /// One that has nothing to say for a while is [`std::io::ErrorKind::TimedOut`]: read again.
    ///
    /// # Errors
    /// As [`Host::logs`].
    pub fn follow_logs(
        &self,
        id: &ProgramId,
        tail: usize,
    ) -> Result<Box<dyn Read + Send>, HostError> {
        let (_, state) = self.known(id)?;
        let Some(container) = &state.container_id else {
            return Ok(Box::new(Cursor::new(self.logs(id, tail)?.logs)));
        };
        let Parts { engine, closing, .. } = &*self.inner.parts;
        let followed = engine.follow(container, tail, closing);
        followed.map_err(|error| HostError::Engine(error.to_string()))
    }

    /// What the build of the current start wrote.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Storage`].
    pub fn build_log(&self, id: &ProgramId) -> Result<BuildLogView, HostError> {
        let (_, state) = self.known(id)?;
        let storage = &self.inner.parts.storage;
        let bytes = storage.read_log(&storage.build_log(id, state.attempt))?;
        Ok(BuildLogView {
            program_id: id.clone(),
            attempt: state.attempt,
            log: String::from_utf8_lossy(&bytes).into_owned(),
            timestamp: Timestamp::now(),
        })
    }

    /// What the build of the current start wrote, and what it writes until it is over. A read that
    /// has nothing to say for a while is [`std::io::ErrorKind::TimedOut`]: read again.
    ///
    /// # Errors
    /// [`HostError::NotFound`]; what goes wrong later is an error of the reader.
    pub fn follow_build_log(&self, id: &ProgramId) -> Result<Box<dyn Read + Send>, HostError> {
        let (_, state) = self.known(id)?;
        let parts = Arc::clone(&self.inner.parts);
        Ok(Box::new(BuildLog {
            path: parts.storage.build_log(id, state.attempt),
            parts,
            supervisor: Arc::clone(&self.inner.supervisor),
            id: id.clone(),
            attempt: state.attempt,
            file: None,
        }))
    }

    /// A program's sources.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Storage`].
    pub fn source(&self, id: &ProgramId) -> Result<SourceView, HostError> {
        self.known(id)?;
        let (mut files, mut files_base64) = (BTreeMap::new(), BTreeMap::new());
        for (name, content) in self.inner.parts.storage.sources(id)? {
            match String::from_utf8(content) {
                Ok(text) => files.insert(name, text),
                Err(error) => {
                    let text = base64::prelude::BASE64_STANDARD.encode(error.as_bytes());
                    files_base64.insert(name, text)
                }
            };
        }
        let retrieved_at = Timestamp::now();
        Ok(SourceView { program_id: id.clone(), files, files_base64, retrieved_at })
    }

    /// What happened to a program after the event of this number, oldest first; at most 1,000.
    ///
    /// # Errors
    /// [`HostError::NotFound`], [`HostError::Registry`].
    pub fn events(
        &self,
        id: &ProgramId,
        after: i64,
        limit: usize,
    ) -> Result<EventsView, HostError> {
        self.known(id)?;
        let events = self.inner.parts.registry.events(id, after, limit.min(EVENTS))?;
        Ok(EventsView { program_id: id.clone(), count: events.len(), events })
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

/// Puts a program into the registry; one whose registry was lost comes as it was last noted.
fn register(
    parts: &Parts,
    meta: Meta,
    noted: Option<super::storage::Progress>,
) -> Result<ProgramState, HostError> {
    let mut state = ProgramState::new(meta.program_id.clone(), meta.policy);
    if let Some(progress) = noted.filter(|progress| progress.attempt.0 > 0) {
        state.attempt = progress.attempt;
        state.desired = progress.desired;
        // What it is really doing is found out when the engine is asked.
        state.state = match progress.desired {
            crate::program::Desired::Ready => State::Ready,
            _ => State::Stopped,
        };
    }
    let updated_at = Timestamp::now();
    let registered = Registered { meta: meta.clone(), state: state.clone(), updated_at };
    parts.registry.insert(&registered)?;
    parts.add_entry(meta, updated_at);
    Ok(state)
}

/// Reads the registry, and adds what only the folders know of.
fn load(parts: &Parts) -> Result<Vec<ProgramState>, HostError> {
    let mut states = Vec::new();
    for Registered { meta, state, updated_at } in parts.registry.load()? {
        parts.add_entry(meta, updated_at);
        states.push(state);
    }
    let mut lost = Vec::new();
    for id in parts.storage.list()? {
        if parts.entry(&id).is_ok() {
            continue;
        }
        let registered = parts
            .storage
            .meta(&id)
            .and_then(|(meta, progress)| register(parts, meta, Some(progress)));
        match registered {
            Ok(state) => states.push(state),
            // One folder that cannot be read must not keep the others from running.
            Err(error) => lost.push(format!("{id}: {error}")),
        }
    }
    parts.note("folders", (!lost.is_empty()).then(|| lost.join("; ")));
    Ok(states)
}
