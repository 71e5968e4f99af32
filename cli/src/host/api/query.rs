//! What follows the `?`.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;

use super::error::ApiError;

// More parameters than any route has.
const MAX_PARAMETERS: usize = 16;
/// The largest number that any JSON reader can hold as an integer of its own.
pub(super) const MAX_NUMBER: u64 = i64::MAX.unsigned_abs();
// The most that one page may hold, of whatever.
const MAX_PAGE: u64 = 1_000;

/// The parameters of a request. Each must be taken; one that is not is unknown, and refused.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(ApiError::new(400, format!("parameter `{name}` is given twice")));
            }
            if pairs.len() == MAX_PARAMETERS {
                return Err(ApiError::new(400, "too many parameters"));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Takes a parameter as text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.pairs.iter().position(|(other, _)| other == name)?;
        Some(self.pairs.swap_remove(at).1)
    }

    /// Takes a parameter that reads as a `T`.
    pub(super) fn value<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, ApiError>
    where
        T::Err: std::fmt::Display,
    {
        let wrong = |error: T::Err| ApiError::new(400, format!("parameter `{name}`: {error}"));
        self.text(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// Takes a parameter that is a word, as it stands in JSON too.
    pub(super) fn word<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let wrong =
            |error: serde_json::Error| ApiError::new(400, format!("parameter `{name}`: {error}"));
        self.text(name).map(|text| serde_json::from_value(text.into()).map_err(wrong)).transpose()
    }

    /// Takes a parameter that is a whole number within these bounds.
    pub(super) fn number(
        &mut self,
        name: &str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (bounds.start(), bounds.end());
                Err(ApiError::new(400, format!("parameter `{name}` must be {least} to {most}")))
            }
        }
    }

    /// Takes `limit`: how much there may be on a page.
    pub(super) fn limit(&mut self) -> Result<Option<usize>, ApiError> {
        let limit = self.number("limit", 1..=MAX_PAGE)?;
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()))
    }

    /// Takes a parameter that is `true` or `false`; false where it is missing, true where it has
    /// no value.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(_) => Err(ApiError::new(400, format!("parameter `{name}` must be true or false"))),
        }
    }

    /// Refuses what was not taken.
    pub(super) fn end(self) -> Result<(), ApiError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => Err(ApiError::new(400, format!("unknown parameter `{name}`"))),
        }
    }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    percent_decoded(&text.replace('+', " "))
        .ok_or_else(|| ApiError::new(400, "the query is not percent-encoded UTF-8"))
}

/// What `%41` and the like stand for; nothing if it makes no sense.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let pair = digit().zip(digit());
                pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Query {
        Query::parse(Some(text)).unwrap()
    }

    #[test]
    fn parameters_are_decoded_and_taken_once() {
        let mut query = parse("tail=5&name=a%20b+c&follow&off=false");
        assert_eq!(query.value::<u32>("tail").unwrap(), Some(5));
        assert_eq!(query.text("name").as_deref(), Some("a b c"));
        assert!(query.flag("follow").unwrap());
        assert!(!query.flag("off").unwrap());
        assert!(!query.flag("missing").unwrap());
        assert!(query.end().is_ok());
    }

    #[test]
    fn what_is_unknown_twice_or_nonsense_is_refused() {
        let message = |error: ApiError| format!("{error:?}");
        assert!(message(parse("colour=red").end().unwrap_err()).contains("`colour`"));
        assert!(Query::parse(Some("a=1&a=2")).is_err());
        assert!(Query::parse(Some("a=%f")).is_err());
        assert!(Query::parse(Some("a=%ff")).is_err());
        assert!(Query::parse(Some("a=%zz")).is_err());
        assert!(parse("tail=many").value::<u32>("tail").is_err());
        assert!(parse("follow=maybe").flag("follow").is_err());
        assert!(Query::parse(None).unwrap().end().is_ok());
    }
}
