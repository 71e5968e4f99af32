//! The part of the host API that is about the host itself: tickets and tokens.

use ureq::http::Method;

use super::{Client, ClientError, percent_encoded};
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
        self.all::<TicketsBody>("/tickets?limit=1000")
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
        self.all::<TokensBody>("/tokens?limit=1000")
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
