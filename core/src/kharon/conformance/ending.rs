//! What becomes of settled tickets: they stay, they expire, they let go of their key.

use std::time::Duration;

use super::desk::{Desk, finish, ids, label, ticket};
use super::list_checks;
use crate::kharon::error::UpdateError;
use crate::kharon::store::Change;
use crate::kharon::ticket::Status;

list_checks!(
    a_ticket_expires_when_its_time_has_come,
    expiry_goes_by_portions,
    a_revived_ticket_no_longer_expires,
    a_settled_ticket_lets_go_of_its_key,
    a_removed_ticket_can_be_added_again,
);

fn expiring(desk: &Desk<'_>, units: u32) -> Change {
    Change::Finish {
        status: Status::Failed,
        keep: true,
        expire_in: Some(desk.units(units)),
        reason: None,
        payload: None,
    }
}

fn a_ticket_expires_when_its_time_has_come(desk: &Desk<'_>) {
    assert_eq!(desk.store.expire_tickets(10).unwrap().next_in, None);
    for id in ["soon", "late", "never"] {
        desk.add(ticket(id));
    }
    desk.update("soon", None, expiring(desk, 5)).unwrap();
    desk.update("late", None, expiring(desk, 20)).unwrap();
    let settled = desk.get("soon");
    assert_eq!(settled.expires_at, Some(settled.mtime + desk.units(5)));
    let expired = desk.store.expire_tickets(10).unwrap();
    assert_eq!(expired.removed, 0, "early");
    assert!(expired.next_in.is_some_and(|next| next <= desk.units(5)), "{expired:?}");
    desk.pass(6);
    assert_eq!(desk.store.expire_tickets(10).unwrap().removed, 1);
    assert!(desk.find("soon").is_none());
    assert!(desk.find("late").is_some() && desk.find("never").is_some());
    desk.pass(15);
    let expired = desk.store.expire_tickets(10).unwrap();
    assert_eq!((expired.removed, expired.next_in), (1, None));
    assert_eq!(ids(&desk.claim(9)), ["never"]);
}

fn expiry_goes_by_portions(desk: &Desk<'_>) {
    for number in 0..7 {
        let id = number.to_string();
        desk.add(ticket(&id));
        desk.update(&id, None, expiring(desk, 1)).unwrap();
    }
    desk.pass(2);
    let expired = desk.store.expire_tickets(5).unwrap();
    assert_eq!((expired.removed, expired.next_in), (5, Some(Duration::ZERO)));
    let expired = desk.store.expire_tickets(5).unwrap();
    assert_eq!((expired.removed, expired.next_in), (2, None));
}

fn a_revived_ticket_no_longer_expires(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    desk.update("one", None, expiring(desk, 2)).unwrap();
    desk.update("one", None, Change::Revive { delay: Duration::ZERO }).unwrap();
    assert_eq!(desk.get("one").expires_at, None);
    desk.pass(3);
    assert_eq!(desk.store.expire_tickets(9).unwrap().removed, 0);
    assert_eq!(ids(&desk.claim(9)), ["one"]);
}

fn a_settled_ticket_lets_go_of_its_key(desk: &Desk<'_>) {
    let keyed = |id| ticket(id).unique_key(label("key"));
    desk.add(keyed("one"));
    desk.update("one", None, finish(Status::Failed)).unwrap();
    desk.add(keyed("two"));
    match desk.update("one", None, Change::Revive { delay: Duration::ZERO }) {
        Err(UpdateError::KeyTaken { by }) => assert_eq!(by, "two"),
        other => panic!("a key that is taken cannot be taken again, not {other:?}"),
    }
    assert_eq!(desk.get("one").status, Status::Failed);
    desk.update("two", None, Change::Delete).unwrap();
    desk.update("one", None, Change::Revive { delay: Duration::ZERO }).unwrap();
    assert_eq!(desk.get("one").unique_key, Some(label("key")));
}

fn a_removed_ticket_can_be_added_again(desk: &Desk<'_>) {
    desk.add(ticket("one").unique_key(label("key")));
    desk.update("one", None, Change::Delete).unwrap();
    desk.add(ticket("one").unique_key(label("key")));
    assert_eq!(ids(&desk.claim(9)), ["one"]);
}
