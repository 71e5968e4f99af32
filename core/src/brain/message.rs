//! User messages.

use super::time::Time;

/// A message sent to a watcher by its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    id: u64,
    content: String,
    sent: Time,
}

impl Message {
    pub(crate) fn new(id: u64, content: String, sent: Time) -> Self {
        Self { id, content, sent }
    }

    /// Counts from 1 in the order in which the watcher accepted messages.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What was sent.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// When it was accepted, on the watcher's clock.
    pub fn sent(&self) -> Time {
        self.sent
    }
}
