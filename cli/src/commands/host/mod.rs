//! `hersh host`

mod unit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Session, signals};
use crate::args::{HostArgs, RuntimeArg};
use crate::host::api::{self, ApiConfig};
use crate::host::auth::{ADMIN_TOKEN_FILE, Auth, AuthError};
use crate::host::{Host, HostConfig, HostError, Runtime};
use crate::output::{Exit, Failure};

// What requests under way are given when the host ends.
const GRACE: Duration = Duration::from_secs(5);

pub(super) fn run(args: &HostArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let data_dir = absolute(&session.settings(None)?.data_dir)?;
    if args.print_unit {
        session.output.data(unit::text(args, &data_dir)?)?;
        return Ok(Exit::Ok);
    }
    // Before anything takes long: a host that is told to end while it starts does.
    let signals = signals::caught(&[SIGINT, SIGTERM], 1)?;
    let open = if args.no_auth {
        Some(Auth::open(args.listen).map_err(|error| denied(&error))?)
    } else {
        None
    };
    let config = config(args, data_dir.clone(), session)?;
    session.output.detail(format!("opening {}", data_dir.display()));
    let host = Host::open(config).map_err(|error| not_opened(&error))?;
    let auth = match open {
        Some(open) => open,
        None => Auth::admin(&data_dir).map_err(|error| denied(&error))?,
    };
    report(&host, args, session);
    let served = api::serve(host.clone(), ApiConfig::new(args.listen, auth.clone()));
    let gate = served.map_err(|error| {
        Failure::new(Exit::Conflict, format!("the API cannot be served: {error}"))
            .with_remedy("choose another address with --listen")
    })?;
    let url = format!("http://{}", gate.local_addr());
    if session.output.style().json {
        session.output.json(&serde_json::json!({ "url": url, "data_dir": data_dir }))?;
    }
    session.output.say(format!("serving programs at {url}, data in {}", data_dir.display()));
    if auth.asks_for_token() {
        let token = data_dir.join(ADMIN_TOKEN_FILE);
        session.output.detail(format!("the token is in {}", token.display()));
    }
    // The sender lives as long as the process, so this waits for a signal and nothing else.
    let _ = signals.recv();
    session.output.say("ending; programs go on running");
    gate.shutdown(GRACE);
    host.shutdown();
    Ok(Exit::Ok)
}

fn report(host: &Host, args: &HostArgs, session: &mut Session<'_>) {
    let engine = host.engine_report();
    let runtime = engine.runtime.as_str();
    if !engine.version.is_empty() {
        session.output.say(format!("Docker {}, programs run under {runtime}", engine.version));
    }
    for warning in &engine.warnings {
        session.output.warn(warning);
    }
    if args.no_auth {
        session.output.warn("every user of this machine may use this host: it asks for no token");
    } else if !args.listen.ip().is_loopback() {
        let warning = "other machines can reach this host, and its token travels unencrypted: \
                       put TLS or a tunnel in front";
        session.output.warn(warning);
    }
}

fn config(
    args: &HostArgs,
    data_dir: PathBuf,
    session: &Session<'_>,
) -> Result<HostConfig, Failure> {
    let mut config = HostConfig::new(data_dir);
    config.docker.host = super::engine_address(args.docker.as_ref(), session.environment);
    config.docker.config_dir = (session.environment)("DOCKER_CONFIG").map(PathBuf::from);
    config.runtime = match args.runtime {
        RuntimeArg::Runsc => Runtime::Runsc,
        RuntimeArg::Runc => Runtime::Runc,
    };
    config.allow_runc = args.allow_runc;
    config.allow_open_network = args.allow_open_network;
    if args.runtime == RuntimeArg::Runc && !args.allow_runc {
        return Err(Failure::new(Exit::Usage, "runc is no wall between programs and the kernel")
            .with_remedy("say --allow-runc if every program here is trusted"));
    }
    Ok(config)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} is no data folder: {error}", path.display()))
            .with_remedy("name another with --data-dir")
    })
}

fn denied(error: &AuthError) -> Failure {
    match error {
        AuthError::OpenToAll { .. } => Failure::new(Exit::Usage, error.to_string())
            .with_remedy("leave --no-auth out, or listen on 127.0.0.1"),
        _ => Failure::new(Exit::Failed, error.to_string())
            .with_remedy("`hersh doctor` looks at the data folder and its permissions"),
    }
}

fn not_opened(error: &HostError) -> Failure {
    let text = format!("the host cannot be opened: {error}");
    match error {
        HostError::Locked { .. } => Failure::new(Exit::Conflict, text)
            .with_remedy("end the other host, or give this one a folder with --data-dir"),
        _ => Failure::new(Exit::Failed, text).with_remedy("`hersh doctor` looks for the cause"),
    }
}
