//! What a message asks for.

/// A message, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `status`: tell the count.
    Status,
    /// `add N`: count N more ticks.
    Add(u64),
    /// `reset`: begin again at nothing.
    Reset,
    /// `stop`: end, for good.
    Stop,
    /// Something that looks like a command and is none: why.
    Misspelt(String),
    /// Anything else is only counted.
    Said(String),
}

impl Command {
    /// Understands `text`; whatever it is, it is something.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("status"), None, None) => Self::Status,
            (Some("reset"), None, None) => Self::Reset,
            (Some("stop"), None, None) => Self::Stop,
            (Some("add"), Some(number), None) => match number.parse() {
                Ok(number) => Self::Add(number),
                Err(error) => Self::Misspelt(format!("cannot add {number:?}: {error}")),
            },
            (Some("add"), _, _) => Self::Misspelt("add takes one whole number".to_owned()),
            _ => Self::Said(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_understood_whatever_the_space_around_them() {
        assert_eq!(Command::parse("status"), Command::Status);
        assert_eq!(Command::parse("  reset\n"), Command::Reset);
        assert_eq!(Command::parse("stop"), Command::Stop);
        assert_eq!(Command::parse("add  12"), Command::Add(12));
    }

    #[test]
    fn a_number_that_is_none_is_answered_with_why() {
        for text in ["add", "add x", "add -1", "add 1 2", "add 99999999999999999999"] {
            assert!(matches!(Command::parse(text), Command::Misspelt(_)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_only_something_said() {
        for text in ["", "hello", "status please", "STOP", "stop it"] {
            assert_eq!(Command::parse(text), Command::Said(text.to_owned()));
        }
    }
}
