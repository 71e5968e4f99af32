//! Context values and memos.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Execution, HershContext, status, value, with};
use crate::callback::{HershFreeFn, HershMemoFn, HershPollFn, UserData};
use crate::error::Failure;
use crate::poll::{Polling, failed};
use crate::status::HershStatus;
use crate::text::{Out, json, null, tell, text};

/// Something that C reads for as long as it is kept.
pub(super) enum Kept {
    Text(Box<[u8]>),
    Memo(UserData),
}

impl Kept {
    pub(super) fn address<T>(&self) -> *mut T {
        match self {
            Self::Text(text) => text.as_ptr().cast_mut().cast(),
            Self::Memo(data) => data.pointer().cast(),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a pointer of C to {:p}", self.address::<c_void>())
    }
}

/// A context value as JSON, which the caller frees with `hersh_string_free`.
/// `HERSH_STATUS_NOT_FOUND` when it was never set in this session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_get_value_json(
    context: *const HershContext,
    key: *const c_char,
    value: *mut *mut c_char,
) -> HershStatus {
    let found = |context: &Execution<'_>| {
        // SAFETY: contract, texts.
        let key = unsafe { text(key, "key") }?;
        context.get_value::<Json>(key)?.ok_or_else(|| {
            Failure::new(HershStatus::NotFound, format_args!("no value {key:?} in this session"))
        })
    };
    tell(value, "value", || with(context, found))
}

/// Sets a context value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_set_value_json(
    context: *const HershContext,
    key: *const c_char,
    value: *const c_char,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, texts.
        let (key, value) = unsafe { (text(key, "key")?, json(value, "value")?) };
        context.set_value(key, value);
        Ok(())
    })
}

/// Replaces a context value by what `update` makes of it: `hersh_poll_previous_json` is the value
/// before, or NULL. Atomic; for that `update` may be called again, with a newer value, when another
/// thread was faster. When it fails, the value stays what it was: `HERSH_STATUS_CALLBACK`. It is
/// called on this thread, before this function returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_update_value_json(
    context: *const HershContext,
    key: *const c_char,
    update: HershPollFn,
    user_data: *mut c_void,
) -> HershStatus {
    status(context, |context| {
        let data = Arc::new(UserData::new(user_data, None));
        let polling = Polling::new(update, &data, context.home, "update")?;
        // SAFETY: contract, texts.
        let key = unsafe { text(key, "key") }?;
        let mut words = None;
        let updated = context.update_value::<Json>(key, |old| {
            polling.value(old.as_ref()).map_err(|error| {
                words = Some(error.clone());
                error.into()
            })
        });
        match (updated, words) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(words)) => Err(failed(words)),
            (Err(error), None) => Err(error.into()),
        }
    })
}

/// A pointer that is computed once per session, also when two threads ask at once. `compute` is
/// called on this thread, before this function returns, if it is needed at all. What it answers is
/// freed with `free_value`, which may be NULL, when the memo is cleared, the next session begins or
/// the watcher is freed, and not before the callbacks that were given it return.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_memo(
    context: *const HershContext,
    name: *const c_char,
    compute: HershMemoFn,
    user_data: *mut c_void,
    free_value: HershFreeFn,
    value: *mut *mut c_void,
) -> HershStatus {
    status(context, |context| {
        // SAFETY: contract, texts and outputs.
        let (name, out) = unsafe { (text(name, "name")?, Out::new(value, "value")?) };
        let compute = compute.ok_or_else(|| null("compute"))?;
        let memo = context.try_memo(name, || {
            // SAFETY: C gave this function for this data.
            let value = unsafe { compute(user_data) };
            if value.is_null() {
                return Err(format!("the computation of memo {name:?} answered NULL"));
            }
            Ok(Kept::Memo(UserData::new(value, free_value)))
        })?;
        out.set(context.keep_memo(memo));
        Ok(())
    })
}

/// Forgets a memo; the next `hersh_context_memo` computes it anew. Whether there was one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_context_clear_memo(
    context: *const HershContext,
    name: *const c_char,
) -> bool {
    value(context, false, |context| {
        // SAFETY: contract, texts.
        Ok(context.clear_memo(unsafe { text(name, "name") }?))
    })
}
