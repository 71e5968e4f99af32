//! What the tests share.
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hersh_cli::host::engine::FakeEngine;
use hersh_cli::host::{Host, HostConfig, NewProgram, ProgramView};
use hersh_cli::program::{ProgramId, State};

/// Long enough for any machine; tests go on as soon as what they wait for is there.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A configuration that keeps everything under `data` and loses no time.
pub(crate) fn config(data: &Path) -> HostConfig {
    let mut config = HostConfig::new(data);
    config.check_every = Duration::from_millis(10);
    config.ready_timeout = Duration::from_secs(20);
    config
}

/// A host on an engine in memory.
pub(crate) fn open(data: &Path, engine: &FakeEngine) -> Host {
    Host::open_with(config(data), |_, _, _| Arc::new(engine.clone())).unwrap()
}

/// A small program of alice's.
pub(crate) fn new_program() -> NewProgram {
    let mut new = NewProgram::new("alice".parse().unwrap(), "FROM scratch\n");
    new.files.insert("src/main.py".into(), b"print()".to_vec());
    new
}

/// Waits until the program is in this state and returns it.
pub(crate) fn wait_for(host: &Host, id: &ProgramId, state: State) -> ProgramView {
    let settled = |view: &ProgramView| view.state == state;
    let view = host.wait(id, PATIENCE, settled).unwrap();
    assert_eq!(view.state, state, "{}", view.error_msg);
    view
}

/// Creates and starts this program and waits until it is Ready.
pub(crate) fn deploy(host: &Host, new: NewProgram) -> ProgramView {
    let id = host.create(new).unwrap().program_id;
    host.start(&id).unwrap();
    let ended = |view: &ProgramView| matches!(view.state, State::Ready | State::Error);
    let view = host.wait(&id, PATIENCE, ended).unwrap();
    assert_eq!(view.state, State::Ready, "{}", view.error_msg);
    view
}

/// Reads on until the text is as wanted or the reader ends; a pause of it is no error.
pub(crate) fn read_until(reader: &mut impl Read, wanted: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !wanted(&text) {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            Err(error) if error.kind() == ErrorKind::TimedOut => {}
            Err(error) => panic!("{error} after {text:?}"),
        }
    }
    text
}

/// Reads to the end.
pub(crate) fn read_all(reader: &mut impl Read) -> String {
    read_until(reader, |_| false)
}
