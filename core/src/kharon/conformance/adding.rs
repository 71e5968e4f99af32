//! Adding tickets, and finding them again.

use super::desk::{Desk, ids, label, ticket};
use super::list_checks;
use crate::kharon::error::AddError;
use crate::kharon::schedule::Repeat;
use crate::kharon::store::{Added, Addition, IfExists};
use crate::kharon::ticket::{Status, When};
use crate::kharon::time::Timestamp;

list_checks!(
    a_ticket_is_kept_as_it_was_added,
    an_id_that_exists_is_refused_replaced_or_kept,
    a_batch_answers_each_ticket_by_itself,
    a_replaced_ticket_is_new_and_its_claim_void,
    a_unique_key_is_of_one_pending_ticket,
);

fn a_ticket_is_kept_as_it_was_added(desk: &Desk<'_>) {
    assert!(desk.find("one").is_none());
    let repeat = Repeat::every(std::time::Duration::from_secs(60)).unwrap();
    let mut new = ticket("one")
        .payload(&[0_u8, 255, 10][..])
        .nice(-7)
        .runat(Timestamp::from_micros(12_345_678_901))
        .tube(label("a tube"))
        .unique_key(label("key"))
        .repeat(repeat);
    new.group = None;
    desk.add(new.clone());
    let kept = desk.get("one");
    assert_eq!((&kept.id, &kept.kind, &kept.tube), (&new.id, &new.kind, &new.tube));
    assert_eq!(&*kept.payload, [0, 255, 10]);
    assert_eq!((kept.nice, When::At(kept.runat)), (-7, new.when));
    assert_eq!((kept.status, kept.attempts), (Status::Pending, 0));
    assert_eq!(kept.unique_key, new.unique_key);
    let repeat = kept.repeat.expect("it repeats");
    assert_eq!(repeat.schedule, new.repeat.unwrap().schedule);
    assert_eq!(repeat.due, kept.runat);
    assert_eq!((kept.error_reason, kept.expires_at, kept.lease), (None, None, None));
    assert!(kept.ctime > Timestamp::EPOCH);
    assert_eq!(kept.ctime, kept.mtime);

    desk.add(ticket("two").delay(desk.units(5)));
    let kept = desk.get("two");
    assert_eq!(kept.runat, kept.ctime + desk.units(5), "a delay counts from when it was added");
    desk.add(ticket("three"));
    let kept = desk.get("three");
    assert_eq!((kept.runat, kept.payload.len()), (kept.ctime, 0));
}

fn an_id_that_exists_is_refused_replaced_or_kept(desk: &Desk<'_>) {
    desk.add(ticket("one").payload("first"));
    let again = || ticket("one").payload("second");
    match desk.try_add(again(), IfExists::Refuse) {
        Err(AddError::Exists { id }) => assert_eq!(id, "one"),
        other => panic!("an id that exists must be refused, not {other:?}"),
    }
    assert_eq!(&*desk.get("one").payload, b"first");
    let kept = desk.try_add(again(), IfExists::Keep).unwrap();
    assert_eq!(kept, Added::Kept(desk.get("one").id));
    assert_eq!(&*desk.get("one").payload, b"first");
    assert_eq!(desk.try_add(again(), IfExists::Replace).unwrap(), Added::Replaced);
    assert_eq!(&*desk.get("one").payload, b"second");
    for mode in [IfExists::Keep, IfExists::Replace] {
        let id = format!("{mode:?}");
        assert_eq!(desk.try_add(ticket(&id), mode).unwrap(), Added::New);
    }
}

fn a_batch_answers_each_ticket_by_itself(desk: &Desk<'_>) {
    assert!(desk.store.add(Vec::new()).unwrap().is_empty());
    let addition = |id| Addition { ticket: ticket(id), if_exists: IfExists::Refuse };
    let added = desk.store.add(["a", "b", "a", "c"].map(addition).into()).unwrap();
    assert!(matches!(
        added[..],
        [Ok(Added::New), Ok(Added::New), Err(AddError::Exists { .. }), Ok(Added::New)]
    ));
    assert_eq!(ids(&desk.claim(9)), ["a", "b", "c"], "equals go in the order they were added");
}

fn a_replaced_ticket_is_new_and_its_claim_void(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    let old = desk.claim(1).remove(0);
    assert_eq!(desk.try_add(ticket("one"), IfExists::Replace).unwrap(), Added::Replaced);
    assert_eq!((desk.get("one").attempts, desk.get("one").lease), (0, None));
    let new = desk.claim(1).remove(0);
    assert_ne!(old.token(), new.token(), "a token is never given twice");
}

fn a_unique_key_is_of_one_pending_ticket(desk: &Desk<'_>) {
    let keyed = |id| ticket(id).unique_key(label("key"));
    desk.add(keyed("one"));
    match desk.try_add(keyed("two"), IfExists::Refuse) {
        Err(AddError::KeyTaken { by }) => assert_eq!(by, "one"),
        other => panic!("a key that is taken must be refused, not {other:?}"),
    }
    let one = desk.get("one").id;
    assert_eq!(desk.try_add(keyed("two"), IfExists::Keep).unwrap(), Added::Kept(one));
    assert!(desk.find("two").is_none());
    let replaced = desk.try_add(keyed("one"), IfExists::Replace).unwrap();
    assert_eq!(replaced, Added::Replaced, "a ticket does not stand in its own way");
    desk.add(ticket("three").unique_key(label("another key")));
}
