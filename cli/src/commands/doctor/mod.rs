//! `hersh doctor`: what a host needs on this machine, one line each, with the remedy.

mod elf;
mod engine;
mod machine;
mod probe;

use serde::Serialize;

use super::Session;
use crate::args::DoctorArgs;
use crate::host::docker::try_walls;
use crate::output::{Exit, Failure};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// A host runs, with a weakness its operator should know.
    Note,
    /// A host does not run programs as it promises.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, detail: detail.into(), remedy: None }
    }

    fn note(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { name, status: Status::Note, detail: detail.into(), remedy }
    }

    fn fail(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { name, status: Status::Fail, detail: detail.into(), remedy }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    checks: &'a [Check],
}

pub(super) fn run(args: &DoctorArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let settings = session.settings(None)?;
    session.output.status("asking the Docker engine");
    let address = super::engine_address(args.docker.as_ref(), session.environment);
    let engine = engine::Engine::new(address.clone());
    let mut checks = engine.look(|step| session.output.status(step));
    session.output.status("looking at this machine");
    checks.push(machine::walls(try_walls(address.as_deref())));
    checks.extend(machine::look(args.listen, &settings.data_dir));
    let failed = checks.iter().filter(|check| check.status == Status::Fail).count();
    if session.output.style().json {
        session.output.json(&Report { ok: failed == 0, checks: &checks })?;
    } else {
        session.output.data(render(&checks))?;
    }
    match failed {
        0 => {
            let good = session.output.good("ready");
            session.output.say(format!("this machine is {good} to be a host"));
            Ok(Exit::Ok)
        }
        1 => Err(Failure::new(Exit::Failed, "one thing keeps this machine from being a host")
            .with_remedy("the line marked FAIL says what to do")),
        many => {
            let what = format!("{many} things keep this machine from being a host");
            Err(Failure::new(Exit::Failed, what)
                .with_remedy("each line marked FAIL says what to do"))
        }
    }
}

fn render(checks: &[Check]) -> String {
    use std::fmt::Write as _;
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    checks.iter().fold(String::new(), |mut text, check| {
        let status = match check.status {
            Status::Ok => "ok  ",
            Status::Note => "note",
            Status::Fail => "FAIL",
        };
        let detail = crate::output::text::one_line(&check.detail);
        let _ = write!(text, "{status}  {:width$}  {detail}", check.name);
        if let Some(remedy) = &check.remedy {
            let _ = write!(text, "; {remedy}");
        }
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report() {
        let checks = [
            Check::ok("docker", "28.2.2"),
            Check::note("builds", "RUN steps execute outside gVisor", "build what you trust"),
            Check::fail("runsc", "not registered\nwith the engine", "install it"),
            machine::walls(Ok(())),
            machine::walls(Err("only root may set packet filters".to_owned())),
        ];
        assert_eq!(render(&checks), include_str!("../../../tests/snapshots/doctor.txt"));
    }
}
