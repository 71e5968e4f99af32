//! An engine in memory, for tests of what stands on engines.
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::{BuildJob, Engine, EngineError, EngineFacts, Listed};
use crate::host::compose::{ComposeSpec, Network};
use crate::program::{Attempt, Cancel, ContainerId, ImageId, ProgramId};

struct Container {
    program: ProgramId,
    attempt: Attempt,
    running: bool,
    exit_code: i64,
    logs: String,
    inspect: Value,
}

type Lie = Box<dyn Fn(&mut Value) + Send>;

#[derive(Default)]
struct Inner {
    containers: BTreeMap<ContainerId, Container>,
    images: BTreeMap<ProgramId, Vec<ImageId>>,
    made: u32,
    failures: BTreeMap<&'static str, VecDeque<String>>,
    held: BTreeMap<&'static str, Cancel>,
    hold_after: BTreeMap<&'static str, usize>,
    taken_ports: BTreeSet<u16>,
    down: bool,
    cannot_limit: Vec<&'static str>,
    open: Option<String>,
    mute: bool,
    mute_ports: BTreeSet<u16>,
    lie: Option<Lie>,
}

/// An engine in memory. It starts what it is told to at once, unless told to fail, to hold or to
/// lie. Clones are one engine, for one host after another. Usable from any thread.
#[derive(Default)]
pub struct FakeEngine {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Condvar>,
    /// The host that holds this clone is shutting down.
    interrupted: Cancel,
}

impl Clone for FakeEngine {
    fn clone(&self) -> Self {
        let (inner, changed) = (Arc::clone(&self.inner), Arc::clone(&self.changed));
        Self { inner, changed, interrupted: Cancel::new() }
    }
}

impl FakeEngine {
    /// Everything works at once.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next call of this name (`build`, `run`, `stop`, …) fails with these words.
    pub fn fail(&self, call: &'static str, words: &str) {
        self.lock().failures.entry(call).or_default().push_back(words.to_owned());
    }

    /// Calls of this name wait until [`FakeEngine::release`] or their cancellation.
    pub fn hold(&self, call: &'static str) {
        self.lock().held.insert(call, Cancel::new());
    }

    /// Calls of this name wait after so many more, as those of [`FakeEngine::hold`] do.
    pub fn hold_after(&self, call: &'static str, calls: usize) {
        self.lock().hold_after.insert(call, calls);
    }

    /// Waits until a call of this name waits, at most this long.
    pub fn wait_held(&self, call: &'static str, at_most: Duration) {
        let free = |inner: &mut Inner| !inner.held.contains_key(call);
        drop(self.changed.wait_timeout_while(self.lock(), at_most, free));
    }

    /// Lets the calls of this name go on.
    pub fn release(&self, call: &'static str) {
        let mut inner = self.lock();
        inner.hold_after.remove(call);
        if let Some(held) = inner.held.remove(call) {
            held.cancel();
        }
    }

    /// Somebody else takes this port.
    pub fn take_port(&self, port: u16) {
        self.lock().taken_ports.insert(port);
    }

    /// Whether the engine answers at all.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// What the engine says that it cannot limit, from the next probe on.
    pub fn set_cannot_limit(&self, what: Vec<&'static str>) {
        self.lock().cannot_limit = what;
    }

    /// Why programs could reach what they should not, until it is said otherwise.
    pub fn set_open(&self, why: Option<&str>) {
        self.lock().open = why.map(str::to_owned);
    }

    /// Whether programs that are started never answer.
    pub fn set_mute(&self, mute: bool) {
        self.lock().mute = mute;
    }

    /// Programs that are published on this port never answer, or do again.
    pub fn set_mute_on(&self, port: u16, mute: bool) {
        let ports = &mut self.lock().mute_ports;
        if mute {
            ports.insert(port)
        } else {
            ports.remove(&port)
        };
    }

    /// Changes what the engine says of the containers that it starts from now on.
    pub fn lie(&self, lie: impl Fn(&mut Value) + Send + 'static) {
        self.lock().lie = Some(Box::new(lie));
    }

    /// Ends a program's container as if it had exited; tells whether one ran.
    pub fn exit(&self, program: &ProgramId, code: i64, last_words: &str) -> bool {
        let mut inner = self.lock();
        let mut running = inner.containers.values_mut().filter(|c| c.running);
        let Some(container) = running.find(|c| c.program == *program) else { return false };
        container.running = false;
        container.exit_code = code;
        container.logs.push_str(last_words);
        container.inspect["State"] = state(false, code);
        true
    }

    /// Takes all containers away, as a reboot with `--rm` or an engine's loss would.
    pub fn forget_containers(&self) {
        self.lock().containers.clear();
    }

    /// A container of another start of this program, as a crash at the wrong moment leaves it.
    pub fn plant(&self, spec: &ComposeSpec) -> Option<ContainerId> {
        self.lock().make(spec)
    }

    /// How many containers run.
    pub fn running(&self) -> usize {
        self.lock().running()
    }

    /// Waits until this many containers run, at most this long; tells whether so.
    pub fn wait_running(&self, count: usize, at_most: Duration) -> bool {
        let other = |inner: &mut Inner| inner.running() != count;
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, other);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Waits until there are this many containers, running or not, at most this long; tells whether
    /// so.
    pub fn wait_containers(&self, count: usize, at_most: Duration) -> bool {
        let other = |inner: &mut Inner| inner.containers.len() != count;
        let waited = self.changed.wait_timeout_while(self.lock(), at_most, other);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How many images there are.
    pub fn image_count(&self) -> usize {
        self.lock().images.values().map(Vec::len).sum()
    }

    fn enter(&self, call: &'static str, cancel: Option<&Cancel>) -> Result<(), EngineError> {
        let held = {
            let mut inner = self.lock();
            match inner.hold_after.get_mut(call) {
                Some(0) => {
                    inner.hold_after.remove(call);
                    inner.held.insert(call, Cancel::new());
                    self.changed.notify_all();
                }
                Some(left) => *left -= 1,
                None => {}
            }
            inner.held.get(call).cloned()
        };
        if let Some(held) = held {
            while !held.wait(Duration::from_millis(5)) {
                if self.interrupted.is_cancelled() || cancel.is_some_and(Cancel::is_cancelled) {
                    return Err(EngineError::Cancelled);
                }
            }
        }
        if cancel.is_some_and(Cancel::is_cancelled) {
            return Err(EngineError::Cancelled);
        }
        let mut inner = self.lock();
        if inner.down {
            return Err(EngineError::Refused("the engine does not answer".to_owned()));
        }
        let words = inner.failures.get_mut(call).and_then(VecDeque::pop_front);
        words.map_or(Ok(()), |words| Err(EngineError::Refused(words)))
    }
}

impl Inner {
    fn running(&self) -> usize {
        self.containers.values().filter(|c| c.running).count()
    }

    fn make(&mut self, spec: &ComposeSpec) -> Option<ContainerId> {
        self.made += 1;
        let id: ContainerId = format!("{:064x}", self.made).parse().ok()?;
        let mut inspect = inspected(spec);
        inspect["Id"] = json!(id.as_str());
        if let Some(lie) = &self.lie {
            lie(&mut inspect);
        }
        let container = Container {
            program: spec.program_id.clone(),
            attempt: spec.attempt,
            running: true,
            exit_code: 0,
            logs: format!("attempt {} is up\n", spec.attempt),
            inspect,
        };
        self.containers.insert(id.clone(), container);
        Some(id)
    }
}

impl Engine for FakeEngine {
    fn probe(&self) -> Result<EngineFacts, EngineError> {
        self.enter("probe", None)?;
        let (open, cannot_limit) = {
            let inner = self.lock();
            (inner.open.clone(), inner.cannot_limit.clone())
        };
        Ok(EngineFacts {
            version: "0.0.0-fake".to_owned(),
            runtimes: vec!["runsc".to_owned(), "runc".to_owned()],
            keeps_apart: true,
            open,
            cannot_limit,
            warnings: vec![],
        })
    }

    fn build(&self, mut job: BuildJob<'_>, cancel: &Cancel) -> Result<ImageId, EngineError> {
        let file = |error: std::io::Error| EngineError::File(error.to_string());
        writeln!(job.log, "building {}", job.program_id).map_err(file)?;
        self.enter("build", Some(cancel))?;
        writeln!(job.log, "built").map_err(file)?;
        let mut inner = self.lock();
        inner.made += 1;
        let text = format!("sha256:{:064x}", inner.made);
        let image: ImageId =
            text.parse().map_err(|_| EngineError::Refused("no image id".to_owned()))?;
        inner.images.entry(job.program_id.clone()).or_default().push(image.clone());
        Ok(image)
    }

    fn run(&self, spec: &ComposeSpec, cancel: &Cancel) -> Result<ContainerId, EngineError> {
        self.enter("run", Some(cancel))?;
        let mut inner = self.lock();
        if inner.containers.values().any(|c| c.program == spec.program_id) {
            let words = format!("the name {} is already in use", spec.container_name());
            return Err(EngineError::NameTaken(words));
        }
        if spec.ports.iter().any(|publish| inner.taken_ports.contains(&publish.host_port)) {
            return Err(EngineError::PortTaken("port is already allocated".to_owned()));
        }
        inner.make(spec).ok_or_else(|| EngineError::Refused("no container id".to_owned()))
    }

    fn inspect(&self, container: &ContainerId) -> Result<Option<Value>, EngineError> {
        self.enter("inspect", None)?;
        Ok(self.lock().containers.get(container).map(|c| c.inspect.clone()))
    }

    fn halt(&self, container: &ContainerId, _: Duration) -> Result<(), EngineError> {
        self.enter("stop", None)?;
        if let Some(one) = self.lock().containers.get_mut(container).filter(|one| one.running) {
            one.running = false;
            one.logs.push_str("goodbye\n");
            one.inspect["State"] = state(false, 0);
        }
        self.changed.notify_all();
        Ok(())
    }

    fn remove(&self, container: &ContainerId) -> Result<(), EngineError> {
        self.enter("remove", None)?;
        self.lock().containers.remove(container);
        self.changed.notify_all();
        self.changed.notify_all();
        Ok(())
    }

    fn list(&self) -> Result<Vec<Listed>, EngineError> {
        self.enter("list", None)?;
        let inner = self.lock();
        let listed = inner.containers.iter().map(|(id, c)| Listed {
            container_id: id.clone(),
            program_id: Some(c.program.clone()),
            attempt: c.attempt,
            running: c.running,
        });
        Ok(listed.collect())
    }

    fn logs(&self, container: &ContainerId, tail: usize) -> Result<Vec<u8>, EngineError> {
        self.enter("logs", None)?;
        let inner = self.lock();
        let Some(container) = inner.containers.get(container) else {
            return Err(EngineError::Refused("no such container".to_owned()));
        };
        let lines: Vec<_> = container.logs.split_inclusive('\n').collect();
        Ok(lines[lines.len().saturating_sub(tail)..].concat().into_bytes())
    }

    fn follow(
        &self,
        container: &ContainerId,
        tail: usize,
        _: &Cancel,
    ) -> Result<Box<dyn Read + Send>, EngineError> {
        Ok(Box::new(Cursor::new(self.logs(container, tail)?)))
    }

    fn remove_images(&self, program: &ProgramId) -> Result<(), EngineError> {
        self.enter("remove_images", None)?;
        self.lock().images.remove(program);
        Ok(())
    }

    fn images(&self) -> Result<Vec<(ImageId, Option<ProgramId>)>, EngineError> {
        self.enter("images", None)?;
        let inner = self.lock();
        let all = inner.images.iter().flat_map(|(program, images)| {
            images.iter().map(|image| (image.clone(), Some(program.clone())))
        });
        Ok(all.collect())
    }

    fn remove_image(&self, image: &ImageId) -> Result<(), EngineError> {
        self.enter("remove_image", None)?;
        self.lock().images.values_mut().for_each(|images| images.retain(|one| one != image));
        Ok(())
    }

    fn interrupt(&self) {
        self.interrupted.cancel();
    }

    fn uphold(&self) -> Result<(), String> {
        self.lock().open.clone().map_or(Ok(()), Err)
    }

    fn close(&self) {}

    fn answers(&self, port: u16, _: Option<&str>, within: Duration) -> bool {
        let mute = {
            let inner = self.lock();
            inner.mute || inner.mute_ports.contains(&port)
        };
        if mute {
            // A real one would use up its time.
            Cancel::new().wait(within.min(Duration::from_millis(5)));
        }
        !mute
    }
}

fn state(running: bool, code: i64) -> Value {
    let status = if running { "running" } else { "exited" };
    json!({"Status": status, "Running": running, "ExitCode": code, "OOMKilled": false})
}

/// What an honest engine says of a container that keeps this contract.
pub fn inspected(spec: &ComposeSpec) -> Value {
    let mut ports = json!({});
    for publish in &spec.ports {
        let place = json!([{"HostIp": publish.host_ip, "HostPort": publish.host_port.to_string()}]);
        ports[format!("{}/tcp", publish.container_port)] = place;
    }
    let network = match &spec.network {
        Network::Bridge(name) => name.as_str(),
        Network::None => "none",
    };
    let mount = |m: &crate::host::compose::Mount| {
        json!({
            "Type": "bind", "Source": m.source, "Destination": m.target,
            "Mode": "", "RW": !m.read_only, "Propagation": "rprivate",
        })
    };
    let env: Vec<_> = spec.environment.iter().map(|(name, v)| format!("{name}={v}")).collect();
    let memory = spec.limits.memory_bytes;
    json!({
        "State": state(true, 0),
        "Image": spec.image.as_str(),
        "Name": format!("/{}", spec.container_name()),
        "HostConfig": {
            "LogConfig": {"Type": "json-file", "Config": {
                "max-file": "2", "max-size": (spec.limits.log_bytes / 2).to_string(),
            }},
            "NetworkMode": network, "PortBindings": ports,
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "VolumesFrom": null, "CapAdd": null, "CapDrop": spec.cap_drop,
            "CgroupnsMode": "private", "ExtraHosts": null, "GroupAdd": null, "IpcMode": "none",
            "Links": null, "PidMode": "", "Privileged": false, "PublishAllPorts": false,
            "ReadonlyRootfs": spec.read_only, "SecurityOpt": spec.security_opt, "UTSMode": "",
            "UsernsMode": "", "Runtime": spec.runtime, "Memory": memory, "MemorySwap": memory,
            "NanoCpus": u64::from(spec.limits.milli_cpus) * 1_000_000, "CgroupParent": "",
            "Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null, "Tmpfs": null,
            "Sysctls": null, "OomScoreAdj": 0, "Annotations": null,
            "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"], "OomKillDisable": false, "PidsLimit": spec.limits.pids,
        },
        "Mounts": spec.mounts.iter().map(mount).collect::<Vec<_>>(),
        "Config": {"Env": env, "Labels": spec.labels},
        "NetworkSettings": {"Ports": ports, "Networks": {network: {}}},
    })
}
