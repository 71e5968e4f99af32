//! Adding many tickets: a statement for a handful, since most of what a statement for one costs is its
//! beginning and its end.

use std::sync::LazyLock;

use hashbrown::HashSet;
use rusqlite::Connection;

use super::rows::{NO_TOKEN, bytes, damaged, state};
use super::tx::{Tx, held};
use crate::kharon::error::{AddError, StoreError};
use crate::kharon::store::{Added, Addition, IfExists};
use crate::kharon::ticket::{NewTicket, Status, When};

type Answers = Vec<Result<Added, AddError>>;

/// How many tickets one statement inserts.
const HANDFUL: usize = 10;

/// The values of the statement that are a ticket's own; `?1` is the time, and the same for all.
const OWN: usize = 4;

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let row = |ticket: usize| {
        let [id, lane, nice, payload] = [2, 3, 4, 5].map(|value| ticket * OWN + value);
        let ready = state::READY;
        format!("(?{id}, ?{lane}, ?{nice}, ?1, {ready}, ?1, ?1, {NO_TOKEN}, ?1, ?{payload})")
    };
    let rows: Vec<String> = (0..HANDFUL).map(row).collect();
    format!(
        "INSERT INTO tickets (id, lane, nice, runat, state, ctime, mtime, token, until, payload) \
         VALUES {} ON CONFLICT (id) DO NOTHING",
        rows.join(", ")
    )
});

impl Tx<'_> {
    /// Adds tickets, each as [`add`](Self::add) does.
    pub(super) fn add_all(&mut self, additions: Vec<Addition>) -> Result<Answers, StoreError> {
        let mut answers = Vec::with_capacity(additions.len());
        let mut handful = Vec::with_capacity(HANDFUL);
        for addition in additions {
            if is_simple(&addition) {
                handful.push(addition);
                if handful.len() == HANDFUL {
                    self.add_handful(&mut handful, &mut answers)?;
                }
            } else {
                self.add_each(&mut handful, &mut answers)?;
                self.add_each(&mut vec![addition], &mut answers)?;
            }
        }
        self.add_each(&mut handful, &mut answers)?;
        Ok(answers)
    }

    /// Adds one after the other.
    fn add_each(
        &mut self,
        additions: &mut Vec<Addition>,
        answers: &mut Answers,
    ) -> Result<(), StoreError> {
        for addition in additions.drain(..) {
            answers.push(match self.add(addition) {
                Err(AddError::Store(error)) => return Err(error),
                answer => answer,
            });
        }
        Ok(())
    }

    /// Adds a handful of simple ones.
    fn add_handful(
        &mut self,
        additions: &mut Vec<Addition>,
        answers: &mut Answers,
    ) -> Result<(), StoreError> {
        let mut lanes = [0; HANDFUL];
        for (lane, Addition { ticket, .. }) in lanes.iter_mut().zip(&*additions) {
            *lane = self.lanes.enter(self.connection, &ticket.tube, &ticket.kind)?;
        }
        let insert = held(&mut self.held.insert_handful, self.connection, &INSERT)?;
        insert.raw_bind_parameter(1, self.now.to_database())?;
        for (at, (lane, Addition { ticket, .. })) in lanes.iter().zip(&*additions).enumerate() {
            let first = at * OWN + 2;
            insert.raw_bind_parameter(first, ticket.id.as_str())?;
            insert.raw_bind_parameter(first + 1, lane)?;
            insert.raw_bind_parameter(first + 2, ticket.nice)?;
            insert.raw_bind_parameter(first + 3, bytes(&ticket.payload))?;
        }
        let inserted = insert.raw_execute()?;
        let mut new = match inserted {
            HANDFUL => None,
            fewer => Some(newest_ids(self.connection, fewer)?),
        };
        for (lane, Addition { ticket, if_exists }) in lanes.into_iter().zip(additions.drain(..)) {
            // Of two with one id the first is the new one.
            let is_new = new.as_mut().is_none_or(|new| new.remove(ticket.id.as_str()));
            answers.push(if is_new {
                self.counts.add(lane, Status::Pending, 1);
                self.news += 1;
                Ok(Added::New)
            } else if if_exists == IfExists::Keep {
                Ok(Added::Kept(ticket.id))
            } else {
                Err(AddError::Exists { id: ticket.id })
            });
        }
        Ok(())
    }
}

/// Whether a ticket is like most, ready at once, and can meet nothing but one with its id.
fn is_simple(Addition { ticket, if_exists }: &Addition) -> bool {
    let NewTicket { when, group, unique_key, repeat, .. } = ticket;
    *when == When::Now
        && group.is_none()
        && unique_key.is_none()
        && repeat.is_none()
        && *if_exists != IfExists::Replace
        && ticket.check().is_ok()
}

/// The ids of so many tickets that were inserted last.
fn newest_ids(connection: &Connection, count: usize) -> Result<HashSet<String>, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT id FROM tickets ORDER BY seq DESC LIMIT ?1")?;
    let count = i64::try_from(count).map_err(|_| damaged())?;
    let ids = find.query_map([count], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
