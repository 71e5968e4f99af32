//! What a successor has in `/state` while it proves itself: a copy of what the old one has there.
//!
//! The old one goes on writing meanwhile, and is not to be trusted. So nothing is opened by a path
//! that it could lead elsewhere: each folder and file is opened within the one above it, and links are
//! copied, never followed. A copy counts if nothing has changed while it was made: it is what a
//! sudden end of the old one would have left, and never a mixture.
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use super::Phase;
use crate::host::storage::{Meta, Storage};
use crate::program::Cancel;

/// Gives a successor that is to prove itself a copy of what the old one has in `/state`. What was done,
/// in words for the log of its build; none for a program that has nothing to prove.
pub(in crate::host) fn prepare(
    storage: &Storage,
    meta: &Meta,
    given_up: &Cancel,
) -> Option<String> {
    // Not a moment longer: what it has after that may be the state itself.
    let of = &meta.takeover.as_ref().filter(|takeover| takeover.phase == Phase::Beside)?.of;
    let (from, to) = (storage.state(of), storage.state(&meta.program_id));
    Some(match copy(&from, &to, &BOUNDS, given_up) {
        Ok(Copied { entries, bytes }) => format!(
            "it is tried with a copy of the /state of {of}, which is thrown away: {entries} files, \
             {bytes} bytes"
        ),
        Err(why) => {
            format!("it is tried with an empty /state, since that of {of} cannot be copied: {why}")
        }
    })
}

/// How often a state that is being written to is tried to be copied, and after what pause each.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than the clock by which files are stamped goes between two ticks: what changes after this
/// has another stamp.
const TICK: Duration = Duration::from_millis(20);
/// How deep folders may lie in one another.
const DEPTH: usize = 64;

/// How much is copied at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Files, folders and links.
    pub(super) entries: usize,
    /// How long it may take.
    pub(super) time: Duration,
}

/// The usual bounds: a deploy is not to wait for more, nor the disk to hold it twice.
pub(super) const BOUNDS: Bounds =
    Bounds { bytes: 256 << 20, entries: 10_000, time: Duration::from_secs(10) };

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Copied {
    /// Files, folders and links.
    pub(super) entries: usize,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCopied {
    #[error("it has more than {} MiB", .0 >> 20)]
    TooLarge(u64),
    #[error("it has more than {0} files, or folders deeper than {DEPTH}")]
    TooMany(usize),
    #[error("it is written to all the time")]
    Restless,
    #[error("it takes more than {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for NotCopied {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Makes `to` a copy of `from`; an empty folder where that cannot be done.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    bounds: &Bounds,
    given_up: &Cancel,
) -> Result<Copied, NotCopied> {
    let until = Instant::now() + bounds.time;
    let mut last = NotCopied::Restless;
    for _ in 0..TRIES {
        empty(to)?;
        match copy_once(from, to, bounds, until, given_up) {
            Ok(Some(copied)) => return Ok(copied),
            Ok(None) => last = NotCopied::Restless,
            // What was there a moment ago is gone, or is something else.
            Err(NotCopied::Io(error)) => last = NotCopied::Io(error),
            Err(other) => {
                last = other;
                break;
            }
        }
        if given_up.wait(PAUSE) {
            last = NotCopied::Cancelled;
            break;
        }
    }
    empty(to)?;
    Err(last)
}

/// An empty folder, as every `/state` begins.
fn empty(place: &Path) -> io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::DirBuilder::new().mode(0o700).create(place)?,
    }
    fs::set_permissions(place, Permissions::from_mode(0o777))
}

/// None where something changed meanwhile.
fn copy_once(
    from: &Path,
    to: &Path,
    bounds: &Bounds,
    until: Instant,
    given_up: &Cancel,
) -> Result<Option<Copied>, NotCopied> {
    let walk = |to| Walk { bounds, until, given_up, to, bytes: 0, stamps: BTreeMap::new() };
    let before = walk(None).through(from)?;
    if given_up.wait(TICK) {
        return Err(NotCopied::Cancelled);
    }
    let copied = walk(Some(to)).through(from)?;
    let same = walk(None).through(from)?.stamps == before.stamps;
    // The folder itself is no entry of it.
    let entries = before.stamps.len() - 1;
    Ok(same.then_some(Copied { entries, bytes: copied.bytes }))
}

fn open_folder(within: impl rustix::fd::AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(within, name, flags, Mode::empty())
}

/// What changes when a file, folder or link does.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    mode: u32,
    bytes: i128,
    modified: (i128, i128),
    changed: (i128, i128),
}

/// One walk through everything, with or without copying it.
struct Walk<'a> {
    bounds: &'a Bounds,
    until: Instant,
    given_up: &'a Cancel,
    to: Option<&'a Path>,
    bytes: u64,
    stamps: BTreeMap<PathBuf, Stamp>,
}

impl Walk<'_> {
    fn through(mut self, root: &Path) -> Result<Self, NotCopied> {
        let name = CString::new(root.as_os_str().as_bytes()).map_err(io::Error::from)?;
        self.folder(&open_folder(CWD, &name)?, Path::new(""), 0)?;
        Ok(self)
    }

    fn folder(&mut self, folder: &OwnedFd, place: &Path, depth: usize) -> Result<(), NotCopied> {
        if depth > DEPTH {
            return Err(NotCopied::TooMany(self.bounds.entries));
        }
        self.note(place, &rustix::fs::fstat(folder)?)?;
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            let place = place.join(OsStr::from_bytes(name.to_bytes()));
            let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let inner = open_folder(folder, name)?;
                    let copy = self.to.map(|to| to.join(&place));
                    if let Some(copy) = &copy {
                        fs::DirBuilder::new().mode(0o700).create(copy)?;
                    }
                    self.folder(&inner, &place, depth + 1)?;
                    if let Some(copy) = &copy {
                        dress(&File::open(copy)?, &File::from(inner))?;
                    }
                }
                FileType::RegularFile => {
                    self.note(&place, &stat)?;
                    self.file(folder, name, &place)?;
                }
                FileType::Symlink => {
                    self.note(&place, &stat)?;
                    if let Some(to) = self.to {
                        let target = readlinkat(folder, name, Vec::new())?;
                        let copy = to.join(&place);
                        symlink(OsStr::from_bytes(target.to_bytes()), &copy)?;
                        owned(lchown(&copy, Some(stat.st_uid), Some(stat.st_gid)))?;
                    }
                }
                // Nobody is at the other end of a copied socket or pipe.
                _ => self.note(&place, &stat)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &OwnedFd, name: &CStr, place: &Path) -> Result<(), NotCopied> {
        // Without waiting: by now it may be a pipe that nobody writes to.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(folder, name, flags, Mode::empty())?);
        let facts = file.metadata()?;
        let room = self.bounds.bytes - self.bytes;
        if facts.is_file() && facts.len() > room {
            return Err(NotCopied::TooLarge(self.bounds.bytes));
        }
        let (true, Some(to)) = (facts.is_file(), self.to) else {
            self.bytes += facts.len();
            return Ok(());
        };
        let mut copy =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(to.join(place))?;
        // It may grow meanwhile.
        self.bytes += io::copy(&mut (&file).take(room), &mut copy)?;
        Ok(dress(&copy, &file)?)
    }

    fn note(&mut self, place: &Path, stat: &Stat) -> Result<(), NotCopied> {
        if self.given_up.is_cancelled() {
            return Err(NotCopied::Cancelled);
        }
        if Instant::now() > self.until {
            return Err(NotCopied::TooSlow(self.bounds.time));
        }
        if self.stamps.len() > self.bounds.entries {
            return Err(NotCopied::TooMany(self.bounds.entries));
        }
        let stamp = Stamp {
            inode: stat.st_ino,
            mode: stat.st_mode,
            bytes: stat.st_size.into(),
            modified: (stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: (stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        };
        self.stamps.insert(place.to_owned(), stamp);
        Ok(())
    }
}

/// Gives a copy the owner, mode and times of what it is a copy of.
fn dress(copy: &File, original: &File) -> io::Result<()> {
    let facts = original.metadata()?;
    owned(fchown(copy, Some(facts.uid()), Some(facts.gid())))?;
    copy.set_permissions(Permissions::from_mode(facts.mode() & 0o777))?;
    copy.set_times(FileTimes::new().set_accessed(facts.accessed()?).set_modified(facts.modified()?))
}

/// Only root can give files away; a host that is not root runs programs as its own user.
fn owned(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Rig {
        dir: tempfile::TempDir,
        bounds: Bounds,
    }

    impl Rig {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("from")).unwrap();
            Self { dir, bounds: BOUNDS }
        }

        fn from(&self) -> PathBuf {
            self.dir.path().join("from")
        }

        fn to(&self) -> PathBuf {
            self.dir.path().join("to")
        }

        fn copy(&self) -> Result<Copied, NotCopied> {
            copy(&self.from(), &self.to(), &self.bounds, &Cancel::new())
        }

        /// It was not copied, and left nothing.
        fn refused(&self) -> String {
            let words = self.copy().unwrap_err().to_string();
            assert_eq!(fs::read_dir(self.to()).unwrap().count(), 0, "{words}");
            assert_eq!(fs::metadata(self.to()).unwrap().mode() & 0o777, 0o777);
            words
        }
    }

    #[test]
    fn everything_is_copied_as_it_is() {
        let rig = Rig::new();
        let from = rig.from();
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/data"), "content").unwrap();
        fs::write(from.join("tool"), "#!").unwrap();
        fs::set_permissions(from.join("tool"), Permissions::from_mode(0o4750)).unwrap();
        fs::set_permissions(from.join("a"), Permissions::from_mode(0o710)).unwrap();
        // A leftover of an earlier trial.
        fs::create_dir(rig.to()).unwrap();
        fs::write(rig.to().join("old"), "x").unwrap();
        assert_eq!(rig.copy().unwrap(), Copied { entries: 4, bytes: 9 });
        assert_eq!(fs::read_to_string(rig.to().join("a/b/data")).unwrap(), "content");
        assert!(!rig.to().join("old").exists());
        let mode = |name: &str| fs::metadata(rig.to().join(name)).unwrap().mode() & 0o7777;
        assert_eq!((mode("tool"), mode("a")), (0o750, 0o710), "nobody's rights are borrowed");
        let time = |root: &Path| fs::metadata(root.join("a/b/data")).unwrap().modified().unwrap();
        assert_eq!(time(&rig.to()), time(&from));
    }

    #[test]
    fn links_are_copied_and_never_followed() {
        let rig = Rig::new();
        let secret = rig.dir.path().join("secret");
        fs::create_dir(&secret).unwrap();
        fs::write(secret.join("token"), "canary").unwrap();
        symlink(&secret, rig.from().join("folder")).unwrap();
        symlink(secret.join("token"), rig.from().join("file")).unwrap();
        symlink("/dev/zero", rig.from().join("endless")).unwrap();
        assert_eq!(rig.copy().unwrap(), Copied { entries: 3, bytes: 0 });
        assert_eq!(fs::read_link(rig.to().join("folder")).unwrap(), secret);
        assert_eq!(fs::read_link(rig.to().join("endless")).unwrap(), Path::new("/dev/zero"));
        // Nor is the folder itself, should it have become one.
        fs::remove_dir_all(rig.from()).unwrap();
        symlink(&secret, rig.from()).unwrap();
        rig.refused();
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_left_out() {
        let rig = Rig::new();
        let pipe = rig.from().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(rig.from().join("socket")).unwrap();
        rig.copy().unwrap();
        assert_eq!(fs::read_dir(rig.to()).unwrap().count(), 0);
    }

    #[test]
    fn it_is_bounded_in_every_way() {
        let mut rig = Rig::new();
        let sparse = File::create(rig.from().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert_eq!(rig.refused(), "it has more than 256 MiB");
        sparse.set_len(0).unwrap();
        rig.bounds.entries = 3;
        for name in ["1", "2", "3"] {
            fs::write(rig.from().join(name), "").unwrap();
        }
        assert!(rig.refused().starts_with("it has more than 3 files"));
        rig.bounds = Bounds { time: Duration::ZERO, ..BOUNDS };
        assert_eq!(rig.refused(), "it takes more than 0 s");
        rig.bounds = BOUNDS;
        let mut deep = rig.from();
        deep.extend(std::iter::repeat_n("d", DEPTH + 2));
        fs::create_dir_all(deep).unwrap();
        assert!(rig.refused().contains("deeper"));
        let given_up = Cancel::new();
        given_up.cancel();
        let cancelled = copy(&rig.from(), &rig.to(), &rig.bounds, &given_up);
        assert!(matches!(cancelled, Err(NotCopied::Cancelled)), "{cancelled:?}");
    }

    #[test]
    fn what_is_written_to_all_the_time_is_not_copied_by_halves() {
        let rig = Rig::new();
        let over = AtomicBool::new(false);
        let file = rig.from().join("busy");
        fs::write(&file, "0").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    fs::write(&file, format!("{number}")).unwrap();
                }
            });
            assert_eq!(rig.refused(), "it is written to all the time");
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!(rig.copy().unwrap().entries, 1);
    }
}
