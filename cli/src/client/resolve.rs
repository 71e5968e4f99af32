//! From what a person types to a program.

use thiserror::Error;

use crate::output::{Exit, Failure};
use crate::wire::ProgramBody;

/// Why no single program is meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// None has that name.
    #[error("no program is called `{wanted}`")]
    NotFound {
        /// What was asked for.
        wanted: String,
    },
    /// Several have.
    #[error("`{wanted}` could be {}", list(candidates))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// Who it could be.
        candidates: Vec<String>,
    },
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let text = error.to_string();
        match error {
            ResolveError::NotFound { .. } => {
                Failure::new(Exit::NotFound, text).with_remedy("`hersh ps` lists what is there")
            }
            ResolveError::Ambiguous { .. } => {
                Failure::new(Exit::Usage, text).with_remedy("write more of its name or id")
            }
        }
    }
}

// More candidates than this would fill the screen without helping.
const SHOWN_CANDIDATES: usize = 5;

fn list(candidates: &[String]) -> String {
    let shown = candidates.iter().take(SHOWN_CANDIDATES).map(String::as_str).collect::<Vec<_>>();
    let more = candidates.len().saturating_sub(SHOWN_CANDIDATES);
    let rest = if more > 0 { format!(" or {more} others") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

/// The program that `wanted` means: its id, else its name, else the only one whose name or id
/// begins so.
///
/// # Errors
/// [`ResolveError`] if there is none, or more than one.
pub fn resolve<'a>(
    programs: &'a [ProgramBody],
    wanted: &str,
) -> Result<&'a ProgramBody, ResolveError> {
    if let Some(exact) = programs.iter().find(|program| program.program_id == wanted) {
        return Ok(exact);
    }
    let named: Vec<_> =
        programs.iter().filter(|program| program.name.as_deref() == Some(wanted)).collect();
    let found = if named.is_empty() && !wanted.is_empty() {
        let begins = |text: &str| text.starts_with(wanted);
        programs.iter().filter(|p| begins(p.label()) || begins(&p.program_id)).collect()
    } else {
        named
    };
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(ResolveError::NotFound { wanted: wanted.to_owned() }),
        several => Err(ResolveError::Ambiguous {
            wanted: wanted.to_owned(),
            candidates: several
                .iter()
                .map(|p| format!("{} ({})", p.label(), p.program_id))
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, id: &str) -> ProgramBody {
        ProgramBody { name: Some(name.into()), program_id: id.into(), ..ProgramBody::default() }
    }

    #[test]
    fn ids_names_and_beginnings() {
        let programs = [
            program("prices", "ann-build-1-aa"),
            program("prices-eu", "bob-build-2-bb"),
            program("bot", "bob-build-3-cc"),
        ];
        let id = |wanted| resolve(&programs, wanted).map(|p| p.program_id.as_str());
        assert_eq!(id("ann-build-1-aa"), Ok("ann-build-1-aa"));
        assert_eq!(id("prices"), Ok("ann-build-1-aa"), "a whole name goes before a beginning");
        assert_eq!(id("prices-"), Ok("bob-build-2-bb"));
        assert_eq!(id("bot"), Ok("bob-build-3-cc"));
        assert_eq!(id("bob-build-3"), Ok("bob-build-3-cc"));
        assert!(matches!(id("pri"), Err(ResolveError::Ambiguous { .. })));
        assert!(matches!(id("bo"), Err(ResolveError::Ambiguous { .. })));
        assert_eq!(id("x"), Err(ResolveError::NotFound { wanted: "x".into() }));
        assert_eq!(id(""), Err(ResolveError::NotFound { wanted: String::new() }));
    }
}
