//! What the document says, held against what is answered.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::bodies::rich;
use crate::gate::client::Client;

/// Holds a value against a schema, as far as these schemas go. Stricter than JSON Schema: a key
/// that the schema does not name is a key that the document forgot.
fn check(root: &Json, schema: &Json, value: &Json, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return check(root, target, value, at);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{at}: unknown type {other}"),
    };
    let kinds = match &schema["type"] {
        Json::Array(kinds) => kinds.iter().collect(),
        Json::Null => Vec::new(),
        kind => vec![kind],
    };
    let fits = kinds.is_empty() || kinds.iter().any(|kind| is(kind.as_str().unwrap()));
    assert!(fits, "{at}: {value} is not {kinds:?}");
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value} is none of {allowed:?}");
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{at}");
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{at}.{key}");
        match (schema["properties"].get(key), schema.get("additionalProperties")) {
            (Some(known), _) => check(root, known, inner, &place),
            (None, Some(Json::Bool(true))) => {}
            (None, Some(any)) => check(root, any, inner, &place),
            (None, None) => panic!("{place} is not in the document"),
        }
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(key.as_str().unwrap()).is_some(), "{at} has no {key}");
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        check(root, &schema["items"], item, &format!("{at}[{n}]"));
    }
}

fn document(client: &mut Client) -> Json {
    let answer = client.get("/openapi.json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[test]
fn every_body_is_as_the_document_says() {
    let (sim, watcher) = rich();
    let mut client = Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap());
    let document = document(&mut client);
    assert_eq!(document["openapi"], "3.1.0");
    watcher.send_message("waits").unwrap();
    let mut seen = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let answer = match (path.as_str(), operations["get"].is_object()) {
            // It goes on for ever, and has tests of its own.
            ("/watcher/events", _) => continue,
            (_, true) => client.get(path),
            ("/watcher/message", _) => client.post(path, r#"{"content":"hi"}"#),
            (_, false) => client.post(path, "{}"),
        };
        let method = if operations["get"].is_object() { "get" } else { "post" };
        let described = &operations[method]["responses"][answer.status.to_string()]["content"];
        let content_type = answer.header("content-type").unwrap();
        let schema = &described[content_type]["schema"];
        assert!(schema.is_object(), "{path} answers {} {content_type}", answer.status);
        if content_type == "application/json" {
            check(&document, schema, &answer.json(), path);
        }
        seen.insert(path.clone());
    }
    assert!(seen.contains("/watcher/stop") && seen.len() == 15, "{seen:?}");
    // After the end: the refusals.
    sim.run_until_idle();
    for path in ["/readyz", "/watcher/logs?limit=x"] {
        let answer = client.get(path);
        assert_ne!(answer.status, 200);
        let path = path.split('?').next().unwrap();
        let responses = &document["paths"][path]["get"]["responses"];
        let described = &responses[answer.status.to_string()];
        assert!(described.is_object() && answer.json()["error"].is_string(), "{path}");
    }
}

#[test]
fn routes_that_are_not_in_the_document_do_not_exist() {
    let (_sim, watcher) = rich();
    let mut client = Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap());
    let document = document(&mut client);
    for path in ["/watcher/kill", "/watcher/start", "/watcher/journal", "/debug", "/"] {
        assert!(document["paths"][path].is_null());
        assert_eq!(client.get(path).status, 404, "{path}");
    }
}
