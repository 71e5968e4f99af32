//! Sources that come as one archive.

use tar::{Builder, EntryType, Header};
use ureq::http::Request;

use super::{Answer, Served};

fn entry(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header
}

fn archive(files: &[(&str, &[u8])]) -> Builder<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = entry(EntryType::Regular, content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder
}

fn send(served: &Served, query: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let mut request = Request::post(served.url(&format!("/programs?{query}")))
        .header("Content-Type", "application/x-tar");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    served.send(request.body(body).unwrap())
}

#[test]
fn a_program_comes_as_an_archive_with_its_words_in_the_query() {
    let served = Served::open();
    let whole = || {
        let files: &[(&str, &[u8])] =
            &[("Dockerfile", b"FROM scratch\n"), ("src/a.txt", b"x"), ("bin", b"\x7fELF\xff")];
        archive(files).into_inner().unwrap()
    };
    let query = "user_id=ann&name=prices&restart=on-failure&network=none&memory_bytes=67108864";
    let headers = [("Hersh-Env", "{\"API_KEY\":\"canary\"}"), ("Idempotency-Key", "k")];
    let created = send(&served, query, &headers, whole());
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(send(&served, query, &headers, whole()).body, created.body);
    send(&served, "user_id=ann", &headers, whole()).error(409, "Conflict");

    let id = created.body["program_id"].as_str().unwrap();
    let program = served.ask("GET", &format!("/programs/{id}")).body;
    assert_eq!((&program["name"], &program["restart"]), (&"prices".into(), &"on-failure".into()));
    assert_eq!(program["limits"]["memory_bytes"], 67_108_864);
    let source = served.ask("GET", &format!("/programs/{id}/source")).body;
    assert_eq!(source["files"]["src/a.txt"], "x");
    assert_eq!(source["files_base64"]["bin"], "f0VMRv8=");
    let env = served.dir.path().join(format!("data/programs/{id}/meta/program.json"));
    assert!(std::fs::read_to_string(env).unwrap().contains("canary"));
}

#[test]
fn words_that_make_no_sense_are_refused_by_name() {
    let served = Served::open();
    let body = || archive(&[("Dockerfile", b"FROM scratch\n")]).into_inner().unwrap();
    for (query, words) in [
        ("", "user_id"),
        ("user_id=../x", "user_id"),
        ("user_id=ann&colour=red", "unknown parameter `colour`"),
        ("user_id=ann&restart=often", "unknown variant `often`"),
        ("user_id=ann&pids=-1", "`pids`"),
        ("user_id=ann&pids=99999999999", "`pids`"),
        ("user_id=ann&name=--x", "name"),
    ] {
        let refused = send(&served, query, &[], body());
        assert!(refused.error(400, "Bad Request").contains(words), "{query}: {}", refused.body);
    }
    for env in ["canary", "[\"canary\"]", "{\"A\":[\"canary\"]}", "{\"A\":\"canary\\u0000\"}"] {
        let refused = send(&served, "user_id=ann", &[("Hersh-Env", env)], body());
        assert!(!refused.error(400, "Bad Request").contains("canary"), "{}", refused.body);
    }
}

#[test]
fn hostile_archives_are_refused_with_nothing_written() {
    let served = Served::open();
    let with = |change: &dyn Fn(&mut Builder<Vec<u8>>)| {
        let mut builder = archive(&[("Dockerfile", b"FROM scratch\n")]);
        change(&mut builder);
        builder.into_inner().unwrap()
    };
    let named = |name: &'static [u8]| {
        with(&|builder| {
            let mut header = entry(EntryType::Regular, 1);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
            header.set_cksum();
            builder.append(&header, &b"x"[..]).unwrap();
        })
    };
    let link = |kind: EntryType| {
        with(&|builder| {
            builder.append_link(&mut entry(kind, 0), "link", "/etc/passwd").unwrap();
        })
    };
    let special = |kind: EntryType| {
        with(&|builder| {
            builder.append_data(&mut entry(kind, 0), "special", &b""[..]).unwrap();
        })
    };
    let mut cut = with(&|_| ());
    cut.truncate(700);
    let bodies = [
        ("climbs", named(b"../../x")),
        ("absolute", named(b"/etc/cron.d/x")),
        ("backslash", named(b"a\\..\\x")),
        ("symlink", link(EntryType::Symlink)),
        ("hard link", link(EntryType::Link)),
        ("device", special(EntryType::Char)),
        ("pipe", special(EntryType::Fifo)),
        (
            "collision",
            with(&|b| {
                b.append_data(&mut entry(EntryType::Regular, 1), "A", &b"x"[..]).unwrap();
                b.append_data(&mut entry(EntryType::Regular, 1), "a", &b"x"[..]).unwrap();
            }),
        ),
        ("no Dockerfile", archive(&[("a", b"x")]).into_inner().unwrap()),
        ("cut off", cut),
        ("nonsense", b"this is no archive".repeat(100)),
        ("nothing", Vec::new()),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0".repeat(100)),
    ];
    for (what, body) in bodies {
        let refused = send(&served, "user_id=ann", &[], body);
        assert_eq!(refused.status, 400, "{what}: {}", refused.body);
    }
    let left =
        std::fs::read_dir(served.dir.path().join("data/programs")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "nothing of a refused program is on disk");
    assert_eq!(served.ask("GET", "/programs").body["count"], 0);
}
