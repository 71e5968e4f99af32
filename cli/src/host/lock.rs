//! One host on one data folder, and the host's own name.
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::HostError;
use super::storage::Storage;

/// How long to wait for the lock of a host that was killed: a client that it was just starting holds
/// it for a moment longer, until it is another program.
const LINGER: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Holds the data folder for this process. The system lets go of it when the process ends, however
/// it ends.
#[derive(Debug)]
pub(super) struct HostLock {
    _file: File,
}

impl HostLock {
    pub(super) fn take(storage: &Storage) -> Result<Self, HostError> {
        let path = storage.data().join("host.lock");
        let fail = |source| HostError::Storage {
            what: "the lock file cannot be opened",
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(fail)?;
        let until = Instant::now() + LINGER;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    // Who holds it is a courtesy; that it is held is known.
                    let _ = file.read_to_string(&mut text);
                    return Err(HostError::Locked { path, holder: text.trim().parse().ok() });
                }
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
        let mut note = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        note().map_err(fail)?;
        Ok(Self { _file: file })
    }
}

/// The host's name on labels, made once for a data folder: 16 hexadecimal digits.
pub(super) fn host_id(storage: &Storage) -> Result<String, HostError> {
    let path = storage.data().join("host.id");
    let known = std::fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
    let is_id = |id: &String| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(id) = known.filter(is_id) {
        return Ok(id);
    }
    let id = format!("{:016x}", random(&path)?);
    storage.write_private(&path, id.as_bytes())?;
    Ok(id)
}

/// Random bits from the system.
pub(super) fn random(at: &Path) -> Result<u64, HostError> {
    getrandom::u64().map_err(|error| HostError::Storage {
        what: "the system has no random numbers",
        path: at.to_owned(),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_host_is_refused_and_told_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let first = HostLock::take(&storage).unwrap();
        let words = HostLock::take(&storage).unwrap_err().to_string();
        let holder = format!("another host (process {})", std::process::id());
        assert!(words.starts_with(&holder), "{words}");
        drop(first);
        HostLock::take(&storage).unwrap();
    }

    #[test]
    fn the_hosts_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        let id = host_id(&storage).unwrap();
        assert_eq!(host_id(&storage).unwrap(), id);
        std::fs::write(dir.path().join("host.id"), "--flag").unwrap();
        assert_ne!(host_id(&storage).unwrap(), id, "what is no id is not used");
    }
}
