//! The part of the host API that is about the host itself: tickets and tokens.

use ureq::http::Method;

use super::{Client, ClientError, MAX_PAGES, percent_encoded};
use crate::wire::{
    CreateToken, CreatedToken, RevokedToken, TicketBody, TicketsBody, TokenBody, TokensBody,
};

/// What can be done with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketAction {
    /// Work on it now.
    Retry,
    /// Work on it no more.
    Cancel,
}

impl Client {
    /// All tickets.
    ///
    /// # Errors
    /// [`ClientError`], as every call here.
    pub fn tickets(&self) -> Result<Vec<TicketBody>, ClientError> {
        let mut tickets = Vec::new();
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let page: TicketsBody = self.get(&paged("/tickets", cursor.as_deref()))?;
            tickets.extend(page.tickets);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(tickets)
    }

    /// Asks for a ticket to be worked on now, or no more; returns it as it is then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ticket(&self, id: &str, action: TicketAction) -> Result<TicketBody, ClientError> {
        let action = match action {
            TicketAction::Retry => "retry",
            TicketAction::Cancel => "cancel",
        };
        let path = format!("/tickets/{}/{action}", percent_encoded(id));
        self.post(&path, &serde_json::json!({}))
    }

    /// All tokens, without their secrets.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn tokens(&self) -> Result<Vec<TokenBody>, ClientError> {
        let mut tokens = Vec::new();
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let page: TokensBody = self.get(&paged("/tokens", cursor.as_deref()))?;
            tokens.extend(page.tokens);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(tokens)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create_token(&self, token: &CreateToken) -> Result<CreatedToken, ClientError> {
        self.post("/tokens", token)
    }

    /// Has a token let nobody in any more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn revoke_token(&self, id: &str) -> Result<RevokedToken, ClientError> {
        let path = format!("/tokens/{}", percent_encoded(id));
        let answer = self.send(&Method::DELETE, &path, &[], None::<&()>, false)?;
        self.read(answer)
    }
}

fn paged(path: &str, cursor: Option<&str>) -> String {
    cursor.map_or_else(
        || path.to_owned(),
        |cursor| format!("{path}?cursor={}", percent_encoded(cursor)),
    )
}
