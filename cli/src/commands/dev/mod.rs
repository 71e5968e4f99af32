//! `hersh dev`: the program of a folder, here, without a container.
//!
//! What a container would give it (a folder for its state, an address for its WatcherAPI) it gets
//! from the environment. The walls of a container are not there; the program is its author's own.

mod watched;
mod what;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select, tick};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use self::watched::Watched;
use super::child::{Child, Ended, ToRun};
use super::deploy::env;
use super::{Session, signals};
use crate::args::DevArgs;
use crate::output::{Exit, Failure};

// As `docker stop` gives a container.
const GRACE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
// A change is noticed after two looks, so within a second.
const LOOK_AT_FILES: Duration = Duration::from_millis(400);

pub(super) fn run(args: &DevArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let dir = args.dir.canonicalize().ok().filter(|dir| dir.is_dir()).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} is not a folder", args.dir.display()))
            .with_remedy("name the folder of the program")
    })?;
    let command = what::to_run(&dir, &args.command)?;
    let mut variables = env::collect(&[] as &[PathBuf], &args.env, session.environment)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port(args.port)?));
    let state = state_dir(&dir)?;
    variables.insert("HERSH_STATE_DIR".to_owned(), state.to_string_lossy().into_owned());
    variables.insert("HERSH_API_ADDR".to_owned(), address.to_string());
    let signals = signals::caught(&[SIGINT, SIGTERM, SIGHUP], 4)?;
    session.output.say(format!("running {} in {}", command.shown(), dir.display()));
    session.output.detail(format!("its state is kept in {}", state.display()));
    let files = if args.no_reload { None } else { Some(what::ignored(&dir)?) };
    let files = files.map(|rules| Watched::new(&dir, rules));
    let child = Child::start(&command, &dir, &variables, Stdio::inherit())?;
    let program = Program { command, dir, variables, address };
    Dev { program, child, files, signals, ending: None }.watch(session)
}

/// What is run, and how.
struct Program {
    command: ToRun,
    dir: PathBuf,
    variables: BTreeMap<String, String>,
    address: SocketAddr,
}

/// Why the program was asked to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    // It is run again then.
    Changed,
    // The person asked for it.
    Asked,
}

struct Dev {
    program: Program,
    child: Child,
    files: Option<Watched>,
    signals: Receiver<i32>,
    ending: Option<Ending>,
}

impl Dev {
    fn watch(mut self, session: &mut Session<'_>) -> Result<Exit, Failure> {
        let signals = self.signals.clone();
        let mut ended = self.child.ended();
        let mut look = tick(LOOK_EVERY);
        let looks_at_files = if self.files.is_some() { tick(LOOK_AT_FILES) } else { never() };
        let mut deadline = never();
        loop {
            select! {
                recv(ended) -> end => {
                    deadline = never();
                    if self.finish(end.unwrap_or(Ended::Unknown), session)? {
                        return Ok(Exit::Ok);
                    }
                    (ended, look) = (never(), never());
                    if self.ending.take() == Some(Ending::Changed) {
                        self.start(session)?;
                        (ended, look) = (self.child.ended(), tick(LOOK_EVERY));
                    }
                },
                recv(look) -> _ => if answers(self.program.address) {
                    self.say_where(session);
                    look = never();
                },
                recv(looks_at_files) -> _ => if self.have_files_changed() {
                    if self.child.is_running() {
                        self.ending = Some(Ending::Changed);
                        self.child.signal(SIGTERM);
                        deadline = crossbeam_channel::after(GRACE);
                    } else {
                        self.start(session)?;
                        (ended, look) = (self.child.ended(), tick(LOOK_EVERY));
                    }
                },
                recv(signals) -> signal => {
                    // One that waits for a change has nothing to end; a second signal means that
                    // waiting is over.
                    if !self.child.is_running() {
                        return Ok(Exit::Ok);
                    } else if self.ending == Some(Ending::Asked) {
                        self.child.kill();
                    } else {
                        self.ending = Some(Ending::Asked);
                        session.output.say("ending it");
                        self.child.signal(signal.unwrap_or(SIGTERM));
                        deadline = crossbeam_channel::after(GRACE);
                    }
                },
                recv(deadline) -> _ => {
                    session.output.warn("it did not end within 10 s and is killed");
                    self.child.kill();
                    deadline = never();
                }
            }
        }
    }

    fn have_files_changed(&mut self) -> bool {
        self.ending.is_none() && self.files.as_mut().is_some_and(Watched::has_changed)
    }

    fn say_where(&self, session: &mut Session<'_>) {
        let address = self.program.address;
        session.output.say(format!("its WatcherAPI: http://{address}/watcher/state"));
        session.output.say("Ctrl-C ends it");
    }

    fn start(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.output.say("a file has changed: running it again");
        let Program { command, dir, variables, .. } = &self.program;
        // What is left of the old one goes first: it may hold the port.
        self.child.kill();
        self.child = Child::start(command, dir, variables, Stdio::inherit())?;
        Ok(())
    }

    // Whether that is the end of this command, and not only of the program.
    fn finish(&self, ended: Ended, session: &mut Session<'_>) -> Result<bool, Failure> {
        match (self.ending, ended.badly()) {
            (Some(Ending::Changed), _) => Ok(false),
            (Some(Ending::Asked), _) | (None, None) => Ok(true),
            (None, Some(what)) if self.files.is_some() => {
                let failure = Failure::new(Exit::Failed, what)
                    .with_remedy("what it wrote is above; it is run again when a file changes");
                session.output.failure(&failure);
                Ok(false)
            }
            (None, Some(what)) => {
                Err(Failure::new(Exit::Failed, what).with_remedy("what it wrote is above"))
            }
        }
    }
}

fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, LOOK_EVERY).is_ok()
}

// A free port may be taken by another before the program binds it; it then says so itself.
fn port(wanted: Option<u16>) -> Result<u16, Failure> {
    let port = wanted.unwrap_or(0);
    let taken = |error| {
        Failure::new(Exit::Conflict, format!("port {port} cannot be had: {error}"))
            .with_remedy("leave --port out to get a free one")
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(taken)?;
    Ok(listener.local_addr().map_err(taken)?.port())
}

fn state_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let own = dir.join(".hersh");
    let state = own.join("state");
    let make = || {
        std::fs::create_dir_all(&state)?;
        let ignore = own.join(".gitignore");
        if ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
    };
    make().map_err(|error: std::io::Error| {
        let what = format!("cannot make {} for the program's state: {error}", state.display());
        Failure::new(Exit::Failed, what).with_remedy("make the folder writable")
    })?;
    Ok(state)
}
