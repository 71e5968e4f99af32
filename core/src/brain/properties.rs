//! The brain under random events: whatever comes in whatever order, the invariants hold.
//!
//! The body here is as careless as the types allow: it feeds events at any time and in any state,
//! but performs effects the way both real bodies do.

use std::any::TypeId;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::scale::scaled;

/// What a careless body may do next.
#[derive(Clone, Debug)]
enum Act {
    Start,
    Send,
    Watch(u8, bool),
    Unwatch(u8),
    News(u8, u8),
    Serve,
    Return(u8),
    CleanedUp,
    Stop { drain: bool },
    Kill,
    Wait(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Start),
        6 => Just(Act::Send),
        2 => (0..4_u8, any::<bool>()).prop_map(|(name, flow)| Act::Watch(name, flow)),
        1 => (0..4_u8).prop_map(Act::Unwatch),
        5 => (0..4_u8, 0..3_u8).prop_map(|(name, value)| Act::News(name, value)),
        12 => Just(Act::Serve),
        10 => (0..12_u8).prop_map(Act::Return),
        3 => Just(Act::CleanedUp),
        1 => any::<bool>().prop_map(|drain| Act::Stop { drain }),
        1 => Just(Act::Kill),
        4 => (0..3000_u16).prop_map(Act::Wait),
    ]
}

/// What came out of the reducer for one event.
#[derive(Default)]
struct Came {
    effects: Vec<Effect>,
    records: Vec<Record>,
}

impl Output for Came {
    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn record(&mut self, record: Record) {
        self.records.push(record);
    }
}

struct Rig {
    brain: Brain,
    now: Time,
    executing: Option<Execution>,
    cleaning: bool,
    sent: VecDeque<u64>,
    next_message: u64,
    last: State,
    trace: Vec<String>,
}

const STOP_TIMEOUT: Duration = Duration::from_secs(2);

impl Rig {
    fn new() -> Self {
        let policy = Policy {
            execution_timeout: Duration::from_secs(1),
            stop_timeout: STOP_TIMEOUT,
            recovery: RecoveryPolicy { max_retries: 2, jitter: 0.5, ..Default::default() },
        };
        Self {
            brain: Brain::new(policy, 11),
            now: Time::ZERO,
            executing: None,
            cleaning: false,
            sent: VecDeque::new(),
            next_message: 0,
            last: State::NotRun,
            trace: Vec::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        let var = |brain: &Brain, name: u8| brain.vars().find(&name.to_string()).map(|(id, _)| id);
        match act {
            Act::Start => {
                let idle = matches!(self.brain.state(), State::NotRun | State::Stopped);
                if idle {
                    self.sent.clear();
                    self.next_message = 0;
                }
                assert_eq!(self.feed(Event::Start { expires: None }), idle);
            }
            Act::Send => {
                let id = self.next_message + 1;
                let message = Arc::new(Message::new(id, String::new(), self.now));
                if self.brain.state().is_live() {
                    self.sent.push_back(id);
                }
                if self.feed(Event::Message(message)) {
                    self.next_message = id;
                }
            }
            Act::Watch(name, flow) => {
                let kind = if *flow { WatchKind::Flow } else { WatchKind::Call };
                self.feed(Event::Watch(Declaration {
                    name: Arc::from(name.to_string()),
                    kind,
                    type_id: TypeId::of::<u8>(),
                    type_name: "u8",
                }));
            }
            Act::Unwatch(name) => {
                if let Some(id) = var(&self.brain, *name) {
                    assert!(self.feed(Event::Unwatch(id)));
                }
            }
            Act::News(name, value) => {
                if let Some(id) = var(&self.brain, *name) {
                    let input = match value {
                        0 => Input::Failed(Arc::from("failed")),
                        value => Input::Value(Value::new(*value)),
                    };
                    assert!(self.feed(Event::Var(id, input)));
                }
            }
            Act::Serve => assert!(self.feed(Event::Serve)),
            Act::Return(how) => self.give_back(*how),
            Act::CleanedUp => {
                if std::mem::take(&mut self.cleaning) {
                    assert!(self.feed(Event::CleanedUp { problem: None }));
                }
            }
            Act::Stop { drain } => {
                let request =
                    StopRequest { reason: Arc::from("test"), drain: *drain, timeout: STOP_TIMEOUT };
                let live = self.brain.state().is_live();
                assert_eq!(self.feed(Event::Stop(request)), live);
            }
            Act::Kill => {
                let live = self.brain.state().is_live();
                assert_eq!(self.feed(Event::Kill { reason: Arc::from("test") }), live);
                assert!(!live || self.brain.state() == State::Killed);
            }
            Act::Wait(ms) => {
                self.now = self.now + Duration::from_millis(u64::from(*ms));
                assert!(self.feed(Event::Elapsed));
            }
        }
    }

    fn give_back(&mut self, how: u8) {
        let Some(execution) = self.executing.take() else { return };
        let ending = match how {
            0 => Ending::Crash("crash".into()),
            1 => Ending::Panicked("panic".into()),
            2 => Ending::Failed("error".into()),
            3 => Ending::Stop("stop".into()),
            _ => Ending::Done,
        };
        assert!(self.feed(Event::Returned { execution: execution.number, ending }));
    }

    /// Feeds an event, checks what came of it; whether it was taken.
    fn feed(&mut self, event: Event) -> bool {
        let (before, name) = (self.brain.state(), event.name());
        let served = matches!(event, Event::Serve);
        let mut came = Came::default();
        let taken = self.brain.reduce(event, self.now, &mut came).is_ok();
        if !taken {
            assert_eq!(self.brain.state(), before, "a refused {name} changed the state");
        }
        for record in came.records {
            self.note(record);
        }
        for effect in came.effects {
            self.perform(effect, served);
        }
        assert_eq!(self.last, self.brain.state(), "every change of state is recorded");
        if self.brain.state().is_live() {
            self.check_messages();
        }
        if before.is_terminal() && before != self.brain.state() {
            assert_eq!((before, name), (State::Stopped, "start"), "terminal states are final");
        }
        taken
    }

    fn note(&mut self, record: Record) {
        if let Record::Transition(transition) = record {
            assert_eq!(transition.from, self.last, "transitions join up");
            self.last = transition.to;
            self.trace.push(format!("{} {transition:?}", self.now));
        }
    }

    fn perform(&mut self, effect: Effect, served: bool) {
        match effect {
            Effect::Execute => {
                let execution = self.brain.execution().cloned().expect("one is under way");
                assert!(served, "executions come from Serve alone");
                assert!(self.executing.is_none(), "never two executions at once");
                assert!(!self.cleaning, "no execution beside a cleanup");
                if let (Some(message), 1) = (&execution.message, execution.attempt) {
                    assert_eq!(self.sent.pop_front(), Some(message.id()), "in order, none lost");
                }
                self.executing = Some(execution);
            }
            Effect::CleanUp => {
                assert!(served && self.executing.is_none(), "no cleanup beside an execution");
                assert!(!self.cleaning);
                self.cleaning = true;
            }
            Effect::Over => {
                self.cleaning = false;
                let unserved: HashSet<_> =
                    self.brain.unserved().iter().map(|message| message.id()).collect();
                assert!(self.sent.iter().all(|id| unserved.contains(id)), "unserved are reported");
                // A killed function has not returned; real bodies forget it the same way.
                if self.brain.state() != State::Killed {
                    assert!(self.executing.is_none());
                }
            }
            _ => {}
        }
    }

    fn check_messages(&self) {
        assert_eq!(self.brain.queued(), self.sent.len(), "what was sent waits, or was served");
        if let Some(deadline) = self.brain.next_deadline()
            && self.brain.state() == State::WaitRecover
        {
            assert!(deadline <= self.now + Duration::from_secs(120), "waits are bounded");
        }
    }
}

fn run(acts: &[Act]) -> Vec<String> {
    let mut rig = Rig::new();
    for act in acts {
        rig.act(act);
    }
    rig.trace
}

proptest! {
    #![proptest_config(ProptestConfig { cases: scaled("HERSH_SOAK_REDUCER", 500), ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_and_runs_repeat(acts in prop::collection::vec(act(), 0..200)) {
        prop_assert_eq!(run(&acts), run(&acts));
    }
}
