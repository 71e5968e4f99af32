//! A request that the gate itself answers, before any handler saw it.

/// The status and the reason of an answer that the gate gives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

impl Refusal {
    pub(super) const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// A request that breaks the rules of HTTP.
    pub(super) const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}

/// The answer when every thread is busy.
pub(super) const FULL: Refusal = Refusal::new(503, "the server is busy; try again");
/// The answer to a client that did not finish its head.
pub(super) const SLOW_HEAD: Refusal =
    Refusal::new(408, "the head of the request did not arrive in time");
/// The answer to a head beyond its cap.
pub(super) const LARGE_HEAD: Refusal = Refusal::new(431, "the head of the request is too large");
