//! Containers under a program's label that are not as the host would have started them.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use hersh_cli::host::compose::{ComposeSpec, GenerateOptions, check, generate};
use hersh_cli::host::docker::Docker;
use hersh_cli::host::engine::Engine;
use hersh_cli::host::{Limits, NetworkMode, Runtime};
use hersh_cli::program::{Attempt, State};
use serde_json::Value;

use super::{Rig, ask, docker, rig, static_program, try_docker};
use crate::support::{PATIENCE, deploy, wait_for};

/// What an option adds to the arguments of a start, and what is said of the container then.
const OPTIONS: [(&str, &str); 36] = [
    // Said twice, the last one counts.
    ("--runtime=runc", "the runtime is \"runc\""),
    ("--mount=type=bind,source=/proc,source=/etc,target=/x", "/etc on /x (writable)"),
    ("--read-only=false", "read-only flag"),
    ("--ipc=host", "shared memory's namespace"),
    ("--pids-limit=-1", "the process limit"),
    ("--memory=1g", "the memory limit"),
    ("--cpus=2", "the processor limit"),
    ("--log-driver=none", "the log's kind"),
    ("--log-opt=max-size=1g", "the log's limits"),
    ("--restart=always", "restart rule"),
    ("--name=hersh-somebody", "the name"),
    ("--label=hersh.attempt=7", "label hersh.attempt"),
    // Binds every address of the machine.
    ("--publish=8080", "ports to publish"),
    ("--publish=0.0.0.0:19498:8080", "ports to publish"),
    ("--publish-all", "publish all ports"),
    ("--volume=/anonymous", "the list of mounts"),
    ("--volume=/var/run/docker.sock:/var/run/docker.sock", "docker.sock"),
    ("--tmpfs=/x", "file systems in memory"),
    ("--privileged", "the privileged flag"),
    ("--cap-add=NET_RAW", "added capabilities"),
    ("--security-opt=seccomp=unconfined", "security options"),
    ("--security-opt=apparmor=unconfined", "security options"),
    ("--security-opt=systempaths=unconfined", "hidden places"),
    ("--device=/dev/null", "the list of devices"),
    ("--device-cgroup-rule=c 1:3 rwm", "device rules"),
    ("--gpus=all", "device requests"),
    ("--pid=host", "the process namespace"),
    ("--uts=host", "host name's namespace"),
    ("--userns=host", "the user namespace"),
    ("--cgroupns=host", "control groups' namespace"),
    ("--cgroup-parent=/elsewhere", "parent control group"),
    ("--group-add=0", "added groups"),
    ("--sysctl=net.ipv4.ip_unprivileged_port_start=0", "kernel settings"),
    ("--add-host=a.test:192.0.2.1", "added host names"),
    ("--oom-score-adj=-500", "when memory is short"),
    ("--env=https_proxy=http://192.0.2.1", "variable https_proxy"),
];

/// The contract of a start that nobody asked for, from this image.
fn contract(rig: &Rig, image: &str) -> ComposeSpec {
    let data = rig.dir.path().canonicalize().unwrap();
    let env_file = data.join("scratch/env");
    let spec = generate(&GenerateOptions {
        program_id: &"mallory-build-0123456789ab-deadbeef".parse().unwrap(),
        attempt: Attempt(1),
        host_id: rig.host().host_id(),
        image: &image.parse().unwrap(),
        runtime: Runtime::Runsc,
        network: NetworkMode::Bridge,
        bridge: &Docker::bridge(rig.host().host_id()),
        port: 19_499,
        limits: Limits::default(),
        env: &BTreeMap::new(),
        state: &data,
        resolv_conf: &data.join("resolv.conf"),
        empty: &data.join("empty"),
        env_file: &env_file,
        stop_grace_s: 1,
    });
    std::fs::write(env_file, spec.env_file_text()).unwrap();
    spec
}

/// What is wrong with a container that is made, and not started, with one option more; none where the
/// engine itself refuses that.
fn made_with(option: Option<&str>, spec: &ComposeSpec) -> Option<BTreeSet<String>> {
    let mut args = spec.to_docker_run_args();
    args.splice(..2, ["create".to_owned()]);
    let image = args.pop().unwrap();
    args.extend(option.map(str::to_owned));
    args.push(image);
    let id = try_docker(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok()?;
    let seen: Value = serde_json::from_str(&docker(&["container", "inspect", &id])).unwrap();
    docker(&["rm", "--force", "--volumes", &id]);
    Some(check(&seen[0], spec).iter().map(ToString::to_string).collect())
}

#[test]
fn each_option_that_breaks_the_contract_is_refused_or_noticed() {
    let Some(rig) = rig(19_420..=19_429) else { return };
    let program = deploy(rig.host(), static_program(""));
    // A registered program has these labels: a stranger would be removed in the middle of the test.
    let mut spec = contract(&rig, &program.image_id);
    spec.labels.insert("hersh.host".into(), "of-this-test".into());
    let usual = made_with(None, &spec).expect("the contract itself can be kept");
    // One that was never started has published nothing yet.
    assert!(usual.iter().all(|words| words.contains("published ports")), "{usual:?}");
    let mut refused = 0;
    for (option, words) in OPTIONS {
        let Some(found) = made_with(Some(option), &spec) else {
            refused += 1;
            continue;
        };
        let news: Vec<_> = found.difference(&usual).collect();
        assert!(news.iter().any(|one| one.contains(words)), "{option}: {news:?}");
    }
    assert!(refused <= 4, "the engine refused {refused} of them: what is tried here?");
}

fn gone(container: &str) {
    let until = Instant::now() + PATIENCE;
    while try_docker(&["container", "inspect", container]).is_ok() {
        assert!(Instant::now() < until, "{container} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a container by hand, without gVisor and with files of the machine, under a program's labels.
fn start_by_hand(host_id: &str, id: &str, image: &str, name: &str) -> String {
    let label = |name: &str, value: &str| format!("--label=hersh.{name}={value}");
    docker(&[
        "run",
        "--detach",
        "--runtime=runc",
        "--security-opt=seccomp=unconfined",
        "--volume=/etc:/etc",
        "--network=none",
        "--tmpfs=/state",
        // The first process of a container hears of no other unless it asks to.
        "--stop-signal=KILL",
        &format!("--name={name}"),
        &label("program", id),
        &label("attempt", "1"),
        &label("host", host_id),
        image,
    ])
}

#[test]
fn a_container_that_was_started_by_hand_beside_a_program_goes() {
    let Some(rig) = rig(19_430..=19_434) else { return };
    let program = deploy(rig.host(), static_program(""));
    let id = program.program_id.as_str();
    gone(&start_by_hand(rig.host().host_id(), id, &program.image_id, &format!("{id}-too")));
    let now = rig.host().get(&program.program_id).unwrap();
    assert_eq!((now.state, &now.container_id), (State::Ready, &program.container_id));
    assert_eq!(ask(&now, "read/state/runs"), "1");
}

#[test]
fn what_was_changed_while_there_was_no_host_is_not_adopted() {
    let Some(mut rig) = rig(19_435..=19_439) else { return };
    let programs = [(); 3].map(|()| deploy(rig.host(), static_program("")));
    let [replaced, changed, untouched] = &programs;
    let (id, name) = (replaced.program_id.as_str(), format!("hersh-{}", replaced.program_id));
    let host_id = rig.host().host_id().to_owned();
    let mut by_hand = String::new();
    rig.reopen(|_| {
        // Its container is another one under the same name and labels.
        docker(&["rm", "--force", "--volumes", &replaced.container_id]);
        by_hand = start_by_hand(&host_id, id, &replaced.image_id, &name);
        // The same container, with one network more than it may have.
        docker(&["network", "connect", "bridge", &changed.container_id]);
    });
    gone(&by_hand);
    gone(&changed.container_id);
    for program in [replaced, changed] {
        let id = &program.program_id;
        let again = rig.host().wait(id, PATIENCE, |p| {
            p.state == State::Ready && p.container_id != program.container_id
        });
        let again = again.unwrap();
        assert_eq!((again.state, again.attempt), (State::Ready, Attempt(2)), "{}", again.error_msg);
        let seen = rig.engine().inspect(&again.container_id.parse().unwrap()).unwrap().unwrap();
        assert_eq!(seen["HostConfig"]["Runtime"], "runsc");
        let networks = seen["NetworkSettings"]["Networks"].as_object().unwrap();
        assert_eq!(networks.len(), 1, "{networks:?}");
    }
    let told = rig.host().engine_report().warnings.join("\n");
    assert!(
        told.contains("did not keep the contract") && told.contains("the list of networks"),
        "{told}"
    );
    // What is as it was is adopted as it is.
    let adopted = wait_for(rig.host(), &untouched.program_id, State::Ready);
    assert_eq!(adopted.container_id, untouched.container_id);
}
