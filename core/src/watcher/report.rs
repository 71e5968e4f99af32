//! What is left when a watcher has ended.

use std::sync::Arc;

use crate::brain::{Message, State};

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// The state in which it ended.
    pub state: State,
    /// Messages that were accepted and not served, oldest first; among them the one whose execution
    /// crashed and was waiting to be retried.
    pub unserved: Vec<Arc<Message>>,
}
