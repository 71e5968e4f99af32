//! Tokens, and what each lets its bearer see and do.

use serde_json::{Value, json};

use super::{Served, a_program};

/// Makes a token as the admin, and returns its secret and its id.
fn token(served: &Served, body: &Value) -> (String, String) {
    let made = served.as_bearer(&served.admin, "POST", "/tokens", body);
    assert_eq!(made.status, 201, "{}", made.body);
    let text = |field: &str| made.body[field].as_str().unwrap().to_owned();
    (text("token"), text("token_id"))
}

fn program_of(served: &Served, token: &str, user: &str) -> String {
    let mut body = a_program();
    body["user_id"] = json!(user);
    let created = served.as_bearer(token, "POST", "/programs", &body);
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["program_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_sees_their_own_programs_and_no_others() {
    let served = Served::guarded();
    let (ann, _) = token(&served, &json!({"user_id": "ann"}));
    let (bob, _) = token(&served, &json!({"user_id": "bob", "name": "bob's laptop"}));
    let (of_ann, of_bob) = (program_of(&served, &ann, "ann"), program_of(&served, &bob, "bob"));

    let get = |token: &str, path: &str| served.as_bearer(token, "GET", path, &Value::Null);
    for (token, own) in [(&ann, &of_ann), (&bob, &of_bob)] {
        let list = get(token, "/programs").body;
        assert_eq!((&list["count"], &list["programs"][0]["program_id"]), (&json!(1), &json!(own)));
    }
    assert_eq!(get(&ann, "/programs?user=bob").body, json!({"programs": [], "count": 0}));
    assert_eq!(get(&served.admin, "/programs").body["count"], 2);
    assert_eq!(get(&served.admin, "/programs?user=bob").body["count"], 1);

    let unknown = format!("{}00000000", &of_bob[..of_bob.len() - 8]);
    for (method, rest) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("POST", "/restart"),
        ("GET", "/logs"),
        ("GET", "/build-log"),
        ("GET", "/source"),
        ("GET", "/events"),
        ("GET", "/watcher/state"),
        ("POST", "/watcher/stop"),
        ("GET", "/proxy/"),
    ] {
        // One of somebody else's and one that is not there are told in the same words.
        let told = |id: &str| {
            let answer =
                served.as_bearer(&ann, method, &format!("/programs/{id}{rest}"), &Value::Null);
            answer.error(404, "Not Found").replace(id, "ID")
        };
        assert_eq!(told(&of_bob), told(&unknown), "{method} {rest}");
    }
    let mut stolen = a_program();
    stolen["user_id"] = json!("bob");
    let refused = served.as_bearer(&ann, "POST", "/programs", &stolen);
    assert!(refused.error(403, "Forbidden").contains("user_id"));
}

#[test]
fn each_scope_lets_its_bearer_do_so_much() {
    let served = Served::guarded();
    let id = program_of(&served, &served.admin, "ann");
    let (read, _) = token(&served, &json!({"user_id": "ann", "scope": "read"}));
    let (monitor, _) = token(&served, &json!({"scope": "monitor"}));
    let (admin, _) = token(&served, &json!({"scope": "admin", "name": "second"}));
    let path = format!("/programs/{id}");
    for token in [&read, &monitor] {
        assert_eq!(served.as_bearer(token, "GET", &path, &Value::Null).status, 200);
        for (method, path) in [
            ("POST", format!("{path}/start")),
            ("POST", format!("{path}/watcher/message")),
            ("DELETE", path.clone()),
            ("POST", "/tokens".to_owned()),
            ("GET", "/tokens".to_owned()),
        ] {
            let refused = served.as_bearer(token, method, &path, &json!({}));
            assert!(refused.error(403, "Forbidden").contains("scope"), "{}", refused.body);
        }
        served.as_bearer(token, "POST", "/programs", &a_program()).error(403, "Forbidden");
    }
    assert_eq!(
        served.as_bearer(&admin, "POST", &format!("{path}/start"), &Value::Null).status,
        200
    );
    assert_eq!(served.as_bearer(&admin, "GET", "/tokens", &Value::Null).body["count"], 3);
}

#[test]
fn a_revoked_token_lets_nobody_in_at_once() {
    let served = Served::guarded();
    let (secret, id) = token(&served, &json!({"user_id": "ann"}));
    let ask = || served.as_bearer(&secret, "GET", "/programs", &Value::Null);
    assert_eq!(ask().status, 200);
    let path = format!("/tokens/{id}");
    let gone = served.as_bearer(&served.admin, "DELETE", &path, &Value::Null);
    assert_eq!((gone.status, &gone.body["state"]), (200, &json!("revoked")));
    ask().error(401, "Unauthorized");
    served.as_bearer(&served.admin, "DELETE", &path, &Value::Null).error(404, "Not Found");
}

#[test]
fn a_token_is_told_once_and_kept_as_a_hash() {
    let served = Served::guarded();
    let (secret, id) = token(&served, &json!({"user_id": "ann", "name": "laptop"}));
    let list = served.as_bearer(&served.admin, "GET", "/tokens?user=ann", &Value::Null).body;
    let told = &list["tokens"][0];
    assert_eq!((&told["token_id"], &told["name"]), (&json!(id), &json!("laptop")));
    assert_eq!((&told["user_id"], &told["scope"]), (&json!("ann"), &json!("write")));
    assert!(told["created_at"].is_string());
    assert!(!list.to_string().contains(&secret));
}

#[test]
fn tokens_that_make_no_sense_are_refused_by_name() {
    let served = Served::guarded();
    for (body, words) in [
        (json!({}), "user_id is missing"),
        (json!({"user_id": "../x"}), "user_id"),
        (json!({"user_id": "ann", "scope": "admin"}), "user_id is refused"),
        (json!({"user_id": "ann", "scope": "root"}), "unknown variant `root`"),
        (json!({"user_id": "ann", "name": ""}), "name is refused"),
        (json!({"user_id": "ann", "expires": 1}), "unknown field `expires`"),
    ] {
        let refused = served.as_bearer(&served.admin, "POST", "/tokens", &body);
        assert!(refused.error(400, "Bad Request").contains(words), "{}", refused.body);
    }
    assert_eq!(served.as_bearer(&served.admin, "GET", "/tokens", &Value::Null).body["count"], 0);
}
