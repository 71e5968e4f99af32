//! What a function answers.

use std::ffi::c_char;

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
    /// A defect of hersh itself: please report it, with the words.
    Panic = 100,
}

impl HershStatus {
    const fn name(self) -> &'static std::ffi::CStr {
        match self {
            Self::Ok => c"HERSH_STATUS_OK",
            Self::NullArgument => c"HERSH_STATUS_NULL_ARGUMENT",
            Self::InvalidUtf8 => c"HERSH_STATUS_INVALID_UTF8",
            Self::InvalidHandle => c"HERSH_STATUS_INVALID_HANDLE",
            Self::InvalidArgument => c"HERSH_STATUS_INVALID_ARGUMENT",
            Self::InvalidJson => c"HERSH_STATUS_INVALID_JSON",
            Self::Config => c"HERSH_STATUS_CONFIG",
            Self::State => c"HERSH_STATUS_STATE",
            Self::QueueFull => c"HERSH_STATUS_QUEUE_FULL",
            Self::NotRunning => c"HERSH_STATUS_NOT_RUNNING",
            Self::TimedOut => c"HERSH_STATUS_TIMED_OUT",
            Self::Inside => c"HERSH_STATUS_INSIDE",
            Self::Limit => c"HERSH_STATUS_LIMIT",
            Self::Mismatch => c"HERSH_STATUS_MISMATCH",
            Self::NotFound => c"HERSH_STATUS_NOT_FOUND",
            Self::NotManaged => c"HERSH_STATUS_NOT_MANAGED",
            Self::ParentCancelled => c"HERSH_STATUS_PARENT_CANCELLED",
            Self::Os => c"HERSH_STATUS_OS",
            Self::Recursive => c"HERSH_STATUS_RECURSIVE",
            Self::Callback => c"HERSH_STATUS_CALLBACK",
            Self::Contended => c"HERSH_STATUS_CONTENDED",
            Self::Closed => c"HERSH_STATUS_CLOSED",
            Self::Panic => c"HERSH_STATUS_PANIC",
        }
    }

    const ALL: [Self; 23] = [
        Self::Ok,
        Self::NullArgument,
        Self::InvalidUtf8,
        Self::InvalidHandle,
        Self::InvalidArgument,
        Self::InvalidJson,
        Self::Config,
        Self::State,
        Self::QueueFull,
        Self::NotRunning,
        Self::TimedOut,
        Self::Inside,
        Self::Limit,
        Self::Mismatch,
        Self::NotFound,
        Self::NotManaged,
        Self::ParentCancelled,
        Self::Os,
        Self::Recursive,
        Self::Callback,
        Self::Contended,
        Self::Closed,
        Self::Panic,
    ];
}

/// The name of a status, for a log: `"HERSH_STATUS_QUEUE_FULL"`; for a number that is none,
/// `"HERSH_STATUS_UNKNOWN"`. Never NULL, valid for the life of the process, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_status_name(status: i32) -> *const c_char {
    let known = HershStatus::ALL.into_iter().find(|known| *known as i32 == status);
    known.map_or(c"HERSH_STATUS_UNKNOWN", HershStatus::name).as_ptr()
}

/// The version of the library that runs, like `"0.1.0"`; the header's is `HERSH_VERSION`. Never
/// NULL, valid for the life of the process, from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
