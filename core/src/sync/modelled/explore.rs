//! Running a scenario under many schedules.

use shuttle::scheduler::{RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, MaxSteps, Runner};

use super::clock;

/// The thread that keeps the time is the first that an execution starts.
const TIME: usize = 1;

/// The most steps of one execution: more than that is a livelock.
const MOST_STEPS: usize = 200_000;

/// A stack that also serves the deepest call of a scenario, in a build without optimisation.
const STACK_BYTES: usize = 256 * 1024;

/// Runs `scenario` under so many random schedules. The seed decides all of them; shuttle prints the
/// schedule of one that fails, for `shuttle::replay`.
///
/// # Panics
/// When the scenario does, when all its threads wait for each other, or when one is left at its end.
pub(crate) fn explore(seed: u64, count: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.stack_size = STACK_BYTES;
    config.silence_warnings = true;
    let scheduler = Paced::new(RandomScheduler::new_from_seed(seed, count), seed);
    Runner::new(scheduler, config).run(move || {
        let time = shuttle::thread::spawn(clock::keep_time);
        scenario();
        clock::end();
        time.join().expect("the time ends in good order");
    });
}

/// Lets time pass when nobody else can run, and at the pace of the execution otherwise.
struct Paced<S> {
    inner: S,
    numbers: u64,
    /// The chance, in 256, that time passes at a step at which somebody else could run.
    pace: u64,
}

impl<S> Paced<S> {
    fn new(inner: S, seed: u64) -> Self {
        Self { inner, numbers: seed, pace: 0 }
    }

    /// The upper 24 bits of a linear congruential generator, with Knuth's constants: good enough for dice.
    fn draw(&mut self) -> u64 {
        self.numbers = self
            .numbers
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.numbers >> 40
    }
}

impl<S: Scheduler> Scheduler for Paced<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        // Which of the paces: the upper two bits of what was drawn.
        self.pace = match self.draw() >> 22 {
            0 => 0,
            1 => 1,
            2 => 8,
            _ => 64,
        };
        self.inner.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let is_time = |task: &&&Task| usize::from(task.id()) == TIME;
        if let (true, Some(time)) = (runnable.len() > 1, runnable.iter().find(is_time)) {
            if self.draw() % 256 < self.pace {
                return Some(time.id());
            }
            let others: Vec<&Task> =
                runnable.iter().filter(|task| !is_time(task)).copied().collect();
            return self.inner.next_task(&others, current, is_yielding);
        }
        self.inner.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}
