//! Every event in every state: where it leads, what it has done, what it answers.
use super::super::*;
use super::{container, image, program_id};

/// Rows are events, columns states. A cell is the next state, then one letter for each effect:
/// E folders, B build, S start, X stop, F fetch status, C cancel, W wait, R remove.
/// `=` is an event that was taken into account without a change, `-` a stale result, `!` a refusal.
///
/// In each state the program is in its attempt 3, with what that state holds: container 3 in Ready,
/// Stopping, `Starting/s`, which is silent, and `Error/c`, where a stop failed. `Stopping` is a stop,
/// `Stopping/s` a restart and `Stopping/d` a removal whose container is gone; `Ready/?` was made again
/// from its folder. `stale` is attempt 2 and container 2, `other` attempt 3 and container 2.
const TABLE: &str = "
                     | Created     | Building         | Starting         | Starting/s       | Ready         | Ready/?       | Stopping         | Stopping/s     | Stopping/d    | Stopped     | Error       | Error/c    | Error/w     | Removed
UserStart            | Building+EB | !AlreadyStarting | !AlreadyStarting | !AlreadyStarting | !AlreadyReady | !AlreadyReady | !StillStopping   | !StillStopping | !BeingRemoved | Building+EB | Building+EB | Stopping+X | Building+EB | !Removed
UserStop             | !NotRunning | Stopped+C        | Stopped+C        | Stopping+X       | Stopping+X    | Stopped       | !AlreadyStopping | =              | !BeingRemoved | !NotRunning | Stopped     | Stopping+X | Stopped     | !Removed
UserRestart          | Building+EB | !AlreadyStarting | !AlreadyStarting | Stopping+X       | Stopping+X    | Building+EB   | !StillStopping   | !StillStopping | !BeingRemoved | Building+EB | Building+EB | Stopping+X | Building+EB | !Removed
UserDelete           | Stopping+R  | Stopping+CR      | Stopping+CR      | Stopping+X       | Stopping+X    | Stopping+R    | =                | =              | !BeingRemoved | Stopping+R  | Stopping+R  | Stopping+X | Stopping+R  | !Removed
Folders              | -           | =                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Folders/bad          | -           | Error+C          | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Folders/stale        | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Built                | -           | Starting+S       | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Built/bad            | -           | Error            | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Built/stale          | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Started              | -+X         | -+X              | Ready+F          | -                | -             | -+X           | -                | -              | -+X           | -+X         | -+X         | -          | -+X         | -+X
Started/stale        | -+X         | -+X              | -+X              | -+X              | -+X           | -+X           | -+X              | -+X            | -+X           | -+X         | -+X         | -+X        | -+X         | -+X
StartFailed          | -           | -                | Error+W          | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
StartFailed/stale    | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Exited/1             | -           | -                | -                | Error+XW         | Error+XW      | -             | -                | -              | -             | -           | -           | -          | -           | -
Exited/0             | -           | -                | -                | Error+X          | Error+X       | -             | -                | -              | -             | -           | -           | -          | -           | -
Exited/stale         | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
StopFinished         | -           | -                | -                | =+F              | =+F           | -             | Stopped          | Building+EB    | -             | -           | -           | =          | -           | -
StopFinished/bad     | -           | -                | -                | =+F              | =+F           | -             | Error            | Error+W        | -             | -           | -           | =          | -           | -
StopFinished/stale   | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Backoff              | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | Building+EB | -
Backoff/stale        | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Removed              | -           | -                | -                | -                | -             | -             | -                | -              | Removed       | -           | -           | -          | -           | -
Removed/bad          | -           | -                | -                | -                | -             | -             | -                | -              | Error         | -           | -           | -          | -           | -
Check                | =           | =                | =                | =+F              | =+F           | =             | =                | =              | =             | =           | =           | =+X        | =           | =
Check/new            | =+X         | =                | =                | =+FX             | =+FX          | =+X           | =+X              | =+X            | =+X           | =+X         | =+X         | =+XX       | =+X         | =+X
Host/none            | =           | =+EB             | =+S              | Building+EB      | Building+EB   | Building+EB   | Stopped          | Building+EB    | =+R           | =           | =           | =          | =+W         | =
Host/runs            | =+X         | =+XEB            | =+S              | =                | =             | =             | =+X              | =+X            | =+X           | =+X         | =+X         | =+X        | =+XW        | =+X
Host/ended           | =+X         | =+XEB            | =+XS             | =+F              | =+F           | Stopping+X    | =+X              | =+X            | =+X           | =+X         | =+X         | =+X        | =+XW        | =+X
Host/other           | =+X         | =+XEB            | =+XS             | Stopping+X       | Stopping+X    | Stopping+X    | =+X              | =+X            | =+X           | =+X         | =+X         | =+X        | =+XW        | =+X
Silent               | -           | -                | -                | -                | Starting      | -             | -                | -              | -             | -           | -           | -          | -           | -
Silent/stale         | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Silent/other         | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Answered             | -           | -                | -                | Ready            | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Answered/stale       | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
Answered/other       | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
SilenceElapsed       | -           | -                | -                | Error+XW         | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
SilenceElapsed/stale | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
SilenceElapsed/other | -           | -                | -                | -                | -             | -             | -                | -              | -             | -           | -           | -          | -           | -
";

fn states() -> Vec<(&'static str, ProgramState)> {
    let blank = ProgramState::new(program_id(), RestartPolicy::with_mode(RestartMode::OnFailure));
    let at = |state, desired, image_id: Option<ImageId>, container_id: Option<ContainerId>| {
        let attempt = if state == State::Created { Attempt(0) } else { Attempt(3) };
        let ready_since = (state == State::Ready).then_some(1_000);
        ProgramState {
            state,
            desired,
            attempt,
            image_id,
            container_id,
            ready_since,
            ..blank.clone()
        }
    };
    let (image, held) = (Some(image(3)), Some(container(3)));
    let waiting = PendingRestart { after: Attempt(3), due_at: 9_000 };
    let error = at(State::Error, Desired::Ready, image.clone(), None);
    let mut silent = at(State::Starting, Desired::Ready, image.clone(), held.clone());
    silent.error_msg = Some("it does not answer".into());
    vec![
        ("Created", at(State::Created, Desired::Stopped, None, None)),
        ("Building", at(State::Building, Desired::Ready, None, None)),
        ("Starting", at(State::Starting, Desired::Ready, image.clone(), None)),
        ("Starting/s", silent),
        ("Ready", at(State::Ready, Desired::Ready, image.clone(), held.clone())),
        ("Ready/?", at(State::Ready, Desired::Ready, None, None)),
        ("Stopping", at(State::Stopping, Desired::Stopped, image.clone(), held.clone())),
        ("Stopping/s", at(State::Stopping, Desired::Ready, image.clone(), held.clone())),
        ("Stopping/d", at(State::Stopping, Desired::Removed, image.clone(), None)),
        ("Stopped", at(State::Stopped, Desired::Stopped, image.clone(), None)),
        ("Error", error.clone()),
        ("Error/c", at(State::Error, Desired::Stopped, image.clone(), held)),
        ("Error/w", ProgramState { pending_restart: Some(waiting), ..error }),
        (
            "Removed",
            ProgramState { removed: true, ..at(State::Stopped, Desired::Removed, image, None) },
        ),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let exit =
        |code| Exit { code: Some(code), out_of_memory: false, last_lines: vec!["bye".into()] };
    let failed = || Some("no".to_owned());
    let (new, old) = (Attempt(3), Attempt(2));
    let found = |number, running| FoundContainer {
        container_id: container(number),
        attempt: Attempt(number),
        running,
    };
    let exited = |attempt, number, code| Event::RuntimeExited {
        attempt,
        container_id: container(number),
        exit: exit(code),
    };
    let built = |attempt, outcome| Event::BuildFinished { attempt, outcome };
    let started =
        |attempt, number| Event::RuntimeStarted { attempt, container_id: container(number) };
    let stopped = |number, error| Event::StopFinished { container_id: container(number), error };
    vec![
        ("UserStart", Event::UserStartRequested),
        ("UserStop", Event::UserStopRequested),
        ("UserRestart", Event::UserRestartRequested),
        ("UserDelete", Event::UserDeleteRequested { purge: false }),
        ("Folders", Event::FoldersEnsured { attempt: new, error: None }),
        ("Folders/bad", Event::FoldersEnsured { attempt: new, error: failed() }),
        ("Folders/stale", Event::FoldersEnsured { attempt: old, error: failed() }),
        ("Built", built(new, Ok(image(4)))),
        ("Built/bad", built(new, Err("no".into()))),
        ("Built/stale", built(old, Ok(image(4)))),
        ("Started", started(new, 3)),
        ("Started/stale", started(old, 2)),
        ("StartFailed", Event::StartFailed { attempt: new, reason: "no".into() }),
        ("StartFailed/stale", Event::StartFailed { attempt: old, reason: "no".into() }),
        ("Exited/1", exited(new, 3, 1)),
        ("Exited/0", exited(new, 3, 0)),
        ("Exited/stale", exited(old, 2, 1)),
        ("StopFinished", stopped(3, None)),
        ("StopFinished/bad", stopped(3, failed())),
        ("StopFinished/stale", stopped(2, failed())),
        ("Backoff", Event::BackoffElapsed { attempt: new }),
        ("Backoff/stale", Event::BackoffElapsed { attempt: old }),
        ("Removed", Event::RemoveFinished { error: None }),
        ("Removed/bad", Event::RemoveFinished { error: failed() }),
        ("Check", Event::RuntimeCheckRequested { unknown: vec![] }),
        ("Check/new", Event::RuntimeCheckRequested { unknown: vec![container(2)] }),
        ("Host/none", Event::HostStarted { found: vec![] }),
        ("Host/runs", Event::HostStarted { found: vec![found(3, true)] }),
        ("Host/ended", Event::HostStarted { found: vec![found(3, false)] }),
        ("Host/other", Event::HostStarted { found: vec![found(2, true)] }),
    ]
}

/// What is told of one that stops answering: about its own container, or another.
fn silences() -> Vec<(&'static str, Event)> {
    let own = (Attempt(3), container(3));
    let (stale, other) = ((Attempt(2), container(2)), (Attempt(3), container(2)));
    let silent = |(attempt, container_id)| Event::RuntimeSilent {
        attempt,
        container_id,
        reason: "it does not answer".into(),
    };
    let answered = |(attempt, container_id)| Event::RuntimeAnswered { attempt, container_id };
    let elapsed = |(attempt, container_id)| Event::SilenceElapsed {
        attempt,
        container_id,
        last_lines: vec!["bye".into()],
    };
    vec![
        ("Silent", silent(own.clone())),
        ("Silent/stale", silent(stale.clone())),
        ("Silent/other", silent(other.clone())),
        ("Answered", answered(own.clone())),
        ("Answered/stale", answered(stale.clone())),
        ("Answered/other", answered(other.clone())),
        ("SilenceElapsed", elapsed(own)),
        ("SilenceElapsed/stale", elapsed(stale)),
        ("SilenceElapsed/other", elapsed(other)),
    ]
}

fn letter(effect: &Effect) -> char {
    match effect {
        Effect::EnsureProgramFolders { .. } => 'E',
        Effect::BuildRuntime { .. } => 'B',
        Effect::StartRuntime { .. } => 'S',
        Effect::StopRuntime { .. } => 'X',
        Effect::FetchRuntimeStatus { .. } => 'F',
        Effect::CancelAttempt { .. } => 'C',
        Effect::ScheduleRestart { .. } => 'W',
        Effect::RemoveProgram { .. } => 'R',
    }
}

fn cell(before: &ProgramState, event: &Event) -> String {
    let after = reduce(before.clone(), event, 2_000);
    let effects: String = after.effects.iter().map(letter).collect();
    let effects = if effects.is_empty() { String::new() } else { format!("+{effects}") };
    match after.answer {
        Answer::Applied
            if (after.state.state, after.state.removed) == (before.state, before.removed) =>
        {
            format!("={effects}")
        }
        Answer::Applied => {
            let word = if after.state.removed { "Removed" } else { after.state.state.as_str() };
            format!("{word}{effects}")
        }
        Answer::Stale => format!("-{effects}"),
        Answer::Refused(refusal) => {
            assert_eq!(after.state, *before, "a refusal changes nothing");
            assert_eq!(effects, "", "a refusal does nothing");
            format!("!{refusal:?}")
        }
    }
}

fn render() -> String {
    let states = states();
    let mut rows = vec![
        std::iter::once("")
            .chain(states.iter().map(|s| s.0))
            .map(str::to_owned)
            .collect::<Vec<_>>(),
    ];
    for (name, event) in events().into_iter().chain(silences()) {
        let mut row = vec![name.to_owned()];
        row.extend(states.iter().map(|(_, state)| cell(state, &event)));
        rows.push(row);
    }
    let widths: Vec<usize> =
        (0..rows[0].len()).map(|c| rows.iter().map(|r| r[c].len()).max().unwrap()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(c, w)| format!("{c:w$}")).collect();
        cells.join(" | ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[test]
fn a_silence_says_why_and_counts_as_a_failure_when_it_is_over_too_late() {
    let states = states();
    let state = |name| states.iter().find(|one| one.0 == name).unwrap().1.clone();
    let events = silences();
    let event = |name| events.iter().find(|one| one.0 == name).unwrap().1.clone();
    let stable = ProgramState { restarts: 2, ..state("Ready") };
    let late = 1_000 + stable.policy.stable_ms;
    let silent = reduce(stable, &event("Silent"), late).state;
    assert!(silent.is_silent() && silent.is_up());
    assert_eq!((silent.ready_since, silent.restarts), (None, 0), "a stable run ends the row");
    assert_eq!(silent.error_msg.as_deref(), Some("it does not answer"));
    let again = reduce(silent.clone(), &event("Answered"), late + 5).state;
    assert_eq!((again.ready_since, again.error_msg), (Some(late + 5), None));
    let over = reduce(silent.clone(), &event("SilenceElapsed"), late + 9);
    let words = "it does not answer, and was stopped; its last lines: bye";
    assert_eq!(over.state.error_msg.as_deref(), Some(words));
    assert_eq!(over.state.exit.unwrap().last_lines, ["bye"]);
    assert_eq!(over.state.pending_restart.unwrap().due_at, late + 9 + 1_000);
    let never = RestartPolicy::with_mode(RestartMode::Never);
    let over = reduce(ProgramState { policy: never, ..silent }, &event("SilenceElapsed"), 0).state;
    assert_eq!((over.state, over.pending_restart), (State::Error, None));
}

#[test]
fn every_event_in_every_state_is_defined() {
    let rendered = render();
    assert!(rendered.trim_end() == TABLE[1..].trim_end(), "the table is now:\n{rendered}");
}
