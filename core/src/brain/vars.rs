//! Watched variables: their registration, their values, and the updates not yet applied.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

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
    table: BTreeMap<VarId, Var>,
    names: HashMap<Arc<str>, VarId>,
    dirty: BTreeSet<VarId>,
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
        self.table.get(&id).map(|var| (id, var))
    }

    pub(crate) fn get(&self, id: VarId) -> Option<&Var> {
        self.table.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Var> {
        self.table.values()
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
        let Some(var) = self.table.remove(&id) else { return false };
        self.names.remove(&var.name);
        self.dirty.remove(&id);
        true
    }

    /// Counts skipped ticks; none when the variable is gone.
    pub(crate) fn skip(&mut self, id: VarId, ticks: u64) -> u64 {
        let Some(var) = self.table.get_mut(&id) else { return 0 };
        var.skipped += ticks;
        ticks
    }

    /// Takes news of a variable; it is seen by executions once [`Vars::apply`] has run.
    pub(crate) fn take(&mut self, id: VarId, input: Input) -> Taken {
        let Some(var) = self.table.get_mut(&id) else { return Taken::Refused };
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
        var.pending = Some(value);
        self.dirty.insert(id);
        Taken::Pending
    }

    /// Applies every pending update, in the order of registration.
    pub(crate) fn apply(&mut self) -> Arc<[Change]> {
        let table = &mut self.table;
        std::mem::take(&mut self.dirty)
            .into_iter()
            .filter_map(|id| {
                let var = table.get_mut(&id)?;
                let new = var.pending.take()?;
                let old = var.value.replace(new.clone());
                Some(Change { id, name: Arc::clone(&var.name), old, new })
            })
            .collect()
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
