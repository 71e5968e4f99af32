//! What a command says when it could not do its work.

use std::fmt;

use super::exit::Exit;

/// The end of a command that failed: what happened and to what, what to do, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    what: String,
    remedy: Option<String>,
}

impl Failure {
    /// A failure that says `what` happened, and to what.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), remedy: None }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What happened, and to what.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// Writing to standard output or error failed. A reader that went away (`hersh ps | head -1`) is
/// not a failure: [`crate::run`] ends quietly then.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new(Exit::Ok, String::new())
        } else {
            Self::new(Exit::Failed, format!("cannot write the output: {error}"))
        }
    }
}
