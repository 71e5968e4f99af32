//! Where claimed tickets lie: remembered by the process that claimed them, since it is most often
//! the one that settles them.

use hashbrown::HashMap;

use crate::kharon::ticket::ClaimToken;
use crate::kharon::time::Timestamp;

/// The most claims that are remembered.
const MOST: usize = 1 << 16;

/// A claim that was made here. Only a hint: a statement that goes by it checks all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimed {
    pub(super) seq: i64,
    pub(super) lane: i64,
    pub(super) until: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Memo(HashMap<ClaimToken, Claimed>);

impl Memo {
    pub(super) fn find(&self, token: ClaimToken) -> Option<Claimed> {
        self.0.get(&token).copied()
    }

    pub(super) fn forget(&mut self, token: ClaimToken) {
        self.0.remove(&token);
    }

    pub(super) fn remember(&mut self, token: ClaimToken, claimed: Claimed, now: Timestamp) {
        if self.0.len() >= MOST {
            self.0.retain(|_, claimed| claimed.until > now);
            if self.0.len() >= MOST {
                self.0.clear();
            }
        }
        self.0.insert(token, claimed);
    }
}
