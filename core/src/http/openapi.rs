//! What the OpenAPI documents of all servers behind a gate have in common.

use serde_json::{Map, Value as Json, json};

/// A parameter of an operation: where it stands (`path`, `query`, `header`), its name, its shape
/// among the schemas.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "it is written in tables of routes")]
pub struct Parameter {
    /// Where it stands.
    pub at: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its shape, among the schemas.
    pub shape: &'static str,
}

impl Parameter {
    /// As a document says it. A part of the path is always there, anything else may be.
    pub fn described(&self) -> Json {
        json!({
            "in": self.at,
            "name": self.name,
            "required": self.at == "path",
            "schema": shape(self.shape),
        })
    }
}

/// A reference to a schema.
pub fn shape(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A whole document: its `info`, the operations by path and method, the schemas as JSON text; with
/// `guarded` it says how a token is sent.
pub fn document(info: &Json, paths: &Map<String, Json>, schemas: &str, guarded: bool) -> Json {
    let schemas: Json = serde_json::from_str(schemas).unwrap_or_default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info,
        "paths": paths,
        "components": { "schemas": schemas },
    });
    if guarded {
        let bearer = json!({ "bearer": { "type": "http", "scheme": "bearer" } });
        document["components"]["securitySchemes"] = bearer;
    }
    document
}

/// Marks an operation as one that asks for a token.
pub fn ask_for_token(operation: &mut Json) {
    operation["security"] = json!([{ "bearer": [] }]);
}
