//! A program on its way to Ready, seen live.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select, tick};

use crate::client::Client;
use crate::client::wait::{Goal, POLL, Progress};
use crate::output::{Failure, Output};
use crate::wire::ProgramBody;

/// How following a deploy ended.
pub(super) enum Ending {
    Ready(ProgramBody),
    Lost(ProgramBody),
    TimedOut(ProgramBody),
    Interrupted,
}

// Lines that wait to be shown; a build that is faster than the terminal waits for it.
const WAITING_LINES: usize = 256;
// A longer line is shown in pieces; a log is not trusted to have line ends.
const MAX_LINE_BYTES: u64 = 4096;
// What is shown of a failed build that was only followed as one status line.
const LAST_LINES: usize = 20;

/// Shows the build log of `program` and waits until it is Ready. Ctrl-C ends the watching, not the
/// build.
pub(super) fn follow(
    client: &Client,
    program: &ProgramBody,
    limit: Duration,
    interrupts: &Receiver<i32>,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let mut lines = build_log(client, &program.program_id);
    let goal = Goal::Ready { after_attempt: program.attempt };
    let mut shown = Shown::default();
    let (started, polls) = (Instant::now(), tick(POLL));
    loop {
        select! {
            recv(interrupts) -> _ => return Ok(Ending::Interrupted),
            recv(lines) -> line => match line {
                Ok(line) => shown.line(&line, output),
                Err(_) => lines = never(),
            },
            recv(polls) -> _ => {
                let now = client.program(&program.program_id)?;
                match goal.progress(&now) {
                    Progress::Underway if started.elapsed() < limit => {
                        shown.state(&now, started.elapsed(), output);
                    }
                    Progress::Underway => return Ok(Ending::TimedOut(now)),
                    Progress::Reached => {
                        shown.rest(&lines, output);
                        return Ok(Ending::Ready(now));
                    }
                    Progress::Lost => {
                        shown.rest(&lines, output);
                        shown.last_lines(output);
                        return Ok(Ending::Lost(now));
                    }
                }
            }
        }
    }
}

// What the person has seen so far.
#[derive(Default)]
struct Shown {
    state: String,
    last: std::collections::VecDeque<String>,
}

impl Shown {
    // Every line where lines are kept (no terminal, or asked for), else only the newest.
    fn line(&mut self, line: &str, output: &mut Output) {
        if !output.shows_status() || output.style().verbose {
            output.progress_line(line);
            return;
        }
        output.status(&format!("building: {line}"));
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }

    fn state(&mut self, program: &ProgramBody, passed: Duration, output: &mut Output) {
        if program.state != self.state {
            self.state.clone_from(&program.state);
            output.detail(format!("{}: {}", program.label(), program.state));
        }
        if program.state != "Building" {
            let seconds = passed.as_secs();
            output.status(&format!("{}: {} ({seconds} s)", program.label(), program.state));
        }
    }

    // What is still on its way; the log ends with the build, so this does too.
    fn rest(&mut self, lines: &Receiver<String>, output: &mut Output) {
        let deadline = crossbeam_channel::after(Duration::from_secs(1));
        loop {
            select! {
                recv(lines) -> line => match line {
                    Ok(line) => self.line(&line, output),
                    Err(_) => return,
                },
                recv(deadline) -> _ => return,
            }
        }
    }

    fn last_lines(&mut self, output: &mut Output) {
        for line in self.last.drain(..) {
            output.progress_line(&line);
        }
    }
}

// The build log, line by line. A log that cannot be followed is no reason to fail a deploy: what
// decides is the program's state.
fn build_log(client: &Client, id: &str) -> Receiver<String> {
    let (sender, receiver) = bounded(WAITING_LINES);
    let (client, id) = (client.clone(), id.to_owned());
    std::thread::spawn(move || {
        if let Ok(log) = client.follow_build_log(&id) {
            send_lines(BufReader::new(log), &sender);
        }
    });
    receiver
}

fn send_lines(mut log: impl BufRead, lines: &Sender<String>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match log.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let text = String::from_utf8_lossy(&line);
        if lines.send(text.trim_end().to_owned()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_line_ends_is_cut_into_pieces() {
        let (sender, receiver) = bounded(8);
        let log = format!("one\r\n{}", "x".repeat(5000));
        send_lines(log.as_bytes(), &sender);
        drop(sender);
        let lines: Vec<_> = receiver.iter().map(|line| line.len()).collect();
        assert_eq!(lines, [3, 4096, 904]);
    }
}
