//! Claim tokens, taken from the file by blocks.

use rusqlite::Connection;

use crate::kharon::error::StoreError;
use crate::kharon::ticket::ClaimToken;

/// How many tokens are taken at once. What a process has not given when it ends is given by nobody.
const BLOCK: i64 = 1 << 20;

/// Tokens that this process may give.
///
/// A block is taken, in the transaction that first uses it, from a count that only grows. A token
/// could come twice only if a loss of power undid that transaction; so a block that is new with
/// this process is set apart by the caller, durably, when the store is opened.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    next: i64,
    end: i64,
}

impl Tokens {
    /// Gives no more of the present block.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn give(&mut self, connection: &Connection) -> Result<ClaimToken, StoreError> {
        if self.next == self.end {
            let mut take = connection
                .prepare_cached("UPDATE tokens SET given = given + ?1 RETURNING given")?;
            self.end = take.query_row([BLOCK], |row| row.get(0))?;
            self.next = self.end - BLOCK;
        }
        self.next += 1;
        Ok(ClaimToken(self.next.cast_unsigned()))
    }

    /// Takes a block, to be given from here on.
    pub(super) fn reserve(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.clear();
        self.give(connection).map(drop)
    }
}
