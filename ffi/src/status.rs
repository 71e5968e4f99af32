//! What a function answers.

use std::ffi::{CStr, c_char};

/// What a function answers. The numbers are explicit and never used again for something else;
/// later versions may add some. After anything but `HERSH_STATUS_OK`, `hersh_last_error_message`
/// has the words.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HershStatus {
    /// It was done.
    Ok = 0,
    /// An argument that is needed is NULL.
    NullArgument = 1,
    /// A text is not UTF-8.
    InvalidUtf8 = 2,
    /// A handle is not alive (it was freed, or its callback has returned), or is of another type.
    InvalidHandle = 3,
    /// A number is out of its range.
    InvalidArgument = 4,
    /// A text is not JSON.
    InvalidJson = 5,
    /// A field of the configuration makes no sense; the words name it.
    Config = 6,
    /// The watcher's state does not allow it.
    State = 7,
    /// As many messages, or values of a flow, wait as may wait.
    QueueFull = 8,
    /// No session is under way, or no execution.
    NotRunning = 9,
    /// It did not come in time.
    TimedOut = 10,
    /// A function that waits for the managed function was called from inside it.
    Inside = 11,
    /// One more than the configuration allows.
    Limit = 12,
    /// The name stands for something of another kind.
    Mismatch = 13,
    /// There is nothing of this name.
    NotFound = 14,
    /// No managed function has been set.
    NotManaged = 15,
    /// The parent has been cancelled already.
    ParentCancelled = 16,
    /// The operating system refused something.
    Os = 17,
    /// The computation of a memo asked for that same memo.
    Recursive = 18,
    /// A callback said that it failed.
    Callback = 19,
    /// An update met another one at every attempt.
    Contended = 20,
    /// The flow is closed.
    Closed = 21,
    /// It belongs to another thread.
    WrongThread = 22,
    /// A file is damaged, or was written by something else or by another version. It was left as it
    /// is.
    Unreadable = 23,
    /// There is one with this id or name.
    Exists = 24,
    /// Another pending ticket has this unique key.
    KeyTaken = 25,
    /// The claim is void: its time has passed, or the ticket went on without it.
    StaleClaim = 26,
    /// The ticket is settled already.
    Settled = 27,
    /// The store is out of reach, too busy or full: the same call may succeed later. Whether this
    /// one had an effect is not known.
    StoreUnavailable = 28,
    /// The store is damaged, or refused for good. Whether the call had an effect is not known.
    StoreBroken = 29,
    /// A defect of hersh itself: please report it, with the words.
    Panic = 100,
}

/// Every status with its name.
const NAMED: &[(HershStatus, &CStr)] = &[
    (HershStatus::Ok, c"HERSH_STATUS_OK"),
    (HershStatus::NullArgument, c"HERSH_STATUS_NULL_ARGUMENT"),
    (HershStatus::InvalidUtf8, c"HERSH_STATUS_INVALID_UTF8"),
    (HershStatus::InvalidHandle, c"HERSH_STATUS_INVALID_HANDLE"),
    (HershStatus::InvalidArgument, c"HERSH_STATUS_INVALID_ARGUMENT"),
    (HershStatus::InvalidJson, c"HERSH_STATUS_INVALID_JSON"),
    (HershStatus::Config, c"HERSH_STATUS_CONFIG"),
    (HershStatus::State, c"HERSH_STATUS_STATE"),
    (HershStatus::QueueFull, c"HERSH_STATUS_QUEUE_FULL"),
    (HershStatus::NotRunning, c"HERSH_STATUS_NOT_RUNNING"),
    (HershStatus::TimedOut, c"HERSH_STATUS_TIMED_OUT"),
    (HershStatus::Inside, c"HERSH_STATUS_INSIDE"),
    (HershStatus::Limit, c"HERSH_STATUS_LIMIT"),
    (HershStatus::Mismatch, c"HERSH_STATUS_MISMATCH"),
    (HershStatus::NotFound, c"HERSH_STATUS_NOT_FOUND"),
    (HershStatus::NotManaged, c"HERSH_STATUS_NOT_MANAGED"),
    (HershStatus::ParentCancelled, c"HERSH_STATUS_PARENT_CANCELLED"),
    (HershStatus::Os, c"HERSH_STATUS_OS"),
    (HershStatus::Recursive, c"HERSH_STATUS_RECURSIVE"),
    (HershStatus::Callback, c"HERSH_STATUS_CALLBACK"),
    (HershStatus::Contended, c"HERSH_STATUS_CONTENDED"),
    (HershStatus::Closed, c"HERSH_STATUS_CLOSED"),
    (HershStatus::WrongThread, c"HERSH_STATUS_WRONG_THREAD"),
    (HershStatus::Unreadable, c"HERSH_STATUS_UNREADABLE"),
    (HershStatus::Exists, c"HERSH_STATUS_EXISTS"),
    (HershStatus::KeyTaken, c"HERSH_STATUS_KEY_TAKEN"),
    (HershStatus::StaleClaim, c"HERSH_STATUS_STALE_CLAIM"),
    (HershStatus::Settled, c"HERSH_STATUS_SETTLED"),
    (HershStatus::StoreUnavailable, c"HERSH_STATUS_STORE_UNAVAILABLE"),
    (HershStatus::StoreBroken, c"HERSH_STATUS_STORE_BROKEN"),
    (HershStatus::Panic, c"HERSH_STATUS_PANIC"),
];

/// The name of a status, for a log: `"HERSH_STATUS_QUEUE_FULL"`; for a number that is none,
/// `"HERSH_STATUS_UNKNOWN"`. Never NULL, valid for the life of the process, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_status_name(status: i32) -> *const c_char {
    let known = NAMED.iter().find(|(known, _)| *known as i32 == status);
    known.map_or(c"HERSH_STATUS_UNKNOWN", |(_, name)| *name).as_ptr()
}

/// The version of the library that runs, like `"0.1.0"`; the header's is `HERSH_VERSION`. Never
/// NULL, valid for the life of the process, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
