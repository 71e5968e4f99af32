//! A program that does in a container what a test tells it to. Its first argument says what:
//!
//! - `watch`: a watcher that takes messages `dial ADDRESS`, `write FILE`, `read FILE`, and shows what came
//!   of each as the context value of that name: `reached`, what it read, or `refused: …`
//! - `sleep [REASON]`: says so, and does nothing else for ten minutes
//! - `exit N`: says so, and does

use std::env;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use hersh::{Context, Message, Watcher};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["watch"] => {
            let watcher = Watcher::builder().name("probe").build()?;
            watcher.manage("probe", |message, context| {
                if let Some(message) = message {
                    obey(message, context);
                }
                Ok(())
            })?;
            watcher.start_api_server("0.0.0.0:8080")?;
            watcher.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["sleep", ..] => {
            writeln!(io::stdout(), "sleeping")?;
            thread::sleep(Duration::from_secs(600));
            Ok(ExitCode::SUCCESS)
        }
        ["exit", code] => {
            writeln!(io::stdout(), "exiting with {code}")?;
            Ok(ExitCode::from(code.parse::<u8>()?))
        }
        _ => Err("usage: probe watch | sleep [REASON] | exit N".into()),
    }
}

fn obey(message: &Message, context: &Context) {
    let asked = message.content();
    let outcome = attempt(asked).unwrap_or_else(|error| format!("refused: {error}"));
    context.set_value(asked, outcome);
}

fn attempt(asked: &str) -> Result<String, Box<dyn std::error::Error>> {
    match asked.split_once(' ') {
        Some(("dial", address)) => {
            let address: SocketAddr = address.parse()?;
            TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
        }
        Some(("write", file)) => {
            File::options().create(true).append(true).open(file)?.write_all(b"x")?;
        }
        Some(("read", file)) => return Ok(fs::read_to_string(file)?),
        _ => return Err("not understood".into()),
    }
    Ok("reached".to_owned())
}
