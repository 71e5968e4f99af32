//! The same request, sent again because its answer got lost.

use serde_json::{Value, json};

use super::{Answer, Served, a_program};
use crate::host::registry::RequestKey;

const KEY: [(&str, &str); 1] = [("Idempotency-Key", "k1")];

fn create(served: &Served) -> Answer {
    served.post_with("/programs", &a_program(), &KEY)
}

fn count(served: &Served) -> Value {
    served.ask("GET", "/programs").body["count"].clone()
}

#[test]
fn the_same_key_creates_once_and_is_answered_the_same() {
    let served = Served::open();
    let (first, second) = (create(&served), create(&served));
    assert_eq!((first.status, second.status), (201, 201));
    assert_eq!(first.body, second.body);
    let mut other = a_program();
    other["dockerfile"] = json!("FROM other");
    let refused = served.post_with("/programs", &other, &KEY);
    assert!(refused.error(409, "Conflict").contains("another request"));
    assert_eq!(count(&served), 1);
}

#[test]
fn a_key_is_known_after_the_host_was_started_anew_and_after_the_program_is_gone() {
    let served = Served::open();
    let first = create(&served).body;
    let served = served.reopened();
    assert_eq!(create(&served).body, first);
    let id = first["program_id"].as_str().unwrap();
    served.ask("DELETE", &format!("/programs/{id}"));
    assert_eq!(create(&served).body, first, "the work was done, and is not done again");
    assert_eq!(count(&served), 0);
}

#[test]
fn work_that_was_noted_and_never_done_is_done_after_all() {
    let served = Served::open();
    let key = RequestKey { user: String::new(), key: "k1".into() };
    let never = "ann-build-0123456789ab-00000001".parse().unwrap();
    served.host.note_key(&key, "as if the host had been killed here", &never, b"{}").unwrap();
    let served = served.reopened();
    let created = create(&served);
    assert_eq!(created.status, 201, "{}", created.body);
    assert_ne!(created.body["program_id"], json!(never));
    assert_eq!(count(&served), 1);
}

#[test]
fn work_that_was_done_and_not_noted_as_done_is_not_done_twice() {
    let served = Served::open();
    let first = create(&served).body;
    let key = RequestKey { user: String::new(), key: "k1".into() };
    let noted = served.host.keyed(&key).unwrap().unwrap();
    // As if the host had been killed before it could note the end.
    let id = noted.program_id.parse().unwrap();
    served.host.note_key(&key, &noted.request, &id, &noted.answer).unwrap();
    let served = served.reopened();
    assert_eq!(create(&served).body, first);
    assert_eq!(count(&served), 1);
}

#[test]
fn a_failure_frees_the_key_and_users_do_not_share_keys() {
    let served = Served::open();
    let mut wrong = a_program();
    wrong["name"] = json!("--wrong");
    served.post_with("/programs", &wrong, &KEY).error(400, "Bad Request");
    assert_eq!(create(&served).status, 201);
    for wrong in ["a b", &"x".repeat(256)] {
        let header = [("Idempotency-Key", wrong)];
        served.post_with("/programs", &a_program(), &header).error(400, "Bad Request");
    }
    let served = Served::guarded();
    let ids: Vec<_> = ["ann", "bob"]
        .map(|user| {
            let admin = served.admin.clone();
            let token = served.as_bearer(&admin, "POST", "/tokens", &json!({"user_id": user})).body;
            let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
            let mut body = a_program();
            body["user_id"] = json!(user);
            let headers = [KEY[0], ("Authorization", bearer.as_str())];
            served.post_with("/programs", &body, &headers).body["program_id"].clone()
        })
        .into();
    assert!(ids[0].is_string() && ids[1].is_string() && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn of_many_at_once_one_does_the_work() {
    let served = Served::open();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| create(&served))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty() && made.iter().all(|answer| answer.body == made[0].body));
    // The others came while it was under way, or found all places for uploads taken.
    assert!(answers.iter().all(|answer| [201, 409, 429].contains(&answer.status)));
    assert_eq!(count(&served), 1);
}
