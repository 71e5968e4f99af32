//! Who asks, and what for.

use std::fmt;

use crate::host::HostError;
use crate::host::registry::Bearer;
use crate::program::{ProgramId, UserId};
use crate::wire::Scope;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    scope: Scope,
    /// Whose programs alone they have to do with; everybody's without.
    user: Option<UserId>,
}

/// What a request needs its caller to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing, not even a token: it says no more than that the host is there.
    Nothing,
    /// Looking at what is the caller's.
    Look,
    /// Changing what is the caller's.
    Change,
    /// Looking at what is everybody's.
    LookAtAll,
    /// Being the admin.
    Admin,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "it needs none",
            Self::Look => "it needs one that may look",
            Self::Change => "it needs one that may change something (write or admin)",
            Self::LookAtAll => "it needs one that sees all programs (monitor or admin)",
            Self::Admin => "it needs an admin's",
        })
    }
}

/// Why a request was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// It carries no token.
    NoToken,
    /// It carries one that is none of this host's.
    WrongToken,
    /// It would make a program of somebody else's.
    Owner {
        /// Whose programs its token is good for.
        user: UserId,
        /// Whose it would be.
        owner: UserId,
    },
    /// Its token is not good for this.
    Scope {
        /// What the token is good for.
        scope: Scope,
        /// What it would have to be good for.
        needs: Needs,
    },
}

impl From<Bearer> for Caller {
    fn from(bearer: Bearer) -> Self {
        Self { scope: bearer.scope, user: bearer.user_id }
    }
}

impl Caller {
    /// Whoever holds the admin token, and everyone where the host asks for none.
    pub const ADMIN: Self = Self { scope: Scope::Admin, user: None };

    /// Lets the caller go on where they may.
    ///
    /// # Errors
    /// [`Denied::Scope`].
    pub fn may(&self, needs: Needs) -> Result<(), Denied> {
        let scope = self.scope;
        let good = match needs {
            Needs::Nothing | Needs::Look => true,
            Needs::Change => scope.may_change(),
            Needs::LookAtAll => !scope.is_of_a_user(),
            Needs::Admin => scope == Scope::Admin,
        };
        if good { Ok(()) } else { Err(Denied::Scope { scope, needs }) }
    }

    /// Lets the caller go on to a program that is theirs. One that is not does not exist for them.
    ///
    /// # Errors
    /// [`HostError::NotFound`].
    pub fn sees(&self, id: &ProgramId) -> Result<(), HostError> {
        match &self.user {
            Some(user) if *user != id.user() => Err(HostError::NotFound(id.clone())),
            _ => Ok(()),
        }
    }

    /// Lets the caller make a program for this owner.
    ///
    /// # Errors
    /// [`Denied::Owner`] when it would be somebody else's.
    pub fn owns(&self, owner: &UserId) -> Result<(), Denied> {
        match &self.user {
            Some(user) if user != owner => {
                Err(Denied::Owner { user: user.clone(), owner: owner.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whose programs alone the caller has to do with; everybody's without.
    pub fn user(&self) -> Option<&UserId> {
        self.user.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_is_good_for_so_much() {
        let may = |scope: Scope| {
            let user = scope.is_of_a_user().then(|| "ann".parse().unwrap());
            let caller = Caller { scope, user };
            [Needs::Nothing, Needs::Look, Needs::Change, Needs::LookAtAll, Needs::Admin]
                .map(|needs| caller.may(needs).is_ok())
        };
        assert_eq!(may(Scope::Read), [true, true, false, false, false]);
        assert_eq!(may(Scope::Write), [true, true, true, false, false]);
        assert_eq!(may(Scope::Monitor), [true, true, false, true, false]);
        assert_eq!(may(Scope::Admin), [true; 5]);
    }

    #[test]
    fn programs_of_others_do_not_exist_for_a_user() {
        let id: ProgramId = "ann-build-0123456789ab-00000001".parse().unwrap();
        let of = |user: &str| Caller { scope: Scope::Write, user: Some(user.parse().unwrap()) };
        assert!(of("ann").sees(&id).is_ok());
        assert!(Caller::ADMIN.sees(&id).is_ok());
        let error = of("bob").sees(&id).unwrap_err();
        assert_eq!(error.to_string(), HostError::NotFound(id).to_string());
    }
}
