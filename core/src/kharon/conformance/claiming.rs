//! Claiming tickets: which, when, and in which order.

use std::collections::HashSet;
use std::time::Duration;

use super::desk::{Desk, finish, ids, label, retry, ticket};
use super::list_checks;
use crate::kharon::name::Label;
use crate::kharon::store::Poll;
use crate::kharon::ticket::{NewTicket, Status};
use crate::kharon::time::Timestamp;

list_checks!(
    an_empty_store_has_nothing_to_claim,
    ready_tickets_go_by_nice_then_time_then_arrival,
    a_claim_has_a_token_a_lease_and_counts_as_an_attempt,
    a_ticket_waits_for_its_time,
    waiting_tickets_do_not_hide_ready_ones,
    a_claimed_ticket_comes_back_when_its_lease_is_over,
    only_the_tubes_that_are_asked_for_are_looked_into,
    several_tubes_go_in_one_order,
    a_budget_limits_a_kind_and_hides_no_other,
    a_budget_is_for_all_tubes_together,
    tokens_are_never_given_twice,
    a_poll_says_when_to_come_again,
    a_poll_for_nothing_brings_nothing,
);

fn an_empty_store_has_nothing_to_claim(desk: &Desk<'_>) {
    let polled = desk.poll(&desk.poll_of(10));
    assert!(polled.tickets.is_empty());
    assert_eq!(polled.next_in, None);
}

fn ready_tickets_go_by_nice_then_time_then_arrival(desk: &Desk<'_>) {
    let at = |micros: u64| Timestamp::from_micros(1_000_000 + micros);
    desk.add(ticket("nice 9, late").nice(9).runat(at(1)));
    desk.add(ticket("nice 9, early").nice(9).runat(at(0)));
    desk.add(ticket("nice 1, third").nice(1).runat(at(5)));
    desk.add(ticket("nice 1, fourth").nice(1).runat(at(5)));
    desk.add(ticket("nice 1, second").nice(1).runat(at(4)));
    desk.add(ticket("most eager").nice(i32::MIN));
    desk.add(ticket("least eager").nice(i32::MAX).runat(at(0)));
    let first = desk.claim(3);
    assert_eq!(ids(&first), ["most eager", "nice 1, second", "nice 1, third"]);
    let rest = desk.claim(9);
    assert_eq!(ids(&rest), ["nice 1, fourth", "nice 9, early", "nice 9, late", "least eager"]);
}

fn a_claim_has_a_token_a_lease_and_counts_as_an_attempt(desk: &Desk<'_>) {
    desk.add(ticket("one").payload("bytes"));
    let claimed = desk.claim(1).remove(0);
    let lease = claimed.lease.unwrap();
    assert_eq!(lease.until, claimed.mtime + desk.units(10));
    assert_eq!((claimed.attempts, &*claimed.payload), (1, &b"bytes"[..]));
    assert_eq!(claimed.runat, claimed.ctime, "a claim does not change when it was to run");
    assert_eq!(desk.get("one"), claimed, "what is claimed is what is kept");
    assert!(desk.claim(1).is_empty(), "it is claimed already");
}

fn a_ticket_waits_for_its_time(desk: &Desk<'_>) {
    desk.add(ticket("later").delay(desk.units(4)));
    desk.add(ticket("never").runat(Timestamp::NEVER));
    assert!(desk.claim(9).is_empty(), "early");
    desk.pass(2);
    assert!(desk.claim(9).is_empty(), "early");
    desk.pass(3);
    assert_eq!(ids(&desk.claim(9)), ["later"]);
}

fn waiting_tickets_do_not_hide_ready_ones(desk: &Desk<'_>) {
    for number in 0..50 {
        desk.add(ticket(&format!("later {number}")).nice(1).delay(desk.units(1000)));
    }
    desk.add(ticket("now").nice(2));
    assert_eq!(ids(&desk.claim(1)), ["now"]);
}

fn a_claimed_ticket_comes_back_when_its_lease_is_over(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    desk.pass(1);
    desk.add(ticket("two"));
    let first = desk.claim(1).remove(0);
    desk.pass(5);
    assert_eq!(ids(&desk.claim(9)), ["two"], "the lease of the other still runs");
    desk.pass(6);
    let again = desk.claim(9);
    assert_eq!(ids(&again), ["one"]);
    assert_eq!(again[0].attempts, 2);
    assert_ne!(again[0].token(), first.token());
    desk.pass(11);
    assert_eq!(ids(&desk.claim(9)), ["one", "two"], "they keep their places");
}

fn of_tubes(desk: &Desk<'_>, at_most: usize, tubes: &[&str]) -> Poll {
    let tubes = tubes.iter().map(|tube| label(tube)).collect();
    Poll { tubes, ..desk.poll_of(at_most) }
}

fn only_the_tubes_that_are_asked_for_are_looked_into(desk: &Desk<'_>) {
    desk.add(ticket("a").tube(label("left")));
    desk.add(ticket("b").tube(label("right")));
    desk.add(ticket("c").tube(label("left")).delay(desk.units(2)));
    assert!(desk.claim(9).is_empty());
    assert_eq!(desk.poll(&desk.poll_of(9)).next_in, None, "nothing waits in this tube");
    assert!(desk.poll(&of_tubes(desk, 9, &[])).tickets.is_empty());
    assert_eq!(ids(&desk.poll(&of_tubes(desk, 9, &["left"])).tickets), ["a"]);
    assert_eq!(ids(&desk.poll(&of_tubes(desk, 9, &["right", "empty"])).tickets), ["b"]);
    desk.pass(3);
    assert_eq!(ids(&desk.poll(&of_tubes(desk, 9, &["left", "right"])).tickets), ["c"]);
}

fn several_tubes_go_in_one_order(desk: &Desk<'_>) {
    for (id, tube, nice) in [("d", "x", 4), ("a", "y", 1), ("c", "y", 3), ("b", "x", 2)] {
        desk.add(ticket(id).tube(label(tube)).nice(nice));
    }
    let polled = desk.poll(&of_tubes(desk, 3, &["x", "y"]));
    assert_eq!(ids(&polled.tickets), ["a", "b", "c"]);
}

fn a_budget_limits_a_kind_and_hides_no_other(desk: &Desk<'_>) {
    for number in 0..30 {
        let new = NewTicket::new(format!("limited {number:02}"), "limited").unwrap();
        desk.add(new.nice(1));
    }
    desk.add(ticket("free 1").nice(2));
    desk.add(ticket("free 2").nice(3));
    let with = |budget| Poll { budgets: vec![(label("limited"), budget)], ..desk.poll_of(3) };
    assert_eq!(ids(&desk.poll(&with(1)).tickets), ["limited 00", "free 1", "free 2"]);
    assert!(desk.poll(&with(0)).tickets.is_empty());
    let polled = desk.poll(&with(5));
    assert_eq!(ids(&polled.tickets), ["limited 01", "limited 02", "limited 03"]);
}

fn a_budget_is_for_all_tubes_together(desk: &Desk<'_>) {
    for (id, tube, nice) in [("a", "x", 1), ("b", "y", 2), ("c", "x", 3)] {
        let new = NewTicket::new(id, "limited").unwrap();
        desk.add(new.tube(label(tube)).nice(nice));
    }
    desk.add(ticket("free").tube(label("y")).nice(9));
    let with = |budget| Poll {
        budgets: vec![(label("limited"), budget)],
        ..of_tubes(desk, 5, &["x", "y"])
    };
    assert_eq!(ids(&desk.poll(&with(2)).tickets), ["a", "b", "free"]);
    assert_eq!(ids(&desk.poll(&with(2)).tickets), ["c"]);
}

fn tokens_are_never_given_twice(desk: &Desk<'_>) {
    let mut seen = HashSet::new();
    for _ in 0..5 {
        for id in ["a", "b", "c"] {
            desk.add(ticket(id));
        }
        for claimed in desk.claim(3) {
            assert!(seen.insert(claimed.token()), "a token was given twice");
            desk.update(claimed.id.as_str(), claimed.token(), retry(Duration::ZERO)).unwrap();
        }
        for claimed in desk.claim(3) {
            assert!(seen.insert(claimed.token()), "a token was given twice");
            let gone = crate::kharon::store::Change::Delete;
            desk.update(claimed.id.as_str(), claimed.token(), gone).unwrap();
        }
    }
    assert_eq!(seen.len(), 30);
}

fn a_poll_says_when_to_come_again(desk: &Desk<'_>) {
    desk.add(ticket("later").delay(desk.units(20)));
    desk.add(ticket("now"));
    let polled = desk.poll(&desk.poll_of(5));
    let lease = polled.next_in.expect("the lease ends");
    assert!(lease <= desk.units(10), "the lease ends before the delay: {lease:?}");
    let token = polled.tickets[0].token();
    desk.update("now", token, finish(Status::Done)).unwrap();
    let delay = desk.poll(&desk.poll_of(5)).next_in.expect("the delay ends");
    assert!(delay > lease && delay <= desk.units(20), "{delay:?}");
    desk.update("later", None, finish(Status::Done)).unwrap();
    assert_eq!(desk.poll(&desk.poll_of(5)).next_in, None, "nothing waits");
}

fn a_poll_for_nothing_brings_nothing(desk: &Desk<'_>) {
    desk.add(ticket("one"));
    assert!(desk.claim(0).is_empty());
    let twice = Poll { tubes: vec![Label::default_tube(); 2], ..desk.poll_of(5) };
    assert_eq!(ids(&desk.poll(&twice).tickets), ["one"], "a tube that is named twice is one tube");
}
