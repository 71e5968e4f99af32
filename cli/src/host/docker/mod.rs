//! The container engine, reached through its own command.
mod build;
mod facts;
pub mod judge;
mod process;
mod stream;
mod walls;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::compose::{ComposeSpec, LABEL_ATTEMPT, LABEL_HOST, LABEL_PROGRAM};
use super::config::DockerConfig;
use super::engine::{BuildJob, Engine, EngineError, EngineFacts, Listed};
use crate::program::{Attempt, Cancel, ContainerId, ImageId, ProgramId};

pub use process::{BoundedLog, Call, Keep, RunError, Runner};
pub use stream::LogStream;
pub use walls::try_walls;

/// How long the engine may take to answer a question.
const ASK: Duration = Duration::from_secs(30);
/// How long it may take to start a container.
const RUN: Duration = Duration::from_secs(120);
/// What the engine says of a port that it, or somebody else on the machine, has given away.
const PORT_TAKEN: [&str; 2] = ["port is already allocated", "address already in use"];
/// How many containers one question to the engine is about.
const INSPECTED_AT_ONCE: usize = 50;
/// The most that is kept of a container's log.
const LOG_BYTES: usize = 4 << 20;

/// Docker, for one host. Usable from any thread.
#[derive(Debug, Clone)]
pub struct Docker {
    runner: Runner,
    host_id: String,
    /// Where files that the client leaves behind go.
    scratch: PathBuf,
    /// Where the engine is, if it was said.
    address: Option<String>,
    /// What programs ask for names.
    name_servers: Vec<IpAddr>,
    /// The host is shutting down, and waits for no answer.
    interrupted: Cancel,
}

impl Docker {
    /// Docker as it is configured, for the host of this id. Nothing is run yet.
    pub fn new(config: &DockerConfig, host_id: &str, scratch: impl Into<PathBuf>) -> Self {
        // The classic builder: the other one drops the bounds of memory without a word that counts,
        // knows no networks but the engine's own, and runs what a Dockerfile names as its syntax.
        let mut env = vec![("DOCKER_BUILDKIT".to_owned(), "0".to_owned())];
        if let Some(host) = &config.host {
            env.push(("DOCKER_HOST".to_owned(), host.clone()));
        }
        if let Some(folder) = &config.config_dir {
            env.push(("DOCKER_CONFIG".to_owned(), folder.to_string_lossy().into_owned()));
        }
        let runner = Runner::new(&config.binary, env);
        Self {
            runner,
            host_id: host_id.to_owned(),
            scratch: scratch.into(),
            address: config.host.clone(),
            name_servers: Vec::new(),
            interrupted: Cancel::new(),
        }
    }

    /// Has programs reach these name servers, wherever they are.
    #[must_use]
    pub fn with_name_servers(mut self, servers: Vec<IpAddr>) -> Self {
        self.name_servers = servers;
        self
    }

    /// The name of the bridge that this host's programs are on.
    pub fn bridge(host_id: &str) -> String {
        format!("hersh-{host_id}")
    }

    fn ask(&self, args: &[&str]) -> Result<Vec<u8>, RunError> {
        self.ask_for(args, ASK, Keep::All(16 << 20), &self.interrupted)
    }

    fn ask_for(
        &self,
        args: &[&str],
        deadline: Duration,
        keep: Keep,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, RunError> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        self.runner.run(&Call { deadline, keep, ..Call::new(&args) }, cancel)
    }

    fn unclear(&self, call: &str, words: &impl ToString) -> EngineError {
        let argv = self.runner.argv(&[call.to_owned()]);
        RunError::Answer { argv, words: words.to_string() }.into()
    }
}

impl Engine for Docker {
    fn probe(&self) -> Result<EngineFacts, EngineError> {
        facts::probe(self)
    }

    fn build(&self, job: BuildJob<'_>, cancel: &Cancel) -> Result<ImageId, EngineError> {
        build::build(self, job, cancel)
    }

    fn run(&self, spec: &ComposeSpec, cancel: &Cancel) -> Result<ContainerId, EngineError> {
        let args = spec.to_docker_run_args();
        let call = Call { deadline: RUN, ..Call::new(&args) };
        let out = self.runner.run(&call, cancel).map_err(|error| match engine_words(&error) {
            // What was asked for stands in the compose file; what was answered is what helps.
            Some(words) if PORT_TAKEN.iter().any(|taken| words.contains(taken)) => {
                EngineError::PortTaken(words)
            }
            Some(words) if words.contains("container name") && words.contains("in use") => {
                EngineError::NameTaken(words)
            }
            Some(words) => EngineError::Refused(words),
            None => cancelled(error),
        })?;
        let text = String::from_utf8_lossy(&out);
        text.trim().parse().map_err(|error| self.unclear("run", &error))
    }

    fn inspect(&self, container: &ContainerId) -> Result<Option<Value>, EngineError> {
        let args = ["container", "inspect", container.as_str()];
        let out = match self.ask(&args) {
            Err(error) if is_missing(&error) => return Ok(None),
            other => other?,
        };
        let mut answer: Vec<Value> =
            serde_json::from_slice(&out).map_err(|error| self.unclear("inspect", &error))?;
        match (answer.pop(), answer.is_empty()) {
            (Some(one), true) => Ok(Some(one)),
            _ => Err(self.unclear("inspect", &"not exactly one container")),
        }
    }

    fn inspect_all(&self, containers: &[ContainerId]) -> Result<Vec<Value>, EngineError> {
        let mut all = Vec::new();
        for some in containers.chunks(INSPECTED_AT_ONCE) {
            let args =
                ["container", "inspect"].into_iter().chain(some.iter().map(ContainerId::as_str));
            match self.ask(&args.collect::<Vec<_>>()) {
                Ok(out) => {
                    let seen: Vec<Value> = serde_json::from_slice(&out)
                        .map_err(|error| self.unclear("inspect", &error))?;
                    all.extend(seen);
                }
                // One that has just gone spoils the answer for the others.
                Err(error) if is_missing(&error) => {
                    for one in some {
                        all.extend(self.inspect(one)?);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    fn halt(&self, container: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let seconds = grace.as_secs().to_string();
        // One that would not stop is removed by force all the same.
        drop(self.ask_for(
            &["container", "stop", "-t", &seconds, container.as_str()],
            grace + ASK,
            Keep::Last(1 << 10),
            &self.interrupted,
        ));
        Ok(())
    }

    fn remove(&self, container: &ContainerId) -> Result<(), EngineError> {
        match self.ask(&["container", "rm", "--force", "--volumes", container.as_str()]) {
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) if error.stderr().contains("is already in progress") => {
                self.await_gone(container)
            }
            other => Ok(other.map(drop)?),
        }
    }

    fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let filter = format!("label={LABEL_HOST}={}", self.host_id);
        let format = format!(
            "{{{{.ID}}}}\t{{{{.State}}}}\t{{{{.Label \"{LABEL_PROGRAM}\"}}}}\t{{{{.Label \"{LABEL_ATTEMPT}\"}}}}"
        );
        let args =
            ["container", "ls", "--all", "--no-trunc", "--filter", &filter, "--format", &format];
        let out = self.ask(&args)?;
        let text = String::from_utf8_lossy(&out);
        text.lines().map(|line| listed(line).ok_or_else(|| self.unclear("ls", &line))).collect()
    }

    fn logs(&self, container: &ContainerId, tail: usize) -> Result<Vec<u8>, EngineError> {
        let args = log_args(container, tail, false);
        let call = Call { keep: Keep::Last(LOG_BYTES), merge: true, ..Call::new(&args) };
        Ok(self.runner.run(&call, &self.interrupted)?)
    }

    fn follow(
        &self,
        container: &ContainerId,
        tail: usize,
        cancel: &Cancel,
    ) -> Result<Box<dyn Read + Send>, EngineError> {
        let args = log_args(container, tail, true);
        Ok(Box::new(LogStream::open(&self.runner, &args, cancel.clone())?))
    }

    fn remove_images(&self, program: &ProgramId) -> Result<(), EngineError> {
        let own = format!("label={LABEL_HOST}={}", self.host_id);
        let of = format!("label={LABEL_PROGRAM}={program}");
        let list = ["image", "ls", "--no-trunc", "--quiet", "--filter", &own, "--filter", &of];
        let out = self.ask(&list)?;
        let text = String::from_utf8_lossy(&out);
        let images = text.lines().filter_map(|line| line.parse().ok());
        images.collect::<BTreeSet<ImageId>>().iter().try_for_each(|image| self.remove_image(image))
    }

    fn images(&self) -> Result<Vec<(ImageId, Option<ProgramId>)>, EngineError> {
        let filter = format!("label={LABEL_HOST}={}", self.host_id);
        let out = self.ask(&["image", "ls", "--no-trunc", "--quiet", "--filter", &filter])?;
        let listed = String::from_utf8_lossy(&out);
        let ids: BTreeSet<&str> = listed.lines().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // A list of images does not tell their labels.
        let format = format!("{{{{.Id}}}}\t{{{{index .Config.Labels \"{LABEL_PROGRAM}\"}}}}");
        let mut args = vec!["image", "inspect", "--format", &format];
        args.extend(ids);
        let out = self.ask(&args)?;
        let text = String::from_utf8_lossy(&out);
        let image = |line: &str| {
            let (id, program) = line.split_once('\t')?;
            Some((id.parse().ok()?, program.parse().ok()))
        };
        text.lines().map(|line| image(line).ok_or_else(|| self.unclear("image", &line))).collect()
    }

    fn remove_image(&self, image: &ImageId) -> Result<(), EngineError> {
        match self.ask(&["image", "rm", "--force", image.as_str()]) {
            Err(error) if is_missing(&error) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    fn interrupt(&self) {
        self.interrupted.cancel();
    }

    fn uphold(&self) -> Result<(), String> {
        facts::uphold(self)
    }

    fn close(&self) {
        facts::remove_bridge(self);
    }
}

impl Docker {
    /// Waits until a container that somebody else is removing is gone; at most as long as an
    /// answer may take.
    fn await_gone(&self, container: &ContainerId) -> Result<(), EngineError> {
        match self.ask(&["container", "wait", "--condition", "removed", container.as_str()]) {
            Ok(_) => Ok(()),
            Err(_) if self.inspect(container)?.is_none() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn log_args(container: &ContainerId, tail: usize, follow: bool) -> Vec<String> {
    let mut args = vec!["container".to_owned(), "logs".to_owned(), format!("--tail={tail}")];
    if follow {
        args.push("--follow".to_owned());
    }
    args.push(container.to_string());
    args
}

/// One line of `docker container ls`.
fn listed(line: &str) -> Option<Listed> {
    let mut fields = line.split('\t');
    Some(Listed {
        container_id: fields.next()?.parse().ok()?,
        running: matches!(fields.next()?, "running" | "paused" | "restarting"),
        program_id: fields.next()?.parse().ok(),
        attempt: Attempt(fields.next()?.parse().unwrap_or_default()),
    })
}

/// Whether the engine said that there is no such thing.
fn is_missing(error: &RunError) -> bool {
    let words = error.stderr().to_ascii_lowercase();
    ["no such container", "no such object", "no such image"].iter().any(|text| words.contains(text))
}

fn cancelled(error: RunError) -> EngineError {
    match error {
        RunError::Cancelled { .. } => EngineError::Cancelled,
        other => EngineError::Run(other),
    }
}

/// What the engine said, without what its client says about itself.
fn engine_words(error: &RunError) -> Option<String> {
    let lines = error.stderr().lines().map(|line| line.strip_prefix("docker: ").unwrap_or(line));
    let words: Vec<_> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("'docker run --help'"))
        .collect();
    (!words.is_empty()).then(|| words.join("\n"))
}

/// A file of the host that goes away with this value.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Says something in a build's log; a log that cannot be written to stops nothing.
fn say(log: &mut File, words: &str) {
    use std::io::Write as _;
    let _ = writeln!(log, "{words}");
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_failed_start_is_told_in_the_engines_words() {
        let failed = |stderr: &str| RunError::Exit {
            argv: "docker run --runtime=runsc".to_owned(),
            status: ExitStatus::from_raw(125 << 8),
            stderr: stderr.to_owned(),
        };
        let words = "docker: Error response from daemon: port is already allocated.\n\n\
                     Run 'docker run --help' for more information\n";
        let wanted = "Error response from daemon: port is already allocated.";
        assert_eq!(engine_words(&failed(words)).as_deref(), Some(wanted));
        assert_eq!(engine_words(&failed(" \n")), None);
    }
}
