//! The deploy of somebody who has no host: `docker build`, `docker run`, and asking until the
//! program answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hersh_cli::host::compose::{ComposeSpec, GenerateOptions, generate, labels};
use hersh_cli::host::engine::answers_on;
use hersh_cli::host::{HostConfig, Limits, NetworkMode, Runtime};
use hersh_cli::program::{Attempt, ImageId, ProgramId};

use crate::deploy::{Times, dockerfile, milliseconds};

const PORT: u16 = 29_950;
const PATIENCE: Duration = Duration::from_secs(120);
/// Another than any host's, which would see to a container of its own.
const HOST_ID: &str = "by-hand";
/// What is left when a round was broken off is found under these names.
const TAG: &str = "hersh-bench-by-hand";
const PROGRAM: &str = "bench-build-000000000000-00000000";

pub(crate) struct Hand {
    address: String,
    folder: PathBuf,
    /// The network of programs that keep the host's contract.
    bridge: String,
}

impl Hand {
    /// One that uses this folder, where the binary `program` is in `context`.
    pub(crate) fn new(address: &str, folder: &Path, bridge: String) -> Self {
        for part in ["state", "empty"] {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        std::fs::write(folder.join("resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
        let hand = Self { address: address.to_owned(), folder: folder.to_owned(), bridge };
        hand.clear();
        hand
    }

    /// By the host's contract: with all that it has the engine do.
    pub(crate) fn by_contract(&self, round: usize) -> Times {
        let memory = HostConfig::new("").build_memory_bytes;
        let mut flags = vec![
            "--force-rm".to_owned(),
            format!("--memory={memory}"),
            format!("--memory-swap={memory}"),
        ];
        for (name, value) in labels(&program(), Attempt(1), HOST_ID) {
            flags.push(format!("--label={name}={value}"));
        }
        self.round("contract", round, &flags, |image| {
            let spec = self.spec(&image);
            std::fs::write(&spec.env_file, spec.env_file_text()).unwrap();
            spec.to_docker_run_args()
        })
    }

    /// Under gVisor, and nothing else of the contract.
    pub(crate) fn bare(&self, round: usize) -> Times {
        self.round("bare", round, &[], |image| {
            let state = self.folder.join("state");
            let flags = ["run", "--detach", "--runtime=runsc", "--name"].map(str::to_owned);
            let mut args = flags.to_vec();
            args.push(format!("hersh-{PROGRAM}"));
            args.push(format!("--publish=127.0.0.1:{PORT}:8080"));
            args.push(format!("--volume={}:/state", state.display()));
            args.push(image.to_string());
            args
        })
    }

    fn round(
        &self,
        who: &str,
        round: usize,
        flags: &[String],
        run: impl Fn(ImageId) -> Vec<String>,
    ) -> Times {
        let context = self.folder.join("context");
        std::fs::write(context.join("Dockerfile"), dockerfile(who, round)).unwrap();
        let id_file = self.folder.join("image");
        let mut args = vec!["build".to_owned(), format!("--tag={TAG}")];
        args.push(format!("--iidfile={}", id_file.display()));
        args.extend_from_slice(flags);
        args.push(context.to_string_lossy().into_owned());
        let began = Instant::now();
        self.docker(&args);
        let built = milliseconds(began);
        let image = std::fs::read_to_string(&id_file).unwrap().trim().parse().unwrap();
        self.docker(&run(image));
        while !answers_on(PORT, None, Duration::from_secs(1)) {
            assert!(began.elapsed() < PATIENCE, "it does not answer");
            thread::sleep(Duration::from_millis(2));
        }
        let all = milliseconds(began);
        self.clear();
        Times { asked: 0.0, built, ready: all - built }
    }

    fn spec(&self, image: &ImageId) -> ComposeSpec {
        generate(&GenerateOptions {
            program_id: &program(),
            attempt: Attempt(1),
            host_id: HOST_ID,
            image,
            runtime: Runtime::Runsc,
            network: NetworkMode::Bridge,
            bridge: &self.bridge,
            port: PORT,
            limits: Limits::default(),
            env: &BTreeMap::new(),
            state: &self.folder.join("state"),
            resolv_conf: &self.folder.join("resolv.conf"),
            empty: &self.folder.join("empty"),
            env_file: &self.folder.join("env"),
            stop_grace_s: 10,
        })
    }

    /// Removes what a round made, if it did.
    fn clear(&self) {
        let container = format!("hersh-{PROGRAM}");
        for args in [["container", "rm", "--force", &container], ["image", "rm", "--force", TAG]] {
            drop(self.command(&args.map(str::to_owned)).output());
        }
    }

    fn docker(&self, args: &[String]) {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self, args: &[String]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(args).env("DOCKER_HOST", &self.address).stdin(Stdio::null());
        docker
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.clear();
    }
}

fn program() -> ProgramId {
    PROGRAM.parse().unwrap()
}
