//! The sink through which a callback hands a value back.

use std::ffi::{CString, c_char, c_void};
use std::ptr;
use std::sync::Mutex;

use serde_json::Value as Json;

use crate::boundary;
use crate::callback::{HershPollFn, UserData};
use crate::error::{Answer, Failure};
use crate::handle::{self, Handle, Lent, Table, Tag};
use crate::outcome::HershOutcome;
use crate::status::HershStatus;
use crate::text::{json, lock, null, terminated, text};

/// Where a callback finds the value before, and puts the next. Lives until that callback returns.
pub struct HershPoll {
    previous: Option<CString>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    value: Option<Json>,
    error: Option<String>,
}

static POLLS: Table<HershPoll> = Table::new();

impl Handle for HershPoll {
    const TAG: Tag = Tag::Poll;

    fn table() -> &'static Table<Self> {
        &POLLS
    }
}

/// A callback of C, as a function from one value to the next.
pub(crate) struct Polling {
    call: unsafe extern "C" fn(*mut HershPoll, *mut c_void) -> i32,
    data: UserData,
}

impl Polling {
    pub(crate) fn new(call: HershPollFn, data: UserData, argument: &str) -> Answer<Self> {
        let call = call.ok_or_else(|| null(argument))?;
        Ok(Self { call, data })
    }

    pub(crate) fn next(&self, previous: Option<&Json>) -> Result<Json, String> {
        let previous = previous.map(|previous| terminated(&previous.to_string()));
        let poll = HershPoll { previous, found: Mutex::default() };
        let lent = Lent::new(poll).map_err(|failure| failure.words)?;
        // SAFETY: C gave this function for this data; the handle is alive until it returns.
        let outcome = unsafe { (self.call)(lent.handle(), self.data.pointer()) };
        let sink = lent.content().map_err(|failure| failure.words)?;
        let Found { value, error } = std::mem::take(&mut *lock(&sink.found));
        match (outcome == HershOutcome::Ok as i32, value, error) {
            (true, Some(value), _) => Ok(value),
            (_, _, Some(error)) => Err(error),
            (true, None, None) => Err("it answered HERSH_OUTCOME_OK and set no value".to_owned()),
            (false, _, None) => Err(format!("it answered {outcome} without words")),
        }
    }
}

/// The value before as JSON; NULL when there is none. Valid until the callback returns.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_poll_previous_json(poll: *const HershPoll) -> *const c_char {
    boundary::value(ptr::null(), || {
        let poll = handle::get(poll, "poll")?;
        Ok(poll.previous.as_ref().map_or(ptr::null(), |previous| previous.as_ptr()))
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
        lock(&poll.found).value = Some(value);
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
