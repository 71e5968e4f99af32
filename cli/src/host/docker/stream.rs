//! What a container writes, as it writes it.
use std::io::{PipeReader, Read};
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::process::{RunError, Runner, kill_group};
use crate::program::Cancel;

/// How long a read waits before it looks whether it was cancelled.
const PAUSE: Duration = Duration::from_millis(500);

/// What a container writes, as it writes it. Ends with the container, or when it is cancelled;
/// dropping it ends the engine's client. A read that has nothing to say for half a second is
/// [`std::io::ErrorKind::TimedOut`], and the next one goes on.
#[derive(Debug)]
pub struct LogStream {
    pipe: PipeReader,
    client: Child,
    cancel: Cancel,
}

impl LogStream {
    pub(super) fn open(runner: &Runner, args: &[String], cancel: Cancel) -> Result<Self, RunError> {
        let spawn = || {
            let (pipe, end) = std::io::pipe()?;
            let mut command = runner.command(args);
            command.stdout(end.try_clone()?).stderr(end);
            Ok((pipe, command.spawn()?))
        };
        match spawn() {
            Ok((pipe, client)) => Ok(Self { pipe, client, cancel }),
            Err(source) => Err(RunError::Spawn { argv: runner.argv(args), source }),
        }
    }
}

impl Read for LogStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.subsec_nanos().into() };
        loop {
            if self.cancel.is_cancelled() {
                return Ok(0);
            }
            let mut ready = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut ready, Some(&pause)) {
                Err(rustix::io::Errno::INTR) => {}
                // Whoever reads looks whether anybody still listens, and comes back.
                Ok(0) => return Err(std::io::ErrorKind::TimedOut.into()),
                Ok(_) => return self.pipe.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        kill_group(&self.client);
        // It was killed: this waits for no more than the system's own work.
        let _ = self.client.wait();
    }
}
