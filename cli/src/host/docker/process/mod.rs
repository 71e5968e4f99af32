//! The one way in which the host runs another program.
//!
//! Arguments are a vector, never a shell's line. Both pipes are drained, what is kept of them is
//! bounded, there is a deadline, and a cancellation ends the whole process group.
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::program::Cancel;

/// How long a group that was killed, or whose leader has ended, may hold its pipes open.
const LINGER: Duration = Duration::from_secs(3);
/// How much of its words an error carries.
const WORDS: usize = 4 << 10;

/// Why a program did not do what it was run for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not be started.
    #[error("{argv} could not be started: {source}")]
    Spawn {
        /// The command line, for people.
        argv: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ended with an error.
    #[error("{argv} ended with {}: {}", status_words(*status), stderr.trim())]
    Exit {
        /// The command line, for people.
        argv: String,
        /// How it ended.
        status: ExitStatus,
        /// The last of what it wrote to its standard error.
        stderr: String,
    },
    /// It took too long, and was killed.
    #[error("{argv} was killed after {} s", after.as_secs_f32())]
    Deadline {
        /// The command line, for people.
        argv: String,
        /// How long it was given.
        after: Duration,
    },
    /// It was cancelled, and killed.
    #[error("{argv} was cancelled")]
    Cancelled {
        /// The command line, for people.
        argv: String,
    },
    /// It wrote more than it may.
    #[error("{argv} wrote more than {limit} bytes")]
    Flood {
        /// The command line, for people.
        argv: String,
        /// How many it may write.
        limit: usize,
    },
    /// What it wrote is not what it should.
    #[error("{argv} answered what cannot be understood: {words}")]
    Answer {
        /// The command line, for people.
        argv: String,
        /// What is wrong with it.
        words: String,
    },
}

impl RunError {
    /// The last of what the program wrote to its standard error, if it ended with an error.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Exit { stderr, .. } => stderr,
            _ => "",
        }
    }
}

fn status_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

/// What is kept of what a program writes to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All of it; more than this many bytes is an error.
    All(usize),
    /// The last of it, at most this many bytes.
    Last(usize),
}

/// A file that takes what a program writes, up to a size.
#[derive(Debug)]
pub struct BoundedLog {
    /// The file; what is in it already counts.
    pub file: File,
    /// The most bytes that it may have. Then it says that it is cut, and takes no more.
    pub most: u64,
}

impl BoundedLog {
    fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, most: self.most })
    }

    /// Writes as much as there is room for; tells whether it takes more.
    fn write(&self, bytes: &[u8]) -> std::io::Result<bool> {
        let mut file = &self.file;
        let room = self.most.saturating_sub(file.metadata()?.len());
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        if bytes.len() <= room {
            return file.write_all(bytes).map(|()| true);
        }
        file.write_all(&bytes[..room])?;
        writeln!(file, "\nhersh: this log ends at {} bytes, and its writer goes on", self.most)?;
        Ok(false)
    }
}

/// One run of a program.
#[derive(Debug)]
pub struct Call<'a> {
    /// The arguments after the program's name.
    pub args: &'a [String],
    /// How long it may take.
    pub deadline: Duration,
    /// What is kept of its standard output.
    pub keep: Keep,
    /// Whether its standard error goes the same way as its standard output, in order.
    pub merge: bool,
    /// A file that gets what it writes, while it writes.
    pub log: Option<BoundedLog>,
}

impl<'a> Call<'a> {
    /// A run that answers within 30 s with at most 16 MiB.
    pub fn new(args: &'a [String]) -> Self {
        let (deadline, keep) = (Duration::from_secs(30), Keep::All(16 << 20));
        Self { args, deadline, keep, merge: false, log: None }
    }
}

/// Runs one program with a fixed environment. Usable from any thread.
#[derive(Debug, Clone)]
pub struct Runner {
    binary: PathBuf,
    env: Vec<(String, String)>,
}

/// What the threads of a run report.
enum Part {
    Out(Vec<u8>, bool),
    Err(Vec<u8>),
    Exited,
}

impl Runner {
    /// A runner of this program. It sees `env` and, of the host's environment, `PATH` and `HOME`.
    pub fn new(binary: impl Into<PathBuf>, env: Vec<(String, String)>) -> Self {
        Self { binary: binary.into(), env }
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The command line as people read it. It carries no secret: those travel in files.
    pub fn argv(&self, args: &[String]) -> String {
        let mut words = vec![self.binary.display().to_string()];
        words.extend(args.iter().cloned());
        words.join(" ")
    }

    /// The program with these arguments, in a process group of its own.
    pub(super) fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(args).env_clear().stdin(Stdio::null()).process_group(0);
        for name in ["PATH", "HOME"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs the program to its end and returns what was kept of its standard output.
    ///
    /// # Errors
    /// [`RunError`]; in each case the whole process group has ended.
    pub fn run(&self, call: &Call<'_>, cancel: &Cancel) -> Result<Vec<u8>, RunError> {
        let argv = self.argv(call.args);
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled { argv });
        }
        let (parts, report) = bounded(3);
        let (mut child, drains) = start(self.command(call.args), call, &parts)
            .map_err(|source| RunError::Spawn { argv: argv.clone(), source })?;
        let ended = follow(&child, drains, call.deadline, &report, cancel);
        // The group may outlive its leader; the leader is not reaped yet, so the id is still its.
        kill_group(&child);
        let status = if ended.exited { child.wait().ok() } else { None };
        match (ended.cut, status) {
            (Some(Cut::Cancelled), _) => Err(RunError::Cancelled { argv }),
            (Some(Cut::Deadline), _) | (None, None) => {
                Err(RunError::Deadline { argv, after: call.deadline })
            }
            (None, Some(status)) if !status.success() => {
                let words = if call.merge { &ended.out } else { &ended.err };
                let words = &words[words.len().saturating_sub(WORDS)..];
                let stderr = String::from_utf8_lossy(words).into_owned();
                Err(RunError::Exit { argv, status, stderr })
            }
            (None, Some(_)) => match call.keep {
                Keep::All(limit) if ended.flooded => Err(RunError::Flood { argv, limit }),
                _ => Ok(ended.out),
            },
        }
    }
}

/// Starts the program and the threads that drain its pipes and wait for its end; tells how many
/// drains will report.
fn start(
    mut command: Command,
    call: &Call<'_>,
    parts: &Sender<Part>,
) -> std::io::Result<(Child, usize)> {
    let log = || call.log.as_ref().map(BoundedLog::try_clone).transpose();
    let (out, out_end) = std::io::pipe()?;
    let mut drains = vec![(out, log()?, call.keep, true)];
    if call.merge {
        command.stderr(out_end.try_clone()?);
    } else {
        let (err, err_end) = std::io::pipe()?;
        drains.push((err, log()?, Keep::Last(WORDS), false));
        command.stderr(err_end);
    }
    command.stdout(out_end);
    let mut child = command.spawn()?;
    // It holds the writing ends, and a drain ends when there are none left.
    drop(command);
    let count = drains.len();
    let spawned = drains
        .into_iter()
        .try_for_each(|(pipe, log, keep, is_out)| {
            let parts = parts.clone();
            let drain = move || {
                let (bytes, flooded) = drain(pipe, log, keep);
                let part = if is_out { Part::Out(bytes, flooded) } else { Part::Err(bytes) };
                // There is room for every part, and nobody to tell once the run was given up.
                let _ = parts.send(part);
            };
            thread::Builder::new().name("drain".into()).spawn(drain).map(drop)
        })
        .and_then(|()| announce_end(&child, parts.clone()));
    if let Err(error) = spawned {
        kill_group(&child);
        let _ = child.wait();
        return Err(error);
    }
    Ok((child, count))
}

/// Reads until the end; keeps and logs what it is told to.
fn drain(mut pipe: impl Read, mut log: Option<BoundedLog>, keep: Keep) -> (Vec<u8>, bool) {
    let (mut kept, mut flooded) = (Vec::new(), false);
    let mut buffer = [0_u8; 16 << 10];
    loop {
        let bytes = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        // A log that cannot be written, or is full, must not stop the program that writes it.
        log = log.filter(|log| log.write(bytes).unwrap_or(false));
        match keep {
            Keep::All(limit) => {
                let room = limit.saturating_sub(kept.len());
                flooded |= bytes.len() > room;
                kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Keep::Last(limit) => {
                kept.extend_from_slice(bytes);
                if kept.len() >= limit.saturating_mul(2) {
                    kept.drain(..kept.len() - limit);
                }
            }
        }
    }
    if let Keep::Last(limit) = keep {
        kept.drain(..kept.len().saturating_sub(limit));
    }
    (kept, flooded)
}

/// Reports the program's end without reaping it, so that its process group's id stays its own.
fn announce_end(child: &Child, parts: Sender<Part>) -> std::io::Result<()> {
    let pid = Pid::from_child(child);
    let wait = move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
        let _ = parts.send(Part::Exited);
    };
    thread::Builder::new().name("wait".into()).spawn(wait).map(drop)
}

pub(super) fn kill_group(child: &Child) {
    // The only error is that nobody is left in the group.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

#[derive(Clone, Copy)]
enum Cut {
    Deadline,
    Cancelled,
}

/// What is known of a run that has ended, or was given up.
struct Ended {
    /// Drains that have not reported.
    drains: usize,
    exited: bool,
    out: Vec<u8>,
    err: Vec<u8>,
    flooded: bool,
    cut: Option<Cut>,
}

impl Ended {
    fn is_complete(&self) -> bool {
        self.drains == 0 && self.exited
    }

    /// Gathers what is reported until that is all, or the time is over, or it is cancelled.
    fn gather(
        &mut self,
        report: &Receiver<Part>,
        time: Duration,
        cancel: Option<&Cancel>,
    ) -> Option<Cut> {
        let never = crossbeam_channel::never();
        let signal = cancel.map_or(&never, Cancel::signal);
        let mut until = Instant::now() + time;
        while !self.is_complete() {
            select! {
                recv(report) -> part => match part.ok()? {
                    Part::Out(bytes, flooded) => {
                        (self.out, self.flooded) = (bytes, flooded);
                        self.drains -= 1;
                    }
                    Part::Err(bytes) => {
                        self.err = bytes;
                        self.drains -= 1;
                    }
                    Part::Exited => {
                        self.exited = true;
                        // Someone whom it left behind may hold its pipes open, but not for long.
                        until = until.min(Instant::now() + LINGER);
                    }
                },
                recv(signal) -> _ => return Some(Cut::Cancelled),
                default(until.saturating_duration_since(Instant::now())) => {
                    return Some(Cut::Deadline);
                }
            }
        }
        None
    }
}

/// Follows a run to its end, which is forced when its time is over or it is cancelled.
fn follow(
    child: &Child,
    drains: usize,
    deadline: Duration,
    report: &Receiver<Part>,
    cancel: &Cancel,
) -> Ended {
    let (out, err) = (Vec::new(), Vec::new());
    let mut ended = Ended { drains, exited: false, out, err, flooded: false, cut: None };
    let cut = ended.gather(report, deadline, Some(cancel));
    if !ended.is_complete() {
        ended.cut = cut.filter(|_| !ended.exited);
        kill_group(child);
        // What even this does not end is held by the system, and nobody can wait for that.
        ended.gather(report, LINGER, None);
    }
    ended
}

#[cfg(test)]
mod tests;
