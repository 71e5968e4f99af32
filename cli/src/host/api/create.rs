//! `POST /programs`

use std::collections::BTreeMap;
use std::time::Instant;

use base64::Engine as _;
use hersh::http::Response;

use super::error::ApiError;
use super::routes::Call;
use super::text;
use crate::host::NewProgram;
use crate::wire::{CreateProgram, Created};

// The largest sources there may be (64 MiB), as base64 in JSON, with their names.
const MAX_BODY_BYTES: u64 = 100 * 1024 * 1024;

pub(super) fn create(call: &mut Call<'_, '_>) -> Result<Response, ApiError> {
    let Call { api, caller, request } = call;
    api.creations.take(Instant::now())?;
    let _slot = api.uploads.enter()?;
    let key = request.header("idempotency-key").map(str::to_owned);
    let (body, bytes) = text::json::<CreateProgram>(request, MAX_BODY_BYTES)?;
    let answer = api.keys.once(key.as_deref(), &bytes, || {
        let new = new_program(body)?;
        caller.owns(&new.user_id)?;
        let program = api.host.create(new)?;
        let created = Created {
            program_id: program.program_id.to_string(),
            build_id: program.build_id.to_string(),
            state: program.state.to_string(),
            proxy_url: program.proxy_url,
            created_at: program.created_at.to_string(),
            name: program.name,
        };
        serde_json::to_vec(&created).map_err(|error| ApiError::new(500, error.to_string()))
    })?;
    Ok(Response::bytes(201, "application/json", answer))
}

fn new_program(body: CreateProgram) -> Result<NewProgram, ApiError> {
    let user =
        body.user_id.parse().map_err(|error| ApiError::new(400, format!("user_id: {error}")))?;
    let mut files: BTreeMap<String, Vec<u8>> =
        body.src_files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    for (name, encoded) in body.src_files_base64 {
        let content = base64::prelude::BASE64_STANDARD.decode(encoded).map_err(|error| {
            ApiError::new(400, format!("src_files_base64: {name:?} is not base64: {error}"))
        })?;
        if files.insert(name.clone(), content).is_some() {
            let message = format!("{name:?} is in both src_files and src_files_base64");
            return Err(ApiError::new(400, message));
        }
    }
    let mut program = NewProgram::new(user, body.dockerfile);
    program.name = body.name;
    program.files = files;
    program.env = body.env;
    program.limits = body.limits.unwrap_or_default();
    program.restart = body.restart;
    program.network = body.network;
    Ok(program)
}
