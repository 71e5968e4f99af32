//! Names of users, builds and programs, checked once so that they are safe in a path, a label and
//! an argument ever after.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest user name, in bytes; keeps a program's folder and container name under every limit.
const MAX_USER: usize = 64;
const BUILD_PREFIX: &str = "build-";
const BUILD_HEX: usize = 12;
const PROGRAM_HEX: usize = 8;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The user name is empty, too long, or has a character outside `A-Z a-z 0-9 . _ -`, or begins
    /// with a punctuation mark, or contains `..`.
    #[error(
        "user name {0:?} is not 1 to {MAX_USER} letters, digits, '.', '_' or '-', beginning with a letter or digit"
    )]
    User(String),
    /// Not `build-` and 12 lower-case hexadecimal digits.
    #[error("build id {0:?} is not build- and 12 lower-case hexadecimal digits")]
    Build(String),
    /// Not `{user}-{build}-{8 hex}`.
    #[error("program id {0:?} is not of the form user-build-123456789abc-01234567")]
    Program(String),
    /// Not 12 to 64 lower-case hexadecimal digits.
    #[error("{0:?} is no container id")]
    Container(String),
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    #[error("{0:?} is no image id")]
    Image(String),
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// Who owns a program.
///
/// ```
/// use hersh_cli::program::UserId;
/// assert!("alice".parse::<UserId>().is_ok());
/// assert!("../etc".parse::<UserId>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);
text_newtype!(UserId);

impl FromStr for UserId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let good = !text.is_empty()
            && text.len() <= MAX_USER
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(inner)
            && !text.contains("..");
        if good { Ok(Self(text.to_owned())) } else { Err(IdError::User(text.to_owned())) }
    }
}

/// Names a build by what goes into it: `build-` and 12 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BuildId(String);
text_newtype!(BuildId);

impl BuildId {
    /// The id of a Dockerfile and its source files, given in any order.
    ///
    /// Names and contents go into the hash with their lengths before them, so that no two
    /// different sets of files read as the same bytes.
    ///
    /// ```
    /// use hersh_cli::program::BuildId;
    /// let one = BuildId::of(b"FROM scratch", [("a", b"1".as_slice()), ("b", b"2")]);
    /// let same = BuildId::of(b"FROM scratch", [("b", b"2".as_slice()), ("a", b"1")]);
    /// assert_eq!(one, same);
    /// ```
    pub fn of<'a>(dockerfile: &[u8], files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_unstable();
        let mut hash = Sha256::new();
        let mut feed = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        feed(dockerfile);
        for (name, content) in files {
            feed(name.as_bytes());
            feed(content);
        }
        let digest = hash.finalize();
        Self(format!("{BUILD_PREFIX}{}", hex(&digest[..BUILD_HEX / 2])))
    }
}

impl FromStr for BuildId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.strip_prefix(BUILD_PREFIX) {
            Some(digits) if is_hex(digits, BUILD_HEX) => Ok(Self(text.to_owned())),
            _ => Err(IdError::Build(text.to_owned())),
        }
    }
}

/// Names one program: `{user}-{build}-{8 hex}`.
///
/// ```
/// use hersh_cli::program::ProgramId;
/// let id: ProgramId = "alice-build-0123456789ab-deadbeef".parse().unwrap();
/// assert_eq!(id.user().as_str(), "alice");
/// assert_eq!(id.build().as_str(), "build-0123456789ab");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProgramId(String);
text_newtype!(ProgramId);

impl ProgramId {
    /// The id of a user's build, told apart from its siblings by `unique`.
    pub fn new(user: &UserId, build: &BuildId, unique: u32) -> Self {
        Self(format!("{user}-{build}-{unique:08x}"))
    }

    /// The owner that the id names.
    pub fn user(&self) -> UserId {
        UserId(self.split().0.to_owned())
    }

    /// The build that the id names.
    pub fn build(&self) -> BuildId {
        BuildId(self.split().1.to_owned())
    }

    /// Both fixed-length parts are taken from the end, so a user name may itself contain `-build-`.
    fn split(&self) -> (&str, &str) {
        let (rest, _) = self.0.split_at(self.0.len() - PROGRAM_HEX - 1);
        let (user, build) = rest.split_at(rest.len() - BUILD_HEX - BUILD_PREFIX.len());
        (&user[..user.len() - 1], build)
    }
}

impl FromStr for ProgramId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (rest, unique) = text.rsplit_once('-')?;
            let (rest, digits) = rest.rsplit_once('-')?;
            let user = rest.strip_suffix("-build")?;
            let good = is_hex(unique, PROGRAM_HEX)
                && is_hex(digits, BUILD_HEX)
                && user.parse::<UserId>().is_ok();
            good.then(|| Self(text.to_owned()))
        };
        parse().ok_or_else(|| IdError::Program(text.to_owned()))
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTHING: [(&str, &[u8]); 0] = [];

    #[test]
    fn moving_bytes_between_name_and_content_changes_the_build() {
        let one = BuildId::of(b"", [("ab", b"c".as_slice())]);
        let two = BuildId::of(b"", [("a", b"bc".as_slice())]);
        assert_ne!(one, two);
    }

    #[test]
    fn a_file_split_in_two_is_another_build() {
        let one = BuildId::of(b"D", [("a", b"1".as_slice()), ("b", b"2")]);
        let two = BuildId::of(b"D", [("a", b"1".as_slice())]);
        assert_ne!(one, two);
        assert_ne!(BuildId::of(b"", NOTHING), BuildId::of(b"x", NOTHING));
    }

    #[test]
    fn hostile_names_are_refused() {
        for user in ["", "..", ".a", "-rf", "a..b", "a/b", "a b", "a\0", "é", "a:b", "a,b"] {
            assert_eq!(user.parse::<UserId>(), Err(IdError::User(user.to_owned())));
        }
        let long = "a".repeat(MAX_USER + 1);
        assert!(long.parse::<UserId>().is_err());
        for id in [
            "",
            "alice",
            "alice-build-0123456789ab",
            "alice-build-0123456789AB-deadbeef",
            "alice-build-0123456789ab-deadbee",
            "-build-0123456789ab-deadbeef",
            "../x-build-0123456789ab-deadbeef",
            "alice-build-0123456789ab-deadbeef\n",
        ] {
            assert!(id.parse::<ProgramId>().is_err(), "{id:?}");
        }
    }

    #[test]
    fn serde_checks_what_it_reads() {
        assert!(serde_json::from_str::<ProgramId>("\"../../x\"").is_err());
        assert!(serde_json::from_str::<BuildId>("\"build-0123456789ab\"").is_ok());
    }

    proptest! {
        #[test]
        fn a_program_id_gives_back_its_parts(
            user in "[A-Za-z0-9]([._-]?[A-Za-z0-9]){0,20}",
            dockerfile: Vec<u8>,
            unique: u32,
        ) {
            let user: UserId = user.parse().unwrap();
            let build = BuildId::of(&dockerfile, NOTHING);
            let id = ProgramId::new(&user, &build, unique);
            let parsed: ProgramId = id.as_str().parse().unwrap();
            prop_assert_eq!(&parsed, &id);
            prop_assert_eq!(parsed.user(), user);
            prop_assert_eq!(parsed.build(), build);
        }
    }
}
