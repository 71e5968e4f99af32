//! Asks programs that are Ready whether they still answer, and those that have stopped to whether
//! they do again; the `health` ticket says when.
//!
//! A program that misses [`MISSES`] questions in a row is told so, and is not Ready until it answers
//! again; one that has not by the end of the time that it may take to become Ready is given up. One
//! miss is no news: a program that has much to do is late now and then. Each look asks a portion of
//! the programs, a few at a time, so that those that say nothing hold up nobody else for long.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::parts::Parts;
use super::request::{Health, NetworkMode};
use super::view::Timestamp;
use crate::program::{Attempt, ContainerId, Event, ProgramId, ProgramState, Supervisor};

/// So many misses in a row, and a program is not Ready any more.
const MISSES: u32 = 3;
/// How long each question may take.
const PROBE: Duration = Duration::from_secs(3);
/// The most that are asked at one look.
const PORTION: usize = 64;
/// How many are asked at a time.
const AT_ONCE: usize = 16;

/// What is known of the answers of one program.
#[derive(Debug)]
struct Mark {
    /// Of which start and container; of another one nothing is known.
    of: (Attempt, ContainerId),
    asked_at: Option<Instant>,
    misses: u32,
    /// When the first of these misses was.
    since: Option<(Instant, Timestamp)>,
}

/// Who was asked when, and has missed how many times. Lost with the host: the next one counts anew.
#[derive(Debug, Default)]
pub(super) struct Roll {
    marks: BTreeMap<ProgramId, Mark>,
}

impl Roll {
    /// Those whose turn it is, the one that has waited longest first.
    fn turn(
        &mut self,
        states: Vec<ProgramState>,
        every: Duration,
        now: Instant,
    ) -> Vec<ProgramState> {
        let mut due = Vec::new();
        let mut marks = BTreeMap::new();
        for state in states {
            let Some(container) = state.container_id.clone().filter(|_| state.is_up()) else {
                continue;
            };
            let of = (state.attempt, container);
            let known = self.marks.remove(&state.id).filter(|mark| mark.of == of);
            let mark = known.unwrap_or(Mark { of, asked_at: None, misses: 0, since: None });
            let asked_at = mark.asked_at;
            marks.insert(state.id.clone(), mark);
            if asked_at.is_none_or(|at| now.saturating_duration_since(at) >= every) {
                due.push((asked_at, state));
            }
        }
        due.sort_by_key(|(asked_at, _)| *asked_at);
        due.truncate(PORTION);
        for (_, state) in &due {
            if let Some(mark) = marks.get_mut(&state.id) {
                mark.asked_at = Some(now);
            }
        }
        self.marks = marks;
        due.into_iter().map(|(_, state)| state).collect()
    }

    /// What there is to tell a program that answered, or did not, at this moment.
    fn news(
        &mut self,
        state: &ProgramState,
        answered: bool,
        now: (Instant, Timestamp),
        within: Duration,
    ) -> Option<News> {
        let mark = self.marks.get_mut(&state.id)?;
        if answered {
            (mark.misses, mark.since) = (0, None);
            return state.is_silent().then_some(News::Answers);
        }
        mark.misses = mark.misses.saturating_add(1);
        let (first, since) = *mark.since.get_or_insert(now);
        if state.is_silent() {
            let over = now.0.saturating_duration_since(first) >= within;
            return over.then_some(News::GivenUp);
        }
        (mark.misses >= MISSES).then_some(News::Silent { since })
    }
}

/// What has become of a program.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// It does not answer any more.
    Silent { since: Timestamp },
    /// It answers again.
    Answers,
    /// It has not answered for too long.
    GivenUp,
}

/// Asks the programs whose turn it is, and tells those about whom there is news.
pub(super) fn ask(parts: &Parts, supervisor: &Supervisor) {
    let every = parts.config.health_every;
    let due = locked(&parts.roll).turn(supervisor.states(), every, Instant::now());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(state) = due.get(next.fetch_add(1, Ordering::Relaxed)) {
            if parts.closing.is_cancelled() {
                return;
            }
            ask_one(parts, supervisor, state);
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(due.len()) {
            // Where there are no threads to be had, fewer ask.
            drop(thread::Builder::new().name("health".into()).spawn_scoped(scope, work));
        }
        work();
    });
}

fn ask_one(parts: &Parts, supervisor: &Supervisor, state: &ProgramState) {
    let Ok(entry) = parts.entry(&state.id) else { return };
    let (meta, Some(container)) = (&entry.meta, &state.container_id) else { return };
    // One without a network cannot be asked.
    if meta.network == NetworkMode::None {
        return;
    }
    let answered = parts.engine.answers(meta.port, meta.health.path.as_deref(), PROBE);
    let (now, within) = ((Instant::now(), Timestamp::now()), parts.ready_within(meta));
    let news = locked(&parts.roll).news(state, answered, now, within);
    let (attempt, container_id) = (state.attempt, container.clone());
    let event = match news {
        None => return,
        Some(News::Silent { since }) => {
            Event::RuntimeSilent { attempt, container_id, reason: reason(&meta.health, since) }
        }
        Some(News::Answers) => Event::RuntimeAnswered { attempt, container_id },
        Some(News::GivenUp) => {
            let last_lines = parts.last_lines(container);
            Event::SilenceElapsed { attempt, container_id, last_lines }
        }
    };
    // A queue that is full is told again at a later look.
    drop(supervisor.send(&state.id, event));
}

fn reason(health: &Health, since: Timestamp) -> String {
    format!("{} has not answered on port 8080 with 200 since {since}", health.asked())
}

fn locked(roll: &Mutex<Roll>) -> MutexGuard<'_, Roll> {
    // Every change of it is whole before anything can panic.
    roll.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{RestartPolicy, State};

    const EVERY: Duration = Duration::from_secs(5);
    const WITHIN: Duration = Duration::from_secs(60);

    fn ready(number: usize) -> ProgramState {
        let id = format!("alice-build-0123456789ab-{number:08x}").parse().unwrap();
        let new = ProgramState::new(id, RestartPolicy::default());
        let container_id = Some(format!("{number:012x}").parse().unwrap());
        ProgramState { state: State::Ready, attempt: Attempt(1), container_id, ..new }
    }

    /// A roll and its virtual time, in seconds since it began.
    struct Rig {
        roll: Roll,
        began: Instant,
    }

    impl Rig {
        fn new() -> Self {
            Self { roll: Roll::default(), began: Instant::now() }
        }

        fn at(&self, second: u64) -> (Instant, Timestamp) {
            (self.began + Duration::from_secs(second), Timestamp(second * 1000))
        }

        fn turn(&mut self, states: &[ProgramState], second: u64) -> Vec<ProgramState> {
            let now = self.at(second).0;
            self.roll.turn(states.to_vec(), EVERY, now)
        }

        /// Asks this program at this second.
        fn ask(&mut self, state: &ProgramState, answered: bool, second: u64) -> Option<News> {
            assert_eq!(self.turn(std::slice::from_ref(state), second).len(), 1);
            let now = self.at(second);
            self.roll.news(state, answered, now, WITHIN)
        }
    }

    #[test]
    fn every_program_has_its_turn_and_none_too_often() {
        let states: Vec<_> = (0..PORTION + 10).map(ready).collect();
        let mut rig = Rig::new();
        assert_eq!(rig.turn(&states, 0), states[..PORTION]);
        assert_eq!(rig.turn(&states, 1), states[PORTION..], "the others have just been asked");
        assert_eq!(rig.turn(&states, 2), []);
        assert_eq!(rig.turn(&states, 5), states[..PORTION]);
        assert_eq!(rig.turn(&states, 60)[..10], states[PORTION..], "who waited longest is first");
    }

    #[test]
    fn only_those_that_run_are_asked() {
        let mut states = State::ALL.map(|state| ProgramState { state, ..ready(1) });
        for (number, state) in states.iter_mut().enumerate() {
            state.id = ready(number).id;
        }
        states[2].container_id = None;
        let asked: Vec<_> = Rig::new().turn(&states, 0).iter().map(|one| one.state).collect();
        assert_eq!(asked, [State::Ready], "Starting without a container has not answered yet");
        states[2] = ProgramState { state: State::Starting, ..ready(9) };
        assert_eq!(Rig::new().turn(&states, 0).len(), 2);
    }

    #[test]
    fn three_misses_in_a_row_are_news_and_fewer_are_not() {
        let (mut rig, state) = (Rig::new(), ready(1));
        for (second, answered) in [(0, false), (5, false), (10, true), (15, false), (20, false)] {
            assert_eq!(rig.ask(&state, answered, second), None, "{second}");
        }
        assert_eq!(rig.ask(&state, false, 25), Some(News::Silent { since: Timestamp(15_000) }));
        assert_eq!(
            rig.ask(&state, false, 30),
            Some(News::Silent { since: Timestamp(15_000) }),
            "told again where it went unheard"
        );
    }

    #[test]
    fn one_that_is_silent_has_as_long_as_a_start() {
        let (mut rig, mut state) = (Rig::new(), ready(1));
        state.state = State::Starting;
        for second in [0, 30, 55] {
            assert_eq!(rig.ask(&state, false, second), None, "{second}");
        }
        assert_eq!(rig.ask(&state, true, 59 + 5), Some(News::Answers));
        assert_eq!(rig.ask(&state, false, 70), None, "its time begins anew");
        assert_eq!(rig.ask(&state, false, 130), Some(News::GivenUp));
    }

    #[test]
    fn each_start_and_each_container_counts_anew() {
        let (mut rig, first) = (Rig::new(), ready(1));
        let again = ProgramState { attempt: Attempt(2), ..first.clone() };
        let other = ProgramState { container_id: ready(2).container_id, ..again.clone() };
        for (second, state) in [&first, &first, &again, &again, &other, &other].iter().enumerate() {
            assert_eq!(rig.ask(state, false, second as u64 * 5), None, "{second}");
        }
        assert!(matches!(rig.ask(&other, false, 30), Some(News::Silent { .. })));
    }
}
