//! Bodies of requests.

use hersh::http::Request;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The body as JSON of at most `limit` bytes, and its bytes.
pub(super) fn json<T: DeserializeOwned>(
    request: &mut Request<'_>,
    limit: u64,
) -> Result<(T, Vec<u8>), ApiError> {
    ask_for_json(request)?;
    request.set_max_body(limit);
    let bytes = request.read_body()?;
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::new(400, format!("the body is not what it should be: {error}"))
    })?;
    Ok((value, bytes))
}

// An empty object is what a client sends that always sends JSON.
const EMPTY_BODY_BYTES: u64 = 4096;

/// Refuses a body that says something to a route that takes nothing.
pub(super) fn none(request: &mut Request<'_>) -> Result<(), ApiError> {
    request.set_max_body(EMPTY_BODY_BYTES);
    let bytes = request.read_body()?;
    if bytes.trim_ascii().is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<serde_json::Map<_, _>>(&bytes) {
        Ok(fields) => match fields.keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::new(400, format!("unknown field `{name}`"))),
        },
        Err(error) => Err(ApiError::new(400, format!("the body is not a JSON object: {error}"))),
    }
}

fn ask_for_json(request: &Request<'_>) -> Result<(), ApiError> {
    let kind = request.header("content-type").and_then(|value| value.split(';').next());
    if kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(ApiError::new(415, "Content-Type must be application/json"))
    }
}
