//! Each line of the contract, seen from outside by the engine and from inside by the program.
use std::net::TcpListener;

use hersh_cli::host::NetworkMode;
use hersh_cli::host::engine::Engine;
use hersh_cli::program::State;
use serde_json::{Value, json};

use super::{ask, containers, rig, static_program};
use crate::support::{deploy, read_until, wait_for};

#[test]
fn a_deployed_program_keeps_every_line_of_the_contract() {
    let Some(rig) = rig(19_100..=19_109) else { return };
    let mut new = static_program("LABEL hersh.program=somebody-else");
    new.env.insert("TOKEN".into(), "a $secret \"quoted\" # one".into());
    let program = deploy(rig.host(), new);
    let container = program.container_id.parse().unwrap();
    let seen = rig.engine().inspect(&container).unwrap().unwrap();
    let expected = json!({
        "Runtime": "runsc", "ReadonlyRootfs": true, "Privileged": false, "CapAdd": null,
        "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "IpcMode": "none",
        "CgroupnsMode": "private", "PidMode": "", "UTSMode": "", "UsernsMode": "",
        "NetworkMode": format!("hersh-{}", rig.host().host_id()),
        "PortBindings": {"8080/tcp": [
            {"HostIp": "127.0.0.1", "HostPort": program.port.unwrap().to_string()}
        ]},
        "Memory": 512 << 20, "MemorySwap": 512 << 20, "NanoCpus": 1_000_000_000,
        "PidsLimit": 256,
        "LogConfig": {"Type": "json-file", "Config": {"max-file": "2", "max-size": "10485760"}},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(seen["HostConfig"][name], *value, "{name}");
    }
    let writable: Vec<_> = seen["Mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| mount["RW"] == true)
        .map(|mount| mount["Destination"].clone())
        .collect();
    assert_eq!(writable, [json!("/state")]);
    let labels = &seen["Config"]["Labels"];
    assert_eq!(labels["hersh.program"], program.program_id.as_str());
    assert_eq!(
        (&labels["hersh.attempt"], &labels["hersh.host"]),
        (&json!("1"), &json!(rig.host().host_id()))
    );
    let env = |text: &str| seen["Config"]["Env"].as_array().unwrap().contains(&Value::from(text));
    assert!(
        env(&format!("HERSH_PROGRAM_ID={}", program.program_id)) && env("HERSH_STATE_DIR=/state")
    );

    // From inside: gVisor's kernel, no privileges, and one place to write to.
    assert!(ask(&program, "read/proc/version").contains("4.4.0"));
    let status = ask(&program, "read/proc/self/status");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(status.contains(&format!("{set}:\t0000000000000000")), "{status}");
    }
    assert_eq!(ask(&program, "write/state/x"), "written");
    for place in
        ["x", "etc/x", "tmp/x", "dev/shm/x", "proc/x", "sys/x", "etc/resolv.conf", "etc/hosts"]
    {
        assert_ne!(ask(&program, &format!("write/{place}")), "written", "{place}");
    }
    let logs = rig.host().logs(&program.program_id, 100).unwrap().logs;
    assert!(logs.contains("token a $secret \"quoted\" # one\n"), "{logs}");
    // What handed the secret over is gone.
    let runtime = rig.dir.path().join("programs").join(program.program_id.as_str()).join("runtime");
    assert_eq!(std::fs::read_dir(runtime).unwrap().count(), 0);
}

#[test]
fn programs_reach_neither_each_other_nor_the_hosts_api() {
    let Some(rig) = rig(19_110..=19_119) else { return };
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let (one, two) =
        (deploy(rig.host(), static_program("")), deploy(rig.host(), static_program("")));
    let inspect = rig.engine().inspect(&two.container_id.parse().unwrap()).unwrap().unwrap();
    let network =
        &inspect["NetworkSettings"]["Networks"][format!("hersh-{}", rig.host().host_id())];
    let text = |name: &str| network[name].as_str().unwrap().to_owned();
    let api_port = api.local_addr().unwrap().port();
    for target in [
        format!("{}:8080", text("IPAddress")),
        format!("{}:{}", text("Gateway"), two.port.unwrap()),
        format!("127.0.0.1:{}", two.port.unwrap()),
        format!("{}:{api_port}", text("Gateway")),
        format!("127.0.0.1:{api_port}"),
    ] {
        assert_ne!(ask(&one, &format!("reach/{target}")), "reached", "{target}");
    }
    // The same question has another answer where it may: each reaches itself.
    assert_eq!(ask(&one, "reach/127.0.0.1:8080"), "reached");
}

#[test]
fn a_program_without_a_network_publishes_nothing() {
    let Some(rig) = rig(19_120..=19_129) else { return };
    let asked = "CMD [\"tell-and-stay\", \"read/proc/net/dev\", \"reach/169.254.169.254:80\"]";
    let mut new = static_program(asked);
    new.network = NetworkMode::None;
    let program = deploy(rig.host(), new);
    let seen = rig.engine().inspect(&program.container_id.parse().unwrap()).unwrap().unwrap();
    assert_eq!(seen["HostConfig"]["NetworkMode"], "none");
    assert_eq!(seen["NetworkSettings"]["Ports"], json!({}));
    let mut log = rig.host().follow_logs(&program.program_id, 100).unwrap();
    let said = read_until(&mut log, |text| text.ends_with("told\n"));
    assert!(said.contains("lo:") && !said.contains("eth"), "{said}");
    assert!(said.contains("reach/169.254.169.254:80: ") && !said.contains("reached"), "{said}");
}

#[test]
fn an_image_with_a_volume_of_its_own_is_refused() {
    let Some(rig) = rig(19_130..=19_139) else { return };
    let id = rig.host().create(static_program("VOLUME /data")).unwrap().program_id;
    rig.host().start(&id).unwrap();
    let failed = wait_for(rig.host(), &id, State::Error);
    assert!(failed.error_msg.contains("VOLUME /data"), "{}", failed.error_msg);
    assert_eq!(containers(&rig), 0);
    // The one that the contract mounts over is no other place to write to.
    deploy(rig.host(), static_program("VOLUME /state"));
}

#[test]
fn a_dockerfile_that_is_a_link_is_not_followed() {
    let Some(rig) = rig(19_140..=19_149) else { return };
    let id = rig.host().create(static_program("")).unwrap().program_id;
    let file = rig.dir.path().join("programs").join(id.as_str()).join("src/Dockerfile");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    rig.host().start(&id).unwrap();
    let failed = wait_for(rig.host(), &id, State::Error);
    assert!(failed.error_msg.contains("not a regular file"), "{}", failed.error_msg);
}
