//! How much of the host one program may take up.
//!
//! A request that waits for a program holds a thread of the host, and an answer without end holds
//! one too. A program that does not answer must not use up those that the others need.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use super::ApiError;
use crate::program::ProgramId;

/// The requests under way, by program.
#[derive(Debug, Clone)]
pub(in crate::host) struct Lanes {
    most: usize,
    taken: Arc<Mutex<HashMap<ProgramId, usize>>>,
}

/// One request's place, given back when it is dropped.
#[derive(Debug)]
pub(in crate::host) struct Lane {
    lanes: Lanes,
    id: ProgramId,
}

impl Lanes {
    /// At most so many requests to one program at a time.
    pub(in crate::host) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// Takes a place, or says that the program has all it may have.
    pub(in crate::host) fn enter(&self, id: &ProgramId) -> Result<Lane, ApiError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(id).copied().unwrap_or(0);
        if count >= self.most {
            let message = format!("{count} requests wait for this program already");
            return Err(ApiError::new(503, message).with_header("Retry-After", "1"));
        }
        taken.insert(id.clone(), count + 1);
        Ok(Lane { lanes: self.clone(), id: id.clone() })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut taken = self.lanes.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.id)),
        }
    }
}

/// A source that keeps its place until it is dropped.
pub(super) struct InLane<R> {
    pub(super) source: R,
    pub(super) _lane: Lane,
}

impl<R: Read> Read for InLane<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.source.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_all_it_may_leaves_the_others_theirs() {
        let id = |last: u32| -> ProgramId {
            format!("ann-build-0123456789ab-{last:08x}").parse().unwrap()
        };
        let lanes = Lanes::new(2);
        let first = lanes.enter(&id(1)).unwrap();
        let _second = lanes.enter(&id(1)).unwrap();
        lanes.enter(&id(1)).unwrap_err();
        drop(lanes.enter(&id(2)).unwrap());
        drop(first);
        drop(lanes.enter(&id(1)).unwrap());
        assert_eq!(lanes.taken.lock().unwrap().len(), 1, "programs at rest are forgotten");
    }
}
