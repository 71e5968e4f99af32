//! `hersh dev`: the program of a folder, here, without a container.
//!
//! What a container would give it (a folder for its state, an address for its WatcherAPI) it gets
//! from the environment. The walls of a container are not there; the program is its author's own.

mod child;
mod what;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, never, select, tick};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::child::{Child, Ended};
use super::Session;
use super::deploy::env;
use crate::args::DevArgs;
use crate::output::{Exit, Failure};

// As `docker stop` gives a container.
const GRACE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

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
    let signals = signals()?;
    session.output.say(format!("running {} in {}", command.shown(), dir.display()));
    session.output.detail(format!("its state is kept in {}", state.display()));
    let child = Child::start(&command, &dir, &variables)?;
    watch(child, address, &signals, session)
}

fn watch(
    mut child: Child,
    address: SocketAddr,
    signals: &Receiver<i32>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let ended = child.ended();
    let mut look = tick(LOOK_EVERY);
    let mut deadline = never();
    let mut stopping = false;
    loop {
        select! {
            recv(ended) -> end => return finish(end.unwrap_or(Ended::Unknown), stopping),
            recv(look) -> _ => if answers(address) {
                session.output.say(format!("its WatcherAPI: http://{address}/watcher/state"));
                session.output.say("Ctrl-C ends it");
                look = never();
            },
            recv(signals) -> signal => {
                // A second one means that waiting is over.
                if stopping {
                    child.kill();
                } else {
                    stopping = true;
                    session.output.say("ending it");
                    child.signal(signal.unwrap_or(SIGTERM));
                    deadline = crossbeam_channel::after(GRACE);
                }
            },
            recv(deadline) -> _ => {
                session.output.warn("it did not end within 10 s and is killed");
                child.kill();
                deadline = never();
            }
        }
    }
}

fn finish(ended: Ended, asked: bool) -> Result<Exit, Failure> {
    match ended {
        _ if asked => Ok(Exit::Ok),
        Ended::Code(0) => Ok(Exit::Ok),
        Ended::Code(code) => {
            Err(Failure::new(Exit::Failed, format!("the program ended with exit code {code}"))
                .with_remedy("what it wrote is above"))
        }
        Ended::Signal(signal) => {
            Err(Failure::new(Exit::Failed, format!("the program was ended by signal {signal}")))
        }
        Ended::Unknown => Err(Failure::new(Exit::Failed, "the program ended, nobody knows how")),
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

fn signals() -> Result<Receiver<i32>, Failure> {
    let failed = |error| Failure::new(Exit::Failed, format!("cannot watch for Ctrl-C: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let (sender, receiver) = bounded(4);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = sender.try_send(signal);
        }
    });
    Ok(receiver)
}
