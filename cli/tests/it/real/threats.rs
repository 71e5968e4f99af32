//! What hostile owners and programs try from inside, and what comes of it.
use std::collections::BTreeMap;
use std::net::TcpStream;

use hersh_cli::host::Host;
use hersh_cli::host::engine::Engine;
use hersh_cli::program::State;
use serde_json::{Value, json};

use super::{ask, containers, docker, real_config, remove_all, rig, rig_on, static_program};
use crate::support::{deploy, wait_for};

#[test]
fn no_value_becomes_a_flag_or_a_line() {
    let name = "a,readonly,source=b,\"c\" --privileged $HOME ";
    let dir = tempfile::Builder::new().prefix(name).tempdir().unwrap();
    let Some(rig) = rig_on(dir, 19_440..=19_444) else { return };
    let mut new = static_program(
        "LABEL \"--privileged\"=\"--runtime=runc\"\nCMD [\"--privileged\", \"--runtime=runc\"]",
    );
    // The second is in the environment of the engine's client, which fills in what has no value.
    let env = [
        ("A", "--runtime=runc"),
        ("HOME", ""),
        ("PATH", "-e"),
        ("_", "x --privileged"),
        ("B", " #$\"'`"),
    ];
    new.env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let program = deploy(rig.host(), new);
    let seen = rig.engine().inspect(&program.container_id.parse().unwrap()).unwrap().unwrap();
    let given: Vec<_> = seen["Config"]["Env"].as_array().unwrap().iter().collect();
    for (name, value) in env {
        assert!(given.contains(&&json!(format!("{name}={value}"))), "{name}: {given:?}");
    }
    assert_eq!(seen["Args"], json!(["--privileged", "--runtime=runc"]));
    assert_eq!(seen["HostConfig"]["Runtime"], "runsc");
    assert_eq!(seen["HostConfig"]["Privileged"], false);
    let state = rig.dir.path().canonicalize().unwrap();
    let state = state.join("programs").join(program.program_id.as_str()).join("state");
    let sources: BTreeMap<_, _> = seen["Mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| (mount["Destination"].as_str().unwrap(), &mount["Source"]))
        .collect();
    assert_eq!(sources["/state"], &json!(state));
    assert_eq!(ask(&program, "write/state/x"), "written");
    assert!(state.join("x").exists());
}

#[test]
fn there_is_no_way_to_the_engine_or_to_more_rights() {
    let Some(rig) = rig(19_445..=19_449) else { return };
    let program =
        deploy(rig.host(), static_program("RUN [\"/program\", \"set-uid\"]\nUSER 1000:1000"));
    for place in ["var/run/docker.sock", "run/docker.sock", "run/containerd/containerd.sock"] {
        let found = ask(&program, &format!("read/{place}"));
        assert!(found.contains("os error 2"), "{place}: {found}");
    }
    // No disk, and nothing of the machine's memory.
    let devices = ask(&program, "list/dev");
    for device in ["kvm", "mem", "kmsg", "sda", "vda", "nvme0n1", "loop0", "loop-control", "net"] {
        assert!(!devices.lines().any(|line| line == device), "{devices}");
    }
    assert!(devices.lines().any(|line| line == "null"), "{devices}");
    let ids = |status: &str| -> Vec<String> {
        let lines =
            status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
        lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")).collect()
    };
    // The file is root's, and would run as root wherever that is not forbidden.
    let image: Value =
        serde_json::from_str(&docker(&["image", "inspect", &program.image_id])).unwrap();
    assert_eq!(image[0]["Config"]["User"], "1000:1000");
    let again = ask(&program, "again");
    assert_eq!(ids(&again), ["1000 1000 1000 1000"; 2], "{again}");
    assert!(again.contains("CapEff:\t0000000000000000"), "{again}");
}

#[test]
fn a_flood_of_words_fills_no_disk() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut config) = real_config(dir.path(), 19_450..=19_454) else { return };
    config.default_limits.log_bytes = 64 << 10;
    let host = Host::open(config).unwrap();
    let program = deploy(&host, static_program(""));
    assert_eq!(ask(&program, "flood/1024"), "flooded");
    let path = docker(&["container", "inspect", "--format", "{{.LogPath}}", &program.container_id]);
    let folder = std::path::Path::new(&path).parent().unwrap();
    let Ok(files) = std::fs::read_dir(folder) else {
        // An engine on another machine, or another user's.
        assert!(!rustix::process::geteuid().is_root(), "{path} cannot be read");
        return remove_all(&host);
    };
    let logs =
        files.flatten().filter(|file| file.file_name().to_string_lossy().contains("-json.log"));
    let bytes: u64 = logs.map(|file| file.metadata().unwrap().len()).sum();
    // A file is closed after the line that fills it.
    assert!((16 << 10..72 << 10).contains(&bytes), "{bytes} bytes");
    remove_all(&host);
}

#[test]
fn a_crowd_of_threads_costs_its_own_program_alone() {
    let Some(rig) = rig(19_455..=19_459) else { return };
    let mut bomb = static_program("");
    bomb.limits.memory_bytes = Some(64 << 20);
    let bomb = deploy(rig.host(), bomb);
    let other = deploy(rig.host(), static_program(""));
    // Either it is refused more, or its memory is not enough for so many: that one ends.
    let said = ask(&bomb, "threads/20000");
    assert_ne!(said, "20000 threads");
    assert_eq!(ask(&other, "read/state/runs"), "1");
    rig.host().stop(&bomb.program_id).unwrap();
    wait_for(rig.host(), &bomb.program_id, State::Stopped);
    assert_eq!(containers(&rig), 1);
    TcpStream::connect(("127.0.0.1", other.port.unwrap())).unwrap();
}
