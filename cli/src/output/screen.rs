//! The whole terminal as one picture that is drawn over again.
//!
//! It uses the terminal's second screen, so that what stood there before is back afterwards, also
//! when the command is ended by a signal.

use std::io::{self, Write};
use std::os::fd::AsFd;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::text::cut;
use super::{Exit, Output};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

// Where the terminal does not say how large it is.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// How much fits on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// The picture. Dropping it gives the terminal back.
pub struct Screen {
    resized: crossbeam_channel::Receiver<()>,
}

impl Screen {
    /// Takes the terminal. From now on Ctrl-C gives it back and ends the process with
    /// [`Exit::Interrupted`].
    ///
    /// # Errors
    /// As writing does, or when signals cannot be watched.
    pub fn enter(output: &mut Output) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGWINCH])?;
        let (sender, resized) = crossbeam_channel::bounded(1);
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGWINCH {
                    let _ = sender.try_send(());
                    continue;
                }
                leave();
                std::process::exit(Exit::Interrupted as i32);
            }
        });
        output.data(ENTER)?;
        Ok(Self { resized })
    }

    /// Tells when the terminal has another size.
    pub fn resized(&self) -> &crossbeam_channel::Receiver<()> {
        &self.resized
    }

    /// How large the terminal is.
    pub fn size() -> Size {
        size_of(&io::stdout()).unwrap_or(USUAL)
    }

    /// Shows these lines, as many and as much of each as fit. They must be plain text already.
    ///
    /// # Errors
    /// As writing does.
    pub fn draw(&mut self, output: &mut Output, lines: &[String]) -> io::Result<()> {
        output.data(picture(lines, Self::size()))
    }
}

/// How many characters fit in a line of this stream, if it is a terminal that says so.
pub(super) fn columns(stream: &impl AsFd) -> Option<usize> {
    size_of(stream).map(|size| size.columns)
}

fn size_of(stream: &impl AsFd) -> Option<Size> {
    let told = rustix::termios::tcgetwinsize(stream).ok()?;
    let size = Size { columns: usize::from(told.ws_col), rows: usize::from(told.ws_row) };
    (size.columns > 0 && size.rows > 0).then_some(size)
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

// A terminal that is gone needs nothing back.
fn leave() {
    let mut out = io::stdout();
    let _ = out.write_all(LEAVE.as_bytes());
    let _ = out.flush();
}

// Drawn over what was there, without clearing first: nothing flickers.
fn picture(lines: &[String], size: Size) -> String {
    let mut text = String::from("\x1b[H");
    for (row, line) in lines.iter().take(size.rows).enumerate() {
        if row > 0 {
            text.push_str("\r\n");
        }
        text.push_str(cut(line, size.columns));
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_stays_within_the_terminal() {
        let lines = ["abcdef", "b", "c"].map(str::to_owned);
        let small = Size { columns: 3, rows: 2 };
        assert_eq!(picture(&lines, small), "\x1b[Habc\x1b[K\r\nb\x1b[K\x1b[J");
    }
}
