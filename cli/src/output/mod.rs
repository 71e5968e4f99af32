//! What commands say, and where: data on standard output, everything else on standard error.
//!
//! Nothing else in the crate writes to either.

mod exit;
mod failure;
pub mod screen;
pub mod table;
pub mod text;
pub mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

pub use self::exit::Exit;
pub use self::failure::Failure;

/// How much and in which form to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Data as JSON.
    pub json: bool,
    /// Nothing but data and errors.
    pub quiet: bool,
    /// More about what is being done.
    pub verbose: bool,
}

/// The two streams of a command.
pub struct Output {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    style: Style,
    terminals: Terminals,
    // Whether a status line stands on the last line of the terminal, to be written over.
    status_shown: bool,
}

// Which streams are terminals, and whether colours are wanted there.
#[derive(Clone, Copy, Default)]
struct Terminals {
    out: bool,
    err: bool,
    colour: bool,
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

// Longer status lines would wrap, and could then not be written over.
const STATUS_WIDTH: usize = 78;
const BAR_WIDTH: usize = 30;

impl Output {
    /// Standard output and error of the process. `no_colour` is whether `NO_COLOR` is set.
    pub fn standard(style: Style, no_colour: bool) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let (out_is, err_is) = (out.is_terminal(), err.is_terminal());
        let terminals = Terminals { out: out_is, err: err_is, colour: err_is && !no_colour };
        Self { terminals, ..Self::to(Box::new(out), Box::new(err), style) }
    }

    /// Two streams that are no terminals, for tests.
    pub fn to(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, style: Style) -> Self {
        Self { out, err, style, terminals: Terminals::default(), status_shown: false }
    }

    /// How much and in which form to speak.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether data goes to a terminal, which obeys escape sequences.
    pub fn out_is_terminal(&self) -> bool {
        self.terminals.out
    }

    /// Prints data as it is.
    ///
    /// # Errors
    /// As writing does; a reader that went away is [`io::ErrorKind::BrokenPipe`].
    pub fn data(&mut self, data: impl AsRef<[u8]>) -> io::Result<()> {
        self.clear_status()?;
        self.out.write_all(data.as_ref())?;
        self.out.flush()
    }

    /// Prints one JSON document and a line end.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.data(text)
    }

    /// Says something to the person, unless quiet. Failing to is not worth failing for.
    pub fn say(&mut self, words: impl AsRef<str>) {
        if !self.style.quiet {
            self.words(words.as_ref(), "");
        }
    }

    /// Says something only the curious want to know.
    pub fn detail(&mut self, words: impl AsRef<str>) {
        if self.style.verbose {
            self.words(words.as_ref(), DIM);
        }
    }

    /// Warns, even when quiet.
    pub fn warn(&mut self, words: impl AsRef<str>) {
        let label = self.painted("warning:", YELLOW);
        self.words(&format!("{label} {}", text::lines(words.as_ref())), "");
    }

    /// Says why the command failed, and what to do.
    pub fn failure(&mut self, failure: &Failure) {
        if failure.what().is_empty() {
            return;
        }
        let label = self.painted("error:", RED);
        self.words(&format!("{label} {}", text::lines(&failure.to_string())), "");
    }

    /// A line of a log that belongs to the progress of the command, not to its data.
    pub fn progress_line(&mut self, line: &str) {
        if !self.style.quiet {
            self.words(&text::lines(line), DIM);
        }
    }

    /// Shows what is going on at the moment. On a terminal one line that is written over; elsewhere
    /// nothing, since each would be one more line.
    pub fn status(&mut self, words: &str) {
        if self.terminals.err && !self.style.quiet {
            let width = screen::columns(&io::stderr()).map_or(STATUS_WIDTH, |width| width - 1);
            let line = text::one_line(words);
            let _ = write!(self.err, "\r\x1b[2K{}", text::cut(&line, width));
            let _ = self.err.flush();
            self.status_shown = true;
        }
    }

    /// Shows how far something has come that takes long, where [`Output::status`] shows anything.
    pub fn bar(&mut self, words: &str, done: u64, all: u64) {
        self.status(&format!("{words} {}", bar(done, all)));
    }

    /// Whether [`Output::status`] shows anything.
    pub fn shows_status(&self) -> bool {
        self.terminals.err && !self.style.quiet
    }

    /// `text` in green where colours are wanted: for words that [`Output::say`] is given.
    pub fn good(&self, text: &str) -> String {
        self.painted(text, GREEN)
    }

    fn painted(&self, text: &str, colour: &str) -> String {
        if self.terminals.colour { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }

    // Words on standard error: when even that fails there is nobody left to tell.
    fn words(&mut self, words: &str, colour: &str) {
        let _ = self.clear_status();
        let words = if colour.is_empty() { words.to_owned() } else { self.painted(words, colour) };
        let _ = writeln!(self.err, "{words}");
        let _ = self.err.flush();
    }

    fn clear_status(&mut self) -> io::Result<()> {
        if self.status_shown {
            self.status_shown = false;
            write!(self.err, "\r\x1b[2K")?;
            self.err.flush()?;
        }
        Ok(())
    }
}

fn bar(done: u64, all: u64) -> String {
    let part = |of: u64| done.min(all).saturating_mul(of).checked_div(all).unwrap_or(of);
    let filled = usize::try_from(part(BAR_WIDTH as u64)).unwrap_or(BAR_WIDTH);
    format!("[{:<BAR_WIDTH$}] {:>3} %", "#".repeat(filled), part(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn bars() {
        assert_eq!(bar(0, 10), format!("[{:30}]   0 %", ""));
        assert_eq!(bar(5, 10), format!("[{:30}]  50 %", "#".repeat(15)));
        assert_eq!(bar(u64::MAX, 10), format!("[{}] 100 %", "#".repeat(30)));
        assert_eq!(bar(0, 0), format!("[{}] 100 %", "#".repeat(30)));
    }

    #[derive(Clone, Default)]
    struct Pipe(Arc<Mutex<Vec<u8>>>);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    // What a command that says everything leaves on both streams.
    fn spoken(style: Style, terminals: Terminals) -> (String, String) {
        let (out, err) = (Pipe::default(), Pipe::default());
        let pipes = Output::to(Box::new(out.clone()), Box::new(err.clone()), style);
        let mut output = Output { terminals, ..pipes };
        output.status("busy");
        output.say("word");
        output.detail("detail");
        output.data("data\n").unwrap();
        output.warn("care\x1b[2J");
        output.failure(&Failure::new(Exit::Failed, "it broke").with_remedy("mend it"));
        let text = |pipe: Pipe| String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
        (text(out), text(err))
    }

    #[test]
    fn pipes_get_plain_lines() {
        let (out, err) = spoken(Style::default(), Terminals::default());
        assert_eq!(out, "data\n");
        assert_eq!(err, "word\nwarning: care\\u{1b}[2J\nerror: it broke\n  mend it\n");
    }

    #[test]
    fn quiet_leaves_data_warnings_and_errors() {
        let (out, err) = spoken(Style { quiet: true, ..Style::default() }, Terminals::default());
        assert_eq!(out, "data\n");
        assert!(err.starts_with("warning:") && !err.contains("word"), "{err}");
    }

    #[test]
    fn a_terminal_gets_a_status_line_that_is_cleared_and_colours_if_wanted() {
        let terminal = Terminals { out: true, err: true, colour: false };
        let (_, err) = spoken(Style { verbose: true, ..Style::default() }, terminal);
        assert!(err.starts_with("\r\x1b[2Kbusy\r\x1b[2Kword\ndetail\n"), "{err:?}");
        assert!(!err.contains("\x1b[1;31m"), "{err:?}");
        let (_, err) = spoken(Style::default(), Terminals { colour: true, ..terminal });
        assert!(err.contains("\x1b[1;31merror:\x1b[0m it broke"), "{err:?}");
    }
}
