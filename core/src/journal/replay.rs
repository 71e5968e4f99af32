//! Running a managed function over a journal: the third body.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::{Entry, Header, Line, Recorded};
use super::error::ReplayError;
use super::read::Reader;
use crate::brain::{Event, Input, Message, Time, Transition, Value, VarId};
use crate::drive::{
    Awaited, Body, Cell, Decode, Feed, Inner, ManagedFn, Parts, Stage, Step, Woken, lock,
};
use crate::sync::Mutex;
use crate::watcher::{Context, ManagedError};

/// Runs `managed` over the journal at `path`, with no environment values. See [`Replay`].
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    path: impl AsRef<Path>,
    managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
) -> Result<Replayed, ReplayError> {
    Replay::of(path.as_ref()).run(managed)
}

/// A replay: the inputs of a journal, given to a managed function in the recorded order and at the
/// recorded times, without any waiting.
///
/// What the function sees is what was recorded: messages, values of variables, time. A function
/// that does the same as then brings about the same changes of state; the first that differs is
/// reported. Within an execution the clock stands still, except for
/// [`Context::sleep`](crate::Context::sleep); a function that asks whether it is cancelled learns at
/// once what came in during that execution.
///
/// ```no_run
/// # fn app(_: Option<&hersh::Message>, _: &hersh::Context) -> Result<(), hersh::ManagedError> {
/// #     Ok(())
/// # }
/// let replayed = hersh::Replay::of("prices.journal").env("API_KEY", "x").run(app)?;
/// match replayed.divergence {
///     None => println!("{} transitions, all the same", replayed.transitions),
///     Some(divergence) => println!("{divergence}"),
/// }
/// # Ok::<(), hersh::ReplayError>(())
/// ```
pub struct Replay {
    path: PathBuf,
    env: BTreeMap<String, String>,
}

impl Replay {
    /// A replay of the run whose newest file is `path`.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), env: BTreeMap::new() }
    }

    /// Adds an environment value. Journals hold none, as they may be secret.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Adds environment values.
    pub(crate) fn envs(mut self, pairs: &BTreeMap<String, String>) -> Self {
        self.env.extend(pairs.clone());
        self
    }

    /// Runs the function on the calling thread, up to the end or the first divergence.
    ///
    /// # Errors
    /// When the journal cannot be read, or a value in it cannot be given to the function.
    pub fn run(
        self,
        managed: impl FnMut(Option<&Message>, &Context) -> Result<(), ManagedError> + Send + 'static,
    ) -> Result<Replayed, ReplayError> {
        self.open()?.play("replay", Box::new(managed))
    }

    /// Opens the journal, and makes the watcher that is to go its way.
    pub(crate) fn open(self) -> Result<Opened, ReplayError> {
        let reader = Reader::open(&self.path)?;
        let header = reader.header.clone();
        let config = header.config.config();
        config.check().map_err(ReplayError::Config)?;
        let player = Arc::new(Player {
            now: AtomicU64::new(0),
            epoch_ns: header.epoch_ns,
            cell: OnceLock::new(),
            decoders: Mutex::default(),
            tape: Mutex::new(Tape { reader, problem: None, replayed: Replayed::default() }),
            found: Mutex::default(),
        });
        let cell = Cell::new(Parts {
            id: Arc::from(header.watcher.as_str()),
            name: Arc::from(header.called()),
            config,
            env: self.env,
            seed: header.seed,
            body: Arc::new(Playing(Arc::clone(&player))),
        });
        Ok(Opened { header, cell, player })
    }
}

/// A journal that has been opened, and the watcher that is to go its way.
pub(crate) struct Opened {
    pub(crate) header: Header,
    pub(crate) cell: Arc<Cell>,
    player: Arc<Player>,
}

impl Opened {
    /// Runs the function on the calling thread, up to the end or the first divergence.
    pub(crate) fn play(&self, name: &str, managed: ManagedFn) -> Result<Replayed, ReplayError> {
        self.cell.set_managed(name, managed);
        self.player.play(&self.cell)
    }
}

/// What a replay has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Inputs that were given.
    pub inputs: u64,
    /// Changes of state that were the same as recorded.
    pub transitions: u64,
    /// The first that was not, if any.
    pub divergence: Option<Divergence>,
    /// Whether the journal ends in a line that is not whole, as a sudden end leaves it.
    pub torn: bool,
}

impl Replayed {
    /// The same as JSON: `inputs`, `transitions`, `torn`, and `divergence`, which is null or has
    /// `index`, `at_ns`, `expected` and `found`.
    pub fn to_json(&self) -> serde_json::Value {
        let divergence = self.divergence.as_ref().map(|found| {
            serde_json::json!({
                "index": found.index,
                "at_ns": u64::try_from(found.at.as_nanos()).unwrap_or(u64::MAX),
                "expected": found.expected,
                "found": found.found,
            })
        });
        serde_json::json!({
            "inputs": self.inputs,
            "transitions": self.transitions,
            "torn": self.torn,
            "divergence": divergence,
        })
    }
}

/// The first change of state that differs from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Its number among all changes of state, from 0.
    pub index: u64,
    /// When, since the watcher was built.
    pub at: Duration,
    /// What the journal says; `None` when it says nothing happened.
    pub expected: Option<String>,
    /// What happened in the replay; `None` when nothing did.
    pub found: Option<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |what: &Option<String>| what.clone().unwrap_or("no change".to_owned());
        let (expected, found) = (or_nothing(&self.expected), or_nothing(&self.found));
        let Self { index, at, .. } = self;
        write!(f, "transition {index}, at {at:?}: expected {expected}, found {found}")
    }
}

/// The journal as it is being played.
struct Tape {
    reader: Reader,
    problem: Option<ReplayError>,
    replayed: Replayed,
}

/// Drives one cell from a tape. No lock here is held while the cell is fed, as a function may play
/// on from inside its execution.
struct Player {
    now: AtomicU64,
    epoch_ns: u64,
    cell: OnceLock<Weak<Cell>>,
    decoders: Mutex<HashMap<Arc<str>, (VarId, Decode)>>,
    tape: Mutex<Tape>,
    found: Mutex<Vec<Transition>>,
}

impl Player {
    fn play(&self, cell: &Arc<Cell>) -> Result<Replayed, ReplayError> {
        let mut returning = None;
        while let Some(line) = self.next(|_| true) {
            self.feed(cell, line, &mut returning);
        }
        let torn = lock(&self.tape).reader.torn();
        if !torn {
            // What a torn end should have said of the last input is not known.
            self.compare(None);
        }
        let mut tape = lock(&self.tape);
        tape.replayed.torn = torn;
        match tape.problem.take() {
            Some(problem) => Err(problem),
            None => Ok(tape.replayed.clone()),
        }
    }

    /// The next line if it is wanted, unless the replay is over.
    fn next(&self, wanted: impl FnOnce(&Line) -> bool) -> Option<Line> {
        let mut tape = lock(&self.tape);
        if tape.problem.is_some() || tape.replayed.divergence.is_some() {
            return None;
        }
        match tape.reader.next_if(wanted) {
            Ok(line) => line,
            Err(error) => {
                tape.problem = Some(error.into());
                None
            }
        }
    }

    /// Plays what was recorded during the execution under way, up to a moment.
    fn play_inside(&self, until: Time) {
        let Some(cell) = self.cell.get().and_then(Weak::upgrade) else { return };
        let inside = |line: &Line| {
            line.at <= until.as_nanos()
                && !matches!(line.what, Entry::Returned { .. } | Entry::Serve)
        };
        while let Some(line) = self.next(inside) {
            self.feed(&cell, line, &mut None);
        }
    }

    /// Gives one line to the brain, and compares what comes of it with what is recorded next.
    fn feed(&self, cell: &Arc<Cell>, line: Line, returning: &mut Option<Event>) {
        let Line { at, what } = line;
        self.now.fetch_max(at, Ordering::AcqRel);
        if let Entry::Transition { from, to, cause } = what {
            return self.compare(Some(format!("{from} -> {to}: {cause}")));
        }
        if !lock(&self.found).is_empty() {
            return self.compare(None);
        }
        lock(&self.tape).replayed.inputs += 1;
        let event = match what {
            Entry::Start { expires, values } => return self.start(cell, expires, values),
            Entry::Message { content, sent } => {
                return cell.receive(content, Time::from_nanos(sent));
            }
            Entry::Serve => {
                let mut stage = Stage::enter(cell);
                if let Step::Execute = cell.serve_once(&mut stage) {
                    *returning = stage.execute();
                }
                return;
            }
            Entry::Returned { .. } => returning.take(),
            Entry::Value { name, value } => {
                self.input(&name, |decode| read(value, decode).map(Input::Value))
            }
            Entry::Changed { name, value } => {
                self.input(&name, |decode| read(value, decode).map(Input::Changed))
            }
            Entry::Same { name } => self.input(&name, |_| Ok(Input::Same)),
            Entry::Failed { name, error } => self.input(&name, |_| Ok(Input::Failed(error))),
            Entry::Closed { name } => self.input(&name, |_| Ok(Input::Closed)),
            Entry::Skipped { name, ticks } => {
                let known = lock(&self.decoders).get(&name).map(|(id, _)| *id);
                known.map(|id| Event::Skipped(id, ticks))
            }
            Entry::CleanedUp { problem } => Some(Event::CleanedUp { problem }),
            Entry::Stop { reason, drain, timeout_ns } => {
                let timeout = Some(Duration::from_nanos(timeout_ns));
                Some(Event::Stop(cell.stop_request(&reason, drain, timeout)))
            }
            Entry::Kill { reason } => Some(Event::Kill { reason }),
            Entry::Elapsed => Some(Event::Elapsed),
            Entry::Transition { .. } => None,
        };
        if let Some(event) = event {
            // A refusal shows in what comes of it.
            let _ = cell.feed(event);
        }
    }

    fn start(&self, cell: &Cell, expires: Option<u64>, values: BTreeMap<String, Recorded>) {
        let now = self.time();
        let lifetime = expires.map(|expires| Time::from_nanos(expires) - now);
        let values = values.into_iter().filter_map(|(key, value)| match value {
            Recorded::Json(json) => Some((key, Value::new(json))),
            Recorded::Live(value) => Some((key, value)),
            Recorded::Opaque(_) => None,
        });
        // A refusal shows in what comes of it.
        let _ = cell.start(lifetime, values);
    }

    /// News of a variable, as the function's own type. A name that it does not watch has no news;
    /// if that matters, it shows in what comes of it.
    fn input(
        &self,
        name: &Arc<str>,
        input: impl FnOnce(Decode) -> Result<Input, String>,
    ) -> Option<Event> {
        let (id, decode) = *lock(&self.decoders).get(name)?;
        match input(decode) {
            Ok(input) => Some(Event::Var(id, input)),
            Err(problem) => {
                let name = name.to_string();
                lock(&self.tape).problem = Some(ReplayError::Value { name, problem });
                None
            }
        }
    }

    /// Compares a recorded change of state with the next that happened, or the next that happened
    /// with none recorded.
    fn compare(&self, expected: Option<String>) {
        let found = {
            let mut found = lock(&self.found);
            if found.is_empty() { None } else { Some(found.remove(0).to_string()) }
        };
        let mut tape = lock(&self.tape);
        let replayed = &mut tape.replayed;
        if replayed.divergence.is_some() || (expected.is_none() && found.is_none()) {
            return;
        }
        if expected == found {
            replayed.transitions += 1;
            return;
        }
        let at = self.time().since_origin();
        let index = replayed.transitions;
        replayed.divergence = Some(Divergence { index, at, expected, found });
    }

    fn time(&self) -> Time {
        Time::from_nanos(self.now.load(Ordering::Acquire))
    }
}

/// A recorded value, as the function's own type.
fn read(value: Recorded, decode: Decode) -> Result<Value, String> {
    match value {
        Recorded::Json(json) => decode(json).map_err(|error| error.to_string()),
        Recorded::Opaque(reason) => Err(reason),
        Recorded::Live(value) => Ok(value),
    }
}

/// The player, as the cell's body.
struct Playing(Arc<Player>);

impl Body for Playing {
    fn now(&self) -> Time {
        self.0.time()
    }

    fn wall(&self, at: Time) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.epoch_ns) + at.since_origin()
    }

    fn attach(&self, cell: &Arc<Cell>) {
        // A cell is attached once.
        let _ = self.0.cell.set(Arc::downgrade(cell));
    }

    fn begin(&self, _: &Arc<Cell>, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn wake(&self) {}

    fn alarm(&self, _: Time) {}

    fn watch(&self, id: VarId, name: &Arc<str>, feed: Feed) {
        lock(&self.0.decoders).insert(Arc::clone(name), (id, feed.decode));
    }

    fn unwatch(&self, id: VarId) {
        lock(&self.0.decoders).retain(|_, (known, _)| *known != id);
    }

    fn settled(&self, _: &mut dyn Iterator<Item = VarId>) {}

    fn inputs(&self, _: bool, _: &mut dyn FnMut(VarId, Input)) {}

    fn observe(&self, _: &Arc<str>, _: Time, transition: &Transition) {
        lock(&self.0.found).push(transition.clone());
    }

    fn end(&self) {
        lock(&self.0.decoders).clear();
    }

    fn wait(
        &self,
        cell: &Cell,
        _: Option<Duration>,
        _: Awaited,
        until: &mut dyn FnMut(&Inner) -> bool,
    ) -> Woken {
        if until(&cell.lock()) { Woken::Satisfied } else { Woken::Elapsed }
    }

    fn sleep(&self, _: &Cell, duration: Duration, cancelled: &dyn Fn() -> bool) {
        let until = self.now() + duration;
        self.0.play_inside(until);
        if !cancelled() {
            self.0.now.fetch_max(until.as_nanos(), Ordering::AcqRel);
        }
    }

    fn glance(&self) {
        self.0.play_inside(Time::from_nanos(u64::MAX));
    }
}
