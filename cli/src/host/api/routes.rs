//! The table of routes, and the way from a request to its handler.

use hersh::http::{Method, Request, Response};

use super::error::ApiError;
use super::{Api, create, programs};
use crate::program::ProgramId;

type Plain = fn(&Api, &mut Request<'_>) -> Result<Response, ApiError>;
type OfProgram = fn(&Api, &ProgramId, &mut Request<'_>) -> Result<Response, ApiError>;
type Passed = fn(&Api, &ProgramId, Forwarded<'_>, &mut Request<'_>) -> Result<Response, ApiError>;

/// A request that is for the program: which of its paths is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarded<'a> {
    /// What the program's paths begin with here: `/watcher` or nothing.
    pub(super) root: &'static str,
    /// What follows, beginning with a slash, or nothing.
    pub(super) rest: &'a str,
}

enum Run {
    // Answered to everyone: says nothing but that the host is there.
    Open(Plain),
    Plain(Plain),
    OfProgram(OfProgram),
}

struct Route {
    // `Get` also serves `Head`; the gate leaves the body out.
    method: Method,
    // `{id}` stands for a program.
    path: &'static str,
    run: Run,
}

const fn get(path: &'static str, run: Run) -> Route {
    Route { method: Method::Get, path, run }
}

const fn post(path: &'static str, run: Run) -> Route {
    Route { method: Method::Post, path, run }
}

const ROUTES: &[Route] = &[
    get("/healthz", Run::Open(programs::healthz)),
    post("/programs", Run::Plain(create::create)),
    get("/programs", Run::Plain(programs::list)),
    get("/programs/{id}", Run::OfProgram(programs::show)),
    Route { method: Method::Delete, path: "/programs/{id}", run: Run::OfProgram(programs::delete) },
    post("/programs/{id}/start", Run::OfProgram(programs::start)),
    post("/programs/{id}/stop", Run::OfProgram(programs::stop)),
    post("/programs/{id}/restart", Run::OfProgram(programs::restart)),
    get("/programs/{id}/logs", Run::OfProgram(programs::logs)),
    get("/programs/{id}/build-log", Run::OfProgram(programs::build_log)),
    get("/programs/{id}/source", Run::OfProgram(programs::source)),
    get("/programs/{id}/events", Run::OfProgram(programs::events)),
];

// Everything under these, with any method, is the program's. What the program's own path begins
// with stands beside it.
const PASSED: &[(&str, &str)] = &[("proxy", ""), ("watcher", "/watcher")];
const PASS: Passed = programs::forward;

/// Finds the route of a request and runs it, for who may.
pub(super) fn dispatch(api: &Api, request: &mut Request<'_>) -> Result<Response, ApiError> {
    refuse_foreign_pages(request)?;
    // The path outlives the borrow of the request that its handler gets.
    let path = request.path().to_owned();
    if let Some((id, forwarded)) = passed(&path) {
        api.auth.check(request)?;
        return PASS(api, &program_id(id)?, forwarded, request);
    }
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(id) = matched(route.path, &path) else { continue };
        if !serves(&route.method, request.method()) {
            allowed.push(&route.method);
            continue;
        }
        if !matches!(route.run, Run::Open(_)) {
            api.auth.check(request)?;
        }
        return match route.run {
            Run::Open(run) | Run::Plain(run) => run(api, request),
            Run::OfProgram(run) => run(api, &program_id(id)?, request),
        };
    }
    // Who may not use the host is not told what it has.
    api.auth.check(request)?;
    if allowed.is_empty() {
        return Err(ApiError::new(404, format!("there is nothing at {path}")));
    }
    let names: Vec<_> = allowed.iter().map(|method| method.as_str()).collect();
    let names = names.join(", ");
    Err(ApiError::new(405, format!("{path} takes {names}")).with_header("Allow", names))
}

// A browser says from which page a request comes. One that the host did not serve has no business
// here, whatever it sends: without a token that is all that stands between the two.
fn refuse_foreign_pages(request: &Request<'_>) -> Result<(), ApiError> {
    let Some(origin) = request.header("origin") else { return Ok(()) };
    let own = origin.strip_prefix("http://").zip(request.header("host"));
    match own {
        Some((origin, host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::new(403, "pages of other origins may not use this host")),
    }
}

fn serves(route: &Method, method: &Method) -> bool {
    route == method || (*route == Method::Get && *method == Method::Head)
}

// What stands for `{id}` if the path is this route's; nothing if the route has no `{id}`.
fn matched<'a>(route: &str, path: &'a str) -> Option<&'a str> {
    match route.split_once("{id}") {
        None => (route == path).then_some(""),
        Some((before, after)) => {
            let id = path.strip_prefix(before)?.strip_suffix(after)?;
            (!id.is_empty() && !id.contains('/')).then_some(id)
        }
    }
}

fn passed(path: &str) -> Option<(&str, Forwarded<'_>)> {
    let (id, after) = path.strip_prefix("/programs/")?.split_once('/')?;
    let segment = after.split('/').next()?;
    let (_, root) = PASSED.iter().find(|(name, _)| *name == segment)?;
    Some((id, Forwarded { root, rest: &after[segment.len()..] }))
}

fn program_id(text: &str) -> Result<ProgramId, ApiError> {
    text.parse().map_err(|_| ApiError::new(404, format!("there is no program {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_their_routes_whole() {
        assert_eq!(matched("/programs", "/programs"), Some(""));
        assert_eq!(matched("/programs", "/programs/"), None);
        assert_eq!(matched("/programs/{id}", "/programs/a"), Some("a"));
        assert_eq!(matched("/programs/{id}", "/programs/a/b"), None);
        assert_eq!(matched("/programs/{id}", "/programs/"), None);
        assert_eq!(matched("/programs/{id}/start", "/programs/a/start"), Some("a"));
        assert_eq!(matched("/programs/{id}/start", "/programs//start"), None);
    }

    #[test]
    fn what_is_the_programs_is_found_with_its_own_path() {
        let (id, forwarded) = passed("/programs/a/proxy/x/../y").unwrap();
        assert_eq!((id, forwarded.root, forwarded.rest), ("a", "", "/x/../y"));
        let (_, forwarded) = passed("/programs/a/watcher/status").unwrap();
        assert_eq!((forwarded.root, forwarded.rest), ("/watcher", "/status"));
        assert_eq!(passed("/programs/a/proxy").unwrap().1.rest, "");
        assert!(passed("/programs/a/proxyx").is_none());
        assert!(passed("/programs/a").is_none());
    }
}
