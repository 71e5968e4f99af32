//! What the host will come back to, and what waits for a person.

use serde_json::{Value, json};

use super::{Served, a_program};

/// A program whose start has failed for good, and its ticket's path.
fn failed(served: &Served, token: &str, user: &str) -> (String, String) {
    let mut body = a_program();
    body["user_id"] = json!(user);
    served.engine.hold("build");
    let id = served.as_bearer(token, "POST", "/programs", &body).body["program_id"].clone();
    let id = id.as_str().unwrap().to_owned();
    served.as_bearer(token, "POST", &format!("/programs/{id}/start"), &Value::Null);
    let list = format!("/tickets?program={id}");
    let tickets = served.as_bearer(token, "GET", &list, &Value::Null).body;
    assert_eq!(tickets["count"], 1, "{tickets}");
    let ticket = tickets["tickets"][0]["ticket_id"].as_str().unwrap().replace('/', "%2F");
    (id, format!("/tickets/{ticket}"))
}

#[test]
fn tickets_are_listed_shown_and_given_up() {
    let served = Served::open();
    let (id, path) = failed(&served, "", "ann");
    let ticket = served.ask("GET", &path).body;
    assert_eq!((&ticket["kind"], &ticket["program_id"]), (&json!("reconcile"), &json!(id)));
    assert_eq!(ticket["status"], "pending");
    for field in ["running", "attempts", "reason", "due_at", "created_at", "updated_at"] {
        assert!(ticket.get(field).is_some(), "{field}: {ticket}");
    }
    assert!(served.ask("GET", "/tickets").body["count"].as_u64() > Some(1), "the host's own too");
    assert_eq!(served.ask("GET", "/tickets?kind=health").body["count"], 1);
    let first = served.ask("GET", "/tickets?limit=1").body;
    let next = first["next"].as_str().unwrap();
    assert_eq!(served.ask("GET", &format!("/tickets?limit=1&cursor={next}")).status, 200);

    assert_eq!(served.ask("POST", &format!("{path}/cancel")).status, 200);
    served.engine.release("build");
    served.until(&id, "Stopped");
    served.ask("GET", "/tickets/nothing").error(404, "Not Found");
    served.ask("POST", "/tickets/health/cancel").error(409, "Conflict");
    served.ask("GET", "/tickets?kind=gossip").error(400, "Bad Request");
    served.ask("GET", "/tickets?status=lost").error(400, "Bad Request");
}

#[test]
fn tickets_of_others_do_not_exist_for_a_user() {
    let served = Served::guarded();
    let admin = served.admin.clone();
    let (_, path) = failed(&served, &admin, "bob");
    let token = served.as_bearer(&admin, "POST", "/tokens", &json!({"user_id": "ann"})).body;
    let ann = token["token"].as_str().unwrap().to_owned();
    let ask = |method: &str, path: &str| served.as_bearer(&ann, method, path, &Value::Null);
    assert_eq!(ask("GET", "/tickets").body, json!({"tickets": [], "count": 0}));
    assert_eq!(ask("GET", "/tickets?user=bob").body["count"], 0);
    for (method, rest) in [("GET", ""), ("POST", "/retry"), ("POST", "/cancel")] {
        ask(method, &format!("{path}{rest}")).error(404, "Not Found");
        ask(method, &format!("/tickets/health{rest}")).error(404, "Not Found");
    }
    served.engine.release("build");
}
