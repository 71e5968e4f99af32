//! `/tickets`: what the host will come back to by itself, and what waits for a person.

use hersh::http::Response;
use hersh::kharon::Status;

use super::error::ApiError;
use super::query::{MAX_NUMBER, Query};
use super::routes::Call;
use super::text;
use crate::host::tickets::TICKET_KINDS;
use crate::host::{HostError, TicketFilter, TicketPage, TicketView};
use crate::program::{ProgramId, UserId};
use crate::wire::{TicketBody, TicketsBody};

type Answer = Result<Response, ApiError>;

pub(super) fn list(call: &mut Call<'_, '_>) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let asked: Option<UserId> = query.value("user")?;
    let own = call.caller.user().cloned();
    let foreign = own.is_some() && asked.is_some() && asked != own;
    let filter = TicketFilter {
        user: own.or(asked),
        program: query.value::<ProgramId>("program")?,
        kind: query.text("kind").map(kind).transpose()?,
        status: query.text("status").map(|word| status(&word)).transpose()?,
        limit: query.limit()?,
        cursor: query.number("cursor", 0..=MAX_NUMBER)?,
    };
    query.end()?;
    let page =
        if foreign { TicketsBody::default() } else { page_of(call.api.host.tickets(&filter)?) };
    Ok(Response::json(200, &page))
}

pub(super) fn show(call: &mut Call<'_, '_>, id: &str) -> Answer {
    Query::parse(call.request.query())?.end()?;
    let ticket = seen(call, id)?;
    Ok(Response::json(200, &body_of(ticket)))
}

pub(super) fn retry(call: &mut Call<'_, '_>, id: &str) -> Answer {
    Query::parse(call.request.query())?.end()?;
    text::none(call.request)?;
    seen(call, id)?;
    call.api.actions.take(std::time::Instant::now())?;
    Ok(Response::json(200, &body_of(call.api.host.retry_ticket(id)?)))
}

pub(super) fn cancel(call: &mut Call<'_, '_>, id: &str) -> Answer {
    Query::parse(call.request.query())?.end()?;
    text::none(call.request)?;
    seen(call, id)?;
    call.api.actions.take(std::time::Instant::now())?;
    Ok(Response::json(200, &body_of(call.api.host.cancel_ticket(id)?)))
}

/// The ticket, if it is the caller's. One that is not does not exist for them.
fn seen(call: &Call<'_, '_>, id: &str) -> Result<TicketView, ApiError> {
    let ticket = call.api.host.ticket(id)?;
    let is_own = match (call.caller.user(), &ticket.program_id) {
        (None, _) => true,
        (Some(user), Some(program)) => program.user() == *user,
        (Some(_), None) => false,
    };
    if is_own { Ok(ticket) } else { Err(HostError::NoTicket(id.to_owned()).into()) }
}

fn kind(word: String) -> Result<String, ApiError> {
    if TICKET_KINDS.contains(&word.as_str()) {
        return Ok(word);
    }
    let all = TICKET_KINDS.join(", ");
    Err(ApiError::new(400, format!("parameter `kind` must be one of {all}")))
}

fn status(word: &str) -> Result<Status, ApiError> {
    let all = [Status::Pending, Status::Done, Status::Failed, Status::Cancelled];
    all.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        ApiError::new(400, "parameter `status` must be pending, done, failed or cancelled")
    })
}

fn page_of(page: TicketPage) -> TicketsBody {
    TicketsBody {
        tickets: page.tickets.into_iter().map(body_of).collect(),
        count: page.count,
        next: page.next.map(|next| next.to_string()),
    }
}

fn body_of(ticket: TicketView) -> TicketBody {
    TicketBody {
        ticket_id: ticket.ticket_id,
        kind: ticket.kind,
        status: ticket.status.to_owned(),
        program_id: ticket.program_id.map(String::from),
        running: ticket.running,
        attempts: ticket.attempts,
        reason: ticket.reason,
        due_at: ticket.due_at.to_string(),
        created_at: ticket.created_at.to_string(),
        updated_at: ticket.updated_at.to_string(),
    }
}
