//! Names: of tickets, and of what groups them.
//!
//! Checked when they are made, never empty, and of bounded length: a store need not look at them again.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// The most bytes a name may have.
pub const MAX_NAME: usize = 255;

/// A name that cannot be one: empty, longer than [`MAX_NAME`] bytes, or with a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidName {
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a name {}", self.problem)
    }
}

impl std::error::Error for InvalidName {}

impl From<std::convert::Infallible> for InvalidName {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

fn check(text: &str) -> Result<(), InvalidName> {
    let problem = if text.is_empty() {
        "must not be empty"
    } else if text.len() > MAX_NAME {
        "must not be longer than 255 bytes"
    } else if text.bytes().any(|byte| byte.is_ascii_control()) {
        "must not have control characters"
    } else {
        return Ok(());
    };
    Err(InvalidName { problem })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as a name.
            ///
            /// # Errors
            /// When it is empty, longer than [`MAX_NAME`] bytes, or has a control character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&Self> for $name {
            fn from(name: &Self) -> Self {
                name.clone()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidName;

            fn try_from(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                &*self.0 == text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                &*self.0 == *text
            }
        }
    };
}

name! {
    /// What tells one ticket from every other in its store.
    ///
    /// ```
    /// use hersh::kharon::TicketId;
    /// assert_eq!(TicketId::new("invoice-17")?.as_str(), "invoice-17");
    /// assert!(TicketId::new("").is_err());
    /// # Ok::<(), hersh::kharon::InvalidName>(())
    /// ```
    TicketId
}

name! {
    /// The name of a type of tickets, of a tube, of a group, or a unique key.
    ///
    /// Cloning one is cheap: the text is shared.
    Label
}

impl TicketId {
    /// An id that nobody else has: a random `UUIDv7` (RFC 9562), so ids sort by when they were made.
    ///
    /// # Panics
    /// When the operating system has no random numbers to give.
    pub fn random() -> Self {
        let mut bytes = [0_u8; 16];
        let filled = getrandom::fill(&mut bytes[6..]);
        assert!(filled.is_ok(), "the operating system gave no random numbers");
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since_epoch.map_or(0, |since| since.as_millis());
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[10..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0F);
        bytes[8] = 0x80 | (bytes[8] & 0x3F);
        let mut text = [b'-'; 36];
        let places = (0..36).filter(|at| ![8, 13, 18, 23].contains(at));
        let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
        for (at, nibble) in places.zip(nibbles) {
            text[at] = b"0123456789abcdef"[usize::from(nibble)];
        }
        Self(Arc::from(str::from_utf8(&text).unwrap_or_default()))
    }
}

impl Label {
    /// The tube of tickets that name none: `default`.
    pub fn default_tube() -> Self {
        static DEFAULT: OnceLock<Label> = OnceLock::new();
        DEFAULT.get_or_init(|| Self(Arc::from("default"))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_that_no_store_could_hold_are_refused() {
        for text in ["", "a\0b", "line\nbreak", &"x".repeat(256)] {
            assert!(TicketId::new(text).is_err(), "{text:?}");
            assert!(Label::try_from(text).is_err(), "{text:?}");
        }
        assert!(Label::new("x".repeat(255)).is_ok());
        assert!(Label::new("Über/größe 1").is_ok());
    }

    #[test]
    fn random_ids_are_uuids_of_version_7_and_differ() {
        let ids: HashSet<_> = (0..1000).map(|_| TicketId::random()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let text = id.as_str();
            assert_eq!(text.len(), 36);
            assert_eq!(&text[14..15], "7", "{text}");
            assert!("89ab".contains(&text[19..20]), "{text}");
            assert!(text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()), "{text}");
        }
    }
}
