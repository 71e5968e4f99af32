//! One execution, seen from inside.

mod keeping;
mod lending;
mod watching;

use std::collections::BTreeSet;
use std::ffi::{CString, c_char};
use std::mem;
use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hersh::{Context, Trigger};
use serde_json::{Value as Json, json};

use crate::boundary;
use crate::error::{Answer, Failure};
use crate::outcome::HershOutcome;
use crate::simulation::Home;
use crate::status::HershStatus;
use crate::text::{Out, lock, terminated, text, whole};
use keeping::Kept;
use lending::with;
pub(crate) use lending::{HershContext, Lender};

#[cfg(test)]
pub(crate) use {keeping::*, watching::*};

/// One execution, as C sees it.
struct Execution<'a> {
    context: &'a Context,
    held: &'a Arc<Mutex<Held>>,
    home: Option<&'a Arc<Home>>,
}

/// What is held for an execution until its callback returns.
#[derive(Default)]
struct Held {
    /// The words that come with the outcome.
    reason: Option<String>,
    /// Texts that C reads.
    texts: BTreeSet<CString>,
    /// Memos that C uses, though they may be cleared meanwhile.
    memos: Vec<Arc<Kept>>,
}

impl Held {
    /// Lets go of it all but for the words, which are answered. Mostly there is nothing.
    fn let_go(&mut self) -> Option<String> {
        if !self.texts.is_empty() || !self.memos.is_empty() {
            let Self { reason, .. } = mem::take(self);
            return reason;
        }
        self.reason.take()
    }
}

impl Deref for Execution<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        self.context
    }
}

impl Execution<'_> {
    /// Keeps a text until the callback returns. The same text is kept once.
    fn keep(&self, text: &str) -> *const c_char {
        let text = terminated(text);
        let texts = &mut lock(self.held).texts;
        if let Some(kept) = texts.get(&text) {
            return kept.as_ptr();
        }
        let address = text.as_ptr();
        texts.insert(text);
        address
    }

    /// Keeps a text with the NULs that it may have within.
    fn keep_whole(&self, text: &str) -> *const c_char {
        if text.contains('\0') {
            return self.keep_memo(Arc::new(Kept::Text(whole(text))));
        }
        self.keep(text)
    }

    /// Keeps a memo, or what is like one.
    fn keep_memo<T>(&self, memo: Arc<Kept>) -> *mut T {
        let address = memo.address();
        lock(self.held).memos.push(memo);
        address
    }
}

/// Runs the work of a function that answers with a status, on the execution of a context.
fn status(
    context: *const HershContext,
    work: impl FnOnce(&Execution<'_>) -> Answer,
) -> HershStatus {
    boundary::status(|| with(context, work))
}

/// Runs the work of a function that answers with a value, on the execution of a context.
fn value<A>(
    context: *const HershContext,
    otherwise: A,
    work: impl FnOnce(&Execution<'_>) -> Answer<A>,
) -> A {
    boundary::value(otherwise, || with(context, work))
}

/// Why an execution runs. The numbers are explicit and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershTrigger {
    /// No trigger: it was not a context.
    Invalid = -1,
    /// The session began.
    Init = 0,
    /// A message arrived.
    Message = 1,
    /// Watched variables changed; `triggered` of each says which.
    Vars = 2,
    /// The session ends: this is the cleanup function.
    Cleanup = 3,
}

/// Why this execution runs; `HERSH_TRIGGER_INVALID` when it is no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_trigger(context: *const HershContext) -> HershTrigger {
    value(context, HershTrigger::Invalid, |context| {
        Ok(match context.trigger() {
            Trigger::Init => HershTrigger::Init,
            Trigger::Message => HershTrigger::Message,
            Trigger::Cleanup => HershTrigger::Cleanup,
            _ => HershTrigger::Vars,
        })
    })
}

/// Why this execution runs, in full, as JSON: `{"trigger": "Vars", "vars": [{"name", "old", "new"}]}`
/// with the watched variables that changed, in the order in which they were first watched; `old` is
/// null for a first value, and `vars` is empty for other triggers. Valid until the callback returns;
/// NULL when it is no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_trigger_json(context: *const HershContext) -> *const c_char {
    value(context, ptr::null(), |context| {
        let trigger = context.trigger();
        let vars = trigger.changes().iter().map(|change| {
            json!({
                "name": change.name(),
                "old": change.old().and_then(|old| old.to_json().ok()),
                "new": change.new_value().to_json().ok(),
            })
        });
        let shown = json!({ "trigger": trigger.as_str(), "vars": vars.collect::<Json>() });
        Ok(context.keep(&shown.to_string()))
    })
}

/// The message that triggered this execution: its text, which ends with a NUL that is not counted,
/// and its length in bytes, by which a text with NULs within can be read whole.
/// `HERSH_STATUS_NOT_FOUND` when there is none. `length` may be NULL. Valid until the callback
/// returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_message(
    context: *const HershContext,
    text: *mut *const c_char,
    length: *mut usize,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, outputs.
        let (text, length) = unsafe { (Out::new(text, "text")?, Out::optional(length)) };
        let message = context.message().ok_or_else(|| {
            Failure::new(HershStatus::NotFound, "this execution serves no message")
        })?;
        text.set(context.keep_whole(message.content()));
        if let Some(length) = length {
            length.set(message.content().len());
        }
        Ok(())
    })
}

/// Counts the messages of a session from 1; 0 when this execution serves none.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_message_id(context: *const HershContext) -> u64 {
    value(context, 0, |context| Ok(context.message().map_or(0, hersh::Message::id)))
}

/// Counts from 1; above 1 this is a retry after a crash, with the same message and trigger. 0 in
/// the cleanup function, and when it is no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_attempt(context: *const HershContext) -> u32 {
    value(context, 0, |context| Ok(context.attempt()))
}

/// The number of this execution in its session, from 1, retries counted too; 0 when it is no
/// context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_execution(context: *const HershContext) -> u64 {
    value(context, 0, |context| Ok(context.execution()))
}

/// The watcher's id, until the callback returns; NULL when it is no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_watcher_id(context: *const HershContext) -> *const c_char {
    value(context, ptr::null(), |context| Ok(context.keep(context.watcher_id())))
}

pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time on the watcher's clock, in milliseconds since the Unix epoch; 0 when it is no context
/// that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_now_ms(context: *const HershContext) -> u64 {
    value(context, 0, |context| Ok(unix_ms(context.now())))
}

/// When this execution will count as timed out, in milliseconds since the Unix epoch; 0 when it is
/// no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_deadline_ms(context: *const HershContext) -> u64 {
    value(context, 0, |context| Ok(unix_ms(context.deadline())))
}

/// How many milliseconds this execution has left; 0 once its deadline has passed, and when it is no
/// context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_remaining_ms(context: *const HershContext) -> u64 {
    value(context, 0, |context| {
        let left = context.remaining().as_millis();
        Ok(u64::try_from(left).unwrap_or(u64::MAX))
    })
}

/// Whether the callback should return soon: its deadline has passed, or the watcher is being
/// stopped or killed. `true` when it is no context that is alive.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_cancelled(context: *const HershContext) -> bool {
    value(context, true, |context| Ok(context.cancelled()))
}

/// Waits for `milliseconds`, or until this execution is cancelled; whether the whole time has
/// passed.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_context_sleep_ms(context: *const HershContext, milliseconds: u64) -> bool {
    value(context, false, |context| Ok(context.sleep(Duration::from_millis(milliseconds))))
}

/// Writes a line to the watcher's context log.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_log(
    context: *const HershContext,
    words: *const c_char,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, texts.
        context.log(unsafe { text(words, "words") }?);
        Ok(())
    })
}

/// An environment value of the watcher, until the callback returns; NULL when there is none of this
/// key, or an argument is wrong.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_get_env(
    context: *const HershContext,
    key: *const c_char,
) -> *const c_char {
    value(context, ptr::null(), |context| {
        // SAFETY: contract, texts.
        let key = unsafe { text(key, "key") }?;
        context.get_env(key).map(|value| context.keep(value)).ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("no environment value {key:?}"))
        })
    })
}

/// Remembers the words for the outcome. The outcome is meant also where the words are wrong: a
/// function that wants to stop must not go on because its reason was not UTF-8.
fn with_words(
    context: *const HershContext,
    words: *const c_char,
    argument: &str,
    outcome: HershOutcome,
) -> HershOutcome {
    value(context, outcome, |context| {
        // SAFETY: contract, texts.
        let words = unsafe { text(words, argument) }?;
        lock(context.held).reason = Some(words.to_owned());
        Ok(outcome)
    })
}

/// The outcome of a normal error with these words: `return hersh_context_error(context, "…");`
/// Always `HERSH_OUTCOME_ERROR`; words that are NULL or not UTF-8 are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_error(
    context: *const HershContext,
    words: *const c_char,
) -> HershOutcome {
    with_words(context, words, "words", HershOutcome::Error)
}

/// The outcome that ends the watcher in good order. Always `HERSH_OUTCOME_STOP`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_stop(
    context: *const HershContext,
    reason: *const c_char,
) -> HershOutcome {
    with_words(context, reason, "reason", HershOutcome::Stop)
}

/// The outcome that ends the watcher at once. Always `HERSH_OUTCOME_KILL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_kill(
    context: *const HershContext,
    reason: *const c_char,
) -> HershOutcome {
    with_words(context, reason, "reason", HershOutcome::Kill)
}

/// The outcome that asks for recovery. Always `HERSH_OUTCOME_CRASH`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_crash(
    context: *const HershContext,
    reason: *const c_char,
) -> HershOutcome {
    with_words(context, reason, "reason", HershOutcome::Crash)
}
