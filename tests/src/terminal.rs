//! A real terminal: tmux, whose screen can be looked at.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::until;

/// A shell in a terminal of 100 columns and 30 rows. Dropping it ends both.
#[derive(Debug)]
pub struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// A terminal whose shell has these variables; `None` where there is no tmux, after saying so.
    ///
    /// # Panics
    /// In CI when there is no tmux: there a missing part is a failure.
    pub fn open(variables: &[(&str, String)]) -> Option<Self> {
        let version = Command::new("tmux").arg("-V").stdout(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            let why = "no tmux: apt-get install tmux";
            assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
            let _ = writeln!(io::stderr(), "skipped: {why}");
            return None;
        }
        let terminal = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        let mut start = terminal.tmux();
        start.args(["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30"]);
        for (name, value) in variables {
            start.arg("-e").arg(format!("{name}={value}"));
        }
        // A shell that prints nothing of its own but a plain prompt.
        start.args(["env", "PS1=> ", "TERM=screen", "sh"]);
        assert!(start.status().expect("tmux runs").success(), "tmux does not start");
        let log = terminal.log_file();
        terminal.run(&["pipe-pane", "-o", &format!("cat > {}", log.display())]);
        terminal.until("a prompt", |screen| screen.starts_with('>'));
        Some(terminal)
    }

    /// Types a line.
    pub fn line(&self, line: &str) {
        self.run(&["send-keys", "-l", line]);
        self.run(&["send-keys", "Enter"]);
    }

    /// Presses a key by its name in tmux, as `C-c`.
    pub fn press(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    /// Makes the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.run(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// What a person sees.
    pub fn screen(&self) -> String {
        let output = self.tmux().args(["capture-pane", "-p"]).output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen is as wanted, and returns it.
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        until(what, || {
            let screen = self.screen();
            if wanted(&screen) { Ok(screen) } else { Err(screen) }
        })
    }

    /// Every byte that was written to the terminal.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("written")
    }

    fn run(&self, args: &[&str]) {
        let status = self.tmux().args(args).status().expect("tmux runs");
        assert!(status.success(), "tmux {args:?}: {status}");
    }

    // A server of its own, which sees nothing of whoever runs the tests.
    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).env_remove("TMUX");
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.tmux().arg("kill-server").stderr(Stdio::null()).status();
    }
}
