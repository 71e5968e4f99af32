//! A program of the person's own, as a process of its own group, so that all of it can be ended.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, ExitStatus, Stdio};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, bounded};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::output::{Exit, Failure};

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToRun {
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
}

impl ToRun {
    /// The first word is the program; none when there is no word.
    pub(super) fn new(words: impl IntoIterator<Item = impl Into<OsString>>) -> Option<Self> {
        let mut words = words.into_iter().map(Into::into);
        Some(Self { program: words.next()?, args: words.collect() })
    }

    /// As a person would type it.
    pub(super) fn shown(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        format!("`{}`", words.join(" "))
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
    Unknown,
}

/// A running program. Dropping it kills its group.
pub(super) struct Child {
    group: Option<Pid>,
    ended: Receiver<Ended>,
    running: Arc<AtomicBool>,
}

impl Child {
    /// Starts it; its errors go where ours go, it has no input.
    pub(super) fn start(
        what: &ToRun,
        dir: &Path,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
        output: Stdio,
    ) -> Result<Self, Failure> {
        let spawned = process::Command::new(&what.program)
            .args(&what.args)
            .current_dir(dir)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(output)
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot run {}: {error}", what.shown()))
                .with_remedy("install it, or say what to run after `--`")
        })?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (sender, ended) = bounded(1);
        let running = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&running);
        std::thread::spawn(move || {
            let end = child.wait().map_or(Ended::Unknown, how);
            flag.store(false, Ordering::SeqCst);
            let _ = sender.send(end);
        });
        Ok(Self { group, ended, running })
    }

    /// Whether it has not ended yet.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    /// Tells once how it ended.
    pub(super) fn ended(&self) -> Receiver<Ended> {
        self.ended.clone()
    }

    /// Passes a signal on to all of it.
    pub(super) fn signal(&mut self, signal: i32) {
        let signal = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
        if let Some(group) = self.group {
            // A group that is gone has ended, which is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Ends all of it at once.
    pub(super) fn kill(&mut self) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Child {
    // What the program started may outlive it; nothing of it is left behind.
    fn drop(&mut self) {
        self.kill();
    }
}

impl Ended {
    /// What is to be said of a program that did not end well.
    pub(super) fn badly(self) -> Option<String> {
        match self {
            Self::Code(0) => None,
            Self::Code(code) => Some(format!("the program ended with exit code {code}")),
            Self::Signal(signal) => Some(format!("the program was ended by signal {signal}")),
            Self::Unknown => Some("the program ended, nobody knows how".to_owned()),
        }
    }
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unknown,
    }
}
