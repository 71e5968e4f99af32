//! Every line of the contract, as Docker itself tells it about a deployed program.

use hersh_tests::{HostProcess, counter, engine};
use serde_json::{Value, json};

#[test]
fn docker_inspect_shows_every_line_of_the_contract() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(counter(), "counter");
    let container = host.container(&id);
    let config = &container["HostConfig"];

    // gVisor.
    assert_eq!(config["Runtime"], "runsc");

    // A read-only root, and one writable place: everything else that is mounted is read-only.
    assert_eq!(config["ReadonlyRootfs"], true);
    let mounts = container["Mounts"].as_array().expect("docker tells the mounts");
    let writable: Vec<&Value> =
        mounts.iter().filter(|m| m["RW"] == true).map(|m| &m["Destination"]).collect();
    assert_eq!(writable, ["/state"], "{mounts:#?}");
    let state = mounts.iter().find(|m| m["Destination"] == "/state").expect("it was found above");
    let source = host.data().join("programs").join(&id).join("state");
    assert_eq!(state["Source"].as_str(), source.to_str());
    for place in ["/dev/shm", "/tmp", "/run"] {
        let options = &config["Tmpfs"][place];
        assert!(options.as_str().is_none_or(|o| o.split(',').any(|o| o == "ro")), "{config:#}");
    }

    // No exposure: the API's port alone, on loopback alone, from the range.
    let ports = config["PortBindings"].as_object().expect("docker tells the ports");
    assert_eq!(ports.len(), 1, "{ports:?}");
    let bindings = ports["8080/tcp"].as_array().expect("a list of bindings");
    assert_eq!(bindings.len(), 1, "{ports:?}");
    assert_eq!(bindings[0]["HostIp"], "127.0.0.1");
    let port: u16 = bindings[0]["HostPort"].as_str().unwrap_or_default().parse().expect("a port");
    assert!((19001..=29999).contains(&port), "{port}");
    let proxy_url = host.program("counter")["proxy_url"].clone();
    assert_eq!(proxy_url, format!("http://localhost:{port}"));
    assert_eq!(config["PublishAllPorts"], false);

    // Isolation: a bridge of its own kind, on which nobody reaches the next.
    let network = config["NetworkMode"].as_str().expect("docker tells the network").to_owned();
    assert!(!["default", "bridge", "host"].contains(&network.as_str()), "{network}");
    let bridge = engine.inspect(&network);
    assert_eq!(bridge["Driver"], "bridge");
    assert_eq!(bridge["Options"]["com.docker.network.bridge.enable_icc"], "false");

    privileges(config);
    identity(&container, &id);
}

fn privileges(config: &Value) {
    assert_eq!(config["Privileged"], false);
    assert_eq!(config["CapDrop"], json!(["ALL"]));
    assert!(empty(&config["CapAdd"]), "{config:#}");
    let security = config["SecurityOpt"].as_array().expect("docker tells the security options");
    assert!(
        security.iter().any(|o| o.as_str().is_some_and(|o| o.starts_with("no-new-privileges")))
    );
    assert!(!security.iter().any(|o| o.as_str().is_some_and(|o| o.contains("unconfined"))));
    assert!(config["PidsLimit"].as_u64() > Some(0), "{config:#}");
    let memory = config["Memory"].as_u64().expect("docker tells the memory limit");
    assert!(memory > 0, "{config:#}");
    assert_eq!(config["MemorySwap"].as_u64(), Some(memory), "no swap beyond the memory");
    assert!(config["NanoCpus"].as_u64() > Some(0), "{config:#}");
    assert!(config["LogConfig"]["Config"]["max-size"].is_string(), "{config:#}");
    assert!(config["LogConfig"]["Config"]["max-file"].is_string(), "{config:#}");
    for namespace in ["PidMode", "IpcMode", "UTSMode", "UsernsMode", "CgroupnsMode"] {
        assert_ne!(config[namespace], "host", "{namespace}");
    }
    for nothing in
        ["Devices", "DeviceRequests", "DeviceCgroupRules", "VolumesFrom", "Links", "GroupAdd"]
    {
        assert!(empty(&config[nothing]), "{nothing}: {}", config[nothing]);
    }
    // Docker's own restarting would undo what the host decided.
    assert!(["", "no"].contains(&config["RestartPolicy"]["Name"].as_str().unwrap_or_default()));
}

fn identity(container: &Value, id: &str) {
    let labels = &container["Config"]["Labels"];
    assert_eq!(labels["hersh.program"], id);
    assert!(labels["hersh.attempt"].as_str().is_some_and(|a| a.parse::<u64>().is_ok()), "{labels}");
    assert!(labels["hersh.host"].as_str().is_some_and(|h| !h.is_empty()), "{labels}");
    let env = container["Config"]["Env"].as_array().expect("docker tells the environment");
    assert!(env.contains(&json!(format!("HERSH_PROGRAM_ID={id}"))), "{env:?}");
    assert!(env.contains(&json!("HERSH_STATE_DIR=/state")), "{env:?}");
}

fn empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

#[test]
fn the_image_carries_the_labels_of_its_program() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let id = host.deploy(counter(), "counter");
    let image = engine.inspect(host.container(&id)["Image"].as_str().expect("an image"));
    let labels = &image["Config"]["Labels"];
    assert_eq!(labels["hersh.program"], id);
    assert!(labels["hersh.host"].is_string(), "{labels}");
}
