//! A small program of the kind that hersh runs: it counts the seconds it has lived and the messages it
//! got, watches how busy its machine is, keeps its count through restarts, and answers:
//!
//! - `status`: the count and the load
//! - `add N`: counts N more seconds
//! - `reset`: begins again at nothing
//! - `stop`: ends
//!
//! Answers stand in the log and in the context value `answer`, the count in `count`.
//! SIGTERM and Ctrl-C end it well: exit code 0.

mod command;
mod count;
mod counter;
mod load;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::net::AddrParseError;
use std::process::ExitCode;

use count::Store;
use counter::Counter;
use hersh::{ApiConfig, Config, State};
use load::Meter;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(io::stderr(), "counter: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    // A host says where state may be kept; on its own the program keeps it beside itself.
    let folder = env::var_os("HERSH_STATE_DIR").unwrap_or_else(|| "state".into());
    let kernel = fs::read_to_string("/proc/version").unwrap_or_else(|error| error.to_string());
    let kernel = kernel.trim_end().to_owned();
    writeln!(io::stdout(), "counting in {}, on {kernel}", folder.display())?;

    let mut meter = Meter::default();
    let mut counter = Counter::start(Store::open(folder)?, move || meter.read(), io::stdout())?;
    let config = Config { api: Some(api()?), ..Config::default() };
    let watcher = hersh::Watcher::builder().name("counter").config(config).build()?;
    watcher.manage("count", move |message, context| {
        context.set_value("kernel", kernel.clone());
        counter.execute(message, context)
    })?;
    let end = watcher.run()?;
    if end.state != State::Stopped {
        return Err(format!("ended as {:?}", end.state).into());
    }
    writeln!(io::stdout(), "ended")?;
    Ok(())
}

/// Where the WatcherAPI is to listen: the usual place, unless its surroundings name another.
fn api() -> Result<ApiConfig, AddrParseError> {
    let usual = ApiConfig::default();
    let address = env::var("HERSH_API_ADDR").map_or(Ok(usual.address), |named| named.parse())?;
    Ok(ApiConfig { address, ..usual })
}
