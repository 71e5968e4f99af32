//! Values that have a unit or a shape of their own, and how they are written.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a flag's value was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnitError {
    /// Not a size.
    #[error("not a size; write it as 268435456, 262144k, 256m or 1g")]
    Size,
    /// A size that no limit can have.
    #[error("a size must be at least 1 byte and below 2^63")]
    SizeRange,
    /// Not a number of processors.
    #[error("not a number of processors; write it as 0.5 or 2, with at most three decimals")]
    Cpus,
    /// Not the name of an environment variable.
    #[error("not an environment variable; write it as KEY=VALUE, or KEY to take it from here")]
    EnvName,
    /// Not the address of a Docker engine.
    #[error("not an engine; write it as unix:///path, tcp://host:port or the path of a socket")]
    Engine,
}

/// A number of bytes, written `1g`, `256m`, `64k` or plain; the units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let lower = text.to_ascii_lowercase();
        let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let shift = match &lower[number.len()..] {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            _ => return Err(UnitError::Size),
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UnitError::Size);
        }
        let count: u64 = number.parse().map_err(|_| UnitError::SizeRange)?;
        match count.checked_mul(1 << shift) {
            Some(bytes) if bytes > 0 && i64::try_from(bytes).is_ok() => Ok(Self(bytes)),
            _ => Err(UnitError::SizeRange),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0;
        let mut unit = 0;
        // Whole units only: rounding a limit would show another limit than the one that holds.
        while value >= 1024 && value.is_multiple_of(1024) && unit < 3 {
            value /= 1024;
            unit += 1;
        }
        write!(f, "{value}{}", ["", "k", "m", "g"][unit])
    }
}

/// A number of processors in thousandths of one, written as a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MilliCpus(pub u32);

impl FromStr for MilliCpus {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(UnitError::Cpus);
        }
        let whole = whole.parse::<u32>().ok().and_then(|whole| whole.checked_mul(1_000));
        let part = format!("{part:0<3}").parse::<u32>().ok();
        match whole.zip(part).and_then(|(whole, part)| whole.checked_add(part)) {
            Some(milli) if milli > 0 => Ok(Self(milli)),
            _ => Err(UnitError::Cpus),
        }
    }
}

impl MilliCpus {
    /// So many thousandths, or the most that can be written.
    pub fn clamped(milli: u64) -> Self {
        Self(u32::try_from(milli).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for MilliCpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// An environment variable of a program: with its value, or to be taken from this environment.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvEntry {
    /// The name.
    pub name: String,
    /// The value, or `None` to take it from the environment of the command.
    pub value: Option<String>,
}

// A value may be a secret: what prints the arguments must not print it.
impl fmt::Debug for EnvEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvEntry({})", self.name)
    }
}

impl FromStr for EnvEntry {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let first_ok = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let rest_ok = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if first_ok && rest_ok {
            Ok(Self { name: name.to_owned(), value })
        } else {
            Err(UnitError::EnvName)
        }
    }
}

/// Where a Docker engine is, as `DOCKER_HOST` writes it; the path of a socket is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineAddress(pub String);

impl FromStr for EngineAddress {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let known = ["unix:///", "tcp://", "http://", "ssh://"];
        if text.starts_with('/') {
            Ok(Self(format!("unix://{text}")))
        } else if known.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnitError::Engine)
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!("256m".parse(), Ok(ByteSize(256 << 20)));
        assert_eq!("1GiB".parse(), Ok(ByteSize(1 << 30)));
        assert_eq!("512".parse(), Ok(ByteSize(512)));
        assert_eq!(ByteSize(256 << 20).to_string(), "256m");
        assert_eq!(ByteSize(1_500).to_string(), "1500");
        for wrong in ["", "m", "-1", "1.5g", "1t", "1 g", "mm", "0x10"] {
            assert_eq!(wrong.parse::<ByteSize>(), Err(UnitError::Size), "{wrong}");
        }
        for wrong in ["0", "0m", "9999999999g", "99999999999999999999"] {
            assert_eq!(wrong.parse::<ByteSize>(), Err(UnitError::SizeRange), "{wrong}");
        }
    }

    #[test]
    fn processors() {
        assert_eq!("0.5".parse(), Ok(MilliCpus(500)));
        assert_eq!("2".parse(), Ok(MilliCpus(2_000)));
        assert_eq!("1.025".parse(), Ok(MilliCpus(1_025)));
        let shown = [10_000, 500, 1_025].map(|milli| MilliCpus(milli).to_string());
        assert_eq!(shown, ["10", "0.5", "1.025"]);
        for wrong in ["0", "0.000", "-1", "NaN", "inf", "two", ".5", "1.", "0.0005", "5000000"] {
            assert_eq!(wrong.parse::<MilliCpus>(), Err(UnitError::Cpus), "{wrong}");
        }
    }

    #[test]
    fn engines() {
        let shown = |text: &str| text.parse::<EngineAddress>().map(|engine| engine.0);
        assert_eq!(shown("/run/docker.sock").unwrap(), "unix:///run/docker.sock");
        assert_eq!(shown("tcp://127.0.0.1:2375").unwrap(), "tcp://127.0.0.1:2375");
        for wrong in ["", "docker.sock", "tcp://", "--privileged", "file:///x"] {
            assert_eq!(shown(wrong), Err(UnitError::Engine), "{wrong}");
        }
    }

    #[test]
    fn environment_entries_keep_their_value_out_of_debug() {
        let entry: EnvEntry = "KEY=s3cret=x".parse().unwrap();
        assert_eq!(entry.value.as_deref(), Some("s3cret=x"));
        assert_eq!(format!("{entry:?}"), "EnvEntry(KEY)");
        assert_eq!("KEY".parse::<EnvEntry>().unwrap().value, None);
        assert_eq!("KEY=".parse::<EnvEntry>().unwrap().value.as_deref(), Some(""));
        for wrong in ["", "=x", "1A=x", "A-B=x", "A B", "--privileged"] {
            assert_eq!(wrong.parse::<EnvEntry>(), Err(UnitError::EnvName), "{wrong}");
        }
    }
}
