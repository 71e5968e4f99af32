//! `GET /openapi.json`: all of this, for machines. It is made from the table of routes itself, so
//! that the two cannot tell different stories.

use hersh::http::openapi::{self, Parameter, shape};
use serde_json::{Map, Value as Json, json};

use super::routes::{PASSED, PASSED_METHODS, ROUTES, Route};
use crate::host::auth::Needs;

/// The shapes of all bodies and parameters.
const SCHEMAS: &str = include_str!("schemas.json");

/// What a reader of a route should know.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) summary: &'static str,
    /// The code of the answer that was asked for.
    pub(super) code: u16,
    /// The shape of that answer, among the schemas.
    pub(super) answer: &'static str,
    pub(super) content_type: &'static str,
    /// The type and shape of the answer to who asks to follow.
    pub(super) followed: Option<(&'static str, &'static str)>,
    /// What may come with a request, besides a body.
    pub(super) takes: &'static [Parameter],
    /// The bodies it takes: their types and shapes. The first is the usual one.
    pub(super) bodies: &'static [(&'static str, &'static str)],
    /// Whether it can do without a body.
    pub(super) body_is_optional: bool,
    /// Codes that it may answer besides, and besides those that any request may get.
    pub(super) codes: &'static [u16],
}

/// Codes that any request may be answered with.
const ANY: [u16; 4] = [400, 403, 500, 503];
/// The same for requests with a body.
const ANY_BODY: [u16; 3] = [408, 413, 415];

/// The document of a host that asks for tokens, or of one that does not.
pub(super) fn document(guarded: bool) -> Json {
    let mut paths: Map<String, Json> = Map::new();
    for route in ROUTES {
        let path = route.path.replace("{id}", &format!("{{{}}}", route.id_name()));
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[route.verb.in_openapi()] = operation(route, guarded);
    }
    for (name, _) in PASSED {
        let path = format!("/programs/{{program_id}}/{name}/{{path}}");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        for method in PASSED_METHODS {
            operations[*method] = passed_on(name, method, guarded);
        }
    }
    let info = json!({
        "title": "hersh host",
        "description": "Programs under gVisor: built, run, watched over and spoken to.",
        "version": env!("CARGO_PKG_VERSION"),
    });
    openapi::document(&info, &paths, SCHEMAS, guarded)
}

fn operation(route: &Route, guarded: bool) -> Json {
    let About { summary, code, takes, bodies, body_is_optional, codes, .. } = &route.about;
    let mut responses = Map::new();
    let usual = (route.about.content_type, route.about.answer);
    let ok = contents(std::iter::once(&usual).chain(&route.about.followed));
    responses.insert(code.to_string(), json!({ "description": summary, "content": ok }));
    let has_id = route.path.contains("{id}");
    let asks = guarded && route.needs != Needs::Nothing;
    let more = [(has_id, 404), (asks, 401)].into_iter().filter(|(is, _)| *is).map(|(_, code)| code);
    let any_body = if bodies.is_empty() { &[] } else { &ANY_BODY[..] };
    for code in codes.iter().chain(&ANY).chain(any_body).copied().chain(more) {
        responses.insert(code.to_string(), refusal(code));
    }
    let id = Parameter { at: "path", name: route.id_name(), shape: route.id_shape() };
    let parameters: Vec<_> =
        has_id.then_some(&id).into_iter().chain(takes.iter()).map(Parameter::described).collect();
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    });
    if !bodies.is_empty() {
        let content = contents(bodies.iter());
        operation["requestBody"] = json!({ "required": !body_is_optional, "content": content });
    }
    if asks {
        openapi::ask_for_token(&mut operation);
    }
    operation
}

fn contents<'a>(bodies: impl Iterator<Item = &'a (&'static str, &'static str)>) -> Json {
    bodies.map(|(kind, body)| ((*kind).to_owned(), json!({ "schema": shape(body) }))).collect()
}

/// What is the program's own to answer.
fn passed_on(name: &str, method: &str, guarded: bool) -> Json {
    let parameters = [
        Parameter { at: "path", name: "program_id", shape: "ProgramId" },
        Parameter { at: "path", name: "path", shape: "ProgramPath" },
    ];
    let mut responses = Map::new();
    let own = json!({ "description": "What the program answers." });
    responses.insert("default".to_owned(), own);
    let token = guarded.then_some(401);
    for code in [400, 403, 404, 408, 409, 413, 502, 503, 504].into_iter().chain(token) {
        responses.insert(code.to_string(), refusal(code));
    }
    let mut operation = json!({
        "operationId": format!("{name}-{method}"),
        "summary": "What the program itself serves, which must be Ready; both ways as it streams",
        "parameters": parameters.iter().map(Parameter::described).collect::<Vec<_>>(),
        "responses": responses,
    });
    if guarded {
        openapi::ask_for_token(&mut operation);
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let path = route.path.trim_matches('/').replace("{id}", "id").replace(['/', '.'], "-");
    format!("{}-{path}", route.verb.in_openapi())
}

/// An answer that is not the one that was asked for.
fn refusal(code: u16) -> Json {
    let description = match code {
        400 => "What was sent makes no sense, or has a part that nobody knows.",
        401 => "The token is missing, or none of this host's.",
        403 => "The token is not good for this; or the request comes from a foreign page.",
        404 => "There is no such thing, or it is somebody else's.",
        408 => "The body did not come in time.",
        409 => "Not in the state that it is in.",
        413 => "The body is too large.",
        415 => "The body is of a type that is not taken here.",
        429 => "Too much at once: Retry-After says when to come again.",
        502 => "The engine or the program did not answer as it should.",
        503 => "Not now: the host is full, or what is asked for is not ready.",
        504 => "The program did not answer in time.",
        _ => "The host failed.",
    };
    let content = json!({ "application/json": { "schema": shape("Error") } });
    json!({ "description": description, "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_and_the_table_name_the_same_routes() {
        let document = document(true);
        let operations = document["paths"].as_object().unwrap().values();
        let count: usize = operations.map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(count, ROUTES.len() + PASSED.len() * PASSED_METHODS.len());
        for route in ROUTES {
            let operation = operation(route, true);
            let needs_token = route.needs != Needs::Nothing;
            assert_eq!(operation["security"].is_array(), needs_token, "{}", route.path);
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there() {
        let schemas: Map<String, Json> = serde_json::from_str(SCHEMAS).unwrap();
        let text = document(true).to_string();
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
    fn only_a_guarded_host_speaks_of_tokens_to_be_sent() {
        assert!(!document(false).to_string().contains("bearer"));
    }
}
