//! `hersh ps`

use std::time::SystemTime;

use super::Session;
use crate::args::PsArgs;
use crate::output::table::Table;
use crate::output::time::age;
use crate::output::{Exit, Failure};
use crate::wire::{ProgramBody, ProgramsBody};

pub(super) fn run(args: &PsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let programs = client.programs(args.state.as_deref(), args.user.as_deref())?;
    if session.output.style().json {
        let count = programs.len();
        session.output.json(&ProgramsBody { programs, count, next: None })?;
    } else {
        if programs.is_empty() {
            let of_all = args.state.is_none() && args.user.is_none();
            let none = "there are no programs yet; `hersh deploy DIR` makes one";
            session.output.say(if of_all { none } else { "there are no such programs" });
        }
        session.output.data(render(&programs, SystemTime::now()))?;
    }
    Ok(Exit::Ok)
}

fn render(programs: &[ProgramBody], now: SystemTime) -> String {
    let mut table = Table::new(&["NAME", "STATE", "AGE", "URL", "ID"]);
    for program in programs {
        let age = age(&program.created_at, now);
        // The address answers only while something listens there.
        let url = if program.state == "Ready" { &program.proxy_url } else { "" };
        table.row([program.label(), &program.state, age.as_str(), url, &program.program_id]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_list_of_programs() {
        let program = |name: &str, state: &str| ProgramBody {
            name: Some(name.into()),
            state: state.into(),
            program_id: format!("ann-build-0123456789ab-{name}"),
            proxy_url: "http://localhost:19001".into(),
            created_at: "1970-01-01T00:00:00Z".into(),
            ..ProgramBody::default()
        };
        let programs = [program("counter", "Ready"), program("evil\x1b]0;x\x07", "Error")];
        let now = UNIX_EPOCH + Duration::from_secs(3600);
        assert_eq!(render(&programs, now), include_str!("../../tests/snapshots/ps.txt"));
    }
}
