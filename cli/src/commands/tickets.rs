//! `hersh tickets`

use std::time::SystemTime;

use super::{Session, find, one_of};
use crate::args::{TicketNamesArgs, TicketStatusArg, TicketsArgs, TicketsCommand, TicketsListArgs};
use crate::client::TicketAction;
use crate::output::table::{Table, fields};
use crate::output::time::age;
use crate::output::{Exit, Failure};
use crate::wire::{TicketBody, TicketsBody};

pub(super) fn run(args: &TicketsArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match &args.command {
        TicketsCommand::List(args) => list(args, session),
        TicketsCommand::Show(args) => each(args, None, session),
        TicketsCommand::Retry(args) => each(args, Some(TicketAction::Retry), session),
        TicketsCommand::Cancel(args) => each(args, Some(TicketAction::Cancel), session),
    }
}

fn list(args: &TicketsListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let mut tickets = client.tickets()?;
    if let Some(name) = &args.program {
        let id = find(&client, name)?.program_id;
        tickets.retain(|ticket| ticket.program_id.as_deref() == Some(&id));
    }
    if let Some(status) = args.status {
        tickets.retain(|ticket| is(ticket, status));
    }
    if session.output.style().json {
        let count = tickets.len();
        session.output.json(&TicketsBody { tickets, count, next: None })?;
    } else {
        if tickets.is_empty() {
            session.output.say("there are no such tickets");
        }
        session.output.data(render(&tickets, SystemTime::now()))?;
    }
    Ok(Exit::Ok)
}

fn is(ticket: &TicketBody, status: TicketStatusArg) -> bool {
    match status {
        TicketStatusArg::Running => ticket.running,
        TicketStatusArg::Pending => ticket.status == "pending",
        TicketStatusArg::Done => ticket.status == "done",
        TicketStatusArg::Failed => ticket.status == "failed",
        TicketStatusArg::Cancelled => ticket.status == "cancelled",
    }
}

fn each(
    args: &TicketNamesArgs,
    action: Option<TicketAction>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let all = client.tickets()?;
    let mut exit = Exit::Ok;
    let mut done = Vec::new();
    for wanted in &args.tickets {
        let ticket = one_of(&all, wanted, "ticket", |ticket| vec![&ticket.ticket_id]);
        let now = ticket.and_then(|ticket| match action {
            None => Ok(ticket.clone()),
            Some(action) => Ok(client.ticket(&ticket.ticket_id, action)?),
        });
        match now {
            Ok(ticket) => done.push(ticket),
            Err(failure) => {
                session.output.failure(&failure);
                exit = exit.and(failure.exit());
            }
        }
    }
    if session.output.style().json {
        session.output.json(&done)?;
    } else if action.is_none() {
        let shown: Vec<_> = done.iter().map(show).collect();
        session.output.data(shown.join("\n"))?;
    } else {
        for ticket in &done {
            session.output.say(format!("{}: {}", ticket.ticket_id, ticket.status));
        }
    }
    Ok(exit)
}

fn render(tickets: &[TicketBody], now: SystemTime) -> String {
    let mut table = Table::new(&["TICKET", "KIND", "STATUS", "TRIES", "AGE", "PROGRAM", "REASON"]);
    for ticket in tickets {
        let status = if ticket.running { "running" } else { &ticket.status };
        let (tries, age) = (ticket.attempts.to_string(), age(&ticket.created_at, now));
        let program = ticket.program_id.as_deref().unwrap_or_default();
        let reason = &ticket.reason;
        table.row([&ticket.ticket_id, &ticket.kind, status, &tries, &age, program, reason]);
    }
    table.render()
}

fn show(ticket: &TicketBody) -> String {
    fields(&[
        ("ticket", ticket.ticket_id.clone()),
        ("kind", ticket.kind.clone()),
        ("status", ticket.status.clone()),
        ("running", if ticket.running { "yes".to_owned() } else { String::new() }),
        ("tries", ticket.attempts.to_string()),
        ("program", ticket.program_id.clone().unwrap_or_default()),
        ("reason", ticket.reason.clone()),
        ("due", ticket.due_at.clone()),
        ("created", ticket.created_at.clone()),
        ("updated", ticket.updated_at.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_list_of_tickets() {
        let ticket = TicketBody {
            ticket_id: "reconcile-ann".into(),
            kind: "reconcile".into(),
            status: "pending".into(),
            program_id: Some("ann-build-0123456789ab-00000001".into()),
            running: true,
            attempts: 2,
            reason: "no engine\nanswers".into(),
            created_at: "1970-01-01T00:00:00Z".into(),
            ..TicketBody::default()
        };
        let health = TicketBody {
            ticket_id: "health".into(),
            kind: "health".into(),
            status: "done".into(),
            ..TicketBody::default()
        };
        let now = UNIX_EPOCH + Duration::from_secs(60);
        let table = render(&[ticket.clone(), health.clone()], now);
        assert_eq!(table, include_str!("../../tests/snapshots/tickets.txt"));
        assert!(is(&ticket, TicketStatusArg::Running) && is(&ticket, TicketStatusArg::Pending));
        assert!(is(&health, TicketStatusArg::Done) && !is(&health, TicketStatusArg::Pending));
        assert!(show(&ticket).contains("tries:   2\n"), "{}", show(&ticket));
    }
}
