//! The table of routes, and the way from a request to its handler.

use hersh::http::{Method, Request, Response};

use super::error::ApiError;
use super::{Api, create, programs, tokens};
use crate::host::auth::{Caller, Needs};
use crate::program::ProgramId;

/// A request, who sends it, and the host it is sent to.
pub(super) struct Call<'a, 'b> {
    pub(super) api: &'a Api,
    pub(super) caller: Caller,
    pub(super) request: &'a mut Request<'b>,
}

type Answer = Result<Response, ApiError>;
type Plain = fn(&mut Call<'_, '_>) -> Answer;
type OfProgram = fn(&mut Call<'_, '_>, &ProgramId) -> Answer;
type Named = fn(&mut Call<'_, '_>, &str) -> Answer;

/// A request that is for the program: which of its paths is meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarded<'a> {
    /// What the program's paths begin with here: `/watcher` or nothing.
    pub(super) root: &'static str,
    /// What follows, beginning with a slash, or nothing.
    pub(super) rest: &'a str,
}

#[derive(Clone, Copy)]
enum Run {
    Plain(Plain),
    /// The caller sees the program.
    OfProgram(OfProgram),
    /// What `{id}` stands for is the handler's business.
    Named(Named),
}

/// What is done at a path.
#[derive(Clone, Copy)]
enum Verb {
    /// Serves `HEAD` too; the gate leaves the body out.
    Get,
    Post,
    Delete,
}

impl Verb {
    fn serves(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(method, Method::Get | Method::Head),
            Self::Post => *method == Method::Post,
            Self::Delete => *method == Method::Delete,
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
            Self::Post => &["POST"],
            Self::Delete => &["DELETE"],
        }
    }
}

struct Route {
    verb: Verb,
    // `{id}` stands for a program, a token or a ticket.
    path: &'static str,
    needs: Needs,
    run: Run,
}

const fn get(path: &'static str, run: Run) -> Route {
    Route { verb: Verb::Get, path, needs: Needs::Look, run }
}

const fn post(path: &'static str, run: Run) -> Route {
    Route { verb: Verb::Post, path, needs: Needs::Change, run }
}

const fn delete(path: &'static str, run: Run) -> Route {
    Route { verb: Verb::Delete, path, needs: Needs::Change, run }
}

impl Route {
    const fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }
}

const ROUTES: &[Route] = &[
    get("/healthz", Run::Plain(programs::healthz)).needs(Needs::Nothing),
    post("/programs", Run::Plain(create::create)),
    get("/programs", Run::Plain(programs::list)),
    get("/programs/{id}", Run::OfProgram(programs::show)),
    delete("/programs/{id}", Run::OfProgram(programs::delete)),
    post("/programs/{id}/start", Run::OfProgram(programs::start)),
    post("/programs/{id}/stop", Run::OfProgram(programs::stop)),
    post("/programs/{id}/restart", Run::OfProgram(programs::restart)),
    get("/programs/{id}/logs", Run::OfProgram(programs::logs)),
    get("/programs/{id}/build-log", Run::OfProgram(programs::build_log)),
    get("/programs/{id}/source", Run::OfProgram(programs::source)),
    get("/programs/{id}/events", Run::OfProgram(programs::events)),
    post("/tokens", Run::Plain(tokens::create)).needs(Needs::Admin),
    get("/tokens", Run::Plain(tokens::list)).needs(Needs::Admin),
    delete("/tokens/{id}", Run::Named(tokens::revoke)).needs(Needs::Admin),
];

// Everything under these, with any method, is the program's. What the program's own path begins
// with stands beside it.
const PASSED: &[(&str, &str)] = &[("proxy", ""), ("watcher", "/watcher")];

/// Finds the route of a request and runs it, for who may.
pub(super) fn dispatch(api: &Api, request: &mut Request<'_>) -> Answer {
    refuse_foreign_pages(request)?;
    // The path outlives the borrow of the request that its handler gets.
    let path = request.path().to_owned();
    if let Some((id, forwarded)) = passed(&path) {
        let looks = matches!(request.method(), Method::Get | Method::Head);
        let mut call = admit(api, request, if looks { Needs::Look } else { Needs::Change })?;
        let id = program_id(id, &call.caller)?;
        return programs::forward(&mut call, &id, forwarded);
    }
    let mut allowed: Vec<&str> = Vec::new();
    for route in ROUTES {
        let Some(id) = matched(route.path, &path) else { continue };
        if !route.verb.serves(request.method()) {
            allowed.extend(route.verb.names());
            continue;
        }
        let mut call = admit(api, request, route.needs)?;
        return match route.run {
            Run::Plain(run) => run(&mut call),
            Run::OfProgram(run) => {
                let id = program_id(id, &call.caller)?;
                run(&mut call, &id)
            }
            Run::Named(run) => run(&mut call, id),
        };
    }
    // Who may not use the host is not told what it has.
    api.auth.caller(request, &api.host)?;
    if allowed.is_empty() {
        return Err(ApiError::new(404, format!("there is nothing at {path}")));
    }
    let names = allowed.join(", ");
    Err(ApiError::new(405, format!("{path} takes {names}")).with_header("Allow", names))
}

/// Lets a request in whose caller is good for what it needs.
fn admit<'a, 'b>(
    api: &'a Api,
    request: &'a mut Request<'b>,
    needs: Needs,
) -> Result<Call<'a, 'b>, ApiError> {
    let caller = match needs {
        Needs::Nothing => Caller::ADMIN,
        _ => api.auth.caller(request, &api.host)?,
    };
    caller.may(needs)?;
    Ok(Call { api, caller, request })
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

fn program_id(text: &str, caller: &Caller) -> Result<ProgramId, ApiError> {
    let missing = |_| ApiError::new(404, format!("there is no program {text}"));
    let id: ProgramId = text.parse().map_err(missing)?;
    caller.sees(&id)?;
    Ok(id)
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
