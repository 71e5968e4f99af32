//! The tables, version by version.

/// Marks a file as Kharon's: `KHRN`.
pub(super) const APPLICATION_ID: u32 = 0x4B48_524E;

/// The versions of the tables. Each step leads from the version of its place to the next; a step
/// that was released is never changed.
pub(super) const STEPS: &[&str] = &[V1];

/// What the columns are for:
/// - `state` says where a ticket stands, by the codes of [`state`](super::rows::state). Ready tickets
///   are in one index, and those that wait until `wake_at` in another, so a poll never meets a ticket
///   that it does not want. Claimed ones are in neither.
/// - `token` and `until` are there from the start, as wide as a claim makes them, so that claiming
///   and settling write a row in place and touch no index but that of the ready.
/// - `held_key` is the unique key while the ticket is pending.
///
/// When claims end is kept by the batch: a row of `ledger` stands for all tickets of a lane whose
/// claims end `until` a moment, counts those that are still claimed (`open`), and goes with the last.
/// The row of a lane with `until` 0 counts its tickets, `open` the pending ones. They share a table
/// because they are written together, and are then on one page.
///
/// A lane without tickets is removed, and its number is never given again: others may remember it.
const V1: &str = "
CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY AUTOINCREMENT,
    tube TEXT NOT NULL,
    kind TEXT NOT NULL,
    UNIQUE (tube, kind)
) STRICT;
CREATE TABLE tickets (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    lane INTEGER NOT NULL,
    nice INTEGER NOT NULL,
    runat INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    ctime INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    token INTEGER NOT NULL,
    until INTEGER NOT NULL,
    payload BLOB,
    wake_at INTEGER,
    expires_at INTEGER,
    error_reason TEXT,
    group_name TEXT,
    unique_key TEXT,
    held_key TEXT,
    repeat TEXT
) STRICT;
CREATE INDEX tickets_ready ON tickets (lane, nice, runat) WHERE state = 2;
CREATE INDEX tickets_waiting ON tickets (lane, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX tickets_expiring ON tickets (expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX tickets_key ON tickets (held_key) WHERE held_key IS NOT NULL;
CREATE TABLE ledger (
    lane INTEGER NOT NULL,
    until INTEGER NOT NULL,
    open INTEGER NOT NULL,
    done INTEGER,
    failed INTEGER,
    cancelled INTEGER,
    seqs BLOB,
    PRIMARY KEY (lane, until)
) STRICT, WITHOUT ROWID;
CREATE TABLE groups (
    name TEXT PRIMARY KEY,
    closed INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    finalizers TEXT NOT NULL,
    expire_in INTEGER NOT NULL,
    finished_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX groups_expiring ON groups (finished_at + expire_in) WHERE finished_at IS NOT NULL;
CREATE TABLE tokens (given INTEGER NOT NULL) STRICT;
INSERT INTO tokens VALUES (1099511627776);
";
