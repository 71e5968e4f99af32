use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn shell(script: &str, change: impl FnOnce(&mut Call<'_>)) -> Result<Vec<u8>, RunError> {
    shell_until(script, &Cancel::new(), change)
}

fn shell_until(
    script: &str,
    cancel: &Cancel,
    change: impl FnOnce(&mut Call<'_>),
) -> Result<Vec<u8>, RunError> {
    let runner = Runner::new("/bin/sh", vec![("GIVEN".into(), "yes".into())]);
    let args = ["-c".to_owned(), script.to_owned()];
    let mut call = Call::new(&args);
    call.deadline = PATIENCE;
    change(&mut call);
    runner.run(&call, cancel)
}

#[test]
fn what_it_writes_comes_back() {
    let out = shell("echo out; echo err >&2", |_| {}).unwrap();
    assert_eq!(out, b"out\n");
    let both = shell("echo out; echo err >&2", |call| call.merge = true).unwrap();
    assert_eq!(both, b"out\nerr\n");
}

#[test]
fn an_error_carries_the_command_its_status_and_its_words() {
    let error = shell("echo no space left >&2; exit 3", |_| {}).unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("/bin/sh -c echo no space"), "{words}");
    assert!(words.ends_with("ended with exit code 3: no space left"), "{words}");
    let killed = shell("kill -9 $$", |_| {}).unwrap_err();
    assert!(killed.to_string().contains("ended with signal 9"), "{killed}");
    let runner = Runner::new("/nowhere/docker", vec![]);
    let missing = runner.run(&Call::new(&[]), &Cancel::new()).unwrap_err();
    assert!(matches!(missing, RunError::Spawn { .. }), "{missing}");
}

#[test]
fn a_deadline_ends_the_whole_group() {
    let script = "sleep 1000 & echo $!; wait";
    let file = tempfile::NamedTempFile::new().unwrap();
    let log = file.reopen().unwrap();
    let error = shell(script, |call| {
        call.log = Some(BoundedLog { file: log, most: u64::MAX });
        call.deadline = Duration::from_millis(300);
    });
    assert!(matches!(error, Err(RunError::Deadline { .. })), "{error:?}");
    // The child's own child goes too. The system takes a moment to carry the signal out, so this
    // is looked at until it is so.
    let pid = std::fs::read_to_string(file.path()).unwrap();
    let until = Instant::now() + PATIENCE;
    let runs = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|text| !text.contains(") Z "))
    };
    while runs() {
        assert!(Instant::now() < until, "{pid} still runs");
        thread::yield_now();
    }
}

#[test]
fn a_cancellation_ends_it() {
    let cancel = Cancel::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let other = cancel.clone();
    let canceller = thread::spawn(move || {
        // It runs once it has written its first line.
        let _ = { reader }.read(&mut [0; 1]);
        other.cancel();
    });
    let log = File::from(std::os::fd::OwnedFd::from(writer));
    let error = shell_until("echo up; sleep 1000", &cancel, |call| {
        call.log = Some(BoundedLog { file: log, most: u64::MAX });
    });
    canceller.join().unwrap();
    assert!(matches!(error, Err(RunError::Cancelled { .. })), "{error:?}");
    let before = shell_until("exit 0", &cancel, |_| {});
    assert!(matches!(before, Err(RunError::Cancelled { .. })), "{before:?}");
}

#[test]
fn one_that_is_left_behind_with_the_pipes_is_not_waited_for() {
    let out = shell("echo done; sleep 1000 &", |_| {}).unwrap();
    assert_eq!(out, b"done\n");
}

#[test]
fn a_flood_is_bounded() {
    let flood = "i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done; echo end";
    let error = shell(flood, |call| call.keep = Keep::All(100));
    assert!(matches!(error, Err(RunError::Flood { limit: 100, .. })), "{error:?}");
    let last = shell(flood, |call| call.keep = Keep::Last(15)).unwrap();
    assert_eq!(last, b"0123456789\nend\n");
}

#[test]
fn nothing_of_the_environment_passes_but_what_is_named() {
    let out = shell("env", |_| {}).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.lines().any(|line| line == "GIVEN=yes"));
    assert!(!out.contains("CARGO"), "{out}");
}
