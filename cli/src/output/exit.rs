//! How a command ends.

use std::process::ExitCode;

/// The exit codes of `hersh`. They are part of its interface and listed in `hersh --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for was done.
    Ok = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line, a file or a setting is wrong; nothing was tried.
    Usage = 2,
    /// No host answered.
    Unreachable = 3,
    /// There is no such program.
    NotFound = 4,
    /// The present state does not allow it.
    Conflict = 5,
    /// It did not come about in time.
    TimedOut = 6,
    /// The host refused the token, or there was none.
    NotAllowed = 7,
    /// Ended with Ctrl-C, as shells count it.
    Interrupted = 130,
}

impl Exit {
    /// Of several results the one to report: the first that is not [`Exit::Ok`].
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Ok { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
