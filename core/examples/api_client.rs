//! A client of the WatcherAPI: sends messages to a watcher and looks at it, from another program.
//!
//! ```sh
//! cargo run -p hersh --example api_client                   # brings a watcher of its own
//! cargo run -p hersh --example api_client -- 3 4 five
//! cargo run -p hersh --example api_client -- --url http://ADDRESS status portfolio
//! ```
//!
//! The last line steers a watcher that runs already, of whatever language: another example, or a
//! program under `hersh host`. It sends each word as a message, waits until all are served, and
//! prints what the watcher shows of itself.

#![allow(clippy::print_stdout, reason = "an example speaks to whoever runs it")]

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use hersh::{Builder, ManagedError, Watcher};
use serde::Deserialize;
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "--url") {
        let url = words.get(1).ok_or("--url needs an address, like http://127.0.0.1:8080")?;
        return visit(&Client::new(url), &words[2..]);
    }
    if words.is_empty() {
        words.extend(["3", "4"].map(str::to_owned));
    }
    let watcher = adder(Watcher::builder())?;
    let address = watcher.start_api_server("127.0.0.1:0")?;
    watcher.start()?;
    let client = Client::new(&format!("http://{address}"));
    visit(&client, &words)?;
    client.stop()?;
    let ended = watcher.wait(Some(Duration::from_secs(10))).ok_or("it does not stop")?;
    println!("it is {} now", ended.state);
    Ok(())
}

/// Something to talk to: adds up the numbers it is sent.
fn adder(builder: Builder) -> Result<Watcher, Box<dyn Error>> {
    let watcher = builder.name("adder").env("UNIT", "apples").env("API_TOKEN", "hush").build()?;
    watcher.manage("add numbers", |message, ctx| {
        let Some(message) = message else { return Ok::<(), ManagedError>(()) };
        // What is no number is a normal error: counted, logged, and shown in `lastError`.
        let number: i64 = message.content().parse()?;
        ctx.update_value("sum", |sum: Option<i64>| Ok(sum.unwrap_or(0) + number))?;
        Ok(())
    })?;
    Ok(watcher)
}

/// Sends all messages, waits until they are served, and prints what there is to see.
fn visit(client: &Client, messages: &[String]) -> Result<(), Box<dyn Error>> {
    let before = client.state()?;
    println!("{} ({}) is {}, up for {}", before.name, before.id, before.state, before.uptime);
    for message in messages {
        client.send(message)?;
    }
    let after = client.wait(Duration::from_secs(10), Seen::is_at_rest)?;
    println!("{} executions, {} errors", after.executions, after.errors);
    if let Some(error) = after.last_error {
        println!("the last error: {error}");
    }
    for (name, value) in client.values()? {
        println!("{name} = {value}");
    }
    Ok(())
}

/// What a client needs of `GET /watcher/state`; there is more.
#[derive(Debug, Deserialize)]
struct Seen {
    name: String,
    #[serde(rename = "watcherID")]
    id: String,
    state: String,
    uptime: String,
    #[serde(rename = "executionCount")]
    executions: u64,
    #[serde(rename = "errorCount")]
    errors: u64,
    #[serde(rename = "lastError")]
    last_error: Option<String>,
    queue: Queue,
}

#[derive(Debug, Deserialize)]
struct Queue {
    /// Messages that were accepted and have not begun to be served.
    user: u64,
}

impl Seen {
    /// Whether every message that was sent has been served.
    fn is_at_rest(&self) -> bool {
        self.queue.user == 0
            && matches!(self.state.as_str(), "Ready" | "Stopped" | "Killed" | "Crashed")
    }
}

/// One watcher, seen through HTTP.
struct Client {
    base: String,
    agent: ureq::Agent,
}

impl Client {
    fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(5)))
            // A refusal says why in its body, which is worth more than its number.
            .http_status_as_error(false)
            .build();
        Self { base: url.trim_end_matches('/').to_owned(), agent: config.into() }
    }

    fn state(&self) -> Result<Seen, Box<dyn Error>> {
        Ok(serde_json::from_value(self.get("state")?)?)
    }

    /// The values that the watcher keeps, by name.
    fn values(&self) -> Result<Map<String, Value>, Box<dyn Error>> {
        let mut shown = self.get("varState")?;
        match shown["contextValues"].take() {
            Value::Object(values) => Ok(values),
            _ => Err("this is no WatcherAPI".into()),
        }
    }

    /// Sends a message. A queue that is full is an error here; whoever likes may try again.
    fn send(&self, content: &str) -> Result<(), Box<dyn Error>> {
        self.post("message", &json!({ "content": content }))
    }

    /// Asks the watcher to end in good order; it will, a little later.
    fn stop(&self) -> Result<(), Box<dyn Error>> {
        self.post("stop", &json!({}))
    }

    /// Looks again and again until the state is as wished.
    fn wait(
        &self,
        at_most: Duration,
        wished: impl Fn(&Seen) -> bool,
    ) -> Result<Seen, Box<dyn Error>> {
        let begun = Instant::now();
        loop {
            let state = self.state()?;
            if wished(&state) {
                return Ok(state);
            }
            if begun.elapsed() > at_most {
                return Err(format!("still {} after {at_most:?}", state.state).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, what: &str) -> Result<Value, Box<dyn Error>> {
        accepted(self.agent.get(format!("{}/watcher/{what}", self.base)).call()?)
    }

    fn post(&self, what: &str, body: &Value) -> Result<(), Box<dyn Error>> {
        let request = self.agent.post(format!("{}/watcher/{what}", self.base));
        accepted(request.send_json(body)?).map(drop)
    }
}

/// The body of an answer; an error, in the watcher's own words, when it is a refusal.
fn accepted(mut response: ureq::http::Response<ureq::Body>) -> Result<Value, Box<dyn Error>> {
    let status = response.status();
    let body: Value = response.body_mut().read_json()?;
    match (status.is_success(), body["error"].as_str()) {
        (true, _) => Ok(body),
        (false, Some(words)) => Err(words.into()),
        (false, None) => Err(format!("refused with {status}").into()),
    }
}

#[cfg(test)]
mod tests {
    use hersh::sim::Simulation;

    use super::*;

    /// A watcher in a simulation, and a client that reaches it through a real socket. The watcher
    /// moves when the test says so, and there is nothing to wait for.
    fn pair() -> (Simulation, Watcher, Client) {
        let sim = Simulation::new(1);
        let watcher = adder(sim.builder()).unwrap();
        let address = watcher.start_api_server("127.0.0.1:0").unwrap();
        watcher.start().unwrap();
        sim.run_until_idle();
        (sim, watcher, Client::new(&format!("http://{address}/")))
    }

    #[test]
    fn what_is_sent_is_served_and_seen() {
        let (sim, _watcher, client) = pair();
        for number in ["3", "4", "five"] {
            client.send(number).unwrap();
        }
        let state = client.state().unwrap();
        assert!(state.executions == 1 && !state.is_at_rest(), "nothing moves by itself: {state:?}");
        sim.run_until_idle();
        let state = client.wait(Duration::ZERO, Seen::is_at_rest).unwrap();
        assert_eq!((state.state.as_str(), state.executions, state.errors), ("Ready", 4, 1));
        assert!(state.last_error.unwrap().contains("invalid digit"));
        assert_eq!(client.values().unwrap()["sum"], 7);
    }

    #[test]
    fn a_refusal_is_in_words() {
        let (sim, _watcher, client) = pair();
        let refused = |result: Result<(), Box<dyn Error>>| result.unwrap_err().to_string();
        assert!(refused(client.send("")).contains("cannot be empty"));
        assert!(client.get("nothing").unwrap_err().to_string().contains("no such route"));
        client.stop().unwrap();
        sim.run_until_idle();
        assert!(refused(client.send("1")).contains("Stopped"));
        assert_eq!(client.state().unwrap().state, "Stopped", "it can still be seen");
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        let (_sim, _watcher, client) = pair();
        let vars = client.get("vars").unwrap();
        assert_eq!(
            (&vars["vars"]["UNIT"], &vars["vars"]["API_TOKEN"]),
            (&json!("apples"), &json!("***"))
        );
    }
}
