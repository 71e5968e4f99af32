//! What the host comes back to by itself: its tickets.
use hersh::kharon::Status;
use hersh_cli::host::engine::{Engine, FakeEngine};
use hersh_cli::host::{Host, HostError, TicketFilter, TicketView};
use hersh_cli::program::{Attempt, ProgramId, RestartMode, State};

use crate::support::{PATIENCE, deploy, new_program, open, wait_for};

fn reconciling(host: &Host) -> Vec<TicketView> {
    let filter = TicketFilter { kind: Some("reconcile".into()), ..TicketFilter::default() };
    host.tickets(&filter).unwrap().tickets
}

fn ticket_of(id: &ProgramId) -> String {
    format!("reconcile.{id}")
}

/// Waits until the host has come to the end of what it does for a program.
fn until_no_ticket(host: &Host) {
    let until = std::time::Instant::now() + PATIENCE;
    while !reconciling(host).is_empty() {
        assert!(std::time::Instant::now() < until, "{:#?}", reconciling(host));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Waits for the ticket of a change that has just been seen: it is laid a moment later.
fn until_ticket(host: &Host, id: &ProgramId, status: &str) -> TicketView {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        match host.ticket(&ticket_of(id)) {
            Ok(ticket) if ticket.status == status => return ticket,
            other => assert!(std::time::Instant::now() < until, "{other:?}"),
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_program_has_a_ticket_while_it_is_not_as_its_owner_wants_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    assert_eq!(reconciling(&host), []);
    engine.hold("build");
    host.start(&id).unwrap();
    let ticket = host.ticket(&ticket_of(&id)).unwrap();
    assert_eq!((ticket.status, ticket.program_id.as_ref()), ("pending", Some(&id)));
    assert_eq!(reconciling(&host), [ticket]);
    engine.release("build");
    wait_for(&host, &id, State::Ready);
    until_no_ticket(&host);
    let own = host.tickets(&TicketFilter::default()).unwrap().tickets;
    let mut kinds: Vec<_> = own.iter().map(|ticket| ticket.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["expire-images", "health", "rotate-logs"]);
    let bobs = TicketFilter { user: Some("bob".parse().unwrap()), ..TicketFilter::default() };
    assert_eq!(host.tickets(&bobs).unwrap().count, 0);
}

#[test]
fn a_failure_that_needs_a_person_is_a_dead_letter_and_can_be_brought_back() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = host.create(new_program()).unwrap().program_id;
    engine.fail("build", "no such base image");
    host.start(&id).unwrap();
    wait_for(&host, &id, State::Error);
    until_ticket(&host, &id, "failed");
    let failed = TicketFilter { status: Some(Status::Failed), ..TicketFilter::default() };
    let dead = host.tickets(&failed).unwrap().tickets;
    assert_eq!(dead.len(), 1);
    assert!(dead[0].reason.contains("no such base image"), "{}", dead[0].reason);
    // The next host knows of it as well, and does nothing about it by itself.
    drop(host);
    let host = open(dir.path(), &engine);
    assert_eq!(host.tickets(&failed).unwrap().count, 1);
    host.retry_ticket(&ticket_of(&id)).unwrap();
    wait_for(&host, &id, State::Ready);
    until_no_ticket(&host);
}

#[test]
fn a_stop_that_failed_is_tried_again_until_the_container_is_gone() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    for _ in 0..2 {
        engine.fail("stop", "the engine is out of sorts");
    }
    host.stop(&id).unwrap();
    let failed = wait_for(&host, &id, State::Error);
    assert!(failed.error_msg.contains("out of sorts"), "{}", failed.error_msg);
    assert!(engine.wait_running(0, PATIENCE));
    wait_for(&host, &id, State::Stopped);
    until_no_ticket(&host);
    assert_eq!(engine.list().unwrap(), []);
}

#[test]
fn a_removal_that_failed_is_tried_again() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let id = deploy(&host, new_program()).program_id;
    engine.fail("remove_images", "the disk is asleep");
    host.delete(&id, true).unwrap();
    assert!(matches!(host.wait(&id, PATIENCE, |_| false), Err(HostError::NotFound(_))));
    until_no_ticket(&host);
}

/// A program that has ended by itself, and the ticket in which its restart waits.
fn ended_for_now(host: &Host, engine: &FakeEngine) -> (ProgramId, TicketView) {
    let mut new = new_program();
    new.restart = RestartMode::Always;
    let id = deploy(host, new).program_id;
    engine.exit(&id, 0, "bye\n");
    wait_for(host, &id, State::Error);
    let ticket = until_ticket(host, &id, "pending");
    (id, ticket)
}

#[test]
fn a_restart_waits_in_a_ticket_and_the_next_host_keeps_it() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (id, ticket) = ended_for_now(&host, &engine);
    assert!(ticket.due_at > ticket.created_at, "{ticket:?}");
    drop(host);
    let host = open(dir.path(), &engine);
    let again = host.wait(&id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    assert_eq!(again.unwrap().restarts, 1);
    until_no_ticket(&host);
}

#[test]
fn cancelling_the_ticket_of_a_waiting_restart_leaves_the_program_stopped() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let host = open(dir.path(), &engine);
    let (id, _) = ended_for_now(&host, &engine);
    host.cancel_ticket(&ticket_of(&id)).unwrap();
    assert_eq!(wait_for(&host, &id, State::Stopped).desired, "Stopped");
    until_no_ticket(&host);
    let refused = host.cancel_ticket("health").unwrap_err();
    assert!(matches!(refused, HostError::TicketConflict { .. }), "{refused}");
    assert!(matches!(host.ticket("nothing"), Err(HostError::NoTicket(_))));
    // The host's own can be had at once.
    host.retry_ticket("expire-images").unwrap();
}

#[test]
fn an_image_that_nobody_will_start_from_is_removed() {
    let (dir, engine) = (tempfile::tempdir().unwrap(), FakeEngine::new());
    let mut config = crate::support::config(dir.path());
    config.keep_images = std::time::Duration::ZERO;
    let host = Host::open_with(config, |_, _, _| std::sync::Arc::new(engine.clone())).unwrap();
    let (runs, stopped) = (deploy(&host, new_program()), deploy(&host, new_program()));
    host.stop(&stopped.program_id).unwrap();
    wait_for(&host, &stopped.program_id, State::Stopped);
    assert_eq!(engine.image_count(), 2);
    host.retry_ticket("expire-images").unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    while engine.image_count() == 2 && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let left = engine.images().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].1.as_ref(), Some(&runs.program_id));
}
