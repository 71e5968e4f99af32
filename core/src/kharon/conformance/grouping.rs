//! Groups: how they count, and what they set off.

use std::time::Duration;

use super::desk::{Desk, finish, ids, label, retry, ticket};
use super::list_checks;
use crate::kharon::error::{AddError, GroupError};
use crate::kharon::group::{Group, NewGroup, Progress};
use crate::kharon::store::{Change, IfExists};
use crate::kharon::ticket::{NewTicket, Status};
use crate::kharon::time::Timestamp;

list_checks!(
    a_group_counts_how_its_tickets_end,
    finalizers_run_when_the_group_is_closed_and_its_last_ticket_settled,
    closing_an_idle_group_finishes_it,
    a_group_that_is_closed_or_unknown_takes_no_tickets,
    a_group_is_opened_whole_or_not_at_all,
    a_revived_ticket_does_not_finish_the_group_again,
    a_finalizer_may_be_of_another_group,
    a_group_is_forgotten_when_its_time_has_come,
    a_group_with_pending_tickets_is_not_forgotten,
);

fn member(id: &str) -> NewTicket {
    ticket(id).group(label("group"))
}

fn open(desk: &Desk<'_>, finalizers: &[&str]) {
    let mut group = NewGroup::new("group").unwrap().expire_in(desk.units(100));
    for id in finalizers {
        group = group.finalizer(ticket(id));
    }
    desk.store.open_group(group).unwrap();
}

fn close(desk: &Desk<'_>) {
    desk.store.close_group(&label("group")).unwrap();
}

fn group(desk: &Desk<'_>) -> Group {
    desk.store.group(&label("group")).unwrap().expect("the group is gone")
}

fn a_group_counts_how_its_tickets_end(desk: &Desk<'_>) {
    assert_eq!(desk.store.group(&label("group")).unwrap(), None);
    open(desk, &[]);
    for id in ["kept", "gone", "failed", "deleted", "replaced", "retried", "waiting"] {
        desk.add(member(id));
    }
    assert_eq!(group(desk).progress, Progress { pending: 7, ..Progress::default() });
    desk.update("kept", None, finish(Status::Done)).unwrap();
    let gone = Change::Finish {
        status: Status::Done,
        keep: false,
        expire_in: None,
        reason: None,
        payload: None,
    };
    desk.update("gone", None, gone).unwrap();
    desk.update("failed", None, finish(Status::Failed)).unwrap();
    desk.update("deleted", None, Change::Delete).unwrap();
    desk.update("kept", None, Change::Delete).unwrap();
    desk.update("retried", None, retry(Duration::ZERO)).unwrap();
    desk.try_add(member("replaced"), IfExists::Replace).unwrap();
    let progress = Progress { pending: 3, done: 2, failed: 1, cancelled: 2 };
    assert_eq!(group(desk).progress, progress);
    assert_eq!(progress.total(), 8);
    assert!(!group(desk).closed);
}

fn finalizers_run_when_the_group_is_closed_and_its_last_ticket_settled(desk: &Desk<'_>) {
    open(desk, &["last", "last too"]);
    desk.add(member("a"));
    desk.add(member("b"));
    assert_eq!(desk.get("last").runat, Timestamp::NEVER);
    let claimed = desk.claim(9);
    assert_eq!(ids(&claimed), ["a", "b"], "finalizers wait");
    desk.update("a", claimed[0].token(), finish(Status::Done)).unwrap();
    close(desk);
    assert!(desk.claim(9).is_empty(), "a ticket of the group is pending");
    assert_eq!(group(desk).finished_at, None);
    desk.update("b", claimed[1].token(), finish(Status::Failed)).unwrap();
    assert!(group(desk).finished_at.is_some());
    assert_eq!(ids(&desk.claim(9)), ["last", "last too"]);
    close(desk);
    assert!(desk.claim(9).is_empty(), "closing again changes nothing");
}

fn closing_an_idle_group_finishes_it(desk: &Desk<'_>) {
    open(desk, &["last"]);
    desk.add(member("a"));
    desk.update("a", None, finish(Status::Done)).unwrap();
    assert!(desk.claim(9).is_empty(), "an open group is not finished");
    close(desk);
    assert_eq!(ids(&desk.claim(9)), ["last"]);
}

fn a_group_that_is_closed_or_unknown_takes_no_tickets(desk: &Desk<'_>) {
    let refused = desk.try_add(member("a"), IfExists::Refuse);
    assert!(matches!(refused, Err(AddError::NoGroup)), "{refused:?}");
    open(desk, &[]);
    desk.add(member("b"));
    close(desk);
    let refused = desk.try_add(member("a"), IfExists::Refuse);
    assert!(matches!(refused, Err(AddError::GroupClosed)), "{refused:?}");
    assert!(desk.find("a").is_none());
    assert_eq!(group(desk).progress.total(), 1);
    let nobody = desk.store.close_group(&label("nobody"));
    assert!(matches!(nobody, Err(GroupError::NotFound)), "{nobody:?}");
}

fn a_group_is_opened_whole_or_not_at_all(desk: &Desk<'_>) {
    desk.add(ticket("taken"));
    let new = || NewGroup::new("group").unwrap();
    let refused = desk.store.open_group(new().finalizer(ticket("x")).finalizer(ticket("taken")));
    let is_taken = |error: &GroupError| matches!(error, GroupError::Finalizer(AddError::Exists { id }) if *id == "taken");
    assert!(refused.as_ref().is_err_and(is_taken), "{refused:?}");
    let refused = desk.store.open_group(new().finalizer(member("x")));
    assert!(matches!(refused, Err(GroupError::Finalizer(_))), "it would wait for itself");
    let twice = desk.store.open_group(new().finalizer(ticket("x")).finalizer(ticket("x")));
    assert!(matches!(twice, Err(GroupError::Finalizer(_))), "{twice:?}");
    assert!(desk.find("x").is_none());
    assert_eq!(desk.store.group(&label("group")).unwrap(), None);
    open(desk, &["x"]);
    let again = desk.store.open_group(new());
    assert!(matches!(again, Err(GroupError::Exists)), "{again:?}");
}

fn a_revived_ticket_does_not_finish_the_group_again(desk: &Desk<'_>) {
    open(desk, &["last"]);
    desk.add(member("a"));
    close(desk);
    desk.update("a", None, finish(Status::Failed)).unwrap();
    let finished = group(desk).finished_at;
    let last = desk.claim(1).remove(0);
    desk.update("last", last.token(), finish(Status::Done)).unwrap();
    desk.pass(1);
    desk.update("a", None, Change::Revive { delay: Duration::ZERO }).unwrap();
    assert_eq!(group(desk).progress, Progress { pending: 1, ..Progress::default() });
    desk.update("a", None, finish(Status::Done)).unwrap();
    assert_eq!(group(desk).progress, Progress { done: 1, ..Progress::default() });
    assert_eq!(group(desk).finished_at, finished);
    assert!(desk.claim(9).is_empty(), "the finalizer ran already");
}

fn a_finalizer_may_be_of_another_group(desk: &Desk<'_>) {
    desk.store.open_group(NewGroup::new("outer").unwrap().finalizer(ticket("end"))).unwrap();
    let inner = NewGroup::new("group").unwrap().finalizer(ticket("between").group(label("outer")));
    desk.store.open_group(inner).unwrap();
    desk.store.close_group(&label("outer")).unwrap();
    close(desk);
    let between = desk.claim(9);
    assert_eq!(ids(&between), ["between"]);
    desk.update("between", between[0].token(), finish(Status::Done)).unwrap();
    assert_eq!(ids(&desk.claim(9)), ["end"]);
}

fn a_group_is_forgotten_when_its_time_has_come(desk: &Desk<'_>) {
    open(desk, &["last"]);
    desk.add(member("a"));
    close(desk);
    desk.update("a", None, finish(Status::Done)).unwrap();
    desk.store.expire_tickets(9).unwrap();
    assert!(group(desk).closed, "early");
    desk.pass(101);
    desk.store.expire_tickets(9).unwrap();
    assert_eq!(desk.store.group(&label("group")).unwrap(), None);
    assert!(desk.find("a").is_some(), "its tickets stay");
    open(desk, &["another"]);
    assert_eq!(group(desk).progress.total(), 0, "a new group starts from nothing");
}

fn a_group_with_pending_tickets_is_not_forgotten(desk: &Desk<'_>) {
    open(desk, &["last"]);
    desk.add(member("a"));
    let name = label("group");
    let refused = desk.store.delete_group(&name);
    assert!(matches!(refused, Err(GroupError::Pending { pending: 1 })), "{refused:?}");
    desk.update("a", None, finish(Status::Done)).unwrap();
    desk.store.delete_group(&name).unwrap();
    assert!(desk.find("last").is_none(), "its finalizer waited for it");
    assert!(desk.find("a").is_some());
    let nobody = desk.store.delete_group(&name);
    assert!(matches!(nobody, Err(GroupError::NotFound)), "{nobody:?}");
}
