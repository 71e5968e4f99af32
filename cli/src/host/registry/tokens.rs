//! The tokens that were given to people and programs.
//!
//! What is kept of a token is its SHA-256: it is 32 random bytes, so nobody finds it by trying, and
//! a slow hash would only be slow. All of them are in memory too, where each request looks; whoever
//! revokes one waits until it is gone from both.
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use hersh::http::BearerToken;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Registry, integer, millis, words};
use crate::host::HostError;
use crate::host::view::Timestamp;
use crate::program::UserId;
use crate::units::hex;
use crate::wire::Scope;

/// What every token begins with, so that one that got lost is known for what it is.
const PREFIX: &str = "hersh_";
/// How many tokens there may be.
const MAX_TOKENS: usize = 10_000;
/// The most tokens on one page.
const PAGE: usize = 1_000;
/// Longest name, in characters.
const MAX_NAME: usize = 100;

/// What is known about a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenView {
    /// By which it is revoked.
    pub token_id: String,
    /// Whose programs it is good for; none for scopes that are not about one user.
    pub user_id: Option<UserId>,
    /// What people call it.
    pub name: Option<String>,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
}

/// One page of tokens, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenPage {
    /// The tokens.
    pub tokens: Vec<TokenView>,
    /// How many are on this page.
    pub count: usize,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Whose programs it is good for.
    pub user_id: Option<UserId>,
    /// What people call it.
    pub name: Option<String>,
    /// What it is good for.
    pub scope: Scope,
}

/// Who carries a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Whose programs alone they may have to do with; everybody's without.
    pub user_id: Option<UserId>,
    /// What they may do.
    pub scope: Scope,
}

/// The tokens there are, by their ids, each with its hash.
pub(super) type Known = RwLock<BTreeMap<String, (BearerToken, TokenView)>>;

impl NewToken {
    fn check(&self) -> Result<(), HostError> {
        let invalid = |field: &str, reason: String| {
            Err(HostError::Invalid { field: field.to_owned(), reason })
        };
        match (&self.user_id, self.scope.is_of_a_user()) {
            (None, true) => {
                let reason = format!("is missing: a token of scope {} is of one user", self.scope);
                return invalid("user_id", reason);
            }
            (Some(_), false) => {
                let reason = format!("is refused: a token of scope {} is of no user", self.scope);
                return invalid("user_id", reason);
            }
            _ => {}
        }
        let name = self.name.as_deref().unwrap_or("-");
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control)
        {
            let reason = format!("is refused: 1 to {MAX_NAME} characters, none of them control");
            return invalid("name", reason);
        }
        Ok(())
    }
}

impl Registry {
    /// Makes a token, and returns it and what is known about it. It is told here and never again.
    ///
    /// # Errors
    /// [`HostError::Invalid`], [`HostError::Full`], [`HostError::Registry`].
    pub fn create_token(&self, new: NewToken) -> Result<(String, TokenView), HostError> {
        new.check()?;
        let mut random = [0; 40];
        getrandom::fill(&mut random).map_err(words)?;
        let (id, secret) = random.split_at(8);
        let token_id = hex(id);
        let token = format!("{PREFIX}{token_id}_{}", hex(secret));
        let view = TokenView {
            token_id,
            user_id: new.user_id,
            name: new.name,
            scope: new.scope,
            created_at: Timestamp::now(),
        };
        let connection = self.lock();
        let mut known = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TOKENS {
            return Err(HostError::Full { what: "there are too many tokens", limit: MAX_TOKENS });
        }
        let sql = "INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let hash = hash(&token);
        let row = params![
            view.token_id,
            hash,
            view.user_id.as_ref().map(UserId::as_str),
            view.name,
            view.scope.as_str(),
            integer(view.created_at.0),
        ];
        connection.execute(sql, row).map_err(words)?;
        let hash = BearerToken::new(hash).ok_or_else(|| words("a hash is empty"))?;
        known.insert(view.token_id.clone(), (hash, view.clone()));
        Ok((token, view))
    }

    /// Tokens after the one of this id, in the order of their ids; of one user alone if one is
    /// named.
    pub fn tokens(
        &self,
        user: Option<&UserId>,
        limit: Option<usize>,
        cursor: Option<String>,
    ) -> TokenPage {
        let limit = limit.unwrap_or(PAGE).clamp(1, PAGE);
        let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted =
            |view: &&TokenView| user.is_none_or(|user| view.user_id.as_ref() == Some(user));
        let mut views =
            known.range((from, Bound::Unbounded)).map(|(_, (_, view))| view).filter(wanted);
        let tokens: Vec<_> = views.by_ref().take(limit).cloned().collect();
        let more = views.next().is_some();
        let next = tokens.last().filter(|_| more).map(|last| last.token_id.clone());
        TokenPage { count: tokens.len(), tokens, next }
    }

    /// Revokes a token: when this returns, it lets nobody in any more.
    ///
    /// # Errors
    /// [`HostError::NoToken`], [`HostError::Registry`].
    pub fn revoke_token(&self, id: &str) -> Result<(), HostError> {
        let connection = self.lock();
        let mut known = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(id) {
            return Err(HostError::NoToken(id.to_owned()));
        }
        connection.execute("DELETE FROM tokens WHERE id = ?1", [id]).map_err(words)?;
        known.remove(id);
        Ok(())
    }

    /// Who carries this token, if it is one.
    pub fn bearer(&self, token: &str) -> Option<Bearer> {
        let (id, _) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let known = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let (kept, view) = known.get(id)?;
        // Its id is no secret; the rest is compared without telling how much of it was right.
        let right = kept.matches(&hash(token));
        right.then(|| Bearer { user_id: view.user_id.clone(), scope: view.scope })
    }
}

/// Whether this can be a token's id: 16 lower-case hexadecimal digits.
pub fn is_token_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn load(connection: &Connection) -> Result<Known, HostError> {
    let sql = "SELECT id, hash, user_id, name, scope, created_at FROM tokens";
    let mut statement = connection.prepare(sql).map_err(words)?;
    let mut known = BTreeMap::new();
    let mut rows = statement.query([]).map_err(words)?;
    while let Some(row) = rows.next().map_err(words)? {
        // One that cannot be read lets nobody in.
        if let Some((hash, view)) = read(row).map_err(words)? {
            known.insert(view.token_id.clone(), (hash, view));
        }
    }
    Ok(RwLock::new(known))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Option<(BearerToken, TokenView)>> {
    let (hash, scope): (String, String) = (row.get(1)?, row.get(4)?);
    let user: Option<String> = row.get(2)?;
    let created_at = Timestamp(millis(row.get(5)?));
    let user_id = user.map(|user| user.parse()).transpose();
    let (Some(hash), Ok(scope), Ok(user_id)) = (BearerToken::new(hash), scope.parse(), user_id)
    else {
        return Ok(None);
    };
    let view = TokenView { token_id: row.get(0)?, user_id, name: row.get(3)?, scope, created_at };
    Ok(Some((hash, view)))
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(&dir.path().join("registry.db")).unwrap();
        (dir, registry)
    }

    fn of(user: &str) -> NewToken {
        NewToken { user_id: Some(user.parse().unwrap()), name: None, scope: Scope::Write }
    }

    #[test]
    fn a_token_is_known_until_it_is_revoked_and_stays_revoked() {
        let (dir, registry) = registry();
        let (first, view) = registry.create_token(of("ann")).unwrap();
        let (second, _) = registry.create_token(of("bob")).unwrap();
        let ann = Bearer { user_id: Some("ann".parse().unwrap()), scope: Scope::Write };
        assert_eq!(registry.bearer(&first), Some(ann.clone()));
        drop(registry);
        let path = dir.path().join("registry.db");
        let registry = Registry::open(&path).unwrap();
        assert_eq!(registry.bearer(&first), Some(ann));
        registry.revoke_token(&view.token_id).unwrap();
        assert_eq!(registry.bearer(&first), None);
        assert!(registry.bearer(&second).is_some());
        let gone = registry.revoke_token(&view.token_id);
        assert!(matches!(gone, Err(HostError::NoToken(id)) if id == view.token_id));
        drop(registry);
        assert_eq!(Registry::open(&path).unwrap().bearer(&first), None);
    }

    #[test]
    fn nothing_but_the_whole_token_is_let_in() {
        let (_dir, registry) = registry();
        let (token, view) = registry.create_token(of("ann")).unwrap();
        let id = &view.token_id;
        let wrong =
            ["", PREFIX, &token[1..], &token[..token.len() - 1], &format!("{token}0"), id.as_str()];
        for wrong in wrong {
            assert_eq!(registry.bearer(wrong), None, "{wrong}");
        }
        let forged = format!("{PREFIX}{id}_{}", "0".repeat(64));
        assert_eq!(registry.bearer(&forged), None);
    }

    #[test]
    fn the_file_holds_no_token() {
        let (dir, registry) = registry();
        let (token, _) = registry.create_token(of("ann")).unwrap();
        let secret = token.rsplit('_').next().unwrap();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(secret));
        }
    }

    #[test]
    fn who_and_what_must_fit_together() {
        let (_dir, registry) = registry();
        let wrong = |new: NewToken| match registry.create_token(new) {
            Err(HostError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(wrong(NewToken { user_id: None, ..of("ann") }), "user_id");
        assert_eq!(wrong(NewToken { scope: Scope::Admin, ..of("ann") }), "user_id");
        assert_eq!(wrong(NewToken { name: Some(String::new()), ..of("ann") }), "name");
        assert_eq!(wrong(NewToken { name: Some("a\nb".into()), ..of("ann") }), "name");
        let all = NewToken { user_id: None, scope: Scope::Monitor, name: Some("scraper".into()) };
        assert!(registry.create_token(all).is_ok());
    }

    #[test]
    fn tokens_are_listed_in_pages() {
        let (_dir, registry) = registry();
        for user in ["ann", "bob", "ann", "ann"] {
            registry.create_token(of(user)).unwrap();
        }
        let ann = "ann".parse().unwrap();
        let first = registry.tokens(Some(&ann), Some(2), None);
        assert_eq!((first.count, first.next.is_some()), (2, true));
        let second = registry.tokens(Some(&ann), Some(2), first.next);
        assert_eq!((second.count, second.next), (1, None));
        assert_eq!(registry.tokens(None, None, None).count, 4);
    }
}
