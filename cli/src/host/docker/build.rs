//! Building an image.
//!
//! What a Dockerfile runs, it runs under the engine's own runtime, outside gVisor. It is bounded all the
//! same: in time, in memory and in what it writes to its log; and it is on the host's bridge, behind
//! the same walls as programs.
use std::path::Path;

use serde_json::Value;

use super::{
    BoundedLog, Call, Docker, EngineError, Keep, RunError, Scratch, cancelled, facts, say,
};
use crate::host::compose::{STATE_DIR, labels};
use crate::host::engine::BuildJob;
use crate::program::{Cancel, ImageId};

/// How often a build is tried that lost a layer on the way.
const TRIES: u32 = 3;
/// What the engine says then.
const LOST_LAYER: [&str; 3] =
    ["failed to get digest sha256:", "layer does not exist", "No such image: sha256:"];
/// What the engine says of a step that was killed, as the kernel does with one that wants too much.
const KILLED: &str = "returned a non-zero code: 137";
/// How much a failed build's error says of its log.
const LAST_WORDS: usize = 2 << 10;
/// And in how many lines.
const LAST_LINES: usize = 5;

pub(super) fn build(
    docker: &Docker,
    mut job: BuildJob<'_>,
    cancel: &Cancel,
) -> Result<ImageId, EngineError> {
    let dockerfile = job.context.join("Dockerfile");
    guard(&dockerfile)?;
    let (program, attempt) = (job.program_id, job.attempt);
    let id_file = Scratch(docker.scratch.join(format!("image-{program}-{attempt}")));
    let mut args = vec![
        "build".to_owned(),
        "--force-rm".to_owned(),
        format!("--network={}", Docker::bridge(&docker.host_id)),
        // Without swap besides, as programs.
        format!("--memory={}", job.memory_bytes),
        format!("--memory-swap={}", job.memory_bytes),
        format!("--file={}", dockerfile.display()),
        format!("--iidfile={}", id_file.0.display()),
        format!("--tag=hersh-program:{program}"),
    ];
    // What is said here outdoes labels of the Dockerfile and of its base image.
    for (name, value) in labels(program, attempt, &docker.host_id) {
        args.push(format!("--label={name}={value}"));
    }
    args.push(job.context.display().to_string());
    run(docker, &job, &args, cancel)?;
    let image = read_id(docker, &id_file.0)
        .and_then(|image| refuse_volumes(docker, &image).map(|()| image));
    if let Err(error) = &image {
        say(&mut job.log, &format!("hersh: {error}"));
    }
    image
}

/// Runs the build; again where somebody who removed an image took a layer that both were built on.
fn run(
    docker: &Docker,
    job: &BuildJob<'_>,
    args: &[String],
    cancel: &Cancel,
) -> Result<(), EngineError> {
    let mut tries = 1;
    loop {
        let log = job.log.try_clone().map_err(|error| EngineError::File(error.to_string()))?;
        let call = Call {
            args,
            deadline: job.timeout,
            keep: Keep::Last(LAST_WORDS),
            merge: true,
            log: Some(BoundedLog { file: log, most: job.log_bytes }),
        };
        match docker.runner.run(&call, cancel) {
            Ok(_) => return Ok(()),
            Err(RunError::Exit { stderr, .. }) if tries < TRIES && lost_a_layer(&stderr) => {
                tries += 1;
            }
            // Somebody removed it since the host came up.
            Err(RunError::Exit { stderr, .. }) if tries < TRIES && lost_its_network(&stderr) => {
                tries += 1;
                facts::ensure_bridge(docker).map_err(|words| {
                    EngineError::Refused(format!("a build needs the host's network: {words}"))
                })?;
            }
            // Its own last words say more than the command line, and are in the log already.
            Err(RunError::Exit { stderr, .. }) => {
                let mut words = last_lines(&stderr);
                if words.contains(KILLED) {
                    words += &most_likely(job.memory_bytes);
                }
                return Err(EngineError::Refused(words));
            }
            Err(error) => {
                let error = cancelled(error);
                if let Ok(mut log) = job.log.try_clone() {
                    say(&mut log, &format!("hersh: {error}"));
                }
                return Err(error);
            }
        }
    }
}

fn lost_a_layer(words: &str) -> bool {
    words.lines().last().is_some_and(|line| LOST_LAYER.iter().any(|lost| line.contains(lost)))
}

fn lost_its_network(words: &str) -> bool {
    let last = words.lines().last().unwrap_or_default();
    last.contains("network") && last.contains("not found")
}

/// The engine says that a step was killed, and not why.
fn most_likely(memory_bytes: u64) -> String {
    let mebibytes = memory_bytes >> 20;
    format!("\nit was killed: a step of a build that wants more than {mebibytes} MiB of memory is")
}

/// The last lines that say something; a terminal's line ends become plain ones.
fn last_lines(words: &str) -> String {
    let lines: Vec<_> = words.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// The client follows a Dockerfile that is a link to any file of the machine.
fn guard(dockerfile: &Path) -> Result<(), EngineError> {
    match dockerfile.symlink_metadata() {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(_) => Err(EngineError::Refused("the Dockerfile is not a regular file".to_owned())),
        Err(error) => Err(EngineError::File(format!("the Dockerfile cannot be read: {error}"))),
    }
}

fn read_id(docker: &Docker, file: &Path) -> Result<ImageId, EngineError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| docker.unclear("build", &format!("no image id: {error}")))?;
    text.trim().parse().map_err(|error| docker.unclear("build", &error))
}

/// A volume of the image's own would be one more place to write to.
fn refuse_volumes(docker: &Docker, image: &ImageId) -> Result<(), EngineError> {
    let args = ["image", "inspect", "--format", "{{json .Config.Volumes}}", image.as_str()];
    let out = docker.ask(&args)?;
    let volumes: Value =
        serde_json::from_slice(&out).map_err(|error| docker.unclear("inspect", &error))?;
    let mut places = volumes.as_object().into_iter().flatten().map(|(place, _)| place.as_str());
    match places.find(|place| place.trim_end_matches('/') != STATE_DIR) {
        None => Ok(()),
        Some(place) => {
            let words =
                format!("the image declares VOLUME {place}: only {STATE_DIR} may be written");
            Err(EngineError::Refused(words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_layer_that_went_is_a_reason_to_build_again() {
        let lost = "Step 5/6 : LABEL a=b\nfailed to get digest sha256:55: open x: no such file";
        assert!(lost_a_layer(lost));
        assert!(!lost_a_layer("failed to get digest sha256:55\nthe program said this\n"));
        assert!(!lost_a_layer(""));
    }

    #[test]
    fn only_a_network_that_went_is_made_again() {
        assert!(lost_its_network("Step 2/3 : RUN x\nnetwork hersh-0 not found"));
        assert!(!lost_its_network("network x not found\nThe command 'x' returned 1"));
        assert!(!lost_its_network("pull access denied, repository not found"));
    }

    #[test]
    fn a_failed_build_is_told_by_its_last_lines() {
        let words = "one\r\n\ntwo\nthree\r\r\nfour\nfive\n\nsix\n";
        assert_eq!(last_lines(words), "two\nthree\nfour\nfive\nsix");
        assert_eq!(last_lines(""), "");
    }
}
