//! Carries the effects of programs out: with folders, the engine and the contract.
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::compose::{ComposeSpec, Policy, validate};
use super::contract;
use super::docker::judge;
use super::engine::{BuildJob, EngineError};
use super::parts::{Parts, open_network};
use super::resolv;
use super::takeover;
use crate::program::{
    Attempt, Cancel, ContainerId, Effect, EffectHandler, Event, Exit, ImageId, ProgramId, quoted,
};

/// The exit code of what was killed.
const KILLED: i64 = 137;
/// How often, and after what pause each, it is asked whether that was for memory.
const MEMORY_LOOKS: u32 = 5;
const MEMORY_PAUSE: Duration = Duration::from_millis(200);
/// How often one start is tried where a port, or the container's name, is taken.
const START_TRIES: u32 = 6;
/// How long one question to a program that is starting may take.
const PROBE: Duration = Duration::from_secs(2);
/// How long to wait between two such questions: at first, and at most.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How often, while a program is starting, the engine is asked whether it still runs.
const LOOK: Duration = Duration::from_secs(1);
/// How many of a container's last lines are kept when it goes.
const KEPT_LINES: usize = 10_000;

/// Carries the effects of all programs of one host out.
pub(super) struct HostHandler(pub(super) Arc<Parts>);

impl EffectHandler for HostHandler {
    fn execute(&self, id: &ProgramId, effect: &Effect, cancel: &Cancel) -> Option<Event> {
        match effect {
            Effect::EnsureProgramFolders { attempt } => {
                let ensured = self.0.storage.ensure(id, *attempt);
                let error = ensured.err().map(|error| error.to_string());
                Some(Event::FoldersEnsured { attempt: *attempt, error })
            }
            Effect::BuildRuntime { attempt } => Some(Event::BuildFinished {
                attempt: *attempt,
                outcome: self.build(id, *attempt, cancel),
            }),
            Effect::StartRuntime { attempt, image_id } => {
                Some(match self.start(id, *attempt, image_id, cancel) {
                    Ok(container_id) => Event::RuntimeStarted { attempt: *attempt, container_id },
                    Err(reason) => Event::StartFailed { attempt: *attempt, reason },
                })
            }
            Effect::StopRuntime { container_id } => {
                let error = self.stop(id, container_id).err().map(|error| error.to_string());
                Some(Event::StopFinished { container_id: container_id.clone(), error })
            }
            Effect::FetchRuntimeStatus { attempt, container_id } => {
                self.status(id, *attempt, container_id)
            }
            Effect::RemoveProgram { purge } => {
                Some(Event::RemoveFinished { error: self.remove(id, *purge).err() })
            }
            Effect::CancelAttempt { .. } | Effect::ScheduleRestart { .. } => None,
        }
    }
}

fn killed_for_memory(seen: &Value) -> bool {
    seen["State"]["OOMKilled"] == Value::Bool(true)
}

impl HostHandler {
    fn build(&self, id: &ProgramId, attempt: Attempt, cancel: &Cancel) -> Result<ImageId, String> {
        let storage = &self.0.storage;
        let mut log = storage.new_build_log(id, attempt).map_err(|error| error.to_string())?;
        let entry = self.0.entry(id).map_err(|error| error.to_string())?;
        if let Some(words) = takeover::prepare(storage, &entry.meta, cancel) {
            // For whoever reads it; the build does not depend on it.
            let _ = writeln!(log, "hersh: {words}");
        }
        let job = BuildJob {
            program_id: id,
            attempt,
            context: storage.src(id),
            log,
            timeout: self.0.config.build_timeout,
            memory_bytes: self.0.config.build_memory_bytes,
            log_bytes: self.0.config.build_log_bytes,
        };
        let began = Instant::now();
        let built = self.0.engine.build(job, cancel);
        self.0.counts.built(began.elapsed(), built.is_ok());
        built.map_err(|error| error.to_string())
    }

    fn start(
        &self,
        id: &ProgramId,
        attempt: Attempt,
        image: &ImageId,
        cancel: &Cancel,
    ) -> Result<ContainerId, String> {
        let started = self.begin(id, attempt, image, cancel).and_then(|(spec, container)| {
            self.accept(id, &spec, &container, cancel).map(|()| container)
        });
        if started.is_ok() && attempt.0 > 1 {
            // That of the start before is of no use any more.
            self.0.note("tickets", self.0.tickets.expire_images_soon().err());
        }
        started.map_err(|words| {
            // Nothing of a failed start stays. What the engine will not remove now is removed
            // before the next start, and by the check that looks for strangers.
            match self.clear_way(id, attempt.next()) {
                Ok(_) => words,
                Err(also) => format!("{words}; and what is left could not be removed: {also}"),
            }
        })
    }

    /// Starts a container; at another port when somebody else has taken the remembered one.
    fn begin(
        &self,
        id: &ProgramId,
        attempt: Attempt,
        image: &ImageId,
        cancel: &Cancel,
    ) -> Result<(ComposeSpec, ContainerId), String> {
        for _ in 0..START_TRIES {
            let spec = self.write_down(id, attempt, image)?;
            self.able_to(&spec)?;
            match self.run(&spec, cancel) {
                Ok(container) => return Ok((spec, container)),
                Err(EngineError::NameTaken(_)) => {
                    if let Some(container) = self.clear_way(id, attempt)? {
                        // The host ended in the middle of this start; its container is there already.
                        return Ok((spec, container));
                    }
                }
                Err(EngineError::PortTaken(_)) => self.0.take_another_port(id)?,
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("somebody else was faster at each of {START_TRIES} tries: start it again"))
    }

    /// Writes the contract of a start down and looks whether it is kept on paper.
    fn write_down(
        &self,
        id: &ProgramId,
        attempt: Attempt,
        image: &ImageId,
    ) -> Result<ComposeSpec, String> {
        let Parts { config, storage, .. } = &*self.0;
        let spec = contract::of(&self.0, id, attempt, image).map_err(|error| error.to_string())?;
        let resolv_conf = storage.data().join(resolv::FILE);
        let policy = Policy {
            allow_runc: config.allow_runc,
            ports: config.ports.clone(),
            max_limits: config.max_limits,
        };
        validate(&spec, &policy).map_err(|error| error.to_string())?;
        let compose = storage.program(id).join("compose/docker-compose.yml");
        storage
            .write_private(&compose, spec.to_yaml().as_bytes())
            .and_then(|()| storage.write_private(&spec.env_file, spec.env_file_text().as_bytes()))
            .and_then(|()| storage.write_public(&resolv_conf, resolv::text(&config.dns).as_bytes()))
            .map_err(|error| error.to_string())?;
        Ok(spec)
    }

    /// Whether this engine can keep this contract at all.
    fn able_to(&self, spec: &ComposeSpec) -> Result<(), String> {
        let facts = self.0.facts()?;
        if let Some(words) = judge::runtime(self.0.config.runtime, &facts.runtimes).warning() {
            return Err(words);
        }
        if !facts.cannot_limit.is_empty() {
            let what = facts.cannot_limit.join(", ");
            return Err(format!(
                "this engine cannot limit {what}: its machine needs the control groups for that"
            ));
        }
        if !spec.ports.is_empty() && !facts.keeps_apart {
            return Err("this engine would not keep programs apart: see the host's warnings, or \
                        start it with network none"
                .to_owned());
        }
        // What was open when it was last looked at may have been closed since.
        if !spec.ports.is_empty() && facts.open.is_some() && !self.0.config.allow_open_network {
            return self.0.uphold().map_or(Ok(()), |why| Err(open_network(&why, false)));
        }
        Ok(())
    }

    /// Removes what is left of a program's containers, so that two never share `/state`; but one
    /// that runs and is of this very start is returned instead.
    fn clear_way(&self, id: &ProgramId, attempt: Attempt) -> Result<Option<ContainerId>, String> {
        let listed = self.0.engine.list().map_err(|error| error.to_string())?;
        let mut own = None;
        for one in listed.into_iter().filter(|one| one.program_id.as_ref() == Some(id)) {
            if one.running && one.attempt == attempt && own.is_none() {
                own = Some(one.container_id);
                continue;
            }
            let ended = self.end(id, one.attempt, &one.container_id);
            ended.map_err(|error| error.to_string())?;
        }
        Ok(own)
    }

    fn run(&self, spec: &ComposeSpec, cancel: &Cancel) -> Result<ContainerId, EngineError> {
        let run = self.0.engine.run(spec, cancel);
        // The engine has read it; it holds secrets. One that stays is written over at the next
        // start, and goes with the program.
        let _ = std::fs::remove_file(&spec.env_file);
        run
    }

    /// Looks whether the engine kept the contract, while waiting until the program answers.
    fn accept(
        &self,
        id: &ProgramId,
        spec: &ComposeSpec,
        container: &ContainerId,
        cancel: &Cancel,
    ) -> Result<(), String> {
        let broken = Cancel::new();
        thread::scope(|scope| {
            let checked =
                thread::Builder::new().name("contract".into()).spawn_scoped(scope, || {
                    let checked = self.keeps_contract(spec, container);
                    if checked.is_err() {
                        // Whether it would ever answer is of no interest any more.
                        broken.cancel();
                    }
                    checked
                });
            let checked = checked.map_err(|error| format!("no thread to look: {error}"))?;
            let ready = self.await_ready(id, spec, container, &[cancel, &broken]);
            // The contract has the first word: what breaks it is not to be excused by an answer.
            checked.join().unwrap_or_else(|_| Err("the look at it failed".to_owned()))?;
            ready
        })
    }

    fn keeps_contract(&self, spec: &ComposeSpec, container: &ContainerId) -> Result<(), String> {
        let seen = self.look(container)?;
        // One that ended at once has let go of its ports: its own words say more.
        self.still_runs(container, &seen)?;
        match contract::broken(&seen, spec) {
            None => Ok(()),
            Some(words) => Err(format!("the engine did not keep the contract: {words}")),
        }
    }

    fn await_ready(
        &self,
        id: &ProgramId,
        spec: &ComposeSpec,
        container: &ContainerId,
        given_up: &[&Cancel],
    ) -> Result<(), String> {
        // One without a network cannot be asked: that it runs is all that can be known of it.
        let Some(publish) = spec.ports.first() else { return Ok(()) };
        let entry = self.0.entry(id).map_err(|error| error.to_string())?;
        let path = &entry.meta.health.path;
        let within = self.0.ready_within(&entry.meta);
        let until = Instant::now() + within;
        let (mut looked, mut pause) = (Instant::now(), PAUSE);
        while !self.0.engine.answers(publish.host_port, path.as_deref(), PROBE) {
            if given_up.iter().any(|cancel| cancel.is_cancelled()) || given_up[0].wait(pause) {
                return Err(EngineError::Cancelled.to_string());
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            let late = Instant::now() >= until;
            if late || looked.elapsed() >= LOOK {
                self.still_runs(container, &self.look(container)?)?;
                looked = Instant::now();
            }
            if late {
                let asked = entry.meta.health.asked();
                let (seconds, lines) = (within.as_secs_f32(), self.0.last_lines(container));
                return Err(format!(
                    "{asked} did not answer on port 8080 within {seconds} s{}",
                    quoted(&lines)
                ));
            }
        }
        Ok(())
    }

    fn look(&self, container: &ContainerId) -> Result<Value, String> {
        let seen = self.0.engine.inspect(container).map_err(|error| error.to_string())?;
        seen.ok_or_else(|| "the container is gone".to_owned())
    }

    fn still_runs(&self, container: &ContainerId, seen: &Value) -> Result<(), String> {
        if seen["State"]["Running"] == Value::Bool(true) {
            return Ok(());
        }
        Err(self.exit(container, seen).to_string())
    }

    fn exit(&self, container: &ContainerId, seen: &Value) -> Exit {
        let code = seen["State"]["ExitCode"].as_i64();
        let out_of_memory =
            killed_for_memory(seen) || (code == Some(KILLED) && self.was_out_of_memory(container));
        Exit { code, out_of_memory, last_lines: self.0.last_lines(container) }
    }

    /// The engine tells the exit code of a container that was killed, and why it was a moment later.
    fn was_out_of_memory(&self, container: &ContainerId) -> bool {
        (0..MEMORY_LOOKS).any(|_| {
            !self.0.closing.wait(MEMORY_PAUSE)
                && self.look(container).is_ok_and(|seen| killed_for_memory(&seen))
        })
    }

    /// What became of a container; nothing to tell while it runs, or while the engine is silent.
    fn status(&self, id: &ProgramId, attempt: Attempt, container: &ContainerId) -> Option<Event> {
        let exit = match self.0.engine.inspect(container).ok()? {
            Some(seen) if seen["State"]["Running"] == Value::Bool(true) => return None,
            Some(seen) => self.exit(container, &seen),
            None => Exit { code: None, out_of_memory: false, last_lines: vec![] },
        };
        self.keep_logs_of(id, attempt, container);
        Some(Event::RuntimeExited { attempt, container_id: container.clone(), exit })
    }

    fn stop(&self, id: &ProgramId, container: &ContainerId) -> Result<(), EngineError> {
        let listed = self.0.engine.list()?;
        match listed.iter().find(|one| one.container_id == *container) {
            Some(one) => self.end(id, one.attempt, container),
            None => Ok(()),
        }
    }

    /// Ends a container, keeps all that it wrote, and removes it.
    fn end(
        &self,
        id: &ProgramId,
        attempt: Attempt,
        container: &ContainerId,
    ) -> Result<(), EngineError> {
        self.0.engine.halt(container, self.0.config.stop_grace)?;
        self.keep_logs_of(id, attempt, container);
        self.0.engine.remove(container)
    }

    /// Keeps what a container wrote beyond its end. Where that fails, the program goes on without.
    fn keep_logs_of(&self, id: &ProgramId, attempt: Attempt, container: &ContainerId) {
        if let Ok(bytes) = self.0.engine.logs(container, KEPT_LINES) {
            let storage = &self.0.storage;
            let _ = storage.write_private(&storage.run_log(id, attempt), &bytes);
        }
    }

    fn remove(&self, id: &ProgramId, purge: bool) -> Result<(), String> {
        // A start that was given up may have made one after all.
        let listed = self.0.engine.list().map_err(|error| error.to_string())?;
        for one in listed.into_iter().filter(|one| one.program_id.as_ref() == Some(id)) {
            let stopped = self.0.engine.stop(&one.container_id, self.0.config.stop_grace);
            stopped.map_err(|error| error.to_string())?;
        }
        self.0.engine.remove_images(id).map_err(|error| error.to_string())?;
        self.0.storage.remove(id, purge).map_err(|error| error.to_string())
    }
}
