//! The program as a process of its own group, so that all of it can be ended.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, ExitStatus, Stdio};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, bounded};
use rustix::process::{Pid, Signal, kill_process_group};

use super::what::ToRun;
use crate::output::{Exit, Failure};

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
    /// Starts it; its output goes where ours goes, it has no input.
    pub(super) fn start(
        what: &ToRun,
        dir: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let spawned = process::Command::new(&what.program)
            .args(&what.args)
            .current_dir(dir)
            .envs(variables)
            .stdin(Stdio::null())
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

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unknown,
    }
}
