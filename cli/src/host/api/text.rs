//! Bodies of requests.

use hersh::http::Request;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The body as JSON of at most `limit` bytes, and its bytes.
pub(super) fn json<T: DeserializeOwned>(
    request: &mut Request<'_>,
    limit: u64,
) -> Result<(T, Vec<u8>), ApiError> {
    if !is_of_type(request, "application/json") {
        return Err(ApiError::new(415, "Content-Type must be application/json"));
    }
    request.set_max_body(limit);
    let bytes = request.read_body()?;
    // A sequence would be taken for an object whose names were left out.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::new(400, "the body is not a JSON object"));
    }
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        let words = without_values(&error);
        ApiError::new(400, format!("the body is not what it should be: {words}"))
    })?;
    Ok((value, bytes))
}

/// What is wrong with some JSON, without the value that is: it may be a secret in a wrong place.
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let words = error.to_string();
    // Source: `serde::de::Unexpected`, which writes the kind of what it met before its value.
    for kind in ["string", "integer", "floating point", "character", "boolean"] {
        for problem in ["invalid type", "invalid value"] {
            let begins = format!("{problem}: {kind} ");
            if let Some(expected) =
                words.strip_prefix(&begins).and_then(|_| words.rfind(", expected "))
            {
                return format!("{problem}: {kind}{}", &words[expected..]);
            }
        }
    }
    words
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
        Err(error) => {
            let words = without_values(&error);
            Err(ApiError::new(400, format!("the body is not a JSON object: {words}")))
        }
    }
}

/// Whether a request's body says to be of this type.
pub(super) fn is_of_type(request: &Request<'_>, wanted: &str) -> bool {
    let kind = request.header("content-type").and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CreateProgram;

    #[test]
    fn a_secret_in_a_wrong_place_is_not_said_again() {
        let refused =
            |body: &str| without_values(&serde_json::from_str::<CreateProgram>(body).unwrap_err());
        for env in [r#""canary, expected nothing""#, r#"["canary"]"#, r#"{"KEY": ["canary"]}"#] {
            let words = refused(&format!(r#"{{"user_id":"a","dockerfile":"x","env":{env}}}"#));
            assert!(!words.contains("canary") && words.contains("expected a"), "{words}");
        }
        let words = refused(r#"{"user_id": 4711}"#);
        assert_eq!(words, "invalid type: integer, expected a string at line 1 column 16");
    }
}
