//! Tokens: who may use the host besides its admin.
use super::Host;
use crate::host::HostError;
use crate::host::registry::{Bearer, NewToken, TokenPage, TokenView};
use crate::program::UserId;

impl Host {
    /// Makes a token, and returns it and what is known about it. It is told here and never again:
    /// the host keeps its hash alone.
    ///
    /// # Errors
    /// [`HostError::Invalid`], [`HostError::Full`], [`HostError::Registry`].
    pub fn create_token(&self, new: NewToken) -> Result<(String, TokenView), HostError> {
        self.inner.parts.registry.create_token(new)
    }

    /// Tokens after the one of the id `cursor`, in the order of their ids; of one user alone if one
    /// is named. At most 1,000.
    pub fn tokens(
        &self,
        user: Option<&UserId>,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> TokenPage {
        self.inner.parts.registry.tokens(user, limit, cursor)
    }

    /// Revokes a token: when this returns, it lets nobody in any more.
    ///
    /// # Errors
    /// [`HostError::NoToken`], [`HostError::Registry`].
    pub fn revoke_token(&self, id: &str) -> Result<(), HostError> {
        self.inner.parts.registry.revoke_token(id)
    }

    /// Who carries this token; none if it is no token of this host's.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        self.inner.parts.registry.bearer(token)
    }
}
