//! Which request is answered by what.

use serde::Serialize;

use super::openapi::About;
use super::{bodies, events, metrics, openapi, steer};
use crate::http::openapi::Parameter;
use crate::http::{BearerToken, Handler, Method, Request, Response};
use crate::{Watcher, WeakWatcher};

/// The handler of all requests to one watcher.
pub(super) struct Api {
    watcher: WeakWatcher,
    show_secrets: bool,
    token: Option<BearerToken>,
}

/// One request and the watcher it is about.
pub(super) struct Call<'a, 'b> {
    pub(super) watcher: &'a Watcher,
    pub(super) request: &'a mut Request<'b>,
    pub(super) show_secrets: bool,
    /// Whether the server asks for a token.
    pub(super) guarded: bool,
}

/// What answers a request.
pub(super) type Answer = fn(&mut Call<'_, '_>) -> Response;

/// A path, and what may be done there.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) does: Does,
    /// Whether it is answered without the token too.
    pub(super) open: bool,
    pub(super) about: About,
}

pub(super) enum Does {
    /// Answers GET, and HEAD, which the gate leaves without a body.
    Show(Answer),
    /// Answers POST, with a body of this shape.
    Steer(Answer, &'static str),
}

const JSON: &str = "application/json";

/// A route that answers GET with JSON of this shape.
const fn show(
    path: &'static str,
    summary: &'static str,
    answer: &'static str,
    with: Answer,
) -> Route {
    let about = About { summary, answer, content_type: JSON, takes: &[], codes: &[] };
    Route { path, does: Does::Show(with), open: false, about }
}

/// A route that answers POST: takes JSON of one shape, answers with another.
const fn steer(
    path: &'static str,
    summary: &'static str,
    (body, answer): (&'static str, &'static str),
    with: Answer,
) -> Route {
    Route { does: Does::Steer(with, body), ..show(path, summary, answer, with) }
}

impl Route {
    /// For those who only ask whether it lives.
    const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    const fn of_type(self, content_type: &'static str) -> Self {
        Self { about: About { content_type, ..self.about }, ..self }
    }

    /// May be asked with parameters, which may be wrong.
    const fn taking(self, takes: &'static [Parameter]) -> Self {
        Self { about: About { takes, codes: &[400], ..self.about }, ..self }
    }
}

const LOG_QUERY: &[Parameter] = &[
    Parameter { at: "query", name: "type", shape: "LogType" },
    Parameter { at: "query", name: "limit", shape: "LogLimit" },
];

const LAST_EVENT: &[Parameter] =
    &[Parameter { at: "header", name: "Last-Event-ID", shape: "EventId" }];

/// The whole WatcherAPI.
pub(super) const ROUTES: &[Route] = &[
    show("/watcher/status", "Whether it runs", "Status", |call| {
        json(&bodies::status(call.watcher))
    }),
    show("/watcher/state", "Whether it runs, and what it has counted", "WholeState", |call| {
        json(&bodies::state(call.watcher))
    }),
    show("/watcher/vars", "Its environment", "Vars", |call| {
        json(&bodies::vars(call.watcher, call.show_secrets))
    }),
    show("/watcher/watching", "The names of its variables", "Watching", |call| {
        json(&bodies::watching(call.watcher))
    }),
    show("/watcher/memoCache", "What it has computed once", "MemoCache", |call| {
        json(&bodies::memo_cache(call.watcher))
    }),
    show("/watcher/varState", "Its variables and context values", "VarState", |call| {
        json(&bodies::var_state(call.watcher))
    }),
    show("/watcher/config", "Its configuration", "Config", |call| {
        json(&bodies::config(call.watcher))
    }),
    show("/watcher/logs", "Its logs", "Logs", bodies::logs).taking(LOG_QUERY),
    show("/watcher/signals", "What waits, and what came last", "Signals", |call| {
        json(&bodies::signals(call.watcher))
    }),
    show("/watcher/events", "What happens, as it happens", "Events", events::events)
        .of_type(events::CONTENT_TYPE)
        .taking(LAST_EVENT),
    steer("/watcher/message", "Send a message", ("Message", "Sent"), steer::message),
    steer("/watcher/stop", "Ask for a graceful end", ("Anything", "Stopping"), steer::stop),
    show("/healthz", "Whether it has not failed", "Condition", bodies::health).open(),
    show("/readyz", "Whether it serves messages", "Condition", bodies::readiness).open(),
    show("/metrics", "Its counters, for Prometheus", "Metrics", metrics::metrics)
        .of_type(metrics::CONTENT_TYPE),
    show("/openapi.json", "This", "Document", openapi::served),
];

impl Api {
    pub(super) fn new(
        watcher: WeakWatcher,
        show_secrets: bool,
        token: Option<BearerToken>,
    ) -> Self {
        Self { watcher, show_secrets, token }
    }
}

impl Handler for Api {
    fn handle(&self, request: &mut Request<'_>) -> Response {
        let Some(route) = ROUTES.iter().find(|route| route.path == request.path()) else {
            return Response::error(404, "there is no such route");
        };
        if !route.open && self.token.as_ref().is_some_and(|token| !token.accepts(request)) {
            return Response::error(401, "the bearer token is missing or wrong")
                .header("WWW-Authenticate", "Bearer");
        }
        let Some(watcher) = self.watcher.upgrade() else {
            return Response::error(503, "the watcher is gone");
        };
        let show_secrets = self.show_secrets;
        let guarded = self.token.is_some();
        let mut call = Call { watcher: &watcher, request, show_secrets, guarded };
        match (&route.does, call.request.method()) {
            (Does::Show(answer), Method::Get | Method::Head) => answer(&mut call),
            (Does::Steer(answer, _), Method::Post) => match call.request.admit_json() {
                Ok(()) => answer(&mut call),
                Err(refusal) => refusal,
            },
            (Does::Show(_), _) => not_allowed("GET, HEAD"),
            (Does::Steer(..), _) => not_allowed("POST"),
        }
    }
}

/// What is shown is of this moment, so nobody between may keep it.
pub(super) fn json(body: &impl Serialize) -> Response {
    Response::json(200, body).header("Cache-Control", "no-store")
}

fn not_allowed(allowed: &str) -> Response {
    Response::error(405, "this method is not allowed here").header("Allow", allowed)
}

#[cfg(test)]
mod tests {
    use super::ROUTES;

    #[test]
    fn every_path_is_there_once() {
        let mut paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|pair| pair[0] != pair[1]), "{paths:?}");
    }
}
