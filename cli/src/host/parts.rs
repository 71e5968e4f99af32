//! What the parts of a host share, and one program as its clients see it.
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::HostError;
use super::answers::Roll;
use super::config::HostConfig;
use super::counts::Counts;
use super::docker::judge;
use super::engine::{Engine, EngineFacts};
use super::ports;
use super::registry::Registry;
use super::request::NetworkMode;
use super::storage::{Meta, Storage};
use super::takeover::{Phase, Takeover};
use super::tickets::Tickets;
use super::view::{EngineReport, ProgramView, Timestamp};
use crate::program::{Cancel, ContainerId, ImageId, ProgramId, ProgramState, State};

/// How many of a container's last lines an error carries, and how much of each.
const LAST_LINES: usize = 20;
const LAST_LINE_CHARS: usize = 300;

/// One program's facts, and when something last happened to it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) meta: Meta,
    pub(super) updated_at: AtomicU64,
}

/// What the parts of a host share.
pub(super) struct Parts {
    pub(super) config: HostConfig,
    pub(super) host_id: String,
    pub(super) storage: Storage,
    pub(super) registry: Registry,
    pub(super) tickets: Tickets,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) entries: RwLock<BTreeMap<ProgramId, Arc<Entry>>>,
    /// Held while the steps of a takeover are taken.
    pub(super) taking_over: Mutex<()>,
    /// Who takes over from whom; of no consequence once it has.
    successors: Mutex<BTreeMap<ProgramId, ProgramId>>,
    /// What the engine said of itself, once it did.
    facts: RwLock<Option<EngineFacts>>,
    /// What went wrong in the host's own work and concerns no single program.
    complaints: Mutex<BTreeMap<&'static str, String>>,
    /// Whether what the last host left has been taken up: until then nothing new is begun for it.
    taken_up: AtomicBool,
    /// How often it was looked whether programs run.
    looks: AtomicU32,
    /// Which programs were asked whether they answer, and how often they did not.
    pub(super) roll: Mutex<Roll>,
    /// For the metrics.
    pub(super) counts: Counts,
    /// The host is shutting down.
    pub(super) closing: Cancel,
}

impl Parts {
    pub(super) fn new(
        config: HostConfig,
        host_id: String,
        storage: Storage,
        registry: Registry,
        tickets: Tickets,
        engine: Arc<dyn Engine>,
    ) -> Self {
        Self {
            config,
            host_id,
            storage,
            registry,
            tickets,
            engine,
            entries: RwLock::default(),
            taking_over: Mutex::default(),
            successors: Mutex::default(),
            facts: RwLock::default(),
            complaints: Mutex::default(),
            taken_up: AtomicBool::new(false),
            looks: AtomicU32::new(0),
            roll: Mutex::default(),
            counts: Counts::default(),
            closing: Cancel::new(),
        }
    }

    pub(super) fn entry(&self, id: &ProgramId) -> Result<Arc<Entry>, HostError> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(id).cloned().ok_or_else(|| HostError::NotFound(id.clone()))
    }

    pub(super) fn all_entries(&self) -> BTreeMap<ProgramId, Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add_entry(&self, meta: Meta, updated_at: Timestamp) {
        let id = meta.program_id.clone();
        if let Some(takeover) = &meta.takeover {
            let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
            successors.insert(takeover.of.clone(), id.clone());
        }
        let entry = Arc::new(Entry { meta, updated_at: AtomicU64::new(updated_at.0) });
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(id, entry);
    }

    /// Whether what the last host left has been taken up.
    pub(super) fn is_taken_up(&self) -> bool {
        self.taken_up.load(Ordering::Acquire)
    }

    pub(super) fn set_taken_up(&self) {
        self.taken_up.store(true, Ordering::Release);
    }

    /// Counts a look whether programs run, from 1.
    pub(super) fn count_look(&self) -> u32 {
        self.looks.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Remembers another port for a program whose own was taken while it did not run.
    pub(super) fn take_another_port(&self, id: &ProgramId) -> Result<(), String> {
        let entries = self.all_entries();
        let entry = entries.get(id).ok_or_else(|| HostError::NotFound(id.clone()).to_string())?;
        let taken: BTreeSet<u16> = entries.values().map(|entry| entry.meta.port).collect();
        let port = ports::free_port(self.config.ports.clone(), &taken)
            .ok_or_else(|| format!("port {} is taken, and no other is left", entry.meta.port))?;
        self.replace_metas(vec![Meta { port, ..entry.meta.clone() }])
    }

    /// Replaces the facts of programs: in the registry of all or none, then where they are noted.
    pub(super) fn replace_metas(&self, metas: Vec<Meta>) -> Result<(), String> {
        self.registry.set_metas(&metas).map_err(|error| error.to_string())?;
        for meta in metas {
            // The registry is the truth, and has it; the folder's note only serves where it is lost.
            let noted = self.storage.note_meta(&meta);
            self.note("folders", noted.err().map(|error| error.to_string()));
            self.add_entry(meta, Timestamp::now());
        }
        Ok(())
    }

    /// All programs that have a takeover to go on with.
    pub(super) fn successors(&self) -> Vec<ProgramId> {
        let entries = self.all_entries().into_values();
        let successors = entries.filter(|entry| entry.meta.takeover.is_some());
        successors.map(|entry| entry.meta.program_id.clone()).collect()
    }

    /// The program that is taking over from this one.
    pub(super) fn successor_of(&self, id: &ProgramId) -> Option<Arc<Entry>> {
        let successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        let successor = successors.get(id)?.clone();
        drop(successors);
        self.entry(&successor)
            .ok()
            .filter(|e| e.meta.takeover.as_ref().is_some_and(|t| t.of == *id))
    }

    pub(super) fn remove_entry(&self, id: &ProgramId) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        // Of one that is replaced its successor is still to be told.
        let mut successors = self.successors.lock().unwrap_or_else(PoisonError::into_inner);
        successors.retain(|_, successor| successor != id);
    }

    /// How long a program has until it answers: when it is started, and when it has stopped to.
    pub(super) fn ready_within(&self, meta: &Meta) -> Duration {
        meta.health.ready_timeout_ms.map_or(self.config.ready_timeout, Duration::from_millis)
    }

    /// The last lines that a container wrote, for an error that tells of its end.
    pub(super) fn last_lines(&self, container: &ContainerId) -> Vec<String> {
        // Without them an error is poorer, and still an error.
        let bytes = self.engine.logs(container, LAST_LINES).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> =
            text.lines().map(|l| l.chars().take(LAST_LINE_CHARS).collect()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].to_vec()
    }

    /// What the engine is; asked until it has answered once.
    pub(super) fn facts(&self) -> Result<EngineFacts, String> {
        if let Some(facts) = &*self.facts.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(facts.clone());
        }
        let probed = self.engine.probe().map_err(|error| error.to_string());
        self.note("engine", probed.as_ref().err().cloned());
        if let Ok(facts) = &probed {
            *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Some(facts.clone());
        }
        probed
    }

    /// Makes sure that programs cannot reach what they should not; why they can, where they can.
    pub(super) fn uphold(&self) -> Option<String> {
        let open = self.engine.uphold().err();
        if let Some(facts) = &mut *self.facts.write().unwrap_or_else(PoisonError::into_inner) {
            facts.open.clone_from(&open);
        }
        open
    }

    /// The engine did not answer: when it does again, it may be another.
    pub(super) fn forget_facts(&self) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Remembers what is wrong with a part of the host, or that it is well again.
    pub(super) fn note(&self, part: &'static str, wrong: Option<String>) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong {
            Some(words) => complaints.insert(part, words),
            None => complaints.remove(part),
        };
    }

    pub(super) fn report(&self) -> EngineReport {
        let facts = self.facts.read().unwrap_or_else(PoisonError::into_inner).clone();
        let known = facts.is_some();
        let facts = facts.unwrap_or_default();
        let mut warnings = facts.warnings;
        let runtime = judge::runtime(self.config.runtime, &facts.runtimes);
        if let Some(words) = runtime.warning().filter(|_| known) {
            warnings.insert(0, words);
        }
        let allowed = self.config.allow_open_network;
        warnings.extend(facts.open.map(|why| open_network(&why, allowed)));
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.extend(complaints.iter().map(|(part, words)| format!("{part}: {words}")));
        EngineReport { version: facts.version, runtime: self.config.runtime, warnings }
    }
}

/// What is wrong when programs can reach what they should not, and what that means for them.
pub(super) fn open_network(why: &str, is_allowed: bool) -> String {
    let reach = "this machine's services and its cloud's metadata addresses";
    if is_allowed {
        return format!("programs can reach {reach}: {why}");
    }
    format!(
        "programs with a network cannot be started, since they could reach {reach}: {why}; run the \
         host as root on its engine's machine with iptables installed, or start it with \
         --allow-open-network to do without these walls"
    )
}

pub(super) fn view(entry: &Entry, state: &ProgramState) -> ProgramView {
    let meta = &entry.meta;
    let port = (meta.network == NetworkMode::Bridge).then_some(meta.port);
    ProgramView {
        program_id: meta.program_id.clone(),
        build_id: state.build_id.clone(),
        user_id: meta.program_id.user(),
        name: meta.name.clone(),
        state: shown(meta.takeover.as_ref(), state.state),
        desired: state.desired.as_str(),
        image_id: state.image_id.as_ref().map(ImageId::to_string).unwrap_or_default(),
        container_id: state.container_id.as_ref().map(ContainerId::to_string).unwrap_or_default(),
        proxy_url: port.map(|port| format!("http://localhost:{port}")).unwrap_or_default(),
        port,
        error_msg: state.error_msg.clone().unwrap_or_default(),
        exit: state.exit.clone(),
        attempt: state.attempt,
        restarts: state.restarts,
        limits: meta.limits,
        restart: meta.policy.mode,
        network: meta.network,
        health: meta.health.clone(),
        replaces: meta.takeover.as_ref().map(|takeover| takeover.of.clone()),
        created_at: Timestamp(meta.created_at),
        updated_at: Timestamp(entry.updated_at.load(Ordering::Relaxed)),
    }
}

/// The state of a program as its owner sees it: a successor serves nobody before it has taken over,
/// whatever its container does.
fn shown(takeover: Option<&Takeover>, state: State) -> State {
    match (takeover.map(|takeover| takeover.phase), state) {
        (Some(Phase::Beside | Phase::Switching | Phase::Taken), State::Ready)
        | (Some(Phase::Switching | Phase::Taken), State::Stopping | State::Stopped) => {
            State::Starting
        }
        (Some(Phase::Returning | Phase::Returned), State::Ready | State::Stopped) => {
            State::Stopping
        }
        (_, state) => state,
    }
}

/// The words of an error of the system, with the file that it is about.
pub(super) fn storage_error(what: &'static str, path: &Path, source: io::Error) -> HostError {
    HostError::Storage { what, path: path.to_owned(), source }
}
