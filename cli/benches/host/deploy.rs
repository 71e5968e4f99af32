//! From `POST /programs` to Ready on a real engine, beside `docker build` and `docker run` by hand
//! until the program answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use hersh_cli::client::{Action, Client, HostUrl, Settings};
use hersh_cli::host::docker::Docker;
use hersh_cli::host::{Host, HostConfig};
use hersh_cli::wire::{CreateProgram, EventBody};

use crate::common::middle;
use crate::common::report::{Bar, Report};
use crate::compile::compile;
use crate::hand::Hand;
use crate::serve_open;

const ENGINE: &str = "HERSH_TEST_DOCKER_HOST";
/// Rounds that count; one before them fills caches.
const ROUNDS: usize = 11;
/// Beyond those that tests use.
const PORTS: std::ops::RangeInclusive<u16> = 29_900..=29_949;

/// The milliseconds of one round, part by part.
#[derive(Default)]
pub(crate) struct Times {
    /// Until the host has taken the program and the request to start it.
    pub(crate) asked: f64,
    /// Until there is an image.
    pub(crate) built: f64,
    /// Until the program answers, or the host says that it does.
    pub(crate) ready: f64,
}

impl Times {
    fn all(&self) -> f64 {
        self.asked + self.built + self.ready
    }
}

pub(crate) fn run(report: &mut Report) {
    let Ok(address) = std::env::var(ENGINE) else {
        println!("deploy: left out, no engine with gVisor; for one: tests/engine run make bench");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let by_hand = dir.path().join("by-hand");
    std::fs::create_dir_all(by_hand.join("context")).unwrap();
    let binary = by_hand.join("context/program");
    compile(&binary);
    let deployer = Deployer::new(&address, &dir.path().join("data"), &binary);
    let hand = Hand::new(&address, &by_hand, Docker::bridge(deployer.host.host_id()));
    let (mut hosts, mut hands, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let times = (deployer.round(round), hand.by_contract(round), hand.bare(round));
        if round > 0 {
            hosts.push(times.0);
            hands.push(times.1);
            bare.push(times.2);
        }
    }
    let mut add = |name: &str, part: fn(&Times) -> f64| {
        let (host, hand) = (median(&hosts, part), median(&hands, part));
        report.add(format!("deploy: {name}"), "ms", host, (hand > 0.0).then_some(hand), None);
    };
    add("POST /programs and start, until answered", |times| times.asked);
    add("the build", |times| times.built);
    add("from image to answer", |times| times.ready);
    add("all of it, until Ready", Times::all);
    let bar = Some(Bar::AtMost(100.0));
    report.add("deploy: beyond build and run by hand", "ms", beyond(&hosts, &hands), None, bar);
    let contract = beyond(&hands, &bare);
    report.add("deploy: what the contract costs by hand", "ms", contract, None, None);
}

fn median(times: &[Times], part: fn(&Times) -> f64) -> f64 {
    middle(&mut times.iter().map(part).collect::<Vec<_>>())
}

/// The middle of what a round took beyond the same round of the others.
fn beyond(rounds: &[Times], others: &[Times]) -> f64 {
    let differences = rounds.iter().zip(others).map(|(one, other)| one.all() - other.all());
    middle(&mut differences.collect::<Vec<_>>())
}

/// What is built, never the same twice, so that no build finds all of itself in a cache.
pub(crate) fn dockerfile(who: &str, round: usize) -> String {
    let unique = format!("{who}-{round}-{}", std::process::id());
    format!(
        "FROM scratch\nLABEL round={unique}\nCOPY program /program\nENTRYPOINT [\"/program\"]\n"
    )
}

/// A host, and a client that deploys on it over HTTP.
struct Deployer {
    client: Client,
    host: Host,
    _gate: hersh::http::Gate,
    binary: String,
}

impl Deployer {
    fn new(address: &str, data: &Path, binary: &Path) -> Self {
        let mut config = HostConfig::new(data);
        config.docker.host = Some(address.to_owned());
        config.allow_open_network = !rustix::process::geteuid().is_root();
        config.ports = PORTS;
        let host = Host::open(config).unwrap();
        let gate = serve_open(&host);
        let url = HostUrl::parse(&gate.local_addr().to_string()).unwrap();
        let settings = Settings { host: url, token: None, data_dir: data.to_owned() };
        let binary = base64::prelude::BASE64_STANDARD.encode(std::fs::read(binary).unwrap());
        Self { client: Client::new(settings), host, _gate: gate, binary }
    }

    fn round(&self, round: usize) -> Times {
        let new = CreateProgram {
            user_id: "bench".to_owned(),
            dockerfile: dockerfile("host", round),
            src_files_base64: BTreeMap::from([("program".to_owned(), self.binary.clone())]),
            ..CreateProgram::default()
        };
        // What happens is told as it happens; to ask again and again would add to what is measured.
        let mut events = self.client.follow_events(None, None).unwrap();
        let began = Instant::now();
        let created = self.client.create(&new, &format!("round-{round}"), |_, _| true).unwrap();
        let id = created.program_id;
        self.client.act(&id, Action::Start).unwrap();
        let asked = milliseconds(began);
        let mut built = asked;
        let all = loop {
            let told = events.next_event().unwrap().unwrap();
            let Ok(event) = serde_json::from_str::<EventBody>(&told.data) else { continue };
            let now = milliseconds(began);
            match event.to.as_str() {
                _ if event.program_id != id => {}
                "Starting" if event.event == "BuildFinished" => built = now,
                "Ready" => break now,
                "Error" => panic!("{}", self.client.program(&id).unwrap().error_msg),
                _ => {}
            }
        };
        self.remove(&id);
        Times { asked, built: built - asked, ready: all - built }
    }

    /// Removes it, and waits until it is gone: what is measured next has the machine for itself.
    fn remove(&self, id: &str) {
        let id = id.parse().unwrap();
        self.host.delete(&id, true).unwrap();
        assert!(self.host.wait(&id, Duration::from_secs(120), |_| false).is_err(), "it stays");
    }
}

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
