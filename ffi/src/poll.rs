//! The sink through which a callback hands a value back.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::boundary;
use crate::callback::{HershPollFn, UserData};
use crate::error::{Answer, Failure};
use crate::handle::{self, Lent, handle_of};
use crate::outcome::HershOutcome;
use crate::simulation::Home;
use crate::status::HershStatus;
use crate::text::{json, lock, null, terminated, text};

/// Where a callback finds the value before, and puts the next. Lives until that callback returns.
pub struct HershPoll {
    previous: Option<CString>,
    fetched: Option<CString>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    next: Option<Next>,
    error: Option<String>,
}

/// What a callback says that comes next.
pub(crate) enum Next {
    /// This value.
    Value(Json),
    /// What was before.
    Same,
}

handle_of!(HershPoll, Poll);

/// A callback of C, as a function from one value to the next.
pub(crate) struct Polling {
    call: unsafe extern "C" fn(*mut HershPoll, *mut c_void) -> i32,
    data: Arc<UserData>,
    home: Option<Arc<Home>>,
}

impl Polling {
    pub(crate) fn new(
        call: HershPollFn,
        data: &Arc<UserData>,
        home: Option<&Arc<Home>>,
        argument: &str,
    ) -> Answer<Self> {
        let call = call.ok_or_else(|| null(argument))?;
        Ok(Self { call, data: Arc::clone(data), home: home.cloned() })
    }

    /// The next value, where there must be one.
    pub(crate) fn value(&self, previous: Option<&Json>) -> Result<Json, String> {
        match (self.next(previous, None)?, previous) {
            (Next::Value(value), _) => Ok(value),
            (Next::Same, Some(previous)) => Ok(previous.clone()),
            (Next::Same, None) => Err("it said that nothing changed, and nothing was".to_owned()),
        }
    }

    /// What comes next, seeing what a first step has fetched.
    pub(crate) fn next(
        &self,
        previous: Option<&Json>,
        fetched: Option<&Json>,
    ) -> Result<Next, String> {
        let shown = |value: Option<&Json>| value.map(|value| terminated(&value.to_string()));
        let (previous, fetched) = (shown(previous), shown(fetched));
        let poll = HershPoll { previous, fetched, found: Mutex::default() };
        let lent = Lent::new(poll).map_err(|failure| failure.words)?;
        let _inside = self.home.as_ref().map(|home| home.enter());
        // SAFETY: C gave this function for this data; the handle is alive until it returns.
        let outcome = unsafe { (self.call)(lent.handle(), self.data.pointer()) };
        let Found { next, error } = std::mem::take(&mut *lock(&lent.content().found));
        match (outcome == HershOutcome::Ok as i32, next, error) {
            (true, Some(next), _) => Ok(next),
            (_, _, Some(error)) => Err(error),
            (true, None, None) => Err("it answered HERSH_OUTCOME_OK and set no value".to_owned()),
            (false, _, None) => Err(format!("it answered {outcome} without words")),
        }
    }
}

/// The value before as JSON; NULL when there is none. Valid until the callback returns.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_poll_previous_json(poll: *const HershPoll) -> *const c_char {
    shown(poll, |poll| poll.previous.as_ref())
}

/// What the first step of `hersh_context_watch_call_update` has fetched, as JSON; NULL everywhere
/// but in its second step. Valid until the callback returns.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_poll_fetched_json(poll: *const HershPoll) -> *const c_char {
    shown(poll, |poll| poll.fetched.as_ref())
}

fn shown(poll: *const HershPoll, pick: fn(&HershPoll) -> Option<&CString>) -> *const c_char {
    boundary::value(ptr::null(), || {
        let poll = handle::get(poll, "poll")?;
        Ok(pick(&poll).map_or(ptr::null(), |text| text.as_ptr()))
    })
}

/// Sets the next value. The last call counts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_poll_set_json(
    poll: *mut HershPoll,
    value: *const c_char,
) -> HershStatus {
    boundary::status(|| {
        let poll = handle::get(poll, "poll")?;
        // SAFETY: contract, texts.
        let value = unsafe { json(value, "value") }?;
        lock(&poll.found).next = Some(Next::Value(value));
        Ok(())
    })
}

/// Says that the value stays what it was. The last call counts, of this and of
/// `hersh_poll_set_json`.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_poll_set_same(poll: *mut HershPoll) -> HershStatus {
    boundary::status(|| {
        lock(&handle::get(poll, "poll")?.found).next = Some(Next::Same);
        Ok(())
    })
}

/// Says why there is no next value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_poll_set_error(
    poll: *mut HershPoll,
    words: *const c_char,
) -> HershStatus {
    boundary::status(|| {
        let poll = handle::get(poll, "poll")?;
        // SAFETY: contract, texts.
        let words = unsafe { text(words, "words") }?;
        lock(&poll.found).error = Some(words.to_owned());
        Ok(())
    })
}

/// Lets a failure of an update be told from others.
pub(crate) fn failed(words: String) -> Failure {
    Failure::new(HershStatus::Callback, words)
}
