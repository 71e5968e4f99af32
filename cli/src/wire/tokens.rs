//! Tokens: who may use a host, and for what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a token is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Looking at the programs of one user.
    Read,
    /// Looking at the programs of one user, and changing them.
    #[default]
    Write,
    /// Looking at everybody's programs, and at what the host measures.
    Monitor,
    /// Everything, tokens included: what the token in `admin.token` is good for.
    Admin,
}

impl Scope {
    /// All scopes, the narrowest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Monitor, Self::Admin];

    /// The scope's name, in the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Monitor => "monitor",
            Self::Admin => "admin",
        }
    }

    /// Whether a token of this scope belongs to one user, and is good for that user's programs
    /// alone.
    pub const fn is_of_a_user(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// Whether a token of this scope may change something.
    pub const fn may_change(self) -> bool {
        matches!(self, Self::Write | Self::Admin)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no scope: use read, write, monitor or admin")]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// The body of `POST /tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Whose programs it is good for: to be given for `read` and `write`, and only for those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// What people call it, to know it again in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is good for; `write` where nothing is said.
    #[serde(default)]
    pub scope: Scope,
}

/// The answer to `POST /tokens`: the only time that the secret is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// What is sent as `Authorization: Bearer …`.
    pub token: String,
    /// What is known about it.
    #[serde(flatten)]
    pub about: TokenBody,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedToken").field("about", &self.about).finish_non_exhaustive()
    }
}

/// What is known about a token; not the token itself, of which the host keeps a hash alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBody {
    /// By which it is revoked.
    pub token_id: String,
    /// Whose programs it is good for; nobody's in particular for `monitor` and `admin`.
    #[serde(default)]
    pub user_id: Option<String>,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is good for.
    pub scope: Scope,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
}

/// The answer to `GET /tokens`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokensBody {
    /// The tokens of this page, in the order of their ids.
    pub tokens: Vec<TokenBody>,
    /// How many are in `tokens`.
    pub count: usize,
    /// Where the next page begins (`?cursor=`); missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The answer to `DELETE /tokens/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedToken {
    /// The token, which lets nobody in any more.
    pub token_id: String,
    /// `revoked`.
    pub state: String,
    /// The same in words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_written_as_it_is_read() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
        }
        let error = "root".parse::<Scope>().unwrap_err().to_string();
        assert!(error.contains("root") && error.contains("monitor"), "{error}");
    }

    #[test]
    fn a_token_is_not_shown_by_accident() {
        let about = TokenBody { token_id: "1f".into(), ..TokenBody::default() };
        let created = CreatedToken { token: "canary".into(), about };
        assert!(!format!("{created:?}").contains("canary"));
        let json = serde_json::to_value(&created).unwrap();
        assert_eq!((&json["token"], &json["token_id"]), (&"canary".into(), &"1f".into()));
    }
}
