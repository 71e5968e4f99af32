//! Which host to talk to, and with which token: flags first, then the environment, then the
//! configuration file, then what a host on this machine uses.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use crate::output::{Exit, Failure};

/// Where a host listens unless told otherwise.
pub(super) const DEFAULT_HOST: &str = "http://127.0.0.1:9000";
/// The file in the data folder that holds the admin token.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";

// A configuration file or token of more than this is not one.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Reads one environment variable; a function, so that tests need not change the real ones.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why the settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not an address the client can talk to.
    #[error("`{value}` is no address of a host: {reason}")]
    Host {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The configuration file is not what it should be.
    #[error("cannot use the configuration file {}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The token cannot be sent.
    #[error("the token from {origin} has characters that no token has")]
    Token {
        /// Where it came from.
        origin: String,
    },
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let failure = Failure::new(Exit::Usage, error.to_string());
        match error {
            SettingsError::Host { .. } => failure.with_remedy("write it as http://127.0.0.1:9000"),
            SettingsError::Config { .. } => {
                failure.with_remedy("its keys are host, token and data_dir, each a string")
            }
            SettingsError::Read { .. } => failure
                .with_remedy("see its permissions, or name another with --config or --data-dir"),
            SettingsError::Token { .. } => {
                failure.with_remedy("set it again, as `hersh token create` printed it")
            }
        }
    }
}

/// The address of a host, `http://name:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostUrl {
    authority: String,
    loopback: bool,
}

impl HostUrl {
    /// Reads `http://name:port`, `name:port` or `name`; the port is 9000 where it is missing.
    ///
    /// # Errors
    /// [`SettingsError::Host`] for `https` (put a TLS proxy or an SSH tunnel in front), a path, a
    /// user name, or what is no address at all.
    pub fn parse(value: &str) -> Result<Self, SettingsError> {
        let refuse = |reason| SettingsError::Host { value: value.to_owned(), reason };
        if value.starts_with("https://") {
            return Err(refuse("https is not spoken here; tunnel to the host instead"));
        }
        let rest = value.strip_prefix("http://").unwrap_or(value);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '@', '?', '#']) || rest.contains("://") {
            return Err(refuse("it must be a name and a port, nothing more"));
        }
        let uri: ureq::http::Uri = format!("http://{rest}/")
            .parse()
            .map_err(|_| refuse("it must be a name and a port, nothing more"))?;
        let name = uri.host().unwrap_or_default();
        let has_port = rest.len() > name.len();
        if has_port && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(refuse("its port must be between 1 and 65535"));
        }
        let authority = if has_port { rest.to_owned() } else { format!("{rest}:9000") };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        Ok(Self { authority, loopback })
    }

    /// Whether it is this machine, to which alone the token on this machine's disk is shown.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl fmt::Display for HostUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

/// A secret: shown to the host and to nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token from its text, without the white space around it.
    ///
    /// # Errors
    /// [`SettingsError::Token`] for what cannot stand in a header; `origin` is where it came from.
    pub fn new(text: &str, origin: &str) -> Result<Self, SettingsError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SettingsError::Token { origin: origin.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    host: Option<String>,
    token: Option<String>,
    data_dir: Option<PathBuf>,
}

/// What the flags said.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--host`
    pub host: Option<String>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
}

/// The settings of a command that talks to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host.
    pub host: HostUrl,
    /// The token to show it, if there is one.
    pub token: Option<Token>,
    /// Where a host on this machine keeps its data.
    pub data_dir: PathBuf,
}

impl Settings {
    /// Puts the settings together. `is_root` decides where the data of a host is by default.
    ///
    /// # Errors
    /// A configuration file, address or token that cannot be used.
    pub fn load(
        flags: &Overrides,
        environment: Environment<'_>,
        is_root: bool,
    ) -> Result<Self, SettingsError> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let file = read_config(flags, environment)?;
        let host = flags.host.clone().or_else(|| set("HERSH_HOST")).or(file.host);
        let host = HostUrl::parse(host.as_deref().unwrap_or(DEFAULT_HOST))?;
        let data_dir = flags
            .data_dir
            .clone()
            .or_else(|| set("HERSH_DATA_DIR").map(PathBuf::from))
            .or(file.data_dir)
            .unwrap_or_else(|| default_data_dir(environment, is_root));
        let token = match (set("HERSH_TOKEN"), file.token) {
            (Some(token), _) => Some(Token::new(&token, "HERSH_TOKEN")?),
            (None, Some(token)) => Some(Token::new(&token, "the configuration file")?),
            (None, None) if host.is_loopback() => token_on_disk(&data_dir)?,
            (None, None) => None,
        };
        Ok(Self { host, token, data_dir })
    }
}

fn default_data_dir(environment: Environment<'_>, is_root: bool) -> PathBuf {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if is_root {
        return PathBuf::from("/var/lib/hersh");
    }
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map_or_else(|| PathBuf::from(".hersh"), |base| base.join("hersh"))
}

fn read_config(
    flags: &Overrides,
    environment: Environment<'_>,
) -> Result<ConfigFile, SettingsError> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let asked_for = flags.config.clone().or_else(|| set("HERSH_CONFIG"));
    let must_exist = asked_for.is_some();
    let usual = || {
        let base = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|h| h.join(".config")))?;
        Some(base.join("hersh/config.toml"))
    };
    let Some(path) = asked_for.or_else(usual) else { return Ok(ConfigFile::default()) };
    match read_small(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| SettingsError::Config {
            // The message alone: the whole error quotes the line, and a line may hold the token.
            reason: error.message().to_owned(),
            path,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {
            Ok(ConfigFile::default())
        }
        Err(source) => Err(SettingsError::Read { path, source }),
    }
}

// The token of a host on this machine; none where there is no host, or it belongs to another user.
fn token_on_disk(data_dir: &Path) -> Result<Option<Token>, SettingsError> {
    let path = data_dir.join(ADMIN_TOKEN_FILE);
    match read_small(&path) {
        Ok(text) => Token::new(&text, &path.display().to_string()).map(Some),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(source) => Err(SettingsError::Read { path, source }),
    }
}

fn read_small(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 KiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: &Overrides, pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let get = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::load(flags, &get, false)
    }

    #[test]
    fn addresses() {
        let shown = |text: &str| HostUrl::parse(text).map(|url| url.to_string()).ok();
        assert_eq!(shown("http://127.0.0.1:9000/").unwrap(), "http://127.0.0.1:9000");
        assert_eq!(shown("box").unwrap(), "http://box:9000");
        assert_eq!(shown("[::1]:81").unwrap(), "http://[::1]:81");
        for wrong in ["", "https://a", "ftp://a", "a/b", "u:p@a", "a:0", "a:99999", "a b", "a:"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
        assert!(HostUrl::parse("localhost:1").unwrap().is_loopback());
        assert!(HostUrl::parse("[::1]").unwrap().is_loopback());
        assert!(!HostUrl::parse("127.0.0.1.example.org").unwrap().is_loopback());
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "host = 'file:1'\ntoken = 'from-file'\n").unwrap();
        let mut flags = Overrides { config: Some(file), ..Overrides::default() };
        let settings = load(&flags, &[]).unwrap();
        assert_eq!(settings.host.to_string(), "http://file:1");
        assert_eq!(settings.token.unwrap().secret(), "from-file");
        let environment = [("HERSH_HOST", "env:2"), ("HERSH_TOKEN", "from-env")];
        let settings = load(&flags, &environment).unwrap();
        assert_eq!(settings.host.to_string(), "http://env:2");
        assert_eq!(settings.token.unwrap().secret(), "from-env");
        flags.host = Some("flag:3".to_owned());
        assert_eq!(load(&flags, &environment).unwrap().host.to_string(), "http://flag:3");
    }

    #[test]
    fn the_token_on_disk_is_for_this_machine_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(ADMIN_TOKEN_FILE), "abc123\n").unwrap();
        let data_dir = dir.path().to_str().unwrap();
        let here = load(&Overrides::default(), &[("HERSH_DATA_DIR", data_dir)]).unwrap();
        assert_eq!(here.token.unwrap().secret(), "abc123");
        let there = [("HERSH_DATA_DIR", data_dir), ("HERSH_HOST", "example.org")];
        assert_eq!(load(&Overrides::default(), &there).unwrap().token, None);
    }

    #[test]
    fn a_wrong_configuration_file_says_what_is_wrong_and_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "token = 'canary'\ncolour = 'red'\n").unwrap();
        let flags = Overrides { config: Some(file), ..Overrides::default() };
        let text = load(&flags, &[]).unwrap_err().to_string();
        assert!(text.contains("unknown field `colour`"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        let flags = Overrides { config: Some("/nonexistent".into()), ..Overrides::default() };
        assert!(matches!(load(&flags, &[]), Err(SettingsError::Read { .. })));
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new(" s3cret\n", "a test").unwrap();
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert!(Token::new("two words", "a test").is_err());
        assert!(Token::new("", "a test").is_err());
    }
}
