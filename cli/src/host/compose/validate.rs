//! What breaks the contract.
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::{ComposeSpec, Network, STATE_DIR, WATCHER_PORT, labels};
use crate::host::config::{Limits, Runtime};

/// What a host allows beyond the contract's own words.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether `runc` may be used.
    pub allow_runc: bool,
    /// Where programs may be published.
    pub ports: RangeInclusive<u16>,
    /// The most that a program may use.
    pub max_limits: Limits,
}

impl Policy {
    /// gVisor alone, and these ports.
    pub fn strict(ports: RangeInclusive<u16>) -> Self {
        Self { allow_runc: false, ports, max_limits: Limits::MOST }
    }
}

/// How a container would break the contract. The first four are the seed's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// The `WatcherAPI` would be published elsewhere than on 127.0.0.1 and a port of the range.
    #[error(
        "port {WATCHER_PORT} may be published on 127.0.0.1 and a port of the host's range only, not on {0}"
    )]
    Port8080Published(String),
    /// The runtime is not `runsc`, nor a `runc` that the host allows.
    #[error("the runtime must be runsc (gVisor), not {0:?}")]
    InvalidRuntime(String),
    /// The root file system could be written to.
    #[error("the root file system must be read-only")]
    RootFsNotReadOnly,
    /// `/state` is missing, or cannot be written to.
    #[error("the /state volume must be there once, and writable")]
    StateVolumeNotRw,
    /// Another place could be written to.
    #[error("{0} would be writable: only /state may be")]
    ExtraWritable(String),
    /// Something of the machine would be in the container that must not be.
    #[error("{0} of this machine must not be in a container")]
    ForbiddenMount(String),
    /// Another port would be published.
    #[error("port {0} would be published: only {WATCHER_PORT} may be, and that once")]
    ExtraPort(u16),
    /// The container would be on a network that is not its host's own.
    #[error("{0:?} is not a network of programs")]
    ForbiddenNetwork(String),
    /// Privileges could be gained or kept.
    #[error("privileges: {0}")]
    Privileges(String),
    /// A limit is missing, or beyond what the host gives.
    #[error("limit {name}: {value} is not within {least} and {most}")]
    Limit {
        /// Which one.
        name: &'static str,
        /// What it is.
        value: u64,
        /// What it must be at least.
        least: u64,
        /// What it may be at most.
        most: u64,
    },
    /// An environment variable cannot be handed over, or is the contract's own.
    #[error("environment variable {name:?} {reason}")]
    Environment {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A label of the contract is missing or wrong.
    #[error("label {0} is missing or wrong")]
    Label(String),
}

/// Sources that would hand the machine over, whatever they are mounted on.
const FORBIDDEN_SOURCES: [&str; 7] = ["/", "/proc", "/sys", "/dev", "/run", "/var/run", "/etc"];

/// Looks whether this container would keep the contract.
///
/// # Errors
/// The first [`ContractError`] found.
pub fn validate(spec: &ComposeSpec, policy: &Policy) -> Result<(), ContractError> {
    runtime(spec, policy)?;
    if !spec.read_only {
        return Err(ContractError::RootFsNotReadOnly);
    }
    mounts(spec)?;
    ports(spec, policy)?;
    privileges(spec)?;
    check_limits(&spec.limits, &policy.max_limits)?;
    let own = |name: &String| !OWN_VARIABLES.contains(&name.as_str());
    let given = spec.environment.iter().filter(|(name, _)| own(name));
    check_env(&given.map(|(name, value)| (name.clone(), value.clone())).collect())?;
    for (name, value) in labels(&spec.program_id, spec.attempt, &spec.host_id) {
        if spec.labels.get(&name) != Some(&value) {
            return Err(ContractError::Label(name));
        }
    }
    Ok(())
}

fn runtime(spec: &ComposeSpec, policy: &Policy) -> Result<(), ContractError> {
    let runc = policy.allow_runc && spec.runtime == Runtime::Runc.as_str();
    if runc || spec.runtime == Runtime::Runsc.as_str() {
        Ok(())
    } else {
        Err(ContractError::InvalidRuntime(spec.runtime.clone()))
    }
}

fn mounts(spec: &ComposeSpec) -> Result<(), ContractError> {
    if let Some(place) = spec.tmpfs.first() {
        return Err(ContractError::ExtraWritable(place.clone()));
    }
    let states: Vec<_> = spec.mounts.iter().filter(|m| m.target == STATE_DIR).collect();
    if states.len() != 1 || states[0].read_only {
        return Err(ContractError::StateVolumeNotRw);
    }
    for mount in &spec.mounts {
        let source = mount.source.to_string_lossy().into_owned();
        let forbidden = FORBIDDEN_SOURCES.iter().any(|path| mount.source == **path)
            || mount.source.file_name().is_some_and(|name| name == "docker.sock")
            || !mount.source.is_absolute();
        if forbidden {
            return Err(ContractError::ForbiddenMount(source));
        }
        if !mount.read_only && mount.target != STATE_DIR {
            return Err(ContractError::ExtraWritable(mount.target.clone()));
        }
    }
    Ok(())
}

fn ports(spec: &ComposeSpec, policy: &Policy) -> Result<(), ContractError> {
    match &spec.network {
        Network::Bridge(name) => {
            // The engine gives these words a meaning of their own.
            let special = matches!(name.as_str(), "" | "host" | "bridge" | "default" | "none");
            if special || name.contains(':') {
                return Err(ContractError::ForbiddenNetwork(name.clone()));
            }
        }
        Network::None => {
            if let Some(publish) = spec.ports.first() {
                return Err(ContractError::ExtraPort(publish.container_port));
            }
        }
    }
    for (index, publish) in spec.ports.iter().enumerate() {
        if index > 0 || publish.container_port != WATCHER_PORT {
            return Err(ContractError::ExtraPort(publish.container_port));
        }
        if publish.host_ip != "127.0.0.1" || !policy.ports.contains(&publish.host_port) {
            let place = format!("{}:{}", publish.host_ip, publish.host_port);
            return Err(ContractError::Port8080Published(place));
        }
    }
    Ok(())
}

fn privileges(spec: &ComposeSpec) -> Result<(), ContractError> {
    let fail = |words: String| Err(ContractError::Privileges(words));
    if spec.cap_drop != ["ALL"] {
        return fail("all capabilities must be dropped".to_owned());
    }
    if !spec.security_opt.iter().any(|option| option == "no-new-privileges") {
        return fail("no-new-privileges is missing".to_owned());
    }
    match spec.security_opt.iter().find(|option| *option != "no-new-privileges") {
        Some(other) => fail(format!("security option {other:?} is not the contract's")),
        None => Ok(()),
    }
}

/// Looks whether these limits are within what a host gives.
///
/// # Errors
/// [`ContractError::Limit`].
pub fn check_limits(limits: &Limits, most: &Limits) -> Result<(), ContractError> {
    let table = [
        // Less than this and gVisor itself does not start.
        ("memory_bytes", limits.memory_bytes, 16 << 20, most.memory_bytes),
        ("milli_cpus", limits.milli_cpus.into(), 10, most.milli_cpus.into()),
        ("pids", limits.pids.into(), 32, most.pids.into()),
        ("log_bytes", limits.log_bytes, 8 << 10, most.log_bytes),
    ];
    for (name, value, least, most) in table {
        if !(least..=most).contains(&value) {
            return Err(ContractError::Limit { name, value, least, most });
        }
    }
    Ok(())
}

/// What the host itself sets.
const OWN_VARIABLES: [&str; 3] = ["HERSH_PROGRAM_ID", "HERSH_STATE_DIR", "HERSH_TRIAL"];
/// Longest name, longest value and the most of all together, in bytes.
const MAX_NAME: usize = 256;
const MAX_VALUE: usize = 32 << 10;
const MAX_ENV: usize = 256 << 10;

/// Looks whether these variables can be handed to a program as they are.
///
/// # Errors
/// [`ContractError::Environment`] names the variable, never its value.
pub fn check_env(env: &BTreeMap<String, String>) -> Result<(), ContractError> {
    let mut total = 0;
    for (name, value) in env {
        let fail = |reason| Err(ContractError::Environment { name: name.clone(), reason });
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return fail("must be letters, digits and underscores, beginning with no digit");
        }
        if OWN_VARIABLES.contains(&name.as_str()) {
            return fail("is set by the host");
        }
        // The engine reads variables from lines, and drops the return at the end of one.
        if value.contains(['\n', '\r', '\0']) {
            return fail("has a line break or a NUL in its value");
        }
        total += name.len() + value.len();
        if name.len() > MAX_NAME || value.len() > MAX_VALUE || total > MAX_ENV {
            return fail("is too long: 256 bytes of name, 32 KiB of value, 256 KiB in all");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{spec, spec_with};
    use super::super::{Mount, Publish};
    use super::*;
    use crate::host::request::NetworkMode;

    fn broken(change: impl FnOnce(&mut ComposeSpec)) -> ContractError {
        let mut spec = spec();
        change(&mut spec);
        validate(&spec, &Policy::strict(19_001..=29_999)).unwrap_err()
    }

    #[test]
    fn each_line_of_the_contract_is_guarded() {
        use ContractError as E;
        let mount = |source: &str, target: &str, read_only| Mount {
            source: source.into(),
            target: target.into(),
            read_only,
        };
        for runtime in ["runc", "", "runsc ", "kata"] {
            let error = broken(|s| s.runtime = runtime.into());
            assert_eq!(error, E::InvalidRuntime(runtime.into()));
        }
        assert_eq!(broken(|s| s.read_only = false), E::RootFsNotReadOnly);
        assert_eq!(broken(|s| s.mounts[0].read_only = true), E::StateVolumeNotRw);
        assert_eq!(broken(|s| drop(s.mounts.remove(0))), E::StateVolumeNotRw);
        assert_eq!(broken(|s| s.mounts[1].read_only = false), E::ExtraWritable("/tmp".into()));
        assert_eq!(broken(|s| s.tmpfs.push("/tmp".into())), E::ExtraWritable("/tmp".into()));
        for source in ["/var/run/docker.sock", "/", "/proc", "relative", "/x/docker.sock"] {
            let error = broken(|s| s.mounts.push(mount(source, "/x", true)));
            assert_eq!(error, E::ForbiddenMount(source.into()));
        }
        assert_eq!(
            broken(|s| s.ports[0].host_ip = "0.0.0.0".into()),
            E::Port8080Published("0.0.0.0:19001".into())
        );
        assert_eq!(
            broken(|s| s.ports[0].host_port = 8080),
            E::Port8080Published("127.0.0.1:8080".into())
        );
        assert_eq!(broken(|s| s.ports[0].container_port = 22), E::ExtraPort(22));
        let second =
            Publish { host_ip: "127.0.0.1".into(), host_port: 19_002, container_port: 8080 };
        assert_eq!(broken(|s| s.ports.push(second)), E::ExtraPort(8080));
        assert_eq!(broken(|s| s.network = Network::None), E::ExtraPort(8080));
        for name in ["host", "bridge", "container:other", ""] {
            let error = broken(|s| s.network = Network::Bridge(name.into()));
            assert_eq!(error, E::ForbiddenNetwork(name.into()));
        }
        assert!(matches!(broken(|s| s.cap_drop.clear()), E::Privileges(_)));
        assert!(matches!(broken(|s| s.security_opt.clear()), E::Privileges(_)));
        let unconfined = |s: &mut ComposeSpec| s.security_opt.push("seccomp=unconfined".into());
        assert!(matches!(broken(unconfined), E::Privileges(_)));
        assert!(matches!(
            broken(|s| s.limits.memory_bytes = 0),
            E::Limit { name: "memory_bytes", .. }
        ));
        assert!(matches!(broken(|s| s.limits.milli_cpus = 0), E::Limit { name: "milli_cpus", .. }));
        assert!(matches!(broken(|s| s.limits.pids = u32::MAX), E::Limit { name: "pids", .. }));
        assert!(matches!(broken(|s| s.limits.log_bytes = 0), E::Limit { name: "log_bytes", .. }));
        let relabel = |s: &mut ComposeSpec| drop(s.labels.insert("hersh.host".into(), "me".into()));
        assert_eq!(broken(relabel), E::Label("hersh.host".into()));
    }

    #[test]
    fn runc_passes_only_where_it_is_allowed() {
        let mut spec = spec();
        spec.runtime = "runc".into();
        let strict = Policy::strict(19_001..=29_999);
        assert!(validate(&spec, &strict).is_err());
        assert_eq!(validate(&spec, &Policy { allow_runc: true, ..strict }), Ok(()));
    }

    #[test]
    fn variables_that_could_not_be_handed_over_are_refused_without_their_value() {
        let own = OWN_VARIABLES;
        for name in ["", "1A", "A B", "A=B", "-e", "Ä"].into_iter().chain(own) {
            let error = check_env(&[(name.to_owned(), "v".to_owned())].into()).unwrap_err();
            assert!(matches!(error, ContractError::Environment { .. }), "{name}");
        }
        for value in ["canary\nA=B", "canary\r", "canary\0", &"canary".repeat(10_000)] {
            let error = check_env(&[("A".to_owned(), value.to_owned())].into()).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
        let env = [("A_1".to_owned(), " #$=\"'ü ".to_owned())].into();
        assert_eq!(check_env(&env), Ok(()));
        let spec = spec_with(NetworkMode::None, &env);
        let text = "A_1= #$=\"'ü \nHERSH_PROGRAM_ID=alice-build-0123456789ab-deadbeef\nHERSH_STATE_DIR=/state\n";
        assert_eq!(spec.env_file_text(), text);
    }
}
