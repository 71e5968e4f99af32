//! Looking at tickets: lists and counts.

use std::collections::BTreeSet;
use std::time::Duration;

use super::desk::{Desk, finish, label, retry, ticket};
use super::list_checks;
use crate::kharon::group::NewGroup;
use crate::kharon::store::{Change, Filter, Page};
use crate::kharon::ticket::{NewTicket, Status};

list_checks!(
    a_list_shows_every_ticket_once,
    a_list_shows_what_matches,
    a_ticket_that_stays_is_listed_once_though_others_come_and_go,
    tickets_are_counted,
);

fn list(desk: &Desk<'_>, filter: &Filter, at_most: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut page = Page::first(at_most);
    loop {
        let part = desk.store.list(filter, &page).unwrap();
        assert!(part.tickets.len() <= at_most, "a longer page than was asked for");
        found.extend(part.tickets.iter().map(|ticket| ticket.id.to_string()));
        match part.next {
            Some(cursor) => page = page.after(cursor),
            None => return found,
        }
    }
}

fn a_list_shows_every_ticket_once(desk: &Desk<'_>) {
    assert!(list(desk, &Filter::default(), 3).is_empty());
    let all: BTreeSet<_> = (0..25).map(|number| format!("{number:02}")).collect();
    for id in &all {
        desk.add(ticket(id));
    }
    for at_most in [1, 7, 25, 100] {
        let found = list(desk, &Filter::default(), at_most);
        assert_eq!(found.len(), 25);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all);
    }
    let part = desk.store.list(&Filter::default(), &Page::first(9)).unwrap();
    assert_eq!(part.tickets[0], desk.get(part.tickets[0].id.as_str()));
}

fn a_list_shows_what_matches(desk: &Desk<'_>) {
    desk.store.open_group(NewGroup::new("group").unwrap()).unwrap();
    desk.add(ticket("grouped").group(label("group")));
    desk.add(ticket("elsewhere").tube(label("tube")));
    desk.add(NewTicket::new("other", "kind").unwrap());
    desk.add(ticket("failed"));
    desk.update("failed", None, finish(Status::Failed)).unwrap();
    let found = |filter| list(desk, &filter, 2);
    let all = Filter::default;
    assert_eq!(found(Filter { group: Some(label("group")), ..all() }), ["grouped"]);
    assert_eq!(found(Filter { tube: Some(label("tube")), ..all() }), ["elsewhere"]);
    assert_eq!(found(Filter { kind: Some(label("kind")), ..all() }), ["other"]);
    assert_eq!(found(Filter { status: Some(Status::Failed), ..all() }), ["failed"]);
    assert_eq!(found(Filter { status: Some(Status::Pending), ..all() }).len(), 3);
    let both = Filter { status: Some(Status::Failed), kind: Some(label("kind")), ..all() };
    assert!(found(both).is_empty());
}

fn a_ticket_that_stays_is_listed_once_though_others_come_and_go(desk: &Desk<'_>) {
    for number in 0..10 {
        desk.add(ticket(&format!("stays {number}")));
        desk.add(ticket(&format!("goes {number}")));
    }
    let mut found = Vec::new();
    let mut page = Page::first(3);
    for round in 0..100 {
        let part = desk.store.list(&Filter::default(), &page).unwrap();
        found.extend(part.tickets.iter().map(|ticket| ticket.id.to_string()));
        let Some(cursor) = part.next else { break };
        page = page.after(cursor);
        if round < 10 {
            desk.update(&format!("goes {}", 9 - round), None, Change::Delete).unwrap();
            desk.update(&format!("stays {round}"), None, retry(Duration::ZERO)).unwrap();
            desk.add(ticket(&format!("comes {round}")));
        }
    }
    let stays = found.iter().filter(|id| id.starts_with("stays")).count();
    assert_eq!(stays, 10, "{found:?}");
}

fn tickets_are_counted(desk: &Desk<'_>) {
    assert_eq!(desk.store.stats().unwrap().total(), 0);
    for id in ["done", "failed", "cancelled", "gone", "claimed", "waiting"] {
        desk.add(ticket(id));
    }
    desk.update("done", None, finish(Status::Done)).unwrap();
    desk.update("failed", None, finish(Status::Failed)).unwrap();
    desk.update("cancelled", None, finish(Status::Cancelled)).unwrap();
    desk.update("gone", None, Change::Delete).unwrap();
    desk.claim(1);
    let stats = desk.store.stats().unwrap();
    assert_eq!((stats.pending, stats.claimed), (2, 1), "{stats:?}");
    assert_eq!((stats.done, stats.failed, stats.cancelled), (1, 1, 1), "{stats:?}");
    assert_eq!(stats.total(), 5);
}
