//! `.dockerignore`, as Docker reads it.
//!
//! Its patterns look like those of `.gitignore` and are not: each is anchored at the root of the
//! context, the last one that matches decides, and a pattern that matches a folder matches
//! everything under it, unless a later `!pattern` takes a part back. The rules are those of Docker's
//! reference for `.dockerignore` and of the matcher in the engine (moby's `patternmatcher`).

use thiserror::Error;

// Matching costs the length of the name times that of the pattern; both have an end.
const MAX_PATTERN_CHARS: usize = 4096;
const MAX_PATTERNS: usize = 10_000;

/// Why a `.dockerignore` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RulesError {
    /// A pattern that means nothing.
    #[error("line {line}: `{pattern}` is no pattern: {reason}")]
    Pattern {
        /// Which line, from 1.
        line: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More patterns than anybody writes.
    #[error("it has more than {MAX_PATTERNS} patterns")]
    TooMany,
}

/// The patterns of one `.dockerignore`.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    takes_back: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    // `?`: one character but a slash.
    One,
    // `*`: any run without a slash.
    Run,
    // `**` at the end: anything.
    Anything,
    // `**/`, or `**` before more: any number of whole folders, also none.
    Folders,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Rules {
    /// Reads the text of a `.dockerignore`.
    ///
    /// # Errors
    /// [`RulesError`] with the line.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let mut patterns = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            // A comment is one before white space is trimmed, so ` #x` is a pattern.
            let trimmed = line.trim();
            if line.starts_with('#') || trimmed.is_empty() {
                continue;
            }
            if patterns.len() == MAX_PATTERNS {
                return Err(RulesError::TooMany);
            }
            let refuse = |reason| RulesError::Pattern {
                line: index + 1,
                pattern: trimmed.to_owned(),
                reason,
            };
            let (takes_back, body) = match trimmed.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, trimmed),
            };
            if takes_back && body.is_empty() {
                return Err(refuse("nothing follows the `!`"));
            }
            let cleaned = clean(body);
            if cleaned.chars().count() > MAX_PATTERN_CHARS {
                return Err(refuse("it is too long"));
            }
            if !cleaned.is_empty() {
                let tokens = tokens(&cleaned).map_err(refuse)?;
                patterns.push(Pattern { takes_back, tokens });
            }
        }
        Ok(Self { patterns })
    }

    /// Whether the file or folder `name` (relative, with `/`) is left out.
    pub fn leaves_out(&self, name: &str) -> bool {
        let mut out = false;
        for pattern in &self.patterns {
            if pattern.takes_back == out && pattern.matches_it_or_a_parent(name) {
                out = !pattern.takes_back;
            }
        }
        out
    }

    /// Whether anything may be taken back, so that folders that are left out must still be walked.
    pub fn takes_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.takes_back)
    }
}

impl Pattern {
    fn matches_it_or_a_parent(&self, name: &str) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        ends.into_iter().any(|end| matches(&self.tokens, &name[..end]))
    }
}

// Slashes doubled or at the ends go, `.` goes, `..` takes its parent along: as Go's filepath.Clean.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                let slash = chars.next_if_eq(&'/').is_some();
                match chars.peek() {
                    None => Token::Anything,
                    // `**.go` at the beginning means any name that ends so, in any folder.
                    Some(_) if tokens.is_empty() && !slash => Token::Anything,
                    Some(_) => Token::Folders,
                }
            }
            '*' => Token::Run,
            '?' => Token::One,
            '[' => class(&mut chars)?,
            '\\' => Token::Char(chars.next().ok_or("it ends in a backslash")?),
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[` is not closed";
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let from = match chars.next().ok_or(OPEN)? {
            ']' if ranges.is_empty() => return Err("`[]` holds nothing"),
            ']' => return Ok(Token::Class { negated, ranges }),
            '\\' => chars.next().ok_or(OPEN)?,
            c => c,
        };
        let mut to = from;
        if chars.next_if_eq(&'-').is_some() {
            to = match chars.next().ok_or(OPEN)? {
                ']' => return Err("a range has no end"),
                '\\' => chars.next().ok_or(OPEN)?,
                c => c,
            };
        }
        ranges.push((from, to));
    }
}

// Follows all ways through the pattern at once, so that no pattern takes more than
// `tokens x characters` steps.
fn matches(tokens: &[Token], name: &str) -> bool {
    let mut here = vec![false; tokens.len() + 1];
    here[0] = true;
    skip_empty(tokens, &mut here, true);
    for c in name.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| here[*at]) {
            match token {
                Token::Anything | Token::Folders => next[at] = true,
                Token::Run => next[at] = c != '/',
                Token::Char(wanted) => next[at + 1] |= c == *wanted,
                Token::One => next[at + 1] |= c != '/',
                Token::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                    next[at + 1] |= c != '/' && inside != *negated;
                }
            }
        }
        // Folders end at a slash: only behind one, or before the first, may the rest begin.
        skip_empty(tokens, &mut next, c == '/');
        here = next;
    }
    here[tokens.len()]
}

// Moves on past the tokens that may match nothing.
fn skip_empty(tokens: &[Token], here: &mut [bool], at_folder_start: bool) {
    for (at, token) in tokens.iter().enumerate() {
        if here[at] {
            here[at + 1] |= match token {
                Token::Run | Token::Anything => true,
                Token::Folders => at_folder_start,
                _ => false,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(rules: &str, name: &str) -> bool {
        Rules::parse(rules).unwrap().leaves_out(name)
    }

    #[test]
    fn patterns_are_anchored_at_the_root() {
        assert!(left_out("temp", "temp"));
        assert!(left_out("/temp/", "temp/deep/file"));
        assert!(!left_out("temp", "a/temp"), "unlike .gitignore");
        assert!(left_out("*/temp*", "a/temporary.txt"));
        assert!(!left_out("*/temp*", "a/b/temporary.txt"));
        assert!(left_out("temp?", "tempa"));
        assert!(!left_out("temp?", "temp/"));
    }

    #[test]
    fn double_stars_cross_folders() {
        assert!(left_out("**/*.go", "main.go"));
        assert!(left_out("**/*.go", "a/b/main.go"));
        assert!(left_out("**.go", "a/b/main.go"));
        assert!(left_out("a/**", "a/b/c"));
        assert!(!left_out("a/**/z", "a/b/y"));
        assert!(left_out("a/**/z", "a/z"));
        assert!(left_out("a/**/z", "a/b/c/z"));
        assert!(!left_out("**/z", "a/bz"), "whole folders only");
        assert!(left_out("**", "anything/at/all"));
    }

    #[test]
    fn the_last_match_decides() {
        let rules = "*.md\n!README*.md\nREADME-secret.md";
        assert!(left_out(rules, "NOTES.md"));
        assert!(!left_out(rules, "README.md"));
        assert!(left_out(rules, "README-secret.md"));
        assert!(!left_out("*.md\nREADME-secret.md\n!README*.md", "README-secret.md"));
        assert!(!left_out("vendor\n!vendor/keep", "vendor/keep/file"));
        assert!(left_out("vendor\n!vendor/keep", "vendor/other"));
    }

    #[test]
    fn classes_and_escapes() {
        assert!(left_out("[a-c]x", "bx"));
        assert!(!left_out("[^a-c]x", "bx"));
        assert!(left_out("[!a]x", "!x"), "`!` is a member, unlike in a shell");
        assert!(left_out(r"\*", "*"));
        assert!(!left_out(r"\*", "a"));
        assert!(left_out("{a,b}", "{a,b}"), "braces mean themselves");
    }

    #[test]
    fn comments_and_blank_lines() {
        let rules = Rules::parse("\u{feff}# comment\n\n  \n.\n/\n").unwrap();
        assert!(!rules.leaves_out("# comment") && !rules.leaves_out("a"));
        assert!(left_out("  target  ", "target/debug/x"));
        assert!(left_out("a/./b/../c//d", "a/c/d"));
    }

    #[test]
    fn nonsense_is_named_with_its_line() {
        for wrong in ["[", "[]", "[a-", "a\\", "!"] {
            let error = Rules::parse(&format!("ok\n{wrong}")).unwrap_err();
            assert!(error.to_string().starts_with("line 2: "), "{error}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let rules = Rules::parse(&"*a".repeat(200)).unwrap();
        assert!(!rules.leaves_out(&"a".repeat(150)));
        assert!(rules.leaves_out(&"a".repeat(250)));
    }
}
