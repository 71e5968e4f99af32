//! `POST /programs`: as JSON, or as a tar archive with everything else in the query.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Instant;

use base64::Engine as _;
use hersh::http::{BodyError, Request, Response};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::idempotency::{Begun, Claim};
use super::query::{MAX_NUMBER, Query};
use super::routes::Call;
use super::text;
use super::{UPLOAD_GRACE, UPLOAD_PACE};
use crate::host::registry::RequestKey;
use crate::host::storage::{ArchiveError, SourceLimits, read_tar};
use crate::host::{Health, HostError, LimitsRequest, NewProgram, ProgramView};
use crate::units::hex;
use crate::wire::{CreateProgram, Created};

// The largest sources there may be (64 MiB), as base64 in JSON, with their names.
const MAX_BODY_BYTES: u64 = 100 * 1024 * 1024;
/// The media type of archives.
pub(super) const TAR: &str = "application/x-tar";
/// The header that brings the environment where the body is an archive: a JSON object. A query is
/// no place for secrets.
pub(super) const ENV_HEADER: &str = "Hersh-Env";

pub(super) fn create(call: &mut Call<'_, '_>) -> Result<Response, ApiError> {
    let Call { api, caller, request } = call;
    api.creations.take(Instant::now())?;
    let _slot = api.uploads.enter(caller.user())?;
    request.set_min_pace(UPLOAD_GRACE, UPLOAD_PACE);
    let key = request.header("idempotency-key").map(str::to_owned);
    let (new, hash) = if text::is_of_type(request, TAR) {
        of_archive(request, &api.host.source_limits())?
    } else {
        of_json(request)?
    };
    caller.owns(&new.user_id)?;
    let answer = match key {
        None => made(call, new, None)?,
        Some(key) => {
            let user = caller.user().map(ToString::to_string).unwrap_or_default();
            match api.keys.begin(&api.host, RequestKey { user, key }, hash)? {
                Begun::Answered(answer) => answer,
                Begun::Claimed(claim) => made(call, new, Some(claim))?,
            }
        }
    };
    Ok(Response::bytes(201, "application/json", answer))
}

/// Makes the program, and returns what is answered.
fn made(
    call: &Call<'_, '_>,
    new: NewProgram,
    claim: Option<Claim<'_>>,
) -> Result<Vec<u8>, ApiError> {
    let mut answer = Vec::new();
    call.api.host.create_noted(new, |planned| {
        let words = |error: serde_json::Error| HostError::Registry(error.to_string());
        answer = serde_json::to_vec(&created(planned)).map_err(words)?;
        claim.as_ref().map_or(Ok(()), |claim| claim.note(planned, &answer))
    })?;
    if let Some(claim) = claim {
        claim.settle();
    }
    Ok(answer)
}

fn created(program: &ProgramView) -> Created {
    Created {
        program_id: program.program_id.to_string(),
        build_id: program.build_id.to_string(),
        state: program.state.to_string(),
        proxy_url: program.proxy_url.clone(),
        created_at: program.created_at.to_string(),
        name: program.name.clone(),
    }
}

fn of_json(request: &mut Request<'_>) -> Result<(NewProgram, String), ApiError> {
    Query::parse(request.query())?.end()?;
    let (body, bytes) = text::json::<CreateProgram>(request, MAX_BODY_BYTES)?;
    Ok((new_program(body)?, hex(&Sha256::digest(&bytes))))
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
    program.health = body.health;
    Ok(program)
}

fn of_archive(
    request: &mut Request<'_>,
    limits: &SourceLimits,
) -> Result<(NewProgram, String), ApiError> {
    let mut hash = Sha256::new();
    let env = request.header(ENV_HEADER).unwrap_or("{}").to_owned();
    for part in [request.query().unwrap_or_default(), &env] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut program = of_query(request.query())?;
    program.env = serde_json::from_str(&env).map_err(|error| {
        let words = text::without_values(&error);
        ApiError::new(400, format!("{ENV_HEADER} is no JSON object of texts: {words}"))
    })?;
    request.set_max_body(MAX_BODY_BYTES);
    let mut body = Hashed { source: request.body(), hash };
    let unpacked = read_tar(&mut body, limits).map_err(refused)?;
    program.dockerfile = unpacked.dockerfile;
    program.files = unpacked.files;
    Ok((program, hex(&body.hash.finalize())))
}

/// Everything about a program but its files and its environment.
fn of_query(query: Option<&str>) -> Result<NewProgram, ApiError> {
    let mut query = Query::parse(query)?;
    let user = query.value("user_id")?;
    let user = user.ok_or_else(|| ApiError::new(400, "parameter `user_id` is missing"))?;
    let mut program = NewProgram::new(user, Vec::new());
    program.name = query.text("name");
    program.restart = query.word("restart")?.unwrap_or_default();
    program.network = query.word("network")?.unwrap_or_default();
    let number = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    program.limits = LimitsRequest {
        memory_bytes: query.number("memory_bytes", 0..=MAX_NUMBER)?,
        milli_cpus: number(query.number("milli_cpus", 0..=u32::MAX.into())?),
        pids: number(query.number("pids", 0..=u32::MAX.into())?),
        ..LimitsRequest::default()
    };
    program.health = Health {
        path: query.text("health_path"),
        ready_timeout_ms: query.number("ready_timeout_ms", 0..=MAX_NUMBER)?,
    };
    query.end()?;
    Ok(program)
}

fn refused(error: ArchiveError) -> ApiError {
    match error {
        ArchiveError::Read(error) => match BodyError::of(&error) {
            Some(own) => own.into(),
            None => ApiError::new(400, format!("the archive cannot be read: {error}")),
        },
        other => ApiError::new(400, other.to_string()),
    }
}

/// A body that is hashed as it is read.
struct Hashed<'a> {
    source: &'a mut dyn Read,
    hash: Sha256,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
