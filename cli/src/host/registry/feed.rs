//! What happened lately to all programs of a host, for those who follow it as it happens.
//!
//! A follower reads from a bounded ring at its own speed, and nobody keeps anything for it: one that
//! is so slow that events are gone before it has read them is told, and let go. An event's id is its
//! number in the registry, so a follower that comes again goes on behind the last one it read, as
//! far as the ring reaches back; also after the host was started anew, since the ring is filled from
//! the registry then.
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::{event_view, integer, words};
use crate::host::HostError;
use crate::host::view::EventView;
use crate::program::{ProgramId, UserId};

/// How many events are kept for those who come late.
const KEPT: usize = 2_048;
/// How many events are told at once.
const AT_ONCE: usize = 256;

/// One thing that happened to a program.
#[derive(Debug)]
pub struct Happening {
    /// Its number.
    pub seq: i64,
    /// To which program.
    pub program_id: ProgramId,
    /// What the API tells of it.
    pub data: Json,
}

impl Happening {
    pub(super) fn new(program_id: &ProgramId, event: &EventView, removed: bool) -> Self {
        let mut data = json!(event);
        data["program_id"] = json!(program_id);
        if removed {
            data["to"] = "Removed".into();
        }
        Self { seq: event.seq, program_id: program_id.clone(), data }
    }
}

/// Whose events somebody wants to hear of.
#[derive(Debug, Clone, Default)]
pub struct FeedFilter {
    /// Of this user's programs alone.
    pub user: Option<UserId>,
    /// Of this program alone.
    pub program: Option<ProgramId>,
}

impl FeedFilter {
    fn matches(&self, happening: &Happening) -> bool {
        let id = &happening.program_id;
        self.program.as_ref().is_none_or(|wanted| wanted == id)
            && self.user.as_ref().is_none_or(|user| id.user() == *user)
    }

    /// Whether all there is matches.
    pub fn is_all(&self) -> bool {
        self.user.is_none() && self.program.is_none()
    }
}

/// What is new after a place.
#[derive(Debug)]
pub struct FeedNews {
    /// How many events behind the place are gone already.
    pub missed: i64,
    /// Up to where this tells.
    pub place: i64,
    /// What matches, in order.
    pub happenings: Vec<Arc<Happening>>,
}

/// The ring. Usable from any thread.
#[derive(Debug, Default)]
pub struct Feed {
    ring: Mutex<Ring>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Ring {
    /// One number after the other, without a gap, up to `newest`.
    happenings: VecDeque<Arc<Happening>>,
    newest: i64,
}

impl Ring {
    fn reaches_back_to(&self) -> i64 {
        self.newest - i64::try_from(self.happenings.len()).unwrap_or_default()
    }

    fn push(&mut self, happening: Happening) {
        if happening.seq != self.newest + 1 {
            // Numbers that nobody was told of: whoever asks for what was before is told so.
            self.happenings.clear();
        }
        self.newest = happening.seq;
        self.happenings.push_back(Arc::new(happening));
        if self.happenings.len() > KEPT {
            self.happenings.pop_front();
        }
    }
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who follow. To be called in the order of the numbers.
    pub(super) fn push(&self, happening: Happening) {
        self.lock().push(happening);
        self.news.notify_all();
    }

    /// The number of the newest event, and the one behind which the ring begins.
    pub fn span(&self) -> (i64, i64) {
        let ring = self.lock();
        (ring.newest, ring.reaches_back_to())
    }

    /// What happened after the event `place`, waiting for it no longer than this.
    pub fn after(&self, place: i64, filter: &FeedFilter, patience: Duration) -> FeedNews {
        let ring = self.lock();
        let waits = |ring: &mut Ring| ring.newest <= place;
        let waited = self.news.wait_timeout_while(ring, patience, waits);
        let (ring, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let oldest = ring.reaches_back_to();
        let missed = (oldest - place).max(0);
        let skip = usize::try_from(place - oldest).unwrap_or(0);
        let next = ring.happenings.iter().skip(skip).take(AT_ONCE);
        let told: Vec<_> = next.cloned().collect();
        drop(ring);
        let place = told.last().map_or(place, |last| last.seq);
        let happenings = told.into_iter().filter(|happening| filter.matches(happening)).collect();
        FeedNews { missed, place, happenings }
    }
}

/// The feed as the registry knows it: the last events, as far back as their numbers have no gap.
/// Where there is one, a program is gone with what happened to it.
pub(super) fn load(connection: &Connection) -> Result<Feed, HostError> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'";
    let newest: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(words)?;
    let sql = "SELECT seq, at, event, detail, before, after, attempt, program_id FROM events
               ORDER BY seq DESC LIMIT ?1";
    let mut statement = connection.prepare(sql).map_err(words)?;
    let rows = statement
        .query_map([integer(KEPT as u64)], |row| Ok((event_view(row)?, row.get::<_, String>(7)?)))
        .map_err(words)?;
    let mut happenings = VecDeque::new();
    for (row, expected) in rows.zip((0..=newest).rev()) {
        let (event, id) = row.map_err(words)?;
        let Ok(id) = id.parse() else { break };
        if event.seq != expected {
            break;
        }
        happenings.push_front(Arc::new(Happening::new(&id, &event, false)));
    }
    Ok(Feed { ring: Mutex::new(Ring { happenings, newest }), news: Condvar::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happening(seq: i64, user: &str) -> Happening {
        let program_id = format!("{user}-build-0123456789ab-00000001").parse().unwrap();
        Happening { seq, program_id, data: Json::Null }
    }

    fn seqs(news: &FeedNews) -> Vec<i64> {
        news.happenings.iter().map(|one| one.seq).collect()
    }

    #[test]
    fn a_follower_hears_what_is_new_and_what_it_may() {
        let feed = Feed::default();
        for seq in 1..=4 {
            feed.push(happening(seq, if seq % 2 == 0 { "ann" } else { "bob" }));
        }
        let all = FeedFilter::default();
        let news = feed.after(1, &all, Duration::ZERO);
        assert_eq!((seqs(&news), news.place, news.missed), (vec![2, 3, 4], 4, 0));
        let ann = FeedFilter { user: Some("ann".parse().unwrap()), ..all.clone() };
        let news = feed.after(0, &ann, Duration::ZERO);
        assert_eq!((seqs(&news), news.place), (vec![2, 4], 4));
        assert!(feed.after(4, &all, Duration::ZERO).happenings.is_empty());
    }

    #[test]
    fn one_that_is_too_slow_is_told_how_much_it_missed() {
        let feed = Feed::default();
        let kept = i64::try_from(KEPT).unwrap();
        for seq in 1..=kept + 10 {
            feed.push(happening(seq, "ann"));
        }
        assert_eq!(feed.span(), (kept + 10, 10));
        let news = feed.after(3, &FeedFilter::default(), Duration::ZERO);
        assert_eq!(news.missed, 7);
        let news = feed.after(10, &FeedFilter::default(), Duration::ZERO);
        assert_eq!((news.missed, news.happenings.len()), (0, AT_ONCE));
    }

    #[test]
    fn a_follower_that_waits_is_woken() {
        let feed = Arc::new(Feed::default());
        let waits = Arc::clone(&feed);
        let follower = std::thread::spawn(move || {
            let filter = FeedFilter::default();
            seqs(&waits.after(0, &filter, Duration::from_secs(60)))
        });
        feed.push(happening(1, "ann"));
        assert_eq!(follower.join().unwrap(), [1]);
    }
}
