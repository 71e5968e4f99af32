//! Tokens: who may use the host besides its admin. And the keys of requests that may be sent again.
use super::Host;
use crate::host::HostError;
use crate::host::registry::{Bearer, KeyedAnswer, NewToken, RequestKey, TokenPage, TokenView};
use crate::program::{ProgramId, UserId};

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

    /// What was noted under a key within the last day.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn keyed(&self, key: &RequestKey) -> Result<Option<KeyedAnswer>, HostError> {
        self.inner.parts.registry.keyed(key)
    }

    /// Notes what a request will be answered, before its work is begun: in the course of
    /// [`Host::create_noted`].
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn note_key(
        &self,
        key: &RequestKey,
        request: &str,
        program: &ProgramId,
        answer: &[u8],
    ) -> Result<(), HostError> {
        self.inner.parts.registry.note_key(key, request, program, answer)
    }

    /// Notes that the work under a key was done.
    ///
    /// # Errors
    /// [`HostError::Registry`].
    pub fn settle_key(&self, key: &RequestKey) -> Result<(), HostError> {
        self.inner.parts.registry.settle_key(key)
    }
}
