//! `Idempotency-Key`: the same request sent twice, because the first answer got lost, does its
//! work once and is answered the same twice.
//!
//! Kept in memory and bounded: a key is good for a client's retries, not for ever. After a restart
//! of the host a name that is taken still keeps a program from being created twice.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use super::error::ApiError;

// The answers kept; the oldest go first.
const MAX_KEYS: usize = 1_000;
const MAX_KEY_CHARS: usize = 255;

type Hash = [u8; 32];

#[derive(Debug)]
struct Entry {
    request: Hash,
    // The answer, or `None` while the first request is under way.
    answer: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<String, Entry>,
    // Keys with an answer, oldest first. Those under way are bounded by the gate's threads.
    answered: VecDeque<String>,
}

/// The keys that were used lately.
#[derive(Debug, Default)]
pub(super) struct Idempotency {
    known: Mutex<Known>,
}

impl Idempotency {
    /// Does `work` unless the same key did it before with the same `request`, and returns the JSON
    /// it answered. A failure is not kept: the key may be used again.
    pub(super) fn once(
        &self,
        key: Option<&str>,
        request: &[u8],
        work: impl FnOnce() -> Result<Vec<u8>, ApiError>,
    ) -> Result<Vec<u8>, ApiError> {
        let Some(key) = key else { return work() };
        if key.is_empty() || key.len() > MAX_KEY_CHARS || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            return Err(ApiError::new(400, message));
        }
        let hash: Hash = Sha256::digest(request).into();
        if let Some(answer) = self.begin(key, hash)? {
            return Ok(answer);
        }
        // Frees the key if `work` fails or panics.
        let claim = Claim { keys: self, key };
        let answer = work()?;
        claim.settle(&answer);
        Ok(answer)
    }

    fn begin(&self, key: &str, request: Hash) -> Result<Option<Vec<u8>>, ApiError> {
        let mut known = self.lock();
        match known.entries.get(key) {
            Some(entry) if entry.request != request => {
                Err(ApiError::new(409, "this Idempotency-Key was used with another request"))
            }
            Some(Entry { answer: None, .. }) => {
                Err(ApiError::new(409, "the request with this Idempotency-Key is still under way"))
            }
            Some(Entry { answer, .. }) => Ok(answer.clone()),
            None => {
                known.entries.insert(key.to_owned(), Entry { request, answer: None });
                Ok(None)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change below is whole before anything can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Claim<'a> {
    keys: &'a Idempotency,
    key: &'a str,
}

impl Claim<'_> {
    fn settle(self, answer: &[u8]) {
        let mut known = self.keys.lock();
        if let Some(entry) = known.entries.get_mut(self.key) {
            entry.answer = Some(answer.to_vec());
            known.answered.push_back(self.key.to_owned());
        }
        if known.answered.len() > MAX_KEYS
            && let Some(oldest) = known.answered.pop_front()
        {
            known.entries.remove(&oldest);
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut known = self.keys.lock();
        if known.entries.get(self.key).is_some_and(|entry| entry.answer.is_none()) {
            known.entries.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unexpected() -> Result<Vec<u8>, ApiError> {
        panic!("done twice")
    }

    #[test]
    fn the_same_request_is_done_once() {
        let keys = Idempotency::default();
        let first = keys.once(Some("k"), b"body", || Ok(b"answer".to_vec())).unwrap();
        assert_eq!(keys.once(Some("k"), b"body", unexpected).unwrap(), first);
        let other = keys.once(Some("k"), b"another body", unexpected).unwrap_err();
        assert!(format!("{other:?}").contains("another request"));
    }

    #[test]
    fn a_failure_frees_the_key_and_a_request_under_way_holds_it() {
        let keys = Idempotency::default();
        keys.once(Some("k"), b"", || Err(ApiError::new(400, "no"))).unwrap_err();
        let answer = keys.once(Some("k"), b"", || {
            let inside = keys.once(Some("k"), b"", unexpected).unwrap_err();
            assert!(format!("{inside:?}").contains("under way"));
            Ok(vec![1])
        });
        assert_eq!(answer.unwrap(), [1]);
    }

    #[test]
    fn keys_are_bounded_and_checked() {
        let keys = Idempotency::default();
        for number in 0..MAX_KEYS + 10 {
            keys.once(Some(&number.to_string()), b"", || Ok(Vec::new())).unwrap();
        }
        assert_eq!(keys.lock().entries.len(), MAX_KEYS);
        for wrong in ["", "a b", &"x".repeat(256)] {
            assert!(keys.once(Some(wrong), b"", unexpected).is_err());
        }
        assert_eq!(keys.once(None, b"", || Ok(vec![2])).unwrap(), [2]);
    }
}
