//! `hersh show`

use super::Session;
use crate::args::NamesArgs;
use crate::output::table::fields;
use crate::output::{Exit, Failure};
use crate::program::Exit as ProgramExit;
use crate::units::{ByteSize, MilliCpus};
use crate::wire::ProgramBody;

pub(super) fn run(args: &NamesArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let mut shown = Vec::new();
    let exit = session.for_each(&client, &args.names, |session, program| {
        let program = client.program(&program.program_id)?;
        if session.output.style().json {
            shown.push(program);
        } else {
            let gap = if shown.is_empty() { "" } else { "\n" };
            session.output.data(format!("{gap}{}", render(&program)))?;
            shown.push(program);
        }
        Ok(())
    })?;
    if session.output.style().json {
        session.output.json(&shown)?;
    }
    Ok(exit)
}

fn render(program: &ProgramBody) -> String {
    let state = if program.desired.is_empty() || program.desired == program.state {
        program.state.clone()
    } else {
        format!("{} (wanted: {})", program.state, program.desired)
    };
    let count = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    fields(&[
        ("name", program.name.clone().unwrap_or_default()),
        ("state", state),
        ("error", program.error_msg.clone()),
        ("ended", program.exit.as_ref().map(ended).unwrap_or_default()),
        ("url", program.proxy_url.clone()),
        ("id", program.program_id.clone()),
        ("build", program.build_id.clone()),
        ("user", program.user_id.clone()),
        ("image", program.image_id.clone()),
        ("container", program.container_id.clone()),
        ("attempt", count(program.attempt)),
        ("restarts", count(program.restarts)),
        ("limits", limits(&program.limits)),
        ("restart", program.restart.clone()),
        ("network", program.network.clone()),
        ("replaces", program.replaces.clone().unwrap_or_default()),
        ("created", program.created_at.clone()),
        ("updated", program.updated_at.clone()),
    ])
}

// How it ended last; what it wrote then stands in `hersh logs`.
fn ended(exit: &ProgramExit) -> String {
    let code = exit.code.map_or("its container is gone".to_owned(), |code| format!("code {code}"));
    if exit.out_of_memory { format!("{code}, killed for its memory") } else { code }
}

// In the units of the flags that set them; a host may tell more limits than are shown.
fn limits(limits: &serde_json::Value) -> String {
    let number = |key: &str| limits.get(key).and_then(serde_json::Value::as_u64);
    let shown = [
        number("memory_bytes").map(|bytes| format!("memory {}", ByteSize(bytes))),
        number("milli_cpus").map(|milli| format!("cpus {}", MilliCpus::clamped(milli))),
        number("pids").map(|pids| format!("pids {pids}")),
    ];
    shown.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_about_a_program() {
        let program = ProgramBody {
            name: Some("counter".into()),
            state: "Error".into(),
            desired: "Ready".into(),
            error_msg: "ended with exit code 3\nlast line\x1b[2J".into(),
            exit: Some(ProgramExit {
                code: Some(137),
                out_of_memory: true,
                last_lines: Vec::new(),
            }),
            program_id: "ann-build-0123456789ab-00000001".into(),
            user_id: "ann".into(),
            attempt: 2,
            limits: serde_json::json!({"memory_bytes": 268_435_456, "milli_cpus": 500, "pids": 256}),
            created_at: "2026-01-01T00:00:00Z".into(),
            ..ProgramBody::default()
        };
        assert_eq!(render(&program), include_str!("../../tests/snapshots/show.txt"));
    }
}
