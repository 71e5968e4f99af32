//! Source files come from strangers: their names must not lead out of their folder, and an archive must
//! not hold, or become, more than it may.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use hersh_tests::{HostProcess, engine};
use serde_json::json;
use tar::{EntryType, Header};

#[test]
fn a_name_that_climbs_out_is_refused_and_nothing_is_written() {
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let before = tree(&host.data());

    for name in ["../../x", "/x", "a/../../x", "..", "a\0b", "a\\b", ""] {
        let body = json!({
            "user_id": "mallory", "dockerfile": "FROM scratch\n", "src_files": {name: "evil"}
        });
        let answer = host.post("/programs", &body);
        assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
        assert_eq!(answer.body["code"], 400, "{answer:?}");
        assert!(answer.body["message"].as_str().is_some_and(|m| !m.is_empty()), "{answer:?}");
    }

    assert_eq!(host.get("/programs").body["count"], 0);
    assert_eq!(tree(&host.data()), before);
}

/// One entry of an archive as it stands: the crate's own writer would refuse the bad ones.
fn entry(name: &str, kind: EntryType, says: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(says);
    if matches!(kind, EntryType::Link | EntryType::Symlink) {
        header.set_link_name_literal("/etc/passwd").expect("a short name fits");
    }
    header.set_cksum();
    let mut bytes = [header.as_bytes().as_slice(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn an_archive_that_is_no_plain_folder_is_refused_and_nothing_is_written() {
    use EntryType as E;
    let Some(engine) = engine() else { return };
    let host = HostProcess::start(&engine);
    let before = tree(&host.data());
    let dockerfile = entry("Dockerfile", E::Regular, 13, b"FROM scratch\n");
    let with = |more: &[(&str, E)]| {
        let more = more.iter().flat_map(|(name, kind)| {
            let content: &[u8] = if *kind == E::Regular { b"x" } else { b"" };
            entry(name, *kind, content.len() as u64, content)
        });
        dockerfile.iter().copied().chain(more).chain([0; 1024]).collect::<Vec<u8>>()
    };
    let refused = |what: &str, archive: &mut dyn io::Read, words: &str| {
        let answer = host.post_archive("/programs?user_id=mallory", archive);
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        let message = answer.body["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{what}: {answer:?}");
    };
    for (what, entries, words) in [
        ("a link", &[("x", E::Symlink)][..], "\"x\" is refused: it is a link"),
        ("a hard link", &[("x", E::Link)], "\"x\" is refused: it is a link"),
        ("a Dockerfile that is a link", &[("Dockerfile", E::Symlink)], "it is a link"),
        ("a device", &[("x", E::Block)], "no plain file"),
        ("another device", &[("x", E::Char)], "no plain file"),
        ("a pipe", &[("x", E::Fifo)], "no plain file"),
        ("an absolute name", &[("/etc/cron.d/x", E::Regular)], "its name is absolute"),
        ("a name that climbs", &[("a/../../x", E::Regular)], "'..' part"),
        ("a folder that climbs", &[("../x/", E::Directory)], "'..' part"),
        (
            "two names that differ by case",
            &[("a", E::Regular), ("A", E::Regular)],
            "upper and lower",
        ),
        ("a second Dockerfile", &[("dockerfile", E::Regular)], "the Dockerfile is given apart"),
        ("a name twice", &[("a", E::Regular), ("a", E::Regular)], "comes twice"),
        ("a file in a file", &[("a", E::Regular), ("a/b", E::Regular)], "both a file and a folder"),
    ] {
        refused(what, &mut with(entries).as_slice(), words);
    }
    let many: Vec<_> = (0..2_002).map(|n| format!("f{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), E::Regular)).collect();
    refused("too many files", &mut with(&many).as_slice(), "2000 files that a program may have");
    // They say that they are huge, and one of them is, as far as anybody reads.
    let huge = entry("x", E::Regular, 100 << 30, b"x");
    refused("a huge file", &mut huge.as_slice(), "more than 33554432");
    let endless = entry("x", E::XGlobalHeader, 1 << 40, b"");
    let mut endless = endless.as_slice().chain(io::repeat(b'x').take(200 << 20));
    match host.post_archive("/programs?user_id=mallory", &mut endless) {
        Ok(answer) => assert!(matches!(answer.status, 400 | 413), "{answer:?}"),
        // The host hung up on it.
        Err(error) => assert!(matches!(error, ureq::Error::Io(_)), "{error}"),
    }
    // The engine would fetch it, from where no program may reach.
    let metadata = b"FROM scratch\nADD http://169.254.169.254/latest /x\n";
    let fetches = entry("Dockerfile", E::Regular, metadata.len() as u64, metadata);
    refused(
        "a Dockerfile that fetches",
        &mut [fetches.as_slice(), &[0; 1024]].concat().as_slice(),
        "say COPY",
    );
    // What is squeezed is not unpacked at all: bombs of that kind do not go off.
    refused(
        "a squeezed archive",
        &mut [&b"\x1f\x8b\x08\0"[..], &[0; 2044]].concat().as_slice(),
        "archive",
    );

    assert_eq!(host.get("/programs").body["count"], 0);
    assert_eq!(tree(&host.data()), before);
}

/// Every file and folder below, the files that a database keeps open left out: they grow on their own.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        let name = path.display().to_string();
        if !name.ends_with("-wal") && !name.ends_with("-shm") && !name.ends_with("-journal") {
            found.push(name);
        }
    }
    found.sort();
    found
}
