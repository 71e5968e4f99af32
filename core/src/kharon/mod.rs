//! Kharon: delayed tickets, in memory or in a database, that are never lost.
//!
//! A *ticket* is a piece of work with an id, a type and a payload. It is added to a *store*, waits
//! for its time, is claimed by a worker, and run by the handler that a *router* has for its type.
//! Done, failed for good or cancelled, it is settled; failed otherwise, it waits and is tried again.
//!
//! ```
//! use std::time::Duration;
//! use hersh::kharon::{Kharon, MemoryStore, NewTicket, Router, Settings, Status};
//!
//! let kharon = Kharon::new(MemoryStore::new(), Settings::default())?;
//! let (send, receive) = std::sync::mpsc::channel();
//! kharon.start(Router::new().handle("invoice", move |claim| {
//!     send.send(claim.id.clone())?;
//!     Ok(())
//! }))?;
//! kharon.add(NewTicket::new("invoice-17", "invoice")?.payload("{\"to\":\"ann\"}"))?;
//! kharon.add(NewTicket::new("invoice-18", "invoice")?.delay(Duration::from_millis(20)))?;
//! assert_eq!(receive.recv()?, "invoice-17");
//! assert_eq!(receive.recv()?, "invoice-18");
//! kharon.stop(Duration::from_secs(5));
//! assert_eq!(kharon.get("invoice-17")?.map(|ticket| ticket.status), Some(Status::Done));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! | promise | what it means | where it ends |
//! |---|---|---|
//! | nothing acknowledged is lost | what [`Kharon::add`] and the settling calls returned Ok for survives what the store survives, below | a call that returned an error of the store may have had its effect or not: look, or add again with the same id |
//! | at least once | a ticket is run until it is settled; one whose worker died is claimable again after `process_time` | a ticket can be run twice: make handlers repeatable, by the ticket's id |
//! | fencing | a claim carries a token that no store gives twice; who comes after `process_time`, or after somebody else, is refused with [`UpdateError::StaleClaim`] and changes nothing | what the handler did outside the store is not undone; and two handlers may be at work at once, one of them in vain |
//! | order | ready tickets are claimed by `(nice, runat)`, then as they were added | with several workers they may finish in another order; processes that write to one database at once share no finer clock than its own |
//! | not early | no ticket is claimed before its `runat`, by the store's clock; in memory and in SQLite a step of the wall clock does not move the clock of a running process | a process that is started after a step goes by the new time; PostgreSQL goes by the wall clock of its server, see below |
//! | at once | adding a ready ticket wakes an idle worker of the same process | other processes see it at their next poll: within `max_poll_interval`, or at once where PostgreSQL's notifications get through |
//! | bounded | batches, buffers, retries and waits have limits; a store that fails is asked less and less often | the number of tickets is not limited, but by the store's room |
//!
//! | store | an acknowledged change survives | shared by |
//! |---|---|---|
//! | [`MemoryStore`] | nothing: it ends with the process | the threads of a process |
//! | `SqliteStore`, `Full` (default) | `kill -9`, a crash of the system, loss of power, as far as the disk keeps what it was told to | the processes of a machine |
//! | `SqliteStore`, `Normal` | `kill -9`; after a loss of power the last changes may be missing, the file is whole | the processes of a machine |
//! | `PostgresStore` | what the server's `synchronous_commit` and disks survive | processes on any machines |
//!
//! A claim is not waited for: a loss of power may undo it, and the ticket is claimed again. A
//! handler that returns Ok without settling is settled *soon* (up to 2 ms later, or when there is
//! nothing else to do), with others in one call; if the process dies before, the ticket is run
//! again. To know that it is settled, settle it: [`Claim::done`] returns when the store has it.
//!
//! When a wall clock is set an hour ahead or back while tickets wait, nothing is lost, nothing is run
//! after a Done that is durable, and late settling is refused. What is early or late:
//!
//! | store | set ahead by an hour | set back by an hour |
//! |---|---|---|
//! | [`MemoryStore`], `SqliteStore` | nothing, as long as the processes run | nothing, as long as the processes run |
//! | `PostgresStore` | what was due within that hour, and the claims that end in it, come up to an hour early: once | what waits, and the claims of workers that died, come an hour late |
//! | `PostgresStore` with a [`SystemClock`] | as the first two | as the first two |
//!
//! PostgreSQL's own clock is the default because all workers then agree, whatever their machines
//! believe and however long they were suspended; with clocks of their own a worker whose clock is
//! behind loses its claims to the others, and its late results are refused.
//!
//! Not promised: exactly once; an order among tickets that several workers run; that limits hold
//! across processes, or that a process that starts knows what rate the one before it used; that a
//! handler is interrupted when its time is over.
//!
//! # More than a queue
//! - **Tubes**: named queues, of which a Kharon works on some ([`Settings::tubes`]).
//! - **Groups**: tickets that are finished together, with progress, and finalizers that run when
//!   the last one is settled ([`Kharon::open_group`]).
//! - **Unique keys**: one pending ticket for a key ([`NewTicket::unique_key`]).
//! - **Repetition**: every so often or by the calendar, with a stated policy for runs that were
//!   missed ([`Repeat`], [`CatchUp`]).
//! - **Limits** for a type: how many at once, how many in a time ([`Router::limit`]).
//! - **Dead letters**: failed tickets stay and can be brought back ([`Kharon::revive`],
//!   [`Kharon::revive_all`]).
//! - **Figures** for Prometheus ([`Kharon::prometheus`]).
//! - **Simulation**: the same engine and stores under a [`VirtualClock`], one step at a time
//!   ([`Kharon::stepper`]).
//!
//! # Where things are
//! The [`rules`] are pure: what an event does to a ticket at a moment. The [stores](store) keep
//! tickets and apply the rules, each in its own way, and the [`conformance`] suite holds all of
//! them, and anybody else's, to one behaviour. The engine moves tickets between a store and the
//! handlers, and knows no more of a store than its trait.
//!
//! # Threads
//! A running Kharon has as many threads as it has workers, and one that removes what has expired
//! and hands over results that wait. At rest they all sleep. No async runtime is linked, but by
//! the feature `kharon-postgres`, whose client brings its own.

mod bell;
mod claim;
pub mod conformance;
mod cron;
mod engine;
mod error;
mod group;
mod handle;
mod metrics;
mod name;
mod options;
mod payload;
mod router;
pub mod rules;
mod schedule;
mod settings;
pub mod store;
mod ticket;
mod time;

pub use bell::{Bell, Bells};
pub use claim::Claim;
pub use cron::Cron;
pub use engine::{Report, RunError, Step, Stepper};
pub use error::{AddError, GroupError, InvalidTicket, StoreError, StoreFault, UpdateError};
pub use group::{DEFAULT_GROUP_KEEP, Group, MAX_FINALIZERS, NewGroup, Progress};
pub use handle::Kharon;
pub use metrics::{Count, Metrics};
pub use name::{InvalidName, Label, MAX_NAME, TicketId};
pub use options::{Options, Target};
pub use payload::{MAX_PAYLOAD, Payload};
pub use router::{Handled, HandlerError, Router};
pub use rules::{Backoff, Limit};
pub use schedule::{CatchUp, MIN_PERIOD, Repeat, Schedule};
pub use settings::{Settings, SettingsError};
#[cfg(feature = "kharon-sqlite")]
pub use store::{Durability, SqliteOptions, SqliteStore};
pub use store::{MemoryStore, Store};
pub use ticket::{ClaimToken, DEFAULT_NICE, Lease, NewTicket, Status, Ticket, When};
pub use time::{Clock, SystemClock, Timestamp, VirtualClock};
