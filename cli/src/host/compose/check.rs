//! Whether the engine kept the contract: what it says of a container against what was written down.
use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Value, json};

use super::{ComposeSpec, Network};

/// One line of the contract that a container does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which line.
    pub what: String,
    /// What was written down.
    pub expected: String,
    /// What the engine says.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} and must be {}", self.what, self.found, self.expected)
    }
}

/// Variables that the engine's client adds by itself where it is configured to, and that would send
/// a program's traffic elsewhere.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Compares `docker inspect`'s answer for one container with what was written down for it.
///
/// What the engine does not mention counts as what it does by default: nothing is taken on trust
/// that the contract names. Empty when the contract is kept.
pub fn check(inspected: &Value, spec: &ComposeSpec) -> Vec<Violation> {
    let mut check = Check { root: inspected, found: Vec::new() };
    check.isolation(spec);
    check.privileges();
    check.files(spec);
    check.network(spec);
    check.limits(spec);
    check.identity(spec);
    check.found
}

struct Check<'a> {
    root: &'a Value,
    found: Vec<Violation>,
}

impl Check<'_> {
    fn at(&self, path: &str) -> &Value {
        self.root.pointer(path).unwrap_or(&Value::Null)
    }

    fn differ(&mut self, what: &str, expected: impl Into<String>, found: impl Into<String>) {
        let (what, expected, found) = (what.to_owned(), expected.into(), found.into());
        self.found.push(Violation { what, expected, found });
    }

    fn equal(&mut self, what: &str, path: &str, expected: &Value) {
        let found = self.at(path).clone();
        if found != *expected {
            self.differ(what, expected.to_string(), found.to_string());
        }
    }

    /// The value is one of these; `null` stands for one that is not mentioned.
    fn one_of(&mut self, what: &str, path: &str, allowed: &[Value]) {
        let found = self.at(path).clone();
        if !allowed.contains(&found) {
            let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
            self.differ(what, allowed.join(" or "), found.to_string());
        }
    }

    fn empty(&mut self, what: &str, path: &str) {
        let found = self.at(path);
        let empty = match found {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if !empty {
            let found = found.to_string();
            self.differ(what, "empty", found);
        }
    }

    fn isolation(&mut self, spec: &ComposeSpec) {
        self.equal("the runtime", "/HostConfig/Runtime", &json!(spec.runtime));
        self.equal(
            "the root file system's read-only flag",
            "/HostConfig/ReadonlyRootfs",
            &json!(true),
        );
        let own = [json!(""), json!("private"), json!("none"), Value::Null];
        for (what, path) in [
            ("the process namespace", "/HostConfig/PidMode"),
            ("the host name's namespace", "/HostConfig/UTSMode"),
            ("the user namespace", "/HostConfig/UsernsMode"),
            ("the control groups' namespace", "/HostConfig/CgroupnsMode"),
        ] {
            self.one_of(what, path, &own);
        }
        self.equal("the shared memory's namespace", "/HostConfig/IpcMode", &json!("none"));
    }

    fn privileges(&mut self) {
        self.equal("the privileged flag", "/HostConfig/Privileged", &json!(false));
        self.empty("the list of added capabilities", "/HostConfig/CapAdd");
        // Engines differ in how they write the word.
        let all = [json!(["ALL"]), json!(["all"]), json!(["CAP_ALL"])];
        self.one_of("the list of dropped capabilities", "/HostConfig/CapDrop", &all);
        let options = [
            json!(["no-new-privileges"]),
            json!(["no-new-privileges:true"]),
            json!(["no-new-privileges=true"]),
        ];
        self.one_of("the list of security options", "/HostConfig/SecurityOpt", &options);
        self.empty("the list of devices", "/HostConfig/Devices");
        self.empty("the list of device requests", "/HostConfig/DeviceRequests");
        self.empty("the list of device rules", "/HostConfig/DeviceCgroupRules");
        self.empty("the list of added groups", "/HostConfig/GroupAdd");
        self.empty("the list of kernel settings", "/HostConfig/Sysctls");
        self.empty("the parent control group", "/HostConfig/CgroupParent");
        self.empty("the list of annotations for the runtime", "/HostConfig/Annotations");
        self.one_of(
            "the preference for others when memory is short",
            "/HostConfig/OomScoreAdj",
            &[json!(0), Value::Null],
        );
        // The engine tells which it hides; none at all is what `systempaths=unconfined` asks for.
        for (what, path) in [
            ("the list of hidden places in /proc", "/HostConfig/MaskedPaths"),
            ("the list of read-only places in /proc", "/HostConfig/ReadonlyPaths"),
        ] {
            if *self.at(path) == json!([]) {
                self.differ(what, "the engine's own", "empty");
            }
        }
    }

    fn files(&mut self, spec: &ComposeSpec) {
        let expected: BTreeSet<_> = spec
            .mounts
            .iter()
            .map(|m| mount_words(&m.source.to_string_lossy(), &m.target, !m.read_only))
            .collect();
        let none = Vec::new();
        let mounts = self.at("/Mounts").as_array().unwrap_or(&none);
        let found: BTreeSet<_> = mounts
            .iter()
            .map(|m| {
                let text = |name: &str| m[name].as_str().unwrap_or("?");
                let kind = if text("Type") == "bind" { "" } else { text("Type") };
                let words =
                    mount_words(text("Source"), text("Destination"), m["RW"] != json!(false));
                format!("{kind}{words}")
            })
            .collect();
        if found != expected {
            let words = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
            self.differ("the list of mounts", words(expected), words(found));
        }
        self.empty("the list of file systems in memory", "/HostConfig/Tmpfs");
        self.empty("the list of other containers' volumes", "/HostConfig/VolumesFrom");
    }

    fn network(&mut self, spec: &ComposeSpec) {
        let name = match &spec.network {
            Network::Bridge(name) => name,
            Network::None => "none",
        };
        self.equal("the network", "/HostConfig/NetworkMode", &json!(name));
        let joined: Vec<_> = self
            .at("/NetworkSettings/Networks")
            .as_object()
            .map(|networks| networks.keys().cloned().collect())
            .unwrap_or_default();
        if joined.iter().any(|other| other != name) {
            self.differ("the list of networks", name, joined.join(", "));
        }
        let mut expected = json!({});
        for publish in &spec.ports {
            expected[format!("{}/tcp", publish.container_port)] =
                json!([{"HostIp": publish.host_ip, "HostPort": publish.host_port.to_string()}]);
        }
        for (what, path) in [
            ("the list of ports to publish", "/HostConfig/PortBindings"),
            ("the list of published ports", "/NetworkSettings/Ports"),
        ] {
            let found = published(self.at(path));
            if found != expected {
                self.differ(what, expected.to_string(), found.to_string());
            }
        }
        self.one_of(
            "the flag to publish all ports",
            "/HostConfig/PublishAllPorts",
            &[json!(false), Value::Null],
        );
        self.empty("the list of links", "/HostConfig/Links");
        self.empty("the list of added host names", "/HostConfig/ExtraHosts");
    }

    fn limits(&mut self, spec: &ComposeSpec) {
        let limits = &spec.limits;
        self.equal("the memory limit", "/HostConfig/Memory", &json!(limits.memory_bytes));
        // An engine that cannot limit swap says -1; it says so at start-up, too.
        let swap = [json!(limits.memory_bytes), json!(-1)];
        self.one_of("the limit of memory and swap", "/HostConfig/MemorySwap", &swap);
        let nano = u64::from(limits.milli_cpus) * 1_000_000;
        self.equal("the processor limit", "/HostConfig/NanoCpus", &json!(nano));
        self.equal("the process limit", "/HostConfig/PidsLimit", &json!(limits.pids));
        self.one_of(
            "the flag against killing when memory is short",
            "/HostConfig/OomKillDisable",
            &[json!(false), Value::Null],
        );
        self.equal("the log's kind", "/HostConfig/LogConfig/Type", &json!("json-file"));
        let options = json!({"max-size": spec.log_file_bytes().to_string(), "max-file": "2"});
        self.equal("the log's limits", "/HostConfig/LogConfig/Config", &options);
        self.one_of(
            "the engine's own restart rule",
            "/HostConfig/RestartPolicy/Name",
            &[json!("no"), json!("")],
        );
    }

    fn identity(&mut self, spec: &ComposeSpec) {
        self.equal("the image", "/Image", &json!(spec.image.as_str()));
        self.equal("the name", "/Name", &json!(format!("/{}", spec.container_name())));
        for (name, value) in &spec.labels {
            let found = self.at("/Config/Labels").get(name).cloned().unwrap_or_default();
            if found != json!(value) {
                self.differ(&format!("label {name}"), value.as_str(), found.to_string());
            }
        }
        let none = Vec::new();
        let given = self.at("/Config/Env").as_array().unwrap_or(&none).clone();
        for entry in &given {
            let name = entry.as_str().and_then(|entry| entry.split_once('=')).unwrap_or_default().0;
            let is_proxy = PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy));
            if is_proxy && !spec.environment.contains_key(name) {
                let found =
                    "set by the engine's client (`proxies` in its config.json) or its image";
                self.differ(&format!("variable {name}"), "its owner's to set", found);
            }
        }
        for (name, value) in &spec.environment {
            if !given.contains(&json!(format!("{name}={value}"))) {
                // Never the value: it may be a secret.
                self.differ(&format!("variable {name}"), "what was asked for", "something else");
            }
        }
    }
}

fn mount_words(source: &str, target: &str, writable: bool) -> String {
    format!("{source} on {target}{}", if writable { " (writable)" } else { "" })
}

/// The ports that are bound to the machine; those that a container only mentions are not.
fn published(ports: &Value) -> Value {
    let bound = ports
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, places)| places.as_array().is_some_and(|places| !places.is_empty()));
    Value::Object(bound.map(|(port, places)| (port.clone(), places.clone())).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{spec, spec_with};
    use super::*;
    use crate::host::engine::inspected;
    use crate::host::request::NetworkMode;

    #[test]
    fn a_container_that_keeps_the_contract_passes() {
        assert_eq!(check(&inspected(&spec()), &spec()), []);
        let alone = spec_with(NetworkMode::None, &BTreeMap::new());
        assert_eq!(check(&inspected(&alone), &alone), []);
    }

    #[test]
    fn every_lie_is_noticed() {
        let lies = [
            ("/HostConfig/Runtime", json!("runc")),
            ("/HostConfig/ReadonlyRootfs", json!(false)),
            ("/HostConfig/PidMode", json!("host")),
            ("/HostConfig/UTSMode", json!("host")),
            ("/HostConfig/UsernsMode", json!("host")),
            ("/HostConfig/CgroupnsMode", json!("host")),
            ("/HostConfig/IpcMode", json!("shareable")),
            ("/HostConfig/Privileged", json!(true)),
            ("/HostConfig/CapAdd", json!(["NET_RAW"])),
            ("/HostConfig/CapDrop", Value::Null),
            ("/HostConfig/SecurityOpt", json!(["no-new-privileges", "seccomp=unconfined"])),
            ("/HostConfig/SecurityOpt", json!([])),
            ("/HostConfig/Devices", json!([{"PathOnHost": "/dev/kvm"}])),
            ("/HostConfig/DeviceRequests", json!([{}])),
            ("/HostConfig/Tmpfs", json!({"/tmp": ""})),
            ("/HostConfig/VolumesFrom", json!(["other"])),
            ("/HostConfig/NetworkMode", json!("host")),
            ("/HostConfig/PublishAllPorts", json!(true)),
            ("/HostConfig/Links", json!(["/a:/b"])),
            ("/HostConfig/ExtraHosts", json!(["a:1.2.3.4"])),
            ("/HostConfig/Sysctls", json!({"net.ipv4.ip_forward": "1"})),
            ("/HostConfig/Annotations", json!({"dev.gvisor.flag.network": "host"})),
            ("/HostConfig/OomScoreAdj", json!(-1000)),
            ("/HostConfig/MaskedPaths", json!([])),
            ("/HostConfig/ReadonlyPaths", json!([])),
            ("/HostConfig/Memory", json!(0)),
            ("/HostConfig/MemorySwap", json!(0)),
            ("/HostConfig/NanoCpus", json!(0)),
            ("/HostConfig/PidsLimit", Value::Null),
            ("/HostConfig/OomKillDisable", json!(true)),
            ("/HostConfig/LogConfig/Config", json!({})),
            ("/HostConfig/RestartPolicy/Name", json!("always")),
            ("/HostConfig/PortBindings/8080~1tcp/0/HostIp", json!("")),
            ("/NetworkSettings/Ports/8080~1tcp/0/HostIp", json!("0.0.0.0")),
            ("/NetworkSettings/Networks", json!({"hersh-0123456789abcdef": {}, "other": {}})),
            ("/Mounts/0/RW", json!(false)),
            ("/Mounts/1/RW", json!(true)),
            ("/Mounts/0/Source", json!("/")),
            ("/Mounts/0/Type", json!("volume")),
            ("/Mounts", json!([])),
            ("/Image", json!("sha256:0")),
            ("/Name", json!("/other")),
            ("/Config/Labels/hersh.program", json!("other")),
            ("/Config/Env", json!([])),
            (
                "/Config/Env",
                json!([
                    "HERSH_PROGRAM_ID=alice-build-0123456789ab-deadbeef",
                    "HERSH_STATE_DIR=/state",
                    "http_proxy=http://192.0.2.1"
                ]),
            ),
        ];
        for (path, lie) in lies {
            let mut answer = inspected(&spec());
            *answer.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = lie;
            assert_ne!(check(&answer, &spec()), [], "{path}");
        }
    }

    #[test]
    fn a_volume_that_the_image_adds_is_noticed() {
        let mut answer = inspected(&spec());
        let volume = json!({"Type": "volume", "Source": "/v", "Destination": "/data", "RW": true});
        answer["Mounts"].as_array_mut().unwrap().push(volume);
        let words = check(&answer, &spec())[0].to_string();
        assert!(words.contains("volume/v on /data (writable)"), "{words}");
    }

    #[test]
    fn an_answer_of_nothing_breaks_everything() {
        assert!(check(&Value::Null, &spec()).len() > 15);
    }

    #[test]
    fn words_never_carry_a_variables_value() {
        let env = BTreeMap::from([("TOKEN".to_owned(), "canary".to_owned())]);
        let spec = spec_with(NetworkMode::Bridge, &env);
        let mut answer = inspected(&spec);
        answer["Config"]["Env"] = json!(["TOKEN=other"]);
        for violation in check(&answer, &spec) {
            assert!(!violation.to_string().contains("canary"), "{violation}");
        }
    }
}
