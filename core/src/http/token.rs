//! A bearer token, compared without telling by the time it takes how much of it was right.

use std::fmt;
use std::hint::black_box;

use super::request::Request;

/// The secret that requests must carry as `Authorization: Bearer …`.
///
/// # Examples
///
/// ```
/// use hersh::http::BearerToken;
/// let token = BearerToken::new("correct horse").expect("not empty");
/// assert!(token.matches("correct horse"));
/// assert!(!token.matches("correct house"));
/// assert_eq!(format!("{token:?}"), "BearerToken(***)");
/// ```
#[derive(Clone)]
pub struct BearerToken(Box<[u8]>);

impl BearerToken {
    /// A token; `None` if it is empty, which would let everyone in.
    pub fn new(token: impl Into<String>) -> Option<Self> {
        let bytes = token.into().into_bytes();
        (!bytes.is_empty()).then(|| Self(bytes.into_boxed_slice()))
    }

    /// Whether `candidate` is the token, in a time that depends on the length of the candidate
    /// alone.
    pub fn matches(&self, candidate: &str) -> bool {
        self.matches_bytes(candidate.as_bytes())
    }

    fn matches_bytes(&self, candidate: &[u8]) -> bool {
        let mut difference = usize::from(self.0.len() != candidate.len());
        let mut expected = self.0.iter().cycle();
        for byte in candidate {
            let expected = expected.next().copied().unwrap_or_default();
            difference |= black_box(usize::from(byte ^ expected));
        }
        difference == 0
    }

    /// Whether a request carries the token.
    pub fn accepts(&self, request: &Request<'_>) -> bool {
        let value = request.header("authorization").unwrap_or_default();
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.matches(token.trim())
            }
            _ => false,
        }
    }
}

impl PartialEq for BearerToken {
    fn eq(&self, other: &Self) -> bool {
        self.matches_bytes(&other.0)
    }
}

impl Eq for BearerToken {}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_matches() {
        let token = BearerToken::new("abc").unwrap();
        assert!(token.matches("abc"));
        for wrong in ["", "a", "ab", "abcabc", "abcd", "abd", "ABC"] {
            assert!(!token.matches(wrong), "{wrong}");
        }
        assert!(BearerToken::new("").is_none());
    }
}
