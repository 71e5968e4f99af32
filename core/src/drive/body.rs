//! What a body does for a cell.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::cell::{Cell, Inner};
use super::source::Feed;
use crate::brain::{Input, Time, Transition, VarId};

/// What may make the condition of a wait come true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Anything that happens to the cell.
    Change,
    /// The end of the session alone: whoever waits for that is not woken by each execution.
    End,
    /// Room in the queue, or the end of the session. One who waits is woken for each message that
    /// leaves the queue.
    Room,
}

impl Awaited {
    /// How many there are.
    pub(crate) const KINDS: usize = 3;
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What was waited for has come.
    Satisfied,
    /// The limit passed first, or nothing is left that could happen.
    Elapsed,
}

/// The half of a watcher that touches the world: a clock, threads or their likeness, and the
/// sources of variables.
///
/// Methods marked *locked* are called while the cell's lock is held and must not take it.
pub(crate) trait Body: Send + Sync {
    /// Whether it is the world itself, and no likeness of it.
    fn is_world(&self) -> bool {
        false
    }

    /// The time, on this body's clock.
    fn now(&self) -> Time;

    /// The wall-clock time of a moment.
    fn wall(&self, at: Time) -> SystemTime;

    /// The body belongs to this cell from now on.
    fn attach(&self, _cell: &Arc<Cell>) {}

    /// A session begins: arrange for the cell to be stepped until it is over.
    fn begin(&self, cell: &Arc<Cell>, session: u64) -> io::Result<()>;

    /// *Locked.* Something happened that the next step should look at.
    fn wake(&self);

    /// *Locked.* See to it that the brain learns when this moment has passed.
    fn alarm(&self, at: Time);

    /// *Locked.* Feed a variable from now on.
    fn watch(&self, id: VarId, name: &Arc<str>, feed: Feed);

    /// *Locked.* Feed a variable no longer.
    fn unwatch(&self, id: VarId);

    /// *Locked.* The last updates of these variables have been applied, or there were none.
    fn settled(&self, ids: &mut dyn Iterator<Item = VarId>);

    /// *Locked.* Hands over what variables have brought, flows only if they are wanted.
    fn inputs(&self, flows: bool, feed: &mut dyn FnMut(VarId, Input));

    /// *Locked.* The state has changed.
    fn observe(&self, _watcher: &Arc<str>, _at: Time, _transition: &Transition) {}

    /// *Locked.* The session is over.
    fn end(&self);

    /// Waits until a condition on the cell holds, at most for `limit`.
    fn wait(
        &self,
        cell: &Cell,
        limit: Option<Duration>,
        awaited: Awaited,
        until: &mut dyn FnMut(&Inner) -> bool,
    ) -> Woken;

    /// Waits until no thread of this body is left, at most for `limit`; whether none is.
    fn join(&self, _limit: Option<Duration>) -> bool {
        true
    }

    /// Lets time pass within an execution, at most until `cancelled` says so.
    fn sleep(&self, cell: &Cell, duration: Duration, cancelled: &dyn Fn() -> bool);

    /// An execution asks what has happened meanwhile, without waiting.
    fn glance(&self) {}
}
