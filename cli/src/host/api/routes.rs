//! The table of routes, and the way from a request to its handler.

use hersh::http::openapi::Parameter;
use hersh::http::{Method, Request, Response};

use super::error::ApiError;
use super::openapi::About;
use super::query::percent_decoded;
use super::{Api, create, programs, status, tickets, tokens};
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
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

    /// As a document writes it.
    pub(super) const fn in_openapi(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
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

/// A path, what may be done there, and by whom.
pub(super) struct Route {
    pub(super) verb: Verb,
    /// `{id}` stands for a program, a token or a ticket.
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    pub(super) about: About,
    run: Run,
}

const JSON: &str = "application/json";

const fn route(
    verb: Verb,
    path: &'static str,
    summary: &'static str,
    answer: &'static str,
) -> Route {
    let about = About {
        summary,
        code: 200,
        answer,
        content_type: JSON,
        followed: None,
        takes: &[],
        bodies: &[],
        body_is_optional: false,
        codes: &[],
    };
    let needs = match verb {
        Verb::Get => Needs::Look,
        Verb::Post | Verb::Delete => Needs::Change,
    };
    Route { verb, path, needs, about, run: Run::Plain(status::healthz) }
}

/// A route that shows something, as JSON of this shape.
const fn get(path: &'static str, summary: &'static str, answer: &'static str) -> Route {
    route(Verb::Get, path, summary, answer)
}

/// A route that makes something out of bodies of these types and shapes.
const fn make(
    path: &'static str,
    summary: &'static str,
    bodies: &'static [(&'static str, &'static str)],
    answer: &'static str,
) -> Route {
    let route = route(Verb::Post, path, summary, answer);
    Route { about: About { bodies, code: 201, ..route.about }, ..route }
}

/// A route that does something with what is there, and takes no more words than its path.
const fn act(verb: Verb, path: &'static str, summary: &'static str, answer: &'static str) -> Route {
    let route = route(verb, path, summary, answer);
    let about = About {
        bodies: &[(JSON, "Nothing")],
        body_is_optional: true,
        codes: &[409, 429, 502],
        ..route.about
    };
    Route { about, ..route }
}

impl Route {
    const fn needs(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }

    const fn of_type(self, content_type: &'static str) -> Self {
        Self { about: About { content_type, ..self.about }, ..self }
    }

    /// What is told to who asks to follow, and how.
    const fn or_followed(self, content_type: &'static str, shape: &'static str) -> Self {
        Self { about: About { followed: Some((content_type, shape)), ..self.about }, ..self }
    }

    const fn taking(self, takes: &'static [Parameter]) -> Self {
        Self { about: About { takes, ..self.about }, ..self }
    }

    const fn or(self, codes: &'static [u16]) -> Self {
        Self { about: About { codes, ..self.about }, ..self }
    }

    const fn plain(self, run: Plain) -> Self {
        Self { run: Run::Plain(run), ..self }
    }

    const fn of_program(self, run: OfProgram) -> Self {
        Self { run: Run::OfProgram(run), ..self }
    }

    const fn named(self, run: Named) -> Self {
        Self { run: Run::Named(run), ..self }
    }

    /// What `{id}` stands for.
    pub(super) fn id_name(&self) -> &'static str {
        match self.path.split('/').nth(1) {
            Some("tokens") => "token_id",
            Some("tickets") => "ticket_id",
            _ => "program_id",
        }
    }

    pub(super) fn id_shape(&self) -> &'static str {
        match self.id_name() {
            "token_id" => "TokenId",
            "ticket_id" => "TicketId",
            _ => "ProgramId",
        }
    }
}

const fn query(name: &'static str, shape: &'static str) -> Parameter {
    Parameter { at: "query", name, shape }
}

const LIMIT: Parameter = query("limit", "Limit");
const LAST_EVENT: Parameter = Parameter { at: "header", name: "Last-Event-ID", shape: "EventId" };
const KEY: Parameter = Parameter { at: "header", name: "Idempotency-Key", shape: "IdempotencyKey" };

/// An archive comes with everything else in the query, and the environment in a header.
const CREATE_BODIES: &[(&str, &str)] = &[(JSON, "CreateProgram"), (create::TAR, "Archive")];

/// The whole host API, but for what is passed on to programs.
pub(super) const ROUTES: &[Route] = &[
    get("/healthz", "Whether the host lives", "Condition")
        .plain(status::healthz)
        .needs(Needs::Nothing),
    get("/readyz", "Whether the container engine answers", "Condition")
        .plain(status::readyz)
        .needs(Needs::Nothing),
    get("/metrics", "What the host counts, for Prometheus", "Metrics")
        .plain(status::metrics)
        .of_type(status::METRICS_TYPE)
        .needs(Needs::LookAtAll),
    get("/events", "What happens to programs, as it happens", "EventStream")
        .plain(status::events)
        .of_type(status::EVENTS_TYPE)
        .taking(&[LAST_EVENT]),
    get("/openapi.json", "This", "Document").plain(status::document),
    make("/programs", "Register a program", CREATE_BODIES, "Created")
        .plain(create::create)
        .taking(&[KEY])
        .or(&[409, 429]),
    get("/programs", "Programs, in the order of their ids", "Programs")
        .plain(programs::list)
        .taking(&[
            query("state", "State"),
            query("user", "UserId"),
            LIMIT,
            query("cursor", "ProgramId"),
        ]),
    get("/programs/{id}", "A program", "Program").of_program(programs::show),
    act(Verb::Delete, "/programs/{id}", "Remove a program", "Action")
        .of_program(programs::delete)
        .taking(&[query("purge", "Flag")]),
    act(Verb::Post, "/programs/{id}/start", "Build a program, and run it", "Action")
        .of_program(programs::start),
    act(Verb::Post, "/programs/{id}/stop", "Stop a program", "Action").of_program(programs::stop),
    act(Verb::Post, "/programs/{id}/restart", "Stop a program, and start it again", "Action")
        .of_program(programs::restart),
    get("/programs/{id}/logs", "What a program wrote", "Logs")
        .of_program(programs::logs)
        .or_followed(programs::LOG_TYPE, "LogText")
        .taking(&[query("tail", "Tail"), query("follow", "Flag")])
        .or(&[502]),
    get("/programs/{id}/build-log", "What its build wrote", "BuildLog")
        .of_program(programs::build_log)
        .or_followed(programs::LOG_TYPE, "LogText")
        .taking(&[query("follow", "Flag")]),
    get("/programs/{id}/source", "What it is built from", "Source").of_program(programs::source),
    get("/programs/{id}/events", "What happened to it", "Events")
        .of_program(programs::events)
        .or_followed(status::EVENTS_TYPE, "EventStream")
        .taking(&[query("after", "EventId"), LIMIT, query("follow", "Flag"), LAST_EVENT]),
    get("/tickets", "What the host will come back to", "Tickets").plain(tickets::list).taking(&[
        query("status", "TicketStatus"),
        query("kind", "TicketKind"),
        query("program", "ProgramId"),
        query("user", "UserId"),
        LIMIT,
        query("cursor", "TicketCursor"),
    ]),
    get("/tickets/{id}", "A ticket", "Ticket").named(tickets::show),
    act(Verb::Post, "/tickets/{id}/retry", "Have it worked on at once", "Ticket")
        .named(tickets::retry),
    act(Verb::Post, "/tickets/{id}/cancel", "Give up what it is for", "Ticket")
        .named(tickets::cancel),
    make("/tokens", "Make a token", &[(JSON, "CreateToken")], "CreatedToken")
        .plain(tokens::create)
        .needs(Needs::Admin),
    get("/tokens", "Tokens, in the order of their ids", "Tokens")
        .plain(tokens::list)
        .taking(&[query("user", "UserId"), LIMIT, query("cursor", "TokenId")])
        .needs(Needs::Admin),
    act(Verb::Delete, "/tokens/{id}", "Revoke a token", "RevokedToken")
        .named(tokens::revoke)
        .needs(Needs::Admin),
];

/// Everything under these, with any method, is the program's. What the program's own path begins
/// with stands beside it.
pub(super) const PASSED: &[(&str, &str)] = &[("proxy", ""), ("watcher", "/watcher")];
/// The methods that a document can name; any other is passed on as well.
pub(super) const PASSED_METHODS: &[&str] =
    &["get", "put", "post", "delete", "options", "head", "patch", "trace"];

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
            Run::Named(run) => run(&mut call, &decoded(id)?),
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

/// A request's method as it is counted: one that nobody has heard of takes no place of its own.
pub(super) fn counted(method: &Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Patch => "PATCH",
        Method::Options => "OPTIONS",
        _ => "other",
    }
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

fn decoded(id: &str) -> Result<String, ApiError> {
    percent_decoded(id).ok_or_else(|| ApiError::new(404, format!("there is nothing called {id}")))
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
