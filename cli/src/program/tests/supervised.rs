//! The supervisor with a scripted handler: what is heard while something runs, and what is lost.
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::*;
use super::program_id;

/// Long enough for any machine; tests end as soon as what they wait for is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Remembers the names of what was recorded; refuses to record when told so.
#[derive(Clone, Default)]
struct Notes {
    events: Arc<Mutex<Vec<&'static str>>>,
    full: Arc<Mutex<bool>>,
}

impl Ledger for Notes {
    fn record(&self, _: &ProgramState, event: &Event, _: &Reduced, _: u64) -> Result<(), String> {
        if *self.full.lock().unwrap() {
            return Err("the disk is full".into());
        }
        self.events.lock().unwrap().push(event.name());
        Ok(())
    }
}

struct Rig {
    supervisor: Supervisor,
    handler: FakeHandler,
    notes: Notes,
    id: ProgramId,
}

fn rig(policy: RestartPolicy, config: SupervisorConfig) -> Rig {
    let (handler, notes, id) = (FakeHandler::new(), Notes::default(), program_id());
    let supervisor = Supervisor::new(config, handler.clone(), notes.clone(), || 0).unwrap();
    supervisor.add(ProgramState::new(id.clone(), policy)).unwrap();
    Rig { supervisor, handler, notes, id }
}

impl Rig {
    fn new() -> Self {
        rig(RestartPolicy::default(), SupervisorConfig::default())
    }

    fn ask(&self, event: Event) -> Reply {
        self.supervisor.send(&self.id, event).unwrap()
    }

    fn wait_for(&self, state: State) -> ProgramState {
        let seen = self.supervisor.wait(&self.id, PATIENCE, |p| p.state == state).unwrap();
        assert_eq!(seen.state, state, "{:?}", seen.error_msg);
        seen
    }
}

#[test]
fn a_program_goes_through_its_life() {
    let rig = Rig::new();
    assert_eq!(rig.ask(Event::UserStartRequested).answer, Answer::Applied);
    let ready = rig.wait_for(State::Ready);
    assert_eq!(ready.attempt, Attempt(1));
    rig.ask(Event::UserRestartRequested);
    let again = rig
        .supervisor
        .wait(&rig.id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(2));
    assert_ne!(again.unwrap().container_id, ready.container_id);
    rig.ask(Event::UserStopRequested);
    rig.wait_for(State::Stopped);
    assert_eq!(rig.handler.containers(), []);
    rig.ask(Event::UserDeleteRequested { purge: false });
    let gone = rig.supervisor.wait(&rig.id, PATIENCE, |p| p.removed);
    assert!(gone.is_none_or(|p| p.removed));
}

#[test]
fn a_stop_is_heard_while_a_build_runs_and_cancels_it() {
    let rig = Rig::new();
    rig.handler.script("BuildRuntime", [Step::Hold]);
    rig.ask(Event::UserStartRequested);
    assert!(rig.handler.wait_begun("BuildRuntime", 1, PATIENCE));
    let reply = rig.ask(Event::UserStopRequested);
    assert_eq!(reply.state.state, State::Stopped);
    // Nobody releases the held build: a second one only begins because the first was cancelled.
    rig.ask(Event::UserStartRequested);
    rig.wait_for(State::Ready);
}

#[test]
fn a_start_that_works_after_its_stop_leaks_no_container() {
    let rig = Rig::new();
    rig.handler.script("StartRuntime", [Step::HoldDeaf]);
    rig.ask(Event::UserStartRequested);
    assert!(rig.handler.wait_begun("StartRuntime", 1, PATIENCE));
    rig.ask(Event::UserStopRequested);
    rig.handler.release("StartRuntime");
    assert!(rig.handler.wait_begun("StopRuntime", 1, PATIENCE));
    let clean = |p: &ProgramState| p.strays.is_empty() && p.state == State::Stopped;
    // The stop of the stray is the last thing recorded.
    rig.supervisor.wait(&rig.id, PATIENCE, clean);
    rig.ask(Event::UserStartRequested);
    let ready = rig.wait_for(State::Ready);
    let containers = rig.handler.containers();
    assert_eq!(containers, [(ready.container_id.unwrap(), true)]);
}

#[test]
fn deleting_during_a_start_leaves_nothing_behind() {
    let rig = Rig::new();
    rig.handler.script("StartRuntime", [Step::HoldDeaf]);
    rig.ask(Event::UserStartRequested);
    assert!(rig.handler.wait_begun("StartRuntime", 1, PATIENCE));
    rig.ask(Event::UserDeleteRequested { purge: true });
    rig.handler.release("StartRuntime");
    let gone = rig.supervisor.wait(&rig.id, PATIENCE, |p| p.removed);
    assert!(gone.is_none_or(|p| p.removed));
    assert_eq!(rig.handler.containers(), []);
}

#[test]
fn a_full_queue_is_an_error_and_results_still_pass() {
    let config = SupervisorConfig { queue: 3, ..SupervisorConfig::default() };
    let rig = rig(RestartPolicy::default(), config);
    rig.handler.script("BuildRuntime", [Step::HoldDeaf]);
    rig.ask(Event::UserStartRequested);
    assert!(rig.handler.wait_begun("BuildRuntime", 1, PATIENCE));
    // Each start puts two effects behind the build that does not end.
    for _ in 0..2 {
        rig.ask(Event::UserStopRequested);
        rig.ask(Event::UserStartRequested);
    }
    let full = rig.supervisor.send(&rig.id, Event::UserStopRequested);
    assert_eq!(full, Err(SupervisorError::EventQueueFull(rig.id.clone())));
    rig.handler.release("BuildRuntime");
    assert_eq!(rig.wait_for(State::Ready).attempt, Attempt(3));
}

#[test]
fn a_request_that_cannot_be_recorded_is_not_granted() {
    let rig = Rig::new();
    *rig.notes.full.lock().unwrap() = true;
    let refused = rig.supervisor.send(&rig.id, Event::UserStartRequested);
    assert_eq!(refused, Err(SupervisorError::NotRecorded("the disk is full".into())));
    assert_eq!(rig.supervisor.state(&rig.id).unwrap().state, State::Created);
    assert_eq!(rig.handler.done(&rig.id), [""; 0]);
    *rig.notes.full.lock().unwrap() = false;
    rig.ask(Event::UserStartRequested);
    rig.wait_for(State::Ready);
    assert_eq!(rig.notes.events.lock().unwrap()[0], "UserStartRequested");
}

#[test]
fn a_panicking_handler_is_an_error_of_its_program_alone() {
    let rig = Rig::new();
    rig.handler.script("BuildRuntime", [Step::Panic]);
    rig.ask(Event::UserStartRequested);
    let failed = rig.wait_for(State::Error);
    assert_eq!(failed.error_msg.unwrap(), "the build failed: internal error: scripted");
    rig.ask(Event::UserStartRequested);
    rig.wait_for(State::Ready);
}

#[test]
fn a_program_that_dies_is_restarted_as_its_policy_says() {
    let policy =
        RestartPolicy { limit: 2, base_ms: 1, ..RestartPolicy::with_mode(RestartMode::OnFailure) };
    let rig = rig(policy, SupervisorConfig::default());
    rig.ask(Event::UserStartRequested);
    for attempt in 1..=3 {
        let ready = rig
            .supervisor
            .wait(&rig.id, PATIENCE, |p| p.state == State::Ready && p.attempt == Attempt(attempt));
        rig.handler.kill(&ready.unwrap().container_id.unwrap());
        rig.ask(Event::RuntimeCheckRequested { unknown: vec![] });
        let failed = rig.wait_for(State::Error);
        // Whoever keeps what was recorded says when the time has come.
        if let Some(pending) = failed.pending_restart {
            rig.ask(Event::BackoffElapsed { attempt: pending.after });
        }
    }
    let failed = rig
        .supervisor
        .wait(&rig.id, PATIENCE, |p| p.state == State::Error && p.attempt == Attempt(3));
    let failed = failed.unwrap();
    assert_eq!(failed.pending_restart, None, "the limit is reached");
    assert_eq!(failed.exit.unwrap().code, Some(1));
    let words = failed.error_msg.unwrap();
    assert_eq!(words, "the program exited with code 1; its last lines: the last line");
}

#[test]
fn shutting_down_leaves_what_is_under_way_to_the_next_supervisor() {
    let rig = Rig::new();
    rig.handler.script("BuildRuntime", [Step::Hold]);
    rig.ask(Event::UserStartRequested);
    assert!(rig.handler.wait_begun("BuildRuntime", 1, PATIENCE));
    rig.supervisor.shutdown();
    let left = rig.supervisor.state(&rig.id).unwrap();
    assert_eq!(left.state, State::Building);
    assert_eq!(
        rig.supervisor.send(&rig.id, Event::UserStopRequested),
        Err(SupervisorError::Stopped)
    );

    let next =
        Supervisor::new(SupervisorConfig::default(), rig.handler.clone(), Notes::default(), || 0);
    let next = next.unwrap();
    next.add(left).unwrap();
    next.send(&rig.id, Event::HostStarted { found: vec![] }).unwrap();
    let ready = next.wait(&rig.id, PATIENCE, |p| p.state == State::Ready).unwrap();
    assert_eq!((ready.state, ready.attempt), (State::Ready, Attempt(1)));
}

#[test]
fn many_programs_share_few_threads() {
    let rig = Rig::new();
    let ids: Vec<ProgramId> = (0..200)
        .map(|n| ProgramId::new(&"bob".parse().unwrap(), &program_id().build(), n))
        .collect();
    for id in &ids {
        rig.supervisor.add(ProgramState::new(id.clone(), RestartPolicy::default())).unwrap();
        rig.supervisor.send(id, Event::UserStartRequested).unwrap();
    }
    for id in &ids {
        let state = rig.supervisor.wait(id, PATIENCE, |p| p.state == State::Ready).unwrap();
        assert_eq!(state.state, State::Ready);
    }
    assert_eq!(rig.supervisor.states().len(), 201);
}
