//! Which request is answered by what.

use serde::Serialize;

use super::{bodies, events, metrics, steer};
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
}

/// What answers a request.
type Answer = fn(&mut Call<'_, '_>) -> Response;

/// A path, and what may be done there.
struct Route {
    path: &'static str,
    does: Does,
    /// Whether it is answered without the token too.
    open: bool,
}

enum Does {
    /// Answers GET, and HEAD, which the gate leaves without a body.
    Show(Answer),
    /// Answers POST.
    Steer(Answer),
}

const fn show(path: &'static str, answer: Answer) -> Route {
    Route { path, does: Does::Show(answer), open: false }
}

/// For those who only ask whether it lives.
const fn probe(path: &'static str, answer: Answer) -> Route {
    Route { open: true, ..show(path, answer) }
}

const fn steer(path: &'static str, answer: Answer) -> Route {
    Route { path, does: Does::Steer(answer), open: false }
}

/// The whole WatcherAPI.
const ROUTES: &[Route] = &[
    show("/watcher/status", |call| json(&bodies::status(call.watcher))),
    show("/watcher/state", |call| json(&bodies::state(call.watcher))),
    show("/watcher/vars", |call| json(&bodies::vars(call.watcher, call.show_secrets))),
    show("/watcher/watching", |call| json(&bodies::watching(call.watcher))),
    show("/watcher/memoCache", |call| json(&bodies::memo_cache(call.watcher))),
    show("/watcher/varState", |call| json(&bodies::var_state(call.watcher))),
    show("/watcher/config", |call| json(&bodies::config(call.watcher))),
    show("/watcher/logs", bodies::logs),
    show("/watcher/signals", |call| json(&bodies::signals(call.watcher))),
    show("/watcher/events", events::events),
    steer("/watcher/message", steer::message),
    steer("/watcher/stop", steer::stop),
    probe("/healthz", bodies::health),
    probe("/readyz", bodies::readiness),
    show("/metrics", metrics::metrics),
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
        let mut call = Call { watcher: &watcher, request, show_secrets };
        match (&route.does, call.request.method()) {
            (Does::Show(answer), Method::Get | Method::Head)
            | (Does::Steer(answer), Method::Post) => answer(&mut call),
            (Does::Show(_), _) => not_allowed("GET, HEAD"),
            (Does::Steer(_), _) => not_allowed("POST"),
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
