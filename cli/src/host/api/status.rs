//! The host itself: whether it lives, what it counts, and what happens on it.

use hersh::http::{EventStream, MetricsPage, Response};

use super::error::ApiError;
use super::openapi;
use super::query::Query;
use super::routes::Call;
use crate::host::registry::FeedFilter;
use crate::program::ProgramId;

type Answer = Result<Response, ApiError>;

pub(super) const EVENTS_TYPE: &str = EventStream::CONTENT_TYPE;
pub(super) const METRICS_TYPE: &str = MetricsPage::CONTENT_TYPE;

pub(super) fn healthz(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(condition("ok"))
}

/// Anybody may ask, so it says no more than that the engine does not answer.
pub(super) fn readyz(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    if call.api.host.engine_report().version.is_empty() {
        return Err(ApiError::new(503, "the container engine does not answer"));
    }
    Ok(condition("ready"))
}

fn condition(word: &str) -> Response {
    let body = serde_json::json!({ "status": word });
    Response::json(200, &body).header("Cache-Control", "no-store")
}

pub(super) fn metrics(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(call.api.host.metrics().into_response())
}

pub(super) fn document(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    Ok(Response::json(200, &openapi::document(call.api.auth.asks_for_token())))
}

pub(super) fn events(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    let last = last_event(call)?;
    Ok(follow(call, None, last))
}

/// The event behind which a client wants to go on.
pub(super) fn last_event(call: &Call<'_, '_>) -> Result<Option<i64>, ApiError> {
    match call.request.header("last-event-id").unwrap_or_default() {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(last) if last >= 0 => Ok(Some(last)),
            _ => Err(ApiError::new(400, "Last-Event-ID must be the id of an event")),
        },
    }
}

/// What happens to this program, or to all that the caller sees.
pub(super) fn follow(
    call: &mut Call<'_, '_>,
    program: Option<ProgramId>,
    last: Option<i64>,
) -> Response {
    let filter = FeedFilter { user: call.caller.user().cloned(), program };
    EventStream::new(call.api.host.follow_events(filter, last)).into_response()
}
