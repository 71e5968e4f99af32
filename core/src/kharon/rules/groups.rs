//! How a group counts, and when it is finished.

use crate::kharon::error::AddError;
use crate::kharon::group::{Group, Progress};
use crate::kharon::ticket::{Status, Ticket};
use crate::kharon::time::Timestamp;

/// Takes a new pending ticket into a group.
///
/// # Errors
/// [`AddError::GroupClosed`].
pub fn join_group(group: &mut Group) -> Result<(), AddError> {
    if group.closed {
        return Err(AddError::GroupClosed);
    }
    group.progress.pending += 1;
    Ok(())
}

/// Counts a ticket that moved. Whether the group is finished by it, so that its finalizers are to
/// be [freed](free_finalizer).
pub fn count(group: &mut Group, (from, to): (Status, Status), now: Timestamp) -> bool {
    let left = slot(&mut group.progress, from);
    *left = left.saturating_sub(1);
    *slot(&mut group.progress, to) += 1;
    finish(group, now)
}

/// Closes a group. Whether it is finished by it.
pub fn close_group(group: &mut Group, now: Timestamp) -> bool {
    group.closed = true;
    finish(group, now)
}

/// Whether a ticket still waits for the group that it finalizes.
pub fn is_held(ticket: &Ticket) -> bool {
    ticket.status == Status::Pending && ticket.runat == Timestamp::NEVER
}

/// Makes a finalizer ready, unless it was given another time since. Whether it did.
pub fn free_finalizer(ticket: &mut Ticket, now: Timestamp) -> bool {
    let held = is_held(ticket);
    if held {
        ticket.runat = now;
        ticket.mtime = now;
    }
    held
}

fn finish(group: &mut Group, now: Timestamp) -> bool {
    let finished = group.closed && group.progress.pending == 0 && group.finished_at.is_none();
    if finished {
        group.finished_at = Some(now);
    }
    finished
}

fn slot(progress: &mut Progress, status: Status) -> &mut u64 {
    match status {
        Status::Pending => &mut progress.pending,
        Status::Done => &mut progress.done,
        Status::Failed => &mut progress.failed,
        Status::Cancelled => &mut progress.cancelled,
    }
}
