//! Which handler runs which tickets.
//!
//! It is made before the workers start and does not change afterwards, so they share it without a lock.
//! Handlers run on the workers' threads, several at once; what panics counts as an attempt that failed.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use super::claim::Claim;
use super::name::{InvalidName, Label};
use super::rules::Limit;

/// Why a handler failed: any error, or words. What it says becomes the ticket's `error_reason`.
pub struct HandlerError(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What handlers return.
pub type Handled = Result<(), HandlerError>;

pub(super) type Handler = Box<dyn Fn(&Claim) -> Handled + Send + Sync>;

/// Chooses a handler by a ticket's type.
///
/// ```
/// use hersh::kharon::{Limit, Options, Router};
///
/// let router = Router::new()
///     .handle("greet", |claim| {
///         let name: String = claim.payload.parse()?;
///         claim.done(Options::new().payload(format!("Hello {name}")))?;
///         Ok(())
///     })
///     .limit("greet", Limit::concurrency(2))
///     .not_found(|claim| Err(format!("what is {}?", claim.kind).into()));
/// ```
#[derive(Default)]
pub struct Router {
    pub(super) handlers: HashMap<Label, Handler>,
    pub(super) not_found: Option<Handler>,
    pub(super) limits: HashMap<Label, Limit>,
    pub(super) invalid: Option<InvalidName>,
}

impl Router {
    /// A router without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs this for tickets of a type, instead of what ran for it before. It runs on any worker
    /// thread, and on several at once.
    ///
    /// A type that cannot be a name is refused when the router is run.
    #[must_use]
    pub fn handle<F>(mut self, kind: &str, handler: F) -> Self
    where
        F: Fn(&Claim) -> Handled + Send + Sync + 'static,
    {
        match Label::new(kind) {
            Ok(kind) => _ = self.handlers.insert(kind, Box::new(handler)),
            Err(invalid) => self.invalid = Some(invalid),
        }
        self
    }

    /// Runs this for tickets of all other types. Without it they are Failed.
    #[must_use]
    pub fn not_found<F>(mut self, handler: F) -> Self
    where
        F: Fn(&Claim) -> Handled + Send + Sync + 'static,
    {
        self.not_found = Some(Box::new(handler));
        self
    }

    /// Limits how many tickets of a type this Kharon runs. Other processes do not count.
    #[must_use]
    pub fn limit(mut self, kind: &str, limit: Limit) -> Self {
        match Label::new(kind) {
            Ok(kind) => _ = self.limits.insert(kind, limit),
            Err(invalid) => self.invalid = Some(invalid),
        }
        self
    }

    pub(super) fn handler(&self, kind: &Label) -> Option<&Handler> {
        self.handlers.get(kind).or(self.not_found.as_ref())
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("handlers", &self.handlers.keys())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
