//! A docker command that is slow, broken or lying: what the host makes of it.
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hersh_cli::host::DockerConfig;
use hersh_cli::host::docker::{Docker, RunError};
use hersh_cli::host::engine::{BuildJob, Engine, EngineError};
use hersh_cli::program::{Attempt, Cancel, ContainerId, ProgramId};

const CONTAINER: &str = "0123456789abcdef";

struct Rig {
    docker: Docker,
    dir: tempfile::TempDir,
}

/// A docker command that does what this shell script says.
fn rig(behaviour: &str) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("behaviour"), behaviour).unwrap();
    let config = DockerConfig {
        binary: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fake-docker"),
        host: Some("unix:///nowhere.sock".into()),
        config_dir: Some(dir.path().to_owned()),
    };
    Rig { docker: Docker::new(&config, "00000000000000aa", dir.path()), dir }
}

impl Rig {
    fn calls(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("calls")).unwrap()
    }

    fn job<'a>(&self, id: &'a ProgramId, dockerfile: &str) -> (BuildJob<'a>, PathBuf) {
        let context = self.dir.path().join("src");
        std::fs::create_dir_all(&context).unwrap();
        std::fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        let path = self.dir.path().join("build.log");
        let log = File::create(&path).unwrap();
        let timeout = Duration::from_secs(60);
        let (program_id, attempt) = (id, Attempt(3));
        let (memory_bytes, log_bytes) = (64 << 20, 1_000);
        let job = BuildJob { program_id, attempt, context, log, timeout, memory_bytes, log_bytes };
        (job, path)
    }
}

fn container() -> ContainerId {
    CONTAINER.parse().unwrap()
}

fn program() -> ProgramId {
    "alice-build-0123456789ab-deadbeef".parse().unwrap()
}

fn is_unclear<T: std::fmt::Debug>(answer: &Result<T, EngineError>) {
    assert!(matches!(answer, Err(EngineError::Run(RunError::Answer { .. }))), "{answer:?}");
}

#[test]
fn answers_that_cannot_be_understood_are_errors() {
    for nonsense in ["echo nonsense", "echo '[]'", "echo '[{},{}]'", "true"] {
        is_unclear(&rig(nonsense).docker.inspect(&container()));
    }
    is_unclear(&rig("echo nonsense").docker.list());
    is_unclear(&rig("echo nonsense").docker.probe());
    let down = rig("echo '{\"ServerErrors\":[\"Cannot connect\"]}'").docker.probe();
    assert!(down.unwrap_err().to_string().contains("Cannot connect"));
}

#[test]
fn what_is_gone_is_no_error_and_what_fails_is() {
    let gone = rig("echo \"Error: No such container: $3\" >&2; exit 1");
    assert_eq!(gone.docker.inspect(&container()).unwrap(), None);
    gone.docker.stop(&container(), Duration::ZERO).unwrap();
    let broken = rig("echo cannot connect to the engine >&2; exit 1");
    for words in [
        broken.docker.inspect(&container()).unwrap_err().to_string(),
        broken.docker.stop(&container(), Duration::ZERO).unwrap_err().to_string(),
        broken.docker.list().unwrap_err().to_string(),
    ] {
        assert!(words.contains("exit code 1: cannot connect to the engine"), "{words}");
    }
}

#[test]
fn containers_of_nobody_are_listed_as_such() {
    let rig = rig(&format!(
        "printf '{CONTAINER}\\trunning\\t{}\\t7\\n{CONTAINER}\\texited\\t--privileged\\tx\\n'",
        program()
    ));
    let listed = rig.docker.list().unwrap();
    assert_eq!((listed[0].program_id.clone(), listed[0].attempt), (Some(program()), Attempt(7)));
    assert!(listed[0].running && !listed[1].running);
    assert_eq!((listed[1].program_id.clone(), listed[1].attempt), (None, Attempt(0)));
    assert!(rig.calls().contains("--filter label=hersh.host=00000000000000aa"));
}

#[test]
fn an_engine_that_never_answers_does_not_hold_a_host_that_ends() {
    let rig = rig("touch \"$DOCKER_CONFIG/asked\"; sleep 1000");
    let docker = rig.docker.clone();
    let asking = std::thread::spawn(move || docker.list());
    while !rig.dir.path().join("asked").exists() {
        std::thread::yield_now();
    }
    rig.docker.interrupt();
    let answer = asking.join().unwrap();
    assert!(matches!(answer, Err(EngineError::Run(RunError::Cancelled { .. }))), "{answer:?}");
}

#[test]
fn a_build_leaves_its_output_and_its_labels() {
    let image = format!("sha256:{}", "a".repeat(64));
    let rig = rig(&format!(
        "case $1 in build) echo step one; for a; do case $a in --iidfile=*) \
         echo {image} >\"${{a#--iidfile=}}\";; esac; done;; image) [ $2 = inspect ] && echo null;; esac; true"
    ));
    let id = program();
    let (job, log) = rig.job(&id, "FROM scratch");
    assert_eq!(rig.docker.build(job, &Cancel::new()).unwrap().as_str(), image);
    assert_eq!(std::fs::read_to_string(log).unwrap(), "step one\n");
    let calls = rig.calls();
    let build = calls.lines().next().unwrap();
    for part in [
        "--memory=67108864 --memory-swap=67108864",
        "--label=hersh.attempt=3",
        "--label=hersh.host=00000000000000aa",
        "--label=hersh.program=alice-build-0123456789ab-deadbeef",
    ] {
        assert!(build.contains(part), "{build}");
    }
    assert!(build.ends_with("/src"), "the context comes last: {build}");
}

#[test]
fn a_build_that_fails_or_answers_nothing_says_so() {
    let id = program();
    let full = rig("echo step one; echo no space left on device >&2; exit 1");
    let (job, log) = full.job(&id, "FROM scratch");
    let error = full.docker.build(job, &Cancel::new()).unwrap_err().to_string();
    assert!(error.contains("no space left on device"), "{error}");
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log, "step one\nno space left on device\n");
    let silent = rig("true");
    let (job, _) = silent.job(&id, "FROM scratch");
    is_unclear(&silent.docker.build(job, &Cancel::new()));
    let lying = rig(
        "for a; do case $a in --iidfile=*) echo --privileged >\"${a#--iidfile=}\";; esac; done",
    );
    let (job, _) = lying.job(&id, "FROM scratch");
    is_unclear(&lying.docker.build(job, &Cancel::new()));
}

#[test]
fn the_log_of_a_build_that_talks_too_much_is_cut_with_words() {
    let rig = rig("yes 123456789 | head -n 500; echo the end of it >&2; exit 1");
    let id = program();
    let (job, log) = rig.job(&id, "FROM scratch");
    let error = rig.docker.build(job, &Cancel::new()).unwrap_err().to_string();
    assert!(error.ends_with("the end of it"), "{error}");
    let log = std::fs::read_to_string(log).unwrap();
    let words = "\nhersh: this log ends at 1000 bytes, and its writer goes on\n";
    assert_eq!(log, "123456789\n".repeat(100) + words);
}

#[test]
fn a_cancelled_build_ends_with_all_that_it_started() {
    let rig = rig("echo begun; sleep 1000 & wait");
    let id = program();
    let (job, log) = rig.job(&id, "FROM scratch");
    let cancel = Cancel::new();
    let other = cancel.clone();
    let watcher = std::thread::spawn(move || {
        while !std::fs::read_to_string(&log).unwrap().contains("begun") {
            std::thread::yield_now();
        }
        other.cancel();
    });
    let built = rig.docker.build(job, &cancel);
    watcher.join().unwrap();
    assert!(matches!(built, Err(EngineError::Cancelled)), "{built:?}");
}
