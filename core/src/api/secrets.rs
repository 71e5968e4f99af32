//! Which environment variables are not for everyone's eyes.

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// Parts of a name that mark a secret wherever they stand.
const PARTS: [&str; 12] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "mnemonic",
    "authorization",
    "connectionstring",
];

/// Words that mark a secret when they stand by themselves: `API_KEY`, but not `KEYBOARD`.
const WORDS: [&str; 15] = [
    "auth", "bearer", "cookie", "cred", "creds", "dsn", "jwt", "key", "keys", "otp", "pass", "pat",
    "pin", "pwd", "salt",
];

/// Whether a variable looks like a secret: by its name, or by a value that is a URL with a
/// password in it.
pub(super) fn looks_secret(name: &str, value: &str) -> bool {
    let joined: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    PARTS.iter().any(|part| joined.contains(part))
        || words(name).any(|word| WORDS.contains(&word.as_str()))
        || has_password(value)
}

/// The words of `SOME_NAME`, `some-name`, `someName` or `HTTPName`, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let starts = before.is_lowercase() && character.is_uppercase();
        if starts || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && character.is_alphanumeric()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    // A number at the end makes it no other word: `KEY2`.
    let trimmed = |word: String| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    words.into_iter().map(trimmed)
}

/// Whether a value is like `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, _)| {
        let rest = value.get(at + 3..).unwrap_or_default();
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::looks_secret;

    #[test]
    fn secrets_are_known_by_their_names() {
        let secret = [
            "API_KEY",
            "apiKey",
            "KEY",
            "KEY2",
            "OPENAI_APIKEY",
            "DB_PASSWORD",
            "dbPass",
            "PGPASSWORD",
            "GITHUB_TOKEN",
            "AUTH",
            "AWS_SECRET_ACCESS_KEY",
            "CLIENT-SECRET",
            "ssh.privateKey",
            "SENTRY_DSN",
            "WALLET_MNEMONIC",
            "SESSION_COOKIE",
        ];
        for name in secret {
            assert!(looks_secret(name, "x"), "{name}");
        }
    }

    #[test]
    fn other_names_are_shown() {
        let plain = [
            "PATH",
            "HOME",
            "KEYBOARD",
            "MONKEY",
            "AUTHOR",
            "COMPASS",
            "PINNED",
            "INTERVAL",
            "",
            "SYMBOL",
            "passenger",
        ];
        for name in plain {
            assert!(!looks_secret(name, "x"), "{name}");
        }
    }

    #[test]
    fn a_url_with_a_password_is_a_secret_under_any_name() {
        assert!(looks_secret("DATABASE", "postgres://me:hunter2@db:5432/x"));
        assert!(looks_secret("PROXIES", "http://a, http://u:p@b"));
        assert!(looks_secret("PROXY", "http://u:p@ss@b"));
        assert!(!looks_secret("DATABASE", "postgres://db:5432/x?at=a:b@c"));
        assert!(!looks_secret("MAIL", "me@example"));
    }
}
