//! What a Dockerfile would have the engine fetch by itself.
//!
//! `ADD` takes addresses, and it is the engine that fetches them: from where it is, in front of all the
//! walls of programs. `ADD http://169.254.169.254/… /x` would hand a program what its cloud tells this
//! machine alone. A `RUN` step that fetches something is behind the walls; so `ADD` is for files.

/// The most that is said of an instruction, in characters.
const SAID: usize = 100;

/// The first instruction that would, or might, have the engine fetch something.
///
/// A Dockerfile is read in each way in which a builder may read it, and what cannot be seen through
/// (variables, escapes) counts: whoever means a file can say `COPY`.
pub(super) fn fetching(dockerfile: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(dockerfile);
    let text = text.trim_start_matches('\u{feff}');
    let mut readings = vec![('\\', true), ('\\', false)];
    if may_escape_with_backticks(text) {
        readings.extend([('`', true), ('`', false)]);
    }
    readings
        .into_iter()
        .flat_map(|(escape, doubled)| instructions(text, escape, doubled))
        .find(|instruction| is_fetching(instruction))
        .map(|instruction| instruction.trim().chars().take(SAID).collect())
}

/// Whether the comments at the top say `escape=` and a backtick.
fn may_escape_with_backticks(text: &str) -> bool {
    let mut top = text.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    top.any(|line| line.to_ascii_lowercase().contains("escape") && line.contains('`'))
}

/// The instructions, each on one line. `doubled` says whether a line that ends with two of the escape
/// goes on: older builders say so, newer ones do not.
fn instructions(text: &str, escape: char, doubled: bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let cut = line.trim_end().strip_suffix(escape);
        if let Some(rest) = cut.filter(|rest| doubled || !rest.ends_with(escape)) {
            current.push_str(rest);
            continue;
        }
        current.push_str(line);
        all.push(std::mem::take(&mut current));
    }
    all.push(current);
    all
}

fn is_fetching(instruction: &str) -> bool {
    let mut words = instruction.split_whitespace();
    let add = words.find(|word| !word.eq_ignore_ascii_case("ONBUILD"));
    if !add.is_some_and(|word| word.eq_ignore_ascii_case("ADD")) {
        return false;
    }
    let rest = words.collect::<Vec<_>>().join(" ");
    let bare: String = rest.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
    rest.contains(['$', '\\', '`']) || bare.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetches(text: &str) -> bool {
        fetching(text.as_bytes()).is_some()
    }

    #[test]
    fn whatever_the_engine_would_fetch_is_found() {
        for text in [
            "FROM a\nADD http://169.254.169.254/latest /x",
            "\u{feff}add https://a/b /x",
            "FROM a\n  Add --chown=1:1\thttp://a /x",
            "ONBUILD ADD http://a /x",
            "onbuild onbuild add http://a /x",
            "AD\\\nD http://a /x",
            "ADD \\\n  # a comment \\\n\n  http://a /x",
            "ADD [\"http://a\", \"/x\"]",
            "ADD [\"http:\\u002f\\u002fa\", \"/x\"]",
            "ADD ht\\tp://a /x",
            "ADD \"http:\"//a /x",
            "ENV A=http\nADD $A://a /x",
            "ARG A\nADD ${A} /x",
            "# escape=`\nAD`\nD http://a /x",
            "# syntax=a\n#ESCAPE = `\nRUN echo \\\nADD http://a /x",
            "RUN echo \\\\\nADD http://a /x",
            "ADD \\ \t\nhttp://a /x",
            "FROM a\r\nADD http://a /x\r\n",
        ] {
            assert!(fetches(text), "{text:?}");
        }
    }

    #[test]
    fn files_and_what_only_looks_like_it_are_not() {
        for text in [
            "FROM scratch\nCOPY app /app\nADD a.tar [b] /x",
            "RUN apk \\\n  add $PACKAGES \\\n  # more\n\n  && wget http://a",
            "# ADD http://a /x\nLABEL add=http://a",
            "RUN a && \\\nADD http://a",
            "ENV ADD=http://a\nCOPY $A /x",
            "# escape=\\\nRUN a \\\n add http://a",
            "",
        ] {
            assert!(!fetches(text), "{text:?}");
        }
    }
}
