//! Texts and outputs: what C points at.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::fmt::Display;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::boundary;
use crate::error::{Answer, Failure};
use crate::status::HershStatus;

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn null(argument: &str) -> Failure {
    Failure::new(HershStatus::NullArgument, format_args!("{argument} is NULL"))
}

/// A text argument.
///
/// # Safety
/// `text` is NULL or points to text that ends with a NUL and stays as it is while in use.
pub(crate) unsafe fn text<'a>(text: *const c_char, argument: &str) -> Answer<&'a str> {
    if text.is_null() {
        return Err(null(argument));
    }
    // SAFETY: not NULL, and so what the caller vouches for.
    utf8(unsafe { CStr::from_ptr(text) }.to_bytes(), argument)
}

/// A text argument that may be NULL.
///
/// # Safety
/// See [`text`].
pub(crate) unsafe fn optional_text<'a>(
    place: *const c_char,
    argument: &str,
) -> Answer<Option<&'a str>> {
    if place.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's duty is the same.
    unsafe { text(place, argument) }.map(Some)
}

/// An argument of `length` bytes. NULL is fine where there are none.
///
/// # Safety
/// `bytes` is NULL or points to at least `length` bytes that stay as they are while in use.
pub(crate) unsafe fn raw<'a>(bytes: *const u8, length: usize, argument: &str) -> Answer<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(null(argument));
    }
    if isize::try_from(length).is_err() {
        let words = format_args!("{argument} cannot have {length} bytes");
        return Err(Failure::new(HershStatus::InvalidArgument, words));
    }
    // SAFETY: not NULL, of a possible length, and so what the caller vouches for.
    Ok(unsafe { std::slice::from_raw_parts(bytes, length) })
}

/// An argument of `length` bytes, which must be UTF-8.
///
/// # Safety
/// See [`raw`].
pub(crate) unsafe fn bytes<'a>(bytes: *const u8, length: usize, argument: &str) -> Answer<&'a str> {
    // SAFETY: the caller's duty is the same.
    utf8(unsafe { raw(bytes, length, argument) }?, argument)
}

fn utf8<'a>(bytes: &'a [u8], argument: &str) -> Answer<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let words = format_args!("{argument} is not UTF-8: {error}");
        Failure::new(HershStatus::InvalidUtf8, words)
    })
}

/// A JSON argument.
///
/// # Safety
/// See [`text`].
pub(crate) unsafe fn json(json: *const c_char, argument: &str) -> Answer<serde_json::Value> {
    // SAFETY: the caller's duty is the same.
    let text = unsafe { text(json, argument) }?;
    serde_json::from_str(text).map_err(|error| {
        let words = format_args!("{argument} is not JSON: {error}");
        Failure::new(HershStatus::InvalidJson, words)
    })
}

/// What C named by its number, as one of those there are.
pub(crate) fn numbered<T: Copy>(number: i32, known: &[(i32, T)], argument: &str) -> Answer<T> {
    let found = known.iter().find(|(known, _)| *known == number).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let words = format_args!("{argument}: {number} is the number of nothing");
        Failure::new(HershStatus::InvalidArgument, words)
    })
}

/// Where a function writes what it found; written on success only.
pub(crate) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `place` is NULL or may be written until the exported function returns.
    pub(crate) unsafe fn new(place: *mut T, argument: &str) -> Answer<Self> {
        NonNull::new(place).map(Self).ok_or_else(|| null(argument))
    }

    /// An output that the caller may do without.
    ///
    /// # Safety
    /// See [`Out::new`].
    pub(crate) unsafe fn optional(place: *mut T) -> Option<Self> {
        NonNull::new(place).map(Self)
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: whoever made this vouched for the place; what was there is C's and not dropped.
        unsafe { self.0.write(value) }
    }
}

/// Text as C reads it: up to its first NUL, if there is one within.
pub(crate) fn terminated(text: &str) -> CString {
    let visible = text.split('\0').next().unwrap_or_default();
    CString::new(visible).unwrap_or_default()
}

/// Text as C reads it by its length, with the NULs that it may have within. One more ends it.
pub(crate) fn whole(text: &str) -> Box<[u8]> {
    [text.as_bytes(), b"\0"].concat().into()
}

/// Room for one text after another, so that a text each execution is no allocation each execution.
#[derive(Default)]
pub(crate) struct Room(Vec<u8>);

impl Room {
    /// The most bytes that are kept for the next text.
    const KEPT: usize = 64 * 1024;

    /// Holds a text until the next. C reads it up to its first NUL, if there is one within.
    pub(crate) fn hold(&mut self, text: &str) -> *const c_char {
        self.0.clear();
        self.0.shrink_to(Self::KEPT);
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self.0.as_ptr().cast()
    }
}

/// The strings that C owns, by their address.
static STRINGS: Mutex<BTreeMap<usize, CString>> = Mutex::new(BTreeMap::new());

/// Hands a string over to C, which gives it back with `hersh_string_free`.
pub(crate) fn hand_over(text: &str) -> *mut c_char {
    let string = terminated(text);
    let address = string.as_ptr().cast_mut();
    lock(&STRINGS).insert(address as usize, string);
    address
}

/// Answers with a text, or with JSON, that C gives back with `hersh_string_free`.
pub(crate) fn tell<T: Display>(
    place: *mut *mut c_char,
    argument: &str,
    find: impl FnOnce() -> Answer<T>,
) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(place, argument) }?;
        out.set(hand_over(&find()?.to_string()));
        Ok(())
    })
}

/// How many strings C owns.
pub(crate) fn strings_alive() -> usize {
    lock(&STRINGS).len()
}

/// Frees a string that a function of hersh has handed over. NULL is fine. A string that is not one
/// of hersh, or was freed before, is `HERSH_STATUS_INVALID_HANDLE`. From any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_string_free(string: *mut c_char) -> HershStatus {
    boundary::status(|| {
        if string.is_null() || lock(&STRINGS).remove(&(string as usize)).is_some() {
            return Ok(());
        }
        let words = "string was not handed over by hersh, or has been freed already";
        Err(Failure::new(HershStatus::InvalidHandle, words))
    })
}
