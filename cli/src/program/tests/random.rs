//! Random requests, results, deaths and host restarts, against a small world of containers.
use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::super::*;
use super::{container, image, program_id};

/// One thing that happens. Numbers choose among what is possible at that moment.
#[derive(Debug, Clone, Copy)]
enum Act {
    Start,
    Stop,
    Restart,
    Delete,
    /// The next effect is carried out, and works.
    Work,
    /// The next effect is carried out, and does not work.
    Break,
    /// The next result is taken from the queue.
    Deliver,
    /// The running container ends by itself.
    Die,
    /// One that runs, or ran before, is found not to answer.
    Hush,
    /// It is found to answer again.
    Speak,
    /// It has not answered for too long.
    GiveUp,
    /// The host looks at the containers.
    Check,
    /// The waiting restart comes due.
    Due,
    /// The host dies and comes up again.
    Kill,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Start),
        2 => Just(Act::Stop),
        2 => Just(Act::Restart),
        1 => Just(Act::Delete),
        12 => Just(Act::Work),
        2 => Just(Act::Break),
        12 => Just(Act::Deliver),
        2 => Just(Act::Die),
        2 => Just(Act::Hush),
        1 => Just(Act::Speak),
        1 => Just(Act::GiveUp),
        2 => Just(Act::Check),
        1 => Just(Act::Due),
        1 => Just(Act::Kill),
    ]
}

struct World {
    program: ProgramState,
    now: Millis,
    lane: VecDeque<Effect>,
    results: VecDeque<Event>,
    cancelled: Attempt,
    /// Containers that exist: their attempt, and whether they run.
    containers: BTreeMap<ContainerId, (Attempt, bool)>,
    made: u32,
    /// The container that was last asked whether it answers: it may be another one by now.
    asked: Option<(Attempt, ContainerId)>,
    /// Whether a stop ever failed: only then may a start meet an older container.
    stop_failed: bool,
}

impl World {
    fn new() -> Self {
        let policy = RestartPolicy { limit: 3, ..RestartPolicy::with_mode(RestartMode::OnFailure) };
        Self {
            program: ProgramState::new(program_id(), policy),
            now: 0,
            lane: VecDeque::new(),
            results: VecDeque::new(),
            cancelled: Attempt(0),
            containers: BTreeMap::new(),
            made: 0,
            asked: None,
            stop_failed: false,
        }
    }

    fn feed(&mut self, event: &Event) -> Answer {
        self.now += 700;
        let before = self.program.clone();
        let after = reduce(before.clone(), event, self.now);
        assert!(after.state.attempt >= before.attempt, "attempts only grow");
        assert!(!before.removed || after.state.removed, "removed is final");
        if before.removed {
            let only_stops = |e: &Effect| matches!(e, Effect::StopRuntime { .. });
            assert!(after.effects.iter().all(only_stops), "nothing is begun after removal");
        }
        if after.answer != Answer::Applied {
            assert_eq!(after.state.state, before.state, "{event:?} was not applied");
        }
        if after.state.state == State::Ready {
            assert!(after.state.container_id.is_some(), "Ready has a container");
            assert_eq!(after.state.error_msg, None, "nothing is wrong with one that is Ready");
        }
        assert_eq!(after.state.ready_since.is_some(), after.state.state == State::Ready);
        if after.state.is_silent() {
            assert!(after.state.error_msg.is_some(), "a silent program says why");
        }
        self.program = after.state;
        for effect in after.effects {
            match effect {
                Effect::CancelAttempt { attempt } => self.cancelled = self.cancelled.max(attempt),
                Effect::ScheduleRestart { .. } => {}
                other => self.lane.push_back(other),
            }
        }
        after.answer
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start => self.ask(&Event::UserStartRequested),
            Act::Stop => self.ask(&Event::UserStopRequested),
            Act::Restart => self.ask(&Event::UserRestartRequested),
            Act::Delete => self.ask(&Event::UserDeleteRequested { purge: false }),
            Act::Work => self.carry_out(true),
            Act::Break => self.carry_out(false),
            Act::Deliver => {
                if let Some(event) = self.results.pop_front() {
                    self.feed(&event);
                }
            }
            Act::Die => {
                if let Some((_, runs)) = self.containers.values_mut().find(|(_, runs)| *runs) {
                    *runs = false;
                }
            }
            Act::Hush => {
                let own = self.program.container_id.clone();
                self.asked = own.map(|id| (self.program.attempt, id)).or(self.asked.take());
                self.of_asked(|attempt, container_id| Event::RuntimeSilent {
                    attempt,
                    container_id,
                    reason: "it does not answer".into(),
                });
            }
            Act::Speak => self
                .of_asked(|attempt, container_id| Event::RuntimeAnswered { attempt, container_id }),
            Act::GiveUp => self.of_asked(|attempt, container_id| Event::SilenceElapsed {
                attempt,
                container_id,
                last_lines: vec![],
            }),
            Act::Check => {
                let unknown = self.containers.keys().cloned().collect();
                self.ask(&Event::RuntimeCheckRequested { unknown });
            }
            Act::Due => {
                if let Some(pending) = self.program.pending_restart {
                    self.ask(&Event::BackoffElapsed { attempt: pending.after });
                }
            }
            Act::Kill => {
                self.lane.clear();
                self.results.clear();
                let found = self.containers.iter().map(|(id, (attempt, running))| FoundContainer {
                    container_id: id.clone(),
                    attempt: *attempt,
                    running: *running,
                });
                let event = Event::HostStarted { found: found.collect() };
                self.ask(&event);
            }
        }
        self.check();
    }

    fn ask(&mut self, event: &Event) {
        self.feed(event);
    }

    fn of_asked(&mut self, event: impl FnOnce(Attempt, ContainerId) -> Event) {
        if let Some((attempt, container)) = self.asked.clone() {
            self.feed(&event(attempt, container));
        }
    }

    fn carry_out(&mut self, works: bool) {
        let Some(effect) = self.lane.pop_front() else { return };
        let error = (!works).then(|| "no".to_owned());
        let result = match effect {
            Effect::EnsureProgramFolders { attempt } => Event::FoldersEnsured { attempt, error },
            Effect::BuildRuntime { attempt } => {
                let works = works && attempt > self.cancelled;
                let outcome = if works { Ok(image(attempt.0)) } else { Err("no".into()) };
                Event::BuildFinished { attempt, outcome }
            }
            // A cancelled start may come too late to be cut short: it works all the same.
            Effect::StartRuntime { attempt, .. } => self.run(attempt, works),
            Effect::StopRuntime { container_id } => {
                self.stop_failed |= !works;
                if works {
                    self.containers.remove(&container_id);
                }
                Event::StopFinished { container_id, error }
            }
            Effect::FetchRuntimeStatus { attempt, container_id } => {
                let exit = match self.containers.get(&container_id) {
                    Some((_, true)) => return,
                    Some((_, false)) => {
                        Exit { code: Some(1), out_of_memory: false, last_lines: vec![] }
                    }
                    None => Exit { code: None, out_of_memory: false, last_lines: vec![] },
                };
                Event::RuntimeExited { attempt, container_id, exit }
            }
            Effect::RemoveProgram { .. } => {
                if works {
                    self.containers.clear();
                }
                Event::RemoveFinished { error }
            }
            Effect::CancelAttempt { .. } | Effect::ScheduleRestart { .. } => unreachable!(),
        };
        self.results.push_back(result);
    }

    fn run(&mut self, attempt: Attempt, works: bool) -> Event {
        // As the host does: a running container of this very attempt is taken up, one that ended
        // goes.
        let own = self.containers.iter().find(|(_, one)| **one == (attempt, true));
        if let Some((container_id, _)) = own {
            return Event::RuntimeStarted { attempt, container_id: container_id.clone() };
        }
        self.containers.retain(|_, (of, _)| *of != attempt);
        let others = !self.containers.is_empty();
        assert!(!others || self.stop_failed, "two containers would share /state");
        if others || !works {
            return Event::StartFailed { attempt, reason: "no".into() };
        }
        self.made += 1;
        let container_id = container(self.made);
        self.containers.insert(container_id.clone(), (attempt, true));
        Event::RuntimeStarted { attempt, container_id }
    }

    /// Every container is known to the program, or the result that tells of it is on its way, or
    /// the start that takes it up again is.
    fn check(&self) {
        for (id, (of, _)) in &self.containers {
            let known = self.program.containers().any(|one| one == id);
            let told = self.results.iter().any(|event| {
                matches!(event, Event::RuntimeStarted { container_id, .. } if container_id == id)
            });
            let taken_up = self.lane.iter().any(
                |effect| matches!(effect, Effect::StartRuntime { attempt, .. } if attempt == of),
            );
            assert!(known || told || taken_up, "container {id} has no owner");
        }
    }

    /// Lets everything under way come to its end, with all going well.
    fn quiesce(&mut self) {
        for _ in 0..10_000 {
            if self.lane.is_empty() && self.results.is_empty() {
                return;
            }
            self.carry_out(true);
            self.act(Act::Deliver);
        }
        panic!("the program never comes to rest");
    }

    /// What holds whenever nothing is under way.
    fn check_at_rest(&self) {
        let settled = match self.program.desired {
            Desired::Stopped => {
                matches!(self.program.state, State::Created | State::Stopped | State::Error)
            }
            Desired::Ready => {
                matches!(self.program.state, State::Ready | State::Error)
                    || self.program.is_silent()
            }
            Desired::Removed | Desired::Purged => {
                self.program.removed || self.program.state == State::Error
            }
        };
        assert!(settled, "at rest in {} wanting {:?}", self.program.state, self.program.desired);
        if !self.program.is_up() && !self.stop_failed {
            assert!(self.containers.is_empty(), "a container outlives its program");
        }
    }
}

proptest! {
    #[test]
    fn no_container_is_without_an_owner(acts in prop::collection::vec(act(), 0..150)) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        world.quiesce();
        world.check_at_rest();
        // Whatever happened, its owner can still have it removed, with nothing left behind.
        if !world.program.removed {
            world.act(Act::Delete);
            world.quiesce();
            world.act(Act::Check);
            world.quiesce();
            prop_assert!(world.program.removed);
        }
        world.act(Act::Check);
        world.quiesce();
        prop_assert!(world.containers.is_empty());
    }

    #[test]
    fn the_same_events_lead_to_the_same_state(acts in prop::collection::vec(act(), 0..60)) {
        let run = || {
            let mut world = World::new();
            for act in &acts {
                world.act(*act);
            }
            (world.program, world.lane)
        };
        prop_assert_eq!(run(), run());
    }
}
