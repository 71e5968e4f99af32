//! Looking at programs: nothing here changes one.
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use hersh::http::{EventSource, EventWords, MetricsPage};
use serde_json::{Value as Json, json};

use super::Host;
use crate::host::HostError;
use crate::host::follow::BuildLog;
use crate::host::parts::{Parts, view};
use crate::host::registry::{FeedFilter, FeedNews};
use crate::host::request::{ListFilter, NetworkMode};
use crate::host::storage::SourceLimits;
use crate::host::view::{
    BuildLogView, EventsView, LogsView, ProgramPage, ProgramView, SourceView, Timestamp,
};
use crate::program::{ProgramId, ProgramState, State};

/// The most programs on one page.
const PAGE: usize = 1_000;
/// The most events in one answer.
const EVENTS: usize = 1_000;

impl Host {
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
        let parts = &self.inner.parts;
        // Its port may be another by the time it is as wanted.
        let now = |state: &_| parts.entry(id).map(|entry| view(&entry, state));
        let seen = self
            .inner
            .supervisor
            .wait(id, at_most, |state| now(state).is_ok_and(|program| wanted(&program)));
        match seen.filter(|state| !state.removed) {
            Some(state) => now(&state),
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
            let (id, reason) = (id.clone(), state.error_msg);
            return Err(HostError::NotReady { id, state: state.state, reason });
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

    /// The bounds on what one program may bring.
    pub fn source_limits(&self) -> SourceLimits {
        self.inner.parts.config.sources
    }

    /// What the host has counted, and what it has, for Prometheus.
    pub fn metrics(&self) -> MetricsPage {
        let parts = &self.inner.parts;
        let mut page = MetricsPage::new("hersh_host_", &[]);
        let states = self.inner.supervisor.states();
        page.family("programs", "gauge", "Programs, by their state.");
        for state in State::ALL {
            let count = states.iter().filter(|program| program.state == state).count();
            page.series("programs", &[("state", state.as_str())], count);
        }
        let report = parts.report();
        let answers = u8::from(!report.version.is_empty());
        page.gauge("engine_up", "Whether the container engine answers.", answers);
        page.gauge("warnings", "What is wrong with the host or its engine.", report.warnings.len());
        parts.counts.render(&mut page);
        // A store that cannot be read is among the warnings; the other figures are good.
        if let Ok(tickets) = self.kharon().prometheus() {
            page.append(&tickets);
        }
        page
    }

    /// Counts an answer of the API for [`Host::metrics`].
    pub(in crate::host) fn count_answer(&self, method: &'static str, code: u16) {
        self.inner.parts.counts.answered(method, code);
    }

    /// What happens to programs, as it happens; behind the event of this number, as far as the
    /// host remembers, or from now on.
    pub fn follow_events(&self, filter: FeedFilter, last: Option<i64>) -> EventFollower {
        EventFollower { parts: Arc::clone(&self.inner.parts), filter, last, place: 0 }
    }
}

/// How long a follower waits for news before it lets the gate look whether its client is still
/// there.
const PATIENCE: Duration = Duration::from_millis(250);

/// One client's place among the events of a host.
pub struct EventFollower {
    parts: Arc<Parts>,
    filter: FeedFilter,
    last: Option<i64>,
    place: i64,
}

impl EventFollower {
    fn lost(&self, missed: Option<i64>, words: &mut EventWords) {
        // How much happened to others' programs is not for everyone.
        let missed = missed.filter(|_| self.filter.is_all()).map_or(Json::Null, Json::from);
        words.event(self.place, "lost", &json!({ "missed": missed }));
    }
}

impl EventSource for EventFollower {
    fn begin(&mut self, words: &mut EventWords) {
        let (newest, reaches_back_to) = self.parts.registry.feed().span();
        match self.last {
            None => self.place = newest,
            // A number that this registry has not given yet: nobody knows what has been missed.
            Some(last) if last > newest || last < 0 => {
                self.place = reaches_back_to;
                return self.lost(None, words);
            }
            Some(last) if last < reaches_back_to => {
                self.place = reaches_back_to;
                return self.lost(Some(reaches_back_to - last), words);
            }
            Some(last) => self.place = last,
        }
        words.place(self.place);
    }

    fn next(&mut self, words: &mut EventWords) -> bool {
        if self.parts.closing.is_cancelled() {
            return false;
        }
        let feed = self.parts.registry.feed();
        let FeedNews { missed, place, happenings } = feed.after(self.place, &self.filter, PATIENCE);
        if missed > 0 {
            self.place += missed;
            self.lost(Some(missed), words);
            return false;
        }
        self.place = place;
        for happening in happenings {
            words.event(happening.seq, "program", &happening.data);
        }
        true
    }
}
