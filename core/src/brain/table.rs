//! The table of states, whole: every event in every state is either known or refused.

use std::any::TypeId;
use std::sync::Arc;
use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn brain() -> Brain {
    let policy = Policy {
        execution_timeout: SECOND,
        stop_timeout: SECOND,
        recovery: RecoveryPolicy { max_retries: 1, ..Default::default() },
    };
    Brain::new(policy, 1)
}

/// Nobody does or keeps what comes out.
struct Unheard;

impl Output for Unheard {
    fn effect(&mut self, _: Effect) {}
    fn record(&mut self, _: Record) {}
}

fn feed(brain: &mut Brain, event: Event) -> bool {
    brain.reduce(event, Time::ZERO, &mut Unheard).is_ok()
}

fn returned(ending: Ending) -> Event {
    Event::Returned { execution: 1, ending }
}

fn stop() -> Event {
    Event::Stop(StopRequest { reason: Arc::from("test"), drain: false, timeout: SECOND })
}

fn kill() -> Event {
    Event::Kill { reason: Arc::from("test") }
}

fn message() -> Event {
    Event::Message(Arc::new(Message::new(1, String::new(), Time::ZERO)))
}

/// A brain brought into `state` by the shortest way.
fn brain_in(state: State) -> Brain {
    let mut brain = brain();
    let way: Vec<Event> = match state {
        State::NotRun => vec![],
        State::InitRun => vec![Event::Serve],
        State::Ready => vec![Event::Serve, returned(Ending::Done)],
        State::Running => vec![Event::Serve, returned(Ending::Done), message(), Event::Serve],
        State::Stopped => vec![stop(), Event::Serve, Event::CleanedUp { problem: None }],
        State::Killed => vec![kill()],
        State::WaitRecover => vec![Event::Serve, returned(Ending::Crash("".into()))],
        State::Crashed => {
            brain.forbid_recovery();
            let crash = returned(Ending::Crash("".into()));
            vec![Event::Serve, crash, Event::Serve, Event::CleanedUp { problem: None }]
        }
    };
    if state != State::NotRun {
        assert!(feed(&mut brain, Event::Start { expires: None }));
    }
    for event in way {
        assert!(feed(&mut brain, event));
    }
    assert_eq!(brain.state(), state);
    brain
}

/// The state after an event, or `None` if it is refused.
fn after(state: State, event: Event) -> Option<State> {
    let mut brain = brain_in(state);
    let taken = feed(&mut brain, event);
    if !taken {
        assert_eq!(brain.state(), state, "a refused event changes nothing");
        assert_eq!(brain.counters().state_faults, 1, "and is recorded");
    }
    taken.then(|| brain.state())
}

fn row(event: impl Fn() -> Event) -> [Option<State>; 8] {
    State::ALL.map(|state| after(state, event()))
}

use State::{Crashed, InitRun, Killed, NotRun, Ready, Running, Stopped, WaitRecover};

#[test]
fn lifecycle_events() {
    let table = row(|| Event::Start { expires: None });
    assert_eq!(table, [Some(InitRun), None, None, None, Some(InitRun), None, None, None]);

    let live = [None, Some(Killed), Some(Killed), Some(Killed), None, None, None, Some(Killed)];
    assert_eq!(row(kill), live);

    // A stop is obeyed by the next `Serve`, once nothing runs.
    let asked =
        [None, Some(InitRun), Some(Ready), Some(Running), None, None, None, Some(WaitRecover)];
    assert_eq!(row(stop), asked);
}

#[test]
fn a_stop_ends_every_live_state() {
    for state in [InitRun, Ready, Running, WaitRecover] {
        let mut brain = brain_in(state);
        assert!(feed(&mut brain, stop()));
        if matches!(state, InitRun | Running) {
            let execution = brain.counters().executions;
            assert!(feed(&mut brain, Event::Returned { execution, ending: Ending::Done }));
        }
        assert!(feed(&mut brain, Event::Serve));
        assert!(feed(&mut brain, Event::CleanedUp { problem: None }));
        assert_eq!(brain.state(), Stopped, "from {state}");
    }
}

#[test]
fn messages_wait_in_every_live_state_and_are_reported_after_it() {
    let kept = State::ALL.map(|state| (state != NotRun).then_some(state));
    assert_eq!(row(message), kept);
    assert_eq!(brain_in(Stopped).unserved().len(), 0);
    let mut stopped = brain_in(Stopped);
    assert!(feed(&mut stopped, message()));
    assert_eq!(stopped.unserved().len(), 1);
}

#[test]
fn an_execution_can_return_only_while_it_runs() {
    let endings = [
        (Ending::Done, Ready),
        (Ending::Failed("".into()), Ready),
        (Ending::Kill("".into()), Killed),
        (Ending::Crash("".into()), WaitRecover),
        (Ending::Panicked("".into()), WaitRecover),
    ];
    for (ending, next) in endings {
        let table = State::ALL.map(|state| {
            let execution = brain_in(state).counters().executions;
            after(state, Event::Returned { execution, ending: ending.clone() })
        });
        let expected = State::ALL.map(|state| matches!(state, InitRun | Running).then_some(next));
        assert_eq!(table, expected, "{ending:?}");
    }
    assert_eq!(after(Running, returned(Ending::Done)), None, "an execution that is over");
}

#[test]
fn a_late_return_after_a_kill_is_recorded_and_changes_nothing() {
    let mut brain = brain_in(Running);
    assert!(feed(&mut brain, kill()));
    let late = Event::Returned { execution: 2, ending: Ending::Crash("".into()) };
    assert!(feed(&mut brain, late));
    assert_eq!((brain.state(), brain.counters().crashes), (Killed, 1));
}

#[test]
fn only_a_running_function_can_watch() {
    let watch = || {
        Event::Watch(Declaration {
            name: Arc::from("x"),
            kind: WatchKind::Call,
            type_id: TypeId::of::<u8>(),
            type_name: "u8",
        })
    };
    let table = row(watch);
    let expected = State::ALL.map(|state| matches!(state, InitRun | Running).then_some(state));
    assert_eq!(table, expected);
}

#[test]
fn news_skips_time_and_requests_to_serve_are_known_everywhere() {
    let news = || Event::Var(VarId(9), Input::Value(Value::new(1_u8)));
    assert_eq!(row(news), State::ALL.map(Some));
    assert_eq!(row(|| Event::Skipped(VarId(9), 1)), State::ALL.map(Some));
    assert_eq!(row(|| Event::Elapsed), State::ALL.map(Some));
    assert_eq!(row(|| Event::Serve), State::ALL.map(Some));
    assert_eq!(row(|| Event::Unwatch(VarId(9))), [None; 8], "nothing of that name");
}

#[test]
fn a_cleanup_that_nobody_asked_for_is_refused() {
    let table = row(|| Event::CleanedUp { problem: None });
    let expected = State::ALL.map(|state| state.is_terminal().then_some(state));
    assert_eq!(table, expected, "after the end it is late, before it is a fault");
    assert_eq!(Crashed, brain_in(Crashed).state());
}
