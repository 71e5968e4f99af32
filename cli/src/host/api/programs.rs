//! What can be asked of programs that are there.

use std::time::{Duration, Instant};

use hersh::http::Response;

use super::error::ApiError;
use super::query::Query;
use super::routes::{Call, Forwarded};
use super::text;
use crate::host::{HostError, ListFilter, ProgramPage, proxy};
use crate::program::{ProgramId, State, UserId};
use crate::wire::ActionBody;

type Answer = Result<Response, ApiError>;

// Without `?tail=`; what the engine keeps of a log may be megabytes.
const USUAL_TAIL: usize = 1_000;
const MAX_TAIL: usize = 100_000;
// A container has 10 s to end; longer than this nobody wants to wait for an answer.
const REMOVAL_WAIT: Duration = Duration::from_secs(30);
// Without `?limit=`.
const USUAL_EVENTS: usize = 100;
const MAX_EVENTS: usize = 1_000;

pub(super) fn healthz(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(Response::json(200, &serde_json::json!({ "status": "ok" })))
}

pub(super) fn list(call: &mut Call<'_, '_>) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let asked: Option<UserId> = query.value("user")?;
    let filter = ListFilter {
        user: call.caller.user().cloned().or_else(|| asked.clone()),
        state: query.value::<State>("state")?,
        limit: query.value("limit")?,
        cursor: query.value("cursor")?,
    };
    query.end()?;
    if asked.is_some() && asked != filter.user {
        // Programs of others do not exist for this caller.
        let nothing = ProgramPage { programs: Vec::new(), count: 0, next: None };
        return Ok(Response::json(200, &nothing));
    }
    Ok(Response::json(200, &call.api.host.list(&filter)))
}

pub(super) fn show(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(Response::json(200, &call.api.host.get(id)?))
}

pub(super) fn start(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let host = &call.api.host;
    act(call, id, "starting", "program start initiated", || host.start(id).map(drop))
}

pub(super) fn stop(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let host = &call.api.host;
    act(call, id, "Stopping", "program stop initiated", || host.stop(id).map(drop))
}

pub(super) fn restart(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let host = &call.api.host;
    act(call, id, "restarting", "program restart initiated", || host.restart(id).map(drop))
}

pub(super) fn delete(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let purge = query.flag("purge")?;
    query.end()?;
    call.api.actions.take(Instant::now())?;
    call.api.host.delete(id, purge)?;
    match call.api.host.wait(id, REMOVAL_WAIT, |program| program.state == State::Error) {
        Err(HostError::NotFound(_)) if purge => Ok(action(id, "deleted", "removed with its state")),
        Err(HostError::NotFound(_)) => Ok(action(id, "deleted", "removed; its state is set aside")),
        Err(error) => Err(error.into()),
        Ok(program) if program.state == State::Error => Err(ApiError::new(500, program.error_msg)),
        Ok(_) => Ok(action(id, "Stopping", "removal goes on")),
    }
}

fn act(
    call: &mut Call<'_, '_>,
    id: &ProgramId,
    state: &str,
    message: &str,
    work: impl FnOnce() -> Result<(), HostError>,
) -> Answer {
    Query::parse(call.request.query())?.end()?;
    text::none(call.request)?;
    call.api.actions.take(Instant::now())?;
    work()?;
    Ok(action(id, state, message))
}

fn action(id: &ProgramId, state: &str, message: &str) -> Response {
    let body = ActionBody {
        program_id: id.to_string(),
        state: state.to_owned(),
        message: message.to_owned(),
    };
    Response::json(200, &body)
}

pub(super) fn logs(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let tail = bounded(query.value("tail")?, "tail", USUAL_TAIL, MAX_TAIL)?;
    let follow = query.flag("follow")?;
    query.end()?;
    if follow {
        let log = call.api.host.follow_logs(id, tail)?;
        return Ok(Response::stream(200, LOG_TYPE, Box::new(log)));
    }
    Ok(Response::json(200, &call.api.host.logs(id, tail)?))
}

pub(super) fn build_log(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let follow = query.flag("follow")?;
    query.end()?;
    if follow {
        let log = call.api.host.follow_build_log(id)?;
        return Ok(Response::stream(200, LOG_TYPE, Box::new(log)));
    }
    Ok(Response::json(200, &call.api.host.build_log(id)?))
}

const LOG_TYPE: &str = "text/plain; charset=utf-8";

pub(super) fn source(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(Response::json(200, &call.api.host.source(id)?))
}

pub(super) fn events(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let limit = bounded(query.value("limit")?, "limit", USUAL_EVENTS, MAX_EVENTS)?;
    let after = query.value("after")?.unwrap_or(0);
    query.end()?;
    Ok(Response::json(200, &call.api.host.events(id, after, limit)?))
}

fn bounded(asked: Option<usize>, name: &str, usual: usize, most: usize) -> Result<usize, ApiError> {
    match asked {
        None => Ok(usual),
        Some(number) if (1..=most).contains(&number) => Ok(number),
        Some(_) => Err(ApiError::new(400, format!("parameter `{name}` must be 1 to {most}"))),
    }
}

pub(super) fn forward(call: &mut Call<'_, '_>, id: &ProgramId, forwarded: Forwarded<'_>) -> Answer {
    let Call { api, request, .. } = call;
    let address = api.host.address(id)?;
    let lane = api.lanes.enter(id)?;
    let rest = match (forwarded.root, forwarded.rest) {
        ("", "") => "/",
        (_, rest) => rest,
    };
    let query = request.query().map_or_else(String::new, |query| format!("?{query}"));
    let target = format!("{}{rest}{query}", forwarded.root);
    let prefix = format!("/programs/{id}/proxy");
    proxy::forward(request, address, &target, &prefix, &api.proxy, lane)
}
