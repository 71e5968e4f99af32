//! Who may ask the host for something.
//!
//! At its first start a host makes an admin token: 32 random bytes, in `admin.token` in its data
//! folder, readable by its own user alone. The `hersh` command finds it there by itself. Everybody
//! else gets a token of their own, with a scope, that can be revoked (`POST /tokens`). Programs
//! never see any: the proxy takes it off before a request is passed on.

mod caller;

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hersh::http::{BearerToken, Request};

use super::Host;
use crate::units::hex;

pub use self::caller::{Caller, Denied, Needs};

/// The file in the data folder that holds the admin token.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

// What `make_token` writes; a shorter token was made by somebody who did not mean it.
const MIN_TOKEN_CHARS: usize = 32;
const MAX_TOKEN_BYTES: u64 = 4096;

/// Why the host cannot say who may use it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token's file cannot be read or made.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others on this machine can read the token.
    #[error("{} can be read by other users: run `chmod 600` on it, or remove it to have a new one made", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// What is in the file is no token.
    #[error("{} holds no token: remove it to have a new one made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// A host without tokens would be open to the network.
    #[error(
        "{address} can be reached from other machines: a host there needs its token, so leave out --no-auth"
    )]
    OpenToAll {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a token: {0}")]
    Random(String),
}

/// The rule by which requests are let in: the admin token, or none at all.
#[derive(Debug, Clone)]
pub struct Auth(Option<BearerToken>);

impl Auth {
    /// Whoever holds the admin token of this data folder, which is made if it is not there yet.
    ///
    /// # Errors
    /// [`AuthError`] if the token cannot be read, made or trusted.
    pub fn admin(data_dir: &Path) -> Result<Self, AuthError> {
        let path = data_dir.join(ADMIN_TOKEN_FILE);
        let text = match read_token(&path) {
            Err(AuthError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_token(data_dir, &path)?;
                read_token(&path)?
            }
            other => other?,
        };
        match BearerToken::new(text.trim()) {
            Some(token) if text.trim().len() >= MIN_TOKEN_CHARS => Ok(Self(Some(token))),
            _ => Err(AuthError::Unusable { path }),
        }
    }

    /// Everyone who can reach `address`, which must be this machine alone.
    ///
    /// # Errors
    /// [`AuthError::OpenToAll`] for any other address.
    pub fn open(address: SocketAddr) -> Result<Self, AuthError> {
        if address.ip().is_loopback() {
            Ok(Self(None))
        } else {
            Err(AuthError::OpenToAll { address })
        }
    }

    /// Whether a token is asked for at all.
    pub fn asks_for_token(&self) -> bool {
        self.0.is_some()
    }

    /// Who asks.
    ///
    /// # Errors
    /// [`Denied`] if the request carries no token, or one that is not good here.
    pub fn caller(&self, request: &Request<'_>, host: &Host) -> Result<Caller, Denied> {
        let Some(admin) = &self.0 else { return Ok(Caller::ADMIN) };
        if admin.accepts(request) {
            return Ok(Caller::ADMIN);
        }
        let value = request.header("authorization").ok_or(Denied::NoToken)?;
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(Denied::WrongToken),
        };
        host.bearer(token).map(Caller::from).ok_or(Denied::WrongToken)
    }
}

fn read_token(path: &Path) -> Result<String, AuthError> {
    let failed = |source| AuthError::File { what: "read", path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(AuthError::Exposed { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(MAX_TOKEN_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

// Written beside its place and linked into it, so that no moment shows half a token, and of two
// hosts that start at once one token wins.
fn make_token(data_dir: &Path, path: &Path) -> Result<(), AuthError> {
    let failed = |source| AuthError::File { what: "make", path: path.to_owned(), source };
    let mut bytes = [0; 40];
    getrandom::fill(&mut bytes).map_err(|error| AuthError::Random(error.to_string()))?;
    let (token, unique) = bytes.split_at(32);
    fs::create_dir_all(data_dir).map_err(failed)?;
    let beside = data_dir.join(format!(".{ADMIN_TOKEN_FILE}.{}", hex(unique)));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(file, "{}", hex(token))?;
        file.sync_all()?;
        match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    let removed = fs::remove_file(&beside);
    written.and(removed).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        Auth::admin(&data).unwrap();
        let path = data.join(ADMIN_TOKEN_FILE);
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(first.trim().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        Auth::admin(&data).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(ADMIN_TOKEN_FILE);
        fs::write(&path, "x".repeat(64)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Auth::admin(dir.path()), Err(AuthError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Auth::admin(dir.path()).is_ok());
        fs::write(&path, "short").unwrap();
        assert!(matches!(Auth::admin(dir.path()), Err(AuthError::Unusable { .. })));
    }

    #[test]
    fn without_a_token_only_this_machine_is_served() {
        assert!(!Auth::open("127.0.0.1:9000".parse().unwrap()).unwrap().asks_for_token());
        assert!(Auth::open("[::1]:9000".parse().unwrap()).is_ok());
        for address in ["0.0.0.0:9000", "192.168.1.2:9000", "[::]:9000"] {
            let refused = Auth::open(address.parse().unwrap());
            assert!(matches!(refused, Err(AuthError::OpenToAll { .. })), "{address}");
        }
    }
}
