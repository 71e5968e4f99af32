//! What can be asked of programs that are there.

use std::time::{Duration, Instant};

use hersh::http::Response;

use super::error::ApiError;
use super::query::{MAX_NUMBER, Query};
use super::routes::{Call, Forwarded};
use super::{status, text};
use crate::host::{HostError, ListFilter, ProgramPage, proxy};
use crate::program::{ProgramId, State, UserId};
use crate::wire::ActionBody;

type Answer = Result<Response, ApiError>;

// Without `?tail=`; what the engine keeps of a log may be megabytes.
const USUAL_TAIL: u64 = 1_000;
const MAX_TAIL: u64 = 100_000;
// A container has 10 s to end; longer than this nobody wants to wait for an answer.
const REMOVAL_WAIT: Duration = Duration::from_secs(30);
// Without `?limit=`.
const USUAL_EVENTS: usize = 100;

pub(super) fn list(call: &mut Call<'_, '_>) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let asked: Option<UserId> = query.value("user")?;
    let filter = ListFilter {
        user: call.caller.user().cloned().or_else(|| asked.clone()),
        state: query.value::<State>("state")?,
        limit: query.limit()?,
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
    let tail = query.number("tail", 1..=MAX_TAIL)?.unwrap_or(USUAL_TAIL);
    let tail = usize::try_from(tail).unwrap_or(usize::MAX);
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

pub(super) const LOG_TYPE: &str = "text/plain; charset=utf-8";

pub(super) fn source(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(Response::json(200, &call.api.host.source(id)?))
}

pub(super) fn events(call: &mut Call<'_, '_>, id: &ProgramId) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let limit = query.limit()?;
    let after = query.number("after", 0..=MAX_NUMBER)?;
    let follows = query.flag("follow")?;
    query.end()?;
    let last = status::last_event(call)?;
    if follows {
        if after.is_some() || limit.is_some() {
            let words = "parameter `follow` goes alone: Last-Event-ID says where to go on";
            return Err(ApiError::new(400, words));
        }
        call.api.host.get(id)?;
        return Ok(status::follow(call, Some(id.clone()), last));
    }
    let after = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
    let limit = limit.unwrap_or(USUAL_EVENTS);
    Ok(Response::json(200, &call.api.host.events(id, after, limit)?))
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
