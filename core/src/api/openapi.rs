//! `GET /openapi.json`: all of this, for machines. It is made from the table of routes itself, so
//! that the two cannot tell different stories.

use serde_json::{Map, Value as Json, json};

use super::routes::{self, Call, Does, ROUTES, Route};
use crate::http::Response;
use crate::http::openapi::{self, Parameter, shape};

/// The shapes of all bodies and parameters.
const SCHEMAS: &str = include_str!("schemas.json");

/// What a reader of a route should know.
pub(super) struct About {
    pub(super) summary: &'static str,
    /// The shape of its answer, among the schemas.
    pub(super) answer: &'static str,
    pub(super) content_type: &'static str,
    /// What may come with a request, besides a body.
    pub(super) takes: &'static [Parameter],
    /// Codes that it may answer besides 200, and those that any request may get.
    pub(super) codes: &'static [u16],
}

/// Codes that any request may be answered with: a client that is not let in, or not now.
const ANY: [u16; 2] = [403, 503];
/// The same for requests with a body.
const ANY_BODY: [u16; 4] = [400, 411, 413, 415];

pub(super) fn served(call: &mut Call<'_, '_>) -> Response {
    routes::json(&document(call.guarded))
}

/// The document of a server that asks for a token, or of one that does not.
pub(super) fn document(guarded: bool) -> Json {
    let paths: Map<_, _> = ROUTES
        .iter()
        .map(|route| (route.path.to_owned(), json!({ method(route): operation(route, guarded) })))
        .collect();
    let info = json!({
        "title": "WatcherAPI",
        "description": "One watcher of hersh, seen and steered.",
        "version": env!("CARGO_PKG_VERSION"),
    });
    openapi::document(&info, &paths, SCHEMAS, guarded)
}

fn method(route: &Route) -> &'static str {
    match route.does {
        Does::Show(_) => "get",
        Does::Steer(..) => "post",
    }
}

fn operation(route: &Route, guarded: bool) -> Json {
    let About { summary, answer, content_type, takes, codes } = &route.about;
    let mut responses = Map::new();
    let ok = json!({ "description": summary, "content": { *content_type: { "schema": shape(answer) } } });
    responses.insert("200".to_owned(), ok);
    let any_body = if matches!(route.does, Does::Steer(..)) { &ANY_BODY[..] } else { &[] };
    let token = if guarded && !route.open { &[401][..] } else { &[] };
    for code in codes.iter().chain(&ANY).chain(any_body).chain(token) {
        responses.insert(code.to_string(), refusal(route, *code));
    }
    let parameters = takes.iter().map(Parameter::described);
    let mut operation = json!({
        "operationId": route.path.trim_start_matches("/watcher/").trim_start_matches('/'),
        "summary": summary,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Does::Steer(_, body) = route.does {
        let content = json!({ "application/json": { "schema": shape(body) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if guarded && !route.open {
        openapi::ask_for_token(&mut operation);
    }
    operation
}

/// An answer that is not the one that was asked for.
fn refusal(route: &Route, code: u16) -> Json {
    let description = match code {
        400 => "What was sent makes no sense.",
        401 => "The bearer token is missing or wrong.",
        403 => "The server does not go by the name in Host.",
        411 => "A body needs a length, or chunks.",
        413 => "The body is too large.",
        415 => "The body must be application/json.",
        _ => "Not now: the server or the queue is full, or the watcher is not in that state.",
    };
    // A probe tells its condition with either code.
    let schema = match code {
        503 if route.open => json!({ "anyOf": [shape(route.about.answer), shape("Error")] }),
        _ => shape("Error"),
    };
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_and_the_table_name_the_same_routes() {
        let document = document(true);
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            let operation = &paths[route.path][method(route)];
            assert!(operation["responses"]["200"].is_object(), "{}", route.path);
            assert_eq!(operation["requestBody"].is_object(), matches!(route.does, Does::Steer(..)));
            assert_eq!(operation["security"].is_array(), !route.open, "{}", route.path);
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        let schemas: Map<String, Json> = serde_json::from_str(SCHEMAS).unwrap();
        let text = document(false).to_string();
        let named = text.split("#/components/schemas/").skip(1);
        let named: Vec<_> = named.filter_map(|rest| rest.split('"').next()).collect();
        for name in &named {
            assert!(schemas.contains_key(*name), "{name}");
        }
        for name in schemas.keys() {
            assert!(named.contains(&name.as_str()), "nobody names {name}");
        }
    }

    #[test]
    fn only_a_guarded_server_speaks_of_tokens() {
        assert!(!document(false).to_string().contains("bearer"));
    }
}
