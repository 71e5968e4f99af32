//! Watched variables: their registration, their values, and the updates not yet applied.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::by_id::ById;
use super::event::{Declaration, Input};
use super::value::Value;

/// Names a variable; grows with each registration and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VarId(pub(crate) u32);

/// How a variable gets its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchKind {
    /// A poll at a fixed rate; a value that differs from the last is a change.
    Call,
    /// A channel; every value is a change and causes its own execution.
    Flow,
    /// A channel of which only the newest value counts.
    FlowLatest,
    /// A timer; every tick is a change.
    Tick,
}

impl WatchKind {
    /// The name of the context method that registers this kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "watch_call",
            Self::Flow => "watch_flow",
            Self::FlowLatest => "watch_flow_latest",
            Self::Tick => "watch_tick",
        }
    }

    /// Whether its values come at a rate, and the next only when the last has been applied.
    pub(crate) const fn is_timed(self) -> bool {
        matches!(self, Self::Call | Self::Tick)
    }
}

/// A variable that changed, with its value before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub(crate) id: VarId,
    pub(crate) name: Arc<str>,
    pub(crate) old: Option<Value>,
    pub(crate) new: Value,
}

impl Change {
    /// The variable's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value before; `None` when this is the first.
    pub fn old(&self) -> Option<&Value> {
        self.old.as_ref()
    }

    /// The value after.
    pub fn new_value(&self) -> &Value {
        &self.new
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain([&self.new])
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.old {
            Some(old) => write!(f, "{}: {old} -> {}", self.name, self.new),
            None => write!(f, "{}: {}", self.name, self.new),
        }
    }
}

/// One watched variable.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub(crate) name: Arc<str>,
    pub(crate) kind: WatchKind,
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
    pub(crate) value: Option<Value>,
    pub(crate) error: Option<Arc<str>>,
    pub(crate) pending: Option<Value>,
    pub(crate) skipped: u64,
}

/// What the table made of an input.
pub(crate) enum Taken {
    /// The value is what it was.
    Unchanged,
    /// An update now waits to be applied.
    Pending,
    /// The last poll failed, or the source closed: the variable's name, and the words.
    Failed(Arc<str>, Arc<str>),
    /// No such variable, or a flow value came before the last was applied.
    Refused,
}

/// All watched variables of a session, in the order of their registration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars {
    table: ById<Var>,
    names: HashMap<Arc<str>, VarId>,
    /// Those with a pending update, each once, in the order in which it came.
    dirty: Vec<VarId>,
    /// Empty between the calls that use it.
    applied: Vec<Change>,
    /// The names of those that changed together last: often the same change together again.
    together: Arc<[Arc<str>]>,
    registered: u32,
}

impl Vars {
    /// An empty table for the next session. Ids go on, so that what an old session's poll brings
    /// late cannot be taken for a new session's.
    pub(crate) fn renewed(&self) -> Self {
        Self { registered: self.registered, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn pending(&self) -> usize {
        self.dirty.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<(VarId, &Var)> {
        let id = *self.names.get(name)?;
        self.get(id).map(|var| (id, var))
    }

    /// Finds a variable by name, looking first at the place where it is expected: a function that
    /// reads its variables in the order in which it registered them pays for no search. With its
    /// place.
    pub(crate) fn find_at(&self, expected: usize, name: &str) -> Option<(usize, VarId, &Var)> {
        match self.table.at(expected) {
            Some((id, var)) if *var.name == *name => Some((expected, id, var)),
            _ => self.find(name).and_then(|(id, var)| Some((self.table.place_of(id)?, id, var))),
        }
    }

    pub(crate) fn get(&self, id: VarId) -> Option<&Var> {
        self.table.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Var> {
        self.table.iter()
    }

    /// All values, also those of updates not yet applied.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.iter().flat_map(|var| var.value.iter().chain(&var.pending))
    }

    /// Registers a variable; `None` when its name is taken.
    pub(crate) fn register(&mut self, declared: Declaration) -> Option<VarId> {
        if self.names.contains_key(&declared.name) {
            return None;
        }
        let id = VarId(self.registered);
        self.registered += 1;
        self.names.insert(Arc::clone(&declared.name), id);
        let Declaration { name, kind, type_id, type_name } = declared;
        let var = Var {
            name,
            kind,
            type_id,
            type_name,
            value: None,
            error: None,
            pending: None,
            skipped: 0,
        };
        self.table.insert(id, var);
        Some(id)
    }

    pub(crate) fn remove(&mut self, id: VarId) -> bool {
        let Some(var) = self.table.remove(id) else { return false };
        self.names.remove(&var.name);
        self.dirty.retain(|dirty| *dirty != id);
        true
    }

    /// Counts skipped ticks; none when the variable is gone.
    pub(crate) fn skip(&mut self, id: VarId, ticks: u64) -> u64 {
        let Some(var) = self.table.get_mut(id) else { return 0 };
        var.skipped += ticks;
        ticks
    }

    /// Takes news of a variable; it is seen by executions once [`Vars::apply`] has run.
    pub(crate) fn take(&mut self, id: VarId, input: Input) -> Taken {
        let Some(var) = self.table.get_mut(id) else { return Taken::Refused };
        let changed = match input {
            Input::Value(value) => match var.differs(&value) {
                Ok(differs) => differs.then_some(value),
                Err(error) => return var.fail(error),
            },
            Input::Changed(value) => Some(value),
            Input::Same => None,
            Input::Failed(error) => return var.fail(error),
            Input::Closed => return var.fail(Arc::from("the source is closed")),
        };
        if var.kind == WatchKind::Flow && var.pending.is_some() {
            return Taken::Refused;
        }
        var.error = None;
        let Some(value) = changed else { return Taken::Unchanged };
        if var.pending.replace(value).is_none() {
            self.dirty.push(id);
        }
        Taken::Pending
    }

    /// Applies every pending update, in the order of registration.
    pub(crate) fn apply(&mut self) -> Arc<[Change]> {
        let Self { table, dirty, applied, .. } = self;
        dirty.sort_unstable();
        applied.extend(dirty.drain(..).filter_map(|id| {
            let var = table.get_mut(id)?;
            let new = var.pending.take()?;
            let old = var.value.replace(new.clone());
            Some(Change { id, name: Arc::clone(&var.name), old, new })
        }));
        applied.drain(..).collect()
    }

    /// The names of what changed.
    pub(crate) fn names_of(&mut self, changes: &[Change]) -> Arc<[Arc<str>]> {
        let names = changes.iter().map(|change| &change.name);
        let same = self.together.len() == changes.len()
            && names.clone().zip(&*self.together).all(|(name, last)| Arc::ptr_eq(name, last));
        if !same {
            self.together = names.cloned().collect();
        }
        Arc::clone(&self.together)
    }
}

impl Var {
    fn fail(&mut self, error: Arc<str>) -> Taken {
        self.error = Some(Arc::clone(&error));
        Taken::Failed(Arc::clone(&self.name), error)
    }

    /// Whether a value counts as a change. Events and ticks always do; a polled value is compared
    /// with the user's `PartialEq`, whose panic must not tear the brain.
    fn differs(&self, value: &Value) -> Result<bool, Arc<str>> {
        if self.kind != WatchKind::Call {
            return Ok(true);
        }
        let Some(last) = self.pending.as_ref().or(self.value.as_ref()) else { return Ok(true) };
        catch_unwind(AssertUnwindSafe(|| !value.same(last)))
            .map_err(|_| Arc::from("comparing the value with the last one panicked"))
    }
}
