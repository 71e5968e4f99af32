//! Tickets over HTTP: create, look at, cancel, delete.
//!
//! ```sh
//! cargo run -p hersh --example tickets_basic -- 127.0.0.1:8085
//! curl -H 'Content-Type: application/json' 127.0.0.1:8085/tickets \
//!     -d '{"id":"one","type":"greet","payload":{"name":"Ann"},"delay_ms":5000}'
//! curl 127.0.0.1:8085/tickets/one
//! curl -X POST -H 'Content-Type: application/json' 127.0.0.1:8085/tickets/one/cancel -d '{}'
//! curl -X DELETE 127.0.0.1:8085/tickets/one
//! ```

use std::error::Error;
use std::time::Duration;

use hersh::http::{Gate, GateConfig, Handler, Method, Request, Response};
use hersh::kharon::{
    AddError, Kharon, MemoryStore, NewTicket, Options, Payload, Router, Settings, Ticket, TicketId,
    UpdateError,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a client posts to make a ticket.
#[derive(Deserialize)]
struct Posted {
    /// A random one is made when there is none.
    id: Option<String>,
    r#type: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    delay_ms: u64,
    nice: Option<i32>,
}

/// What is done with tickets.
pub fn router() -> Router {
    Router::new().handle("greet", |claim| {
        let asked: Value = claim.payload.parse()?;
        let name = asked["name"].as_str().ok_or("whom shall I greet?")?;
        let answer = Payload::json(&json!({ "greeting": format!("Hello {name}") }))?;
        claim.done(Options::new().payload(answer).expire_in(Duration::from_secs(3600)))?;
        Ok(())
    })
}

/// Answers requests about the tickets of a Kharon.
pub fn api(kharon: Kharon) -> impl Handler {
    move |request: &mut Request<'_>| {
        let path = request.path().to_owned();
        let parts: Vec<_> = path.trim_matches('/').split('/').collect();
        match (request.method().clone(), &parts[..]) {
            (Method::Post, ["tickets"]) => create(&kharon, request),
            (Method::Get, ["tickets", id]) => show(&kharon, id),
            (Method::Post, ["tickets", id, "cancel"]) => {
                settled(kharon.cancel(*id, Options::new().keep()))
            }
            (Method::Delete, ["tickets", id]) => settled(kharon.delete(*id)),
            _ => Response::error(404, "there is nothing here"),
        }
    }
}

fn create(kharon: &Kharon, request: &mut Request<'_>) -> Response {
    let posted = request.read_body().map_err(|error| error.to_string()).and_then(|body| {
        serde_json::from_slice::<Posted>(&body).map_err(|error| error.to_string())
    });
    let posted = match posted {
        Ok(posted) => posted,
        Err(problem) => return Response::error(400, &problem),
    };
    match add(kharon, posted) {
        Ok(id) => Response::json(201, &json!({ "id": id.as_str() })),
        Err(error @ AddError::Exists { .. }) => Response::error(409, &error.to_string()),
        Err(error @ AddError::Store(_)) => Response::error(503, &error.to_string()),
        Err(error) => Response::error(400, &error.to_string()),
    }
}

fn add(kharon: &Kharon, posted: Posted) -> Result<TicketId, AddError> {
    let id = posted.id.map_or_else(|| Ok(TicketId::random()), TicketId::new)?;
    let ticket = NewTicket::new(&id, posted.r#type)?
        .payload(posted.payload.to_string())
        .nice(posted.nice.unwrap_or(hersh::kharon::DEFAULT_NICE))
        .delay(Duration::from_millis(posted.delay_ms));
    kharon.add(ticket)?;
    Ok(id)
}

fn show(kharon: &Kharon, id: &str) -> Response {
    match kharon.get(id) {
        Ok(Some(ticket)) => Response::json(200, &view(&ticket)),
        Ok(None) => Response::error(404, "there is no such ticket"),
        Err(error) => Response::error(503, &error.to_string()),
    }
}

fn view(ticket: &Ticket) -> Value {
    json!({
        "id": ticket.id.as_str(),
        "type": ticket.kind.as_str(),
        "status": ticket.status.as_str(),
        "attempts": ticket.attempts,
        "nice": ticket.nice,
        "runat": ticket.runat.to_string(),
        "error_reason": ticket.error_reason,
        "payload": ticket.payload.parse::<Value>().unwrap_or_default(),
    })
}

fn settled(result: Result<(), UpdateError>) -> Response {
    match result {
        Ok(()) => Response::new(204),
        Err(error @ UpdateError::NotFound) => Response::error(404, &error.to_string()),
        Err(error @ UpdateError::Store(_)) => Response::error(503, &error.to_string()),
        Err(error) => Response::error(409, &error.to_string()),
    }
}

#[allow(clippy::print_stdout, reason = "an example says where it listens")]
fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8085".to_owned());
    let kharon = Kharon::new(MemoryStore::new(), Settings::default())?;
    let config = GateConfig { address: address.parse()?, ..GateConfig::default() };
    let gate = Gate::bind(config, api(kharon.clone()))?;
    println!("listening on http://{}", gate.local_addr());
    kharon.run(router())?;
    Ok(())
}
