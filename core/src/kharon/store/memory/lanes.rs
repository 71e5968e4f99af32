//! The queues: in each tube one lane a type, so that a type which has reached its limit is passed
//! over without being searched through.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use hashbrown::HashMap;

use super::record::Key;
use crate::kharon::name::Label;
use crate::kharon::store::Poll;
use crate::kharon::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Lanes {
    all: Vec<Lane>,
    free: Vec<u32>,
    tubes: Vec<Tube>,
    free_tubes: Vec<u32>,
    tube_of: HashMap<Label, u32>,
}

/// The tickets of one type in one tube.
#[derive(Debug)]
struct Lane {
    kind: Label,
    tube: u32,
    /// How many tickets belong to it, queued or not. A lane without any is given up.
    tickets: usize,
    ready: BTreeSet<Key>,
}

#[derive(Debug)]
struct Tube {
    name: Label,
    lanes: HashMap<Label, u32>,
    /// Those of all its lanes that wait, by when they can be claimed.
    waiting: BTreeSet<(Timestamp, u32)>,
}

/// Which ticket to claim next: the best of each lane.
#[derive(Debug)]
pub(super) struct Heads {
    heads: BinaryHeap<Reverse<(Key, u32)>>,
    /// How many of the limited types may still be claimed, in whatever tube they are.
    budgets: Vec<(Label, usize)>,
}

impl Heads {
    /// Whether one more of a type may be claimed; it is counted if so.
    fn allow(&mut self, kind: &Label) -> bool {
        match self.budgets.iter_mut().find(|(limited, _)| limited == kind) {
            Some((_, 0)) => false,
            Some((_, left)) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

impl Lanes {
    /// The lane of a type in a tube, for one more ticket.
    pub(super) fn enter(&mut self, tube: &Label, kind: &Label) -> u32 {
        let tube = match self.tube_of.get(tube) {
            Some(tube) => *tube,
            None => self.new_tube(tube),
        };
        let lane = match self.tubes[tube as usize].lanes.get(kind) {
            Some(lane) => *lane,
            None => self.new_lane(tube, kind),
        };
        self.all[lane as usize].tickets += 1;
        lane
    }

    fn new_tube(&mut self, name: &Label) -> u32 {
        let tube = Tube { name: name.clone(), lanes: HashMap::new(), waiting: BTreeSet::new() };
        let at = place(&mut self.tubes, &mut self.free_tubes, tube);
        self.tube_of.insert(name.clone(), at);
        at
    }

    fn new_lane(&mut self, tube: u32, kind: &Label) -> u32 {
        let lane = Lane { kind: kind.clone(), tube, tickets: 0, ready: BTreeSet::new() };
        let at = place(&mut self.all, &mut self.free, lane);
        self.tubes[tube as usize].lanes.insert(kind.clone(), at);
        at
    }

    /// A ticket that is in no queue leaves its lane.
    pub(super) fn leave(&mut self, lane: u32) {
        let Lane { kind, tube, tickets, .. } = &mut self.all[lane as usize];
        *tickets -= 1;
        if *tickets == 0 {
            let at = *tube;
            let tube = &mut self.tubes[at as usize];
            tube.lanes.remove(kind);
            self.free.push(lane);
            if tube.lanes.is_empty() {
                self.tube_of.remove(&tube.name);
                self.free_tubes.push(at);
            }
        }
    }

    /// The type and the tube of a lane.
    pub(super) fn names(&self, lane: u32) -> (&Label, &Label) {
        let lane = &self.all[lane as usize];
        (&lane.kind, &self.tubes[lane.tube as usize].name)
    }

    pub(super) fn put_ready(&mut self, lane: u32, key: Key) {
        self.all[lane as usize].ready.insert(key);
    }

    /// Whether it is the first of its tube.
    pub(super) fn put_waiting(&mut self, lane: u32, at: Timestamp, slot: u32) -> bool {
        let tube = self.all[lane as usize].tube;
        let waiting = &mut self.tubes[tube as usize].waiting;
        waiting.insert((at, slot));
        waiting.first() == Some(&(at, slot))
    }

    pub(super) fn take_ready(&mut self, lane: u32, key: &Key) {
        self.all[lane as usize].ready.remove(key);
    }

    pub(super) fn take_waiting(&mut self, lane: u32, at: Timestamp, slot: u32) {
        let tube = self.all[lane as usize].tube;
        self.tubes[tube as usize].waiting.remove(&(at, slot));
    }

    fn polled<'a>(&'a self, poll: &'a Poll) -> impl Iterator<Item = u32> + 'a {
        let tubes = poll.tubes.iter().enumerate();
        let once = tubes.filter(|(at, tube)| !poll.tubes[..*at].contains(tube));
        once.filter_map(|(_, tube)| self.tube_of.get(tube).copied())
    }

    /// Takes one ticket whose waiting is over out of the polled tubes.
    pub(super) fn take_due(&mut self, poll: &Poll, now: Timestamp) -> Option<u32> {
        let due = |tube: &u32| {
            let first = self.tubes[*tube as usize].waiting.first();
            first.is_some_and(|(at, _)| *at <= now)
        };
        let tube = self.polled(poll).find(due)?;
        self.tubes[tube as usize].waiting.pop_first().map(|(_, slot)| slot)
    }

    /// When the first of those who wait in the polled tubes can be claimed.
    pub(super) fn next(&self, poll: &Poll) -> Option<Timestamp> {
        let first = |tube: u32| self.tubes[tube as usize].waiting.first().map(|(at, _)| *at);
        self.polled(poll).filter_map(first).min().filter(|at| *at < Timestamp::NEVER)
    }

    /// The best of each polled lane.
    pub(super) fn heads(&self, poll: &Poll) -> Heads {
        let lanes = self.polled(poll).flat_map(|tube| self.tubes[tube as usize].lanes.values());
        let head = |lane: &u32| {
            let Lane { kind, ready, .. } = &self.all[*lane as usize];
            let head = ready.first()?;
            (poll.budget(kind) > 0).then_some(Reverse((*head, *lane)))
        };
        Heads { heads: lanes.filter_map(head).collect(), budgets: poll.budgets.clone() }
    }

    /// Takes the best ticket of all.
    pub(super) fn take_best(&mut self, heads: &mut Heads) -> Option<Key> {
        loop {
            let Reverse((key, lane)) = heads.heads.pop()?;
            let Lane { kind, ready, .. } = &mut self.all[lane as usize];
            if heads.allow(kind) {
                ready.pop_first();
                if let Some(next) = ready.first() {
                    heads.heads.push(Reverse((*next, lane)));
                }
                return Some(key);
            }
        }
    }
}

/// Puts a thing into the first free place.
fn place<T>(things: &mut Vec<T>, free: &mut Vec<u32>, thing: T) -> u32 {
    if let Some(at) = free.pop() {
        things[at as usize] = thing;
        return at;
    }
    things.push(thing);
    u32::try_from(things.len() - 1).unwrap_or(u32::MAX)
}
