use super::*;
use crate::host::config::Limits;
use crate::host::request::NetworkMode;
use crate::program::{Desired, RestartPolicy};

fn id() -> ProgramId {
    "alice-build-0123456789ab-deadbeef".parse().unwrap()
}

fn meta() -> Meta {
    Meta {
        program_id: id(),
        name: Some("prices".into()),
        env: BTreeMap::from([("TOKEN".into(), "canary".into())]),
        limits: Limits::default(),
        policy: RestartPolicy::default(),
        network: NetworkMode::Bridge,
        port: 19_001,
        health: crate::host::Health::default(),
        created_at: 7,
        takeover: None,
    }
}

fn created() -> (tempfile::TempDir, Storage) {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(dir.path()).unwrap();
    let files = BTreeMap::from([
        ("src/main.py".to_owned(), b"print()".to_vec()),
        ("bin".to_owned(), b"\x7fELF\xff".to_vec()),
    ]);
    storage.create(&meta(), b"FROM scratch", &files).unwrap();
    (dir, storage)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_program_comes_back_as_it_was_written() {
    let (_dir, storage) = created();
    let files = storage.sources(&id()).unwrap();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["Dockerfile", "bin", "src/main.py"]);
    assert_eq!(files["bin"], b"\x7fELF\xff");
    let fresh = Progress { attempt: Attempt(0), desired: Desired::Stopped };
    assert_eq!(storage.meta(&id()).unwrap(), (meta(), fresh));
    let started = Progress { attempt: Attempt(3), desired: Desired::Ready };
    storage.note_progress(&id(), started).unwrap();
    assert_eq!(storage.meta(&id()).unwrap(), (meta(), started));
    assert_eq!(storage.list().unwrap(), [id()]);
}

#[test]
fn only_the_host_can_come_near_what_is_written() {
    let (_dir, storage) = created();
    let program = storage.program(&id());
    assert_eq!(mode(&program), 0o700);
    assert_eq!(mode(&program.join("meta/program.json")), 0o600);
    assert_eq!(mode(&storage.state(&id())), 0o777);
    assert_eq!(mode(&storage.src(&id()).join("bin")), 0o755);
    assert_eq!(mode(&storage.src(&id()).join("src/main.py")), 0o644);
    assert_eq!(mode(&storage.empty()), 0o555);
}

#[test]
fn a_crash_while_a_program_is_written_leaves_none_of_it() {
    let (dir, storage) = created();
    let part = dir.path().join("programs/.new-bob-build-0123456789ab-deadbeef");
    fs::create_dir_all(part.join("src")).unwrap();
    assert_eq!(storage.list().unwrap(), [id()]);
    Storage::open(dir.path()).unwrap();
    assert!(!part.exists());
}

#[test]
fn what_a_program_wrote_is_set_aside_unless_it_is_purged() {
    for purge in [false, true] {
        let (dir, storage) = created();
        fs::write(storage.state(&id()).join("count"), "7").unwrap();
        storage.remove(&id(), purge).unwrap();
        assert!(!storage.program(&id()).exists());
        let kept = names(&dir.path().join("deleted")).unwrap();
        assert_eq!(kept.len(), usize::from(!purge));
        if let Some(name) = kept.first() {
            assert!(name.starts_with(id().as_str()));
            let count = fs::read(dir.path().join("deleted").join(name).join("count"));
            assert_eq!(count.unwrap(), b"7");
        }
        storage.remove(&id(), purge).unwrap();
    }
}

#[test]
fn a_crash_while_a_program_is_removed_is_made_good() {
    let (dir, storage) = created();
    fs::write(storage.state(&id()).join("count"), "7").unwrap();
    let going = dir.path().join("deleted").join(format!(".going-{}", id()));
    fs::rename(storage.program(&id()), &going).unwrap();
    Storage::open(dir.path()).unwrap();
    assert!(!going.exists());
    let kept = names(&dir.path().join("deleted")).unwrap();
    assert_eq!(fs::read(dir.path().join("deleted").join(&kept[0]).join("count")).unwrap(), b"7");
}

#[test]
fn a_link_in_the_state_is_removed_and_not_followed() {
    let (dir, storage) = created();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "1").unwrap();
    std::os::unix::fs::symlink(&outside, storage.state(&id()).join("link")).unwrap();
    std::os::unix::fs::symlink(&outside, storage.src(&id()).join("link")).unwrap();
    assert!(!storage.sources(&id()).unwrap().contains_key("link/precious"));
    storage.remove(&id(), true).unwrap();
    assert!(outside.join("precious").exists());
}

#[test]
fn sources_that_are_gone_are_said_to_be() {
    let (_dir, storage) = created();
    fs::remove_dir_all(storage.src(&id())).unwrap();
    let words = storage.ensure(&id(), Attempt(1)).unwrap_err().to_string();
    assert!(words.starts_with("the sources are gone"), "{words}");
}

#[test]
fn logs_are_bounded_in_number_and_in_what_is_read() {
    let (_dir, storage) = created();
    for attempt in 1..=8 {
        storage.ensure(&id(), Attempt(attempt)).unwrap();
        storage.new_build_log(&id(), Attempt(attempt)).unwrap();
    }
    assert_eq!(names(&storage.logs(&id())).unwrap().len(), 5);
    let log = storage.build_log(&id(), Attempt(8));
    fs::write(&log, vec![b'x'; 5 << 20]).unwrap();
    assert_eq!(storage.read_log(&log).unwrap().len(), 4 << 20);
    assert_eq!(storage.read_log(Path::new("/nowhere/log")).unwrap(), b"");
}

#[test]
fn what_programs_share_is_written_whole_by_many_at_once() {
    let (dir, storage) = created();
    let shared = dir.path().join("shared");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..50_u8 {
                    storage.write_public(&shared, &[round; 100]).unwrap();
                }
            });
        }
    });
    let content = fs::read(&shared).unwrap();
    assert_eq!(content, vec![content[0]; 100]);
}
