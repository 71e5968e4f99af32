//! The tables, version by version.

/// Marks a file as Kharon's: `KHRN`.
pub(super) const APPLICATION_ID: u32 = 0x4B48_524E;

/// The versions of the tables. Each step leads from the version of its place to the next; a step
/// that was released is never changed.
pub(super) const STEPS: &[&str] = &[V1];

/// `spot` is 0 for a settled ticket, 1 for one that can be claimed, 2 for one that waits until
/// `ready_at`. Only the latter two are in an index of queues, each in one, so a poll never meets
/// a ticket that it does not want.
const V1: &str = "
CREATE TABLE lanes (
    lane INTEGER PRIMARY KEY,
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
    ready_at INTEGER NOT NULL,
    spot INTEGER NOT NULL,
    status INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    ctime INTEGER NOT NULL,
    mtime INTEGER NOT NULL,
    token INTEGER,
    until INTEGER,
    expires_at INTEGER,
    error_reason TEXT,
    group_name TEXT,
    unique_key TEXT,
    repeat TEXT,
    payload BLOB
) STRICT;
CREATE INDEX tickets_ready ON tickets (lane, nice, runat) WHERE spot = 1;
CREATE INDEX tickets_waiting ON tickets (lane, ready_at) WHERE spot = 2;
CREATE INDEX tickets_expiring ON tickets (expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX tickets_key ON tickets (unique_key)
    WHERE unique_key IS NOT NULL AND status = 0;
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
INSERT INTO tokens VALUES (0);
";
