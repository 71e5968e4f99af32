//! `Idempotency-Key`: the same request sent twice, because the first answer got lost, does its
//! work once and is answered the same twice; also by a host that was ended and started again.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::ApiError;
use crate::host::registry::{KeyedAnswer, RequestKey};
use crate::host::{Host, HostError, ProgramView};

const MAX_KEY_CHARS: usize = 255;

/// The keys of requests that are under way. They are bounded by the gate's threads; the others are
/// in the registry.
#[derive(Debug, Default)]
pub(super) struct Idempotency {
    under_way: Mutex<HashSet<RequestKey>>,
}

/// What is to be done about a request with a key.
pub(super) enum Begun<'a> {
    /// It was done before, and answered with this.
    Answered(Vec<u8>),
    /// It is to be done now.
    Claimed(Claim<'a>),
}

/// A key that nobody else can use meanwhile.
pub(super) struct Claim<'a> {
    keys: &'a Idempotency,
    host: &'a Host,
    key: RequestKey,
    request: String,
}

impl Idempotency {
    /// Looks what is to be done about the request of this hash.
    pub(super) fn begin<'a>(
        &'a self,
        host: &'a Host,
        key: RequestKey,
        request: String,
    ) -> Result<Begun<'a>, ApiError> {
        let text = &key.key;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_KEY_CHARS || !is_plain {
            let message = "Idempotency-Key must be 1 to 255 visible ASCII characters";
            return Err(ApiError::new(400, message));
        }
        if !self.lock().insert(key.clone()) {
            let message = "the request with this Idempotency-Key is still under way";
            return Err(ApiError::new(409, message));
        }
        // From here on the key is given back, whatever happens.
        let claim = Claim { keys: self, host, key, request };
        match host.keyed(&claim.key)? {
            // The host ended before it could do what it had noted.
            Some(noted) if !noted.settled && !is_there(host, &noted) => Ok(Begun::Claimed(claim)),
            Some(noted) if noted.request != claim.request => {
                Err(ApiError::new(409, "this Idempotency-Key was used with another request"))
            }
            Some(noted) => Ok(Begun::Answered(noted.answer)),
            None => Ok(Begun::Claimed(claim)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RequestKey>> {
        // Every change of it is whole before anything can panic.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_there(host: &Host, noted: &KeyedAnswer) -> bool {
    noted.program_id.parse().is_ok_and(|id| host.get(&id).is_ok())
}

impl Claim<'_> {
    /// Notes the answer before the program is made.
    pub(super) fn note(&self, program: &ProgramView, answer: &[u8]) -> Result<(), HostError> {
        self.host.note_key(&self.key, &self.request, &program.program_id, answer)
    }

    /// Notes that the program was made. Where that cannot be noted, the program itself tells it.
    pub(super) fn settle(self) {
        let _ = self.host.settle_key(&self.key);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}
