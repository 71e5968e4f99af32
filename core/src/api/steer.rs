//! Requests that change something.

use serde_json::Value;

use super::routes::{Call, json};
use crate::http::Response;
use crate::{SendError, Watcher};

/// `POST /watcher/message`.
pub(super) fn message(call: &mut Call<'_, '_>) -> Response {
    let body = match call.request.read_body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    match content(&body) {
        Ok(content) => send(call.watcher, content),
        Err(problem) => Response::error(400, &problem),
    }
}

/// The content of a message, or what is wrong with it.
pub(super) fn content(body: &[u8]) -> Result<String, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Value::Object(mut fields) = body else {
        return Err("the body must be an object like {\"content\":\"…\"}".to_owned());
    };
    match fields.remove("content") {
        None => Err(EMPTY.to_owned()),
        Some(Value::String(content)) if content.is_empty() => Err(EMPTY.to_owned()),
        Some(Value::String(content)) => Ok(content),
        Some(_) => Err("message content must be a string".to_owned()),
    }
}

const EMPTY: &str = "message content cannot be empty";

fn send(watcher: &Watcher, content: String) -> Response {
    match watcher.send_message(content) {
        Ok(()) => json(&serde_json::json!({ "status": "message sent" })),
        Err(error @ SendError::QueueFull { .. }) => {
            Response::error(503, &error.to_string()).header("Retry-After", "1")
        }
        Err(error) => Response::error(503, &error.to_string()),
    }
}

/// `POST /watcher/stop`.
pub(super) fn stop(call: &mut Call<'_, '_>) -> Response {
    let state = call.watcher.state();
    if !state.is_live() {
        return Response::error(503, &format!("the watcher is not running: it is {state}"));
    }
    call.watcher.request_stop("a client of the API asked for it");
    json(&serde_json::json!({ "status": "stopping" }))
}

#[cfg(test)]
mod tests {
    use super::{EMPTY, content};

    #[test]
    fn a_message_is_a_string_in_an_object() {
        assert_eq!(content(br#"{"content":"hi","more":1}"#).as_deref(), Ok("hi"));
        assert_eq!(content("{\"content\":\"ä\\u0000\"}".as_bytes()).as_deref(), Ok("ä\0"));
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for empty in [r#"{"content":""}"#, "{}", r#"{"Content":"hi"}"#] {
            assert_eq!(content(empty.as_bytes()).unwrap_err(), EMPTY, "{empty}");
        }
        for wrong in [r#"{"content":5}"#, r#"{"content":null}"#, "[]", "\"hi\"", "", "{", "\u{0}"] {
            assert!(content(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(content(b"{\"content\":\"\xff\"}").is_err(), "not UTF-8");
        assert!(content("[".repeat(100_000).as_bytes()).is_err(), "too deep for the stack");
    }
}
