//! The programs' folders.
//!
//! ```text
//! {data}/programs/{id}/src      Dockerfile and sources, as they were given
//!                     /meta     what is needed to register the program again
//!                     /state    what the program writes; all else is the host's
//!                     /compose  the contract of the last start
//!                     /logs     builds, and what ended containers wrote
//!                     /runtime  what the engine reads at a start
//!       /deleted/{id}           /state of programs that were removed
//! ```
mod archive;
mod atomic;
mod dockerfile;
mod meta;
mod source;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::HostError;
use super::view::Timestamp;
use crate::program::{Attempt, ProgramId};

pub use archive::{ArchiveError, Unpacked, read_tar};
use atomic::PRIVATE_FILE;
pub use meta::{Meta, Progress};
pub use source::{SourceError, SourceFault, SourceLimits, check_sources};

/// The folders of one program.
const FOLDERS: [&str; 6] = ["src", "meta", "state", "compose", "logs", "runtime"];
/// The longest log that is read back, in bytes: its end.
const LOG_BYTES: u64 = 4 << 20;
/// The most bytes of logs that a program keeps in all.
const ALL_LOG_BYTES: u64 = 64 << 20;
/// How many logs of builds and of ended containers are kept, each.
const KEPT_LOGS: u32 = 5;

/// The data folder. Usable from any thread; calls for one program come one at a time.
#[derive(Debug, Clone)]
pub struct Storage {
    data: PathBuf,
}

fn fail<T>(what: &'static str, path: &Path, result: io::Result<T>) -> Result<T, HostError> {
    result.map_err(|source| HostError::Storage { what, path: path.to_owned(), source })
}

impl Storage {
    /// Opens a data folder, makes what is missing of it, and finishes what a crash left half-done.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn open(data: &Path) -> Result<Self, HostError> {
        fail("the data folder cannot be made", data, atomic::make_dir(data))?;
        let data = fail("the data folder cannot be found", data, data.canonicalize())?;
        let storage = Self { data };
        for folder in [storage.programs(), storage.deleted(), storage.scratch()] {
            fail("a folder cannot be made", &folder, atomic::make_dir(&folder))?;
        }
        // Programs mount it; nobody may write to it.
        let empty = storage.empty();
        fail("a folder cannot be made", &empty, atomic::make_dir(&empty))?;
        let readable = fs::Permissions::from_mode(0o555);
        fail("a folder cannot be closed", &empty, fs::set_permissions(&empty, readable))?;
        storage.tidy()?;
        Ok(storage)
    }

    /// The data folder, absolute.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A folder that is and stays empty.
    pub fn empty(&self) -> PathBuf {
        self.data.join("empty")
    }

    /// A folder for files that live for one call.
    pub fn scratch(&self) -> PathBuf {
        self.data.join("scratch")
    }

    /// A program's folder.
    pub fn program(&self, id: &ProgramId) -> PathBuf {
        self.programs().join(id.as_str())
    }

    /// The Dockerfile and sources.
    pub fn src(&self, id: &ProgramId) -> PathBuf {
        self.program(id).join("src")
    }

    /// What the program writes.
    pub fn state(&self, id: &ProgramId) -> PathBuf {
        self.program(id).join("state")
    }

    /// What the engine reads at a start.
    pub fn runtime(&self, id: &ProgramId) -> PathBuf {
        self.program(id).join("runtime")
    }

    fn logs(&self, id: &ProgramId) -> PathBuf {
        self.program(id).join("logs")
    }

    /// The log of one build.
    pub fn build_log(&self, id: &ProgramId, attempt: Attempt) -> PathBuf {
        self.logs(id).join(format!("build-{attempt}.log"))
    }

    /// What the container of one start wrote, once it has ended.
    pub fn run_log(&self, id: &ProgramId, attempt: Attempt) -> PathBuf {
        self.logs(id).join(format!("run-{attempt}.log"))
    }

    fn programs(&self) -> PathBuf {
        self.data.join("programs")
    }

    fn deleted(&self) -> PathBuf {
        self.data.join("deleted")
    }

    /// Writes a new program down: all of it, or after a crash none of it.
    ///
    /// The files must have passed [`check_sources`].
    ///
    /// # Errors
    /// [`HostError::Storage`]; nothing of the program is there then.
    pub fn create(
        &self,
        meta: &Meta,
        dockerfile: &[u8],
        files: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), HostError> {
        let part = self.programs().join(format!(".new-{}", meta.program_id));
        let place = self.program(&meta.program_id);
        let written = write_program(&part, meta, dockerfile, files)
            .and_then(|()| fs::rename(&part, &place))
            .and_then(|()| atomic::sync_dir(&self.programs()));
        if written.is_err() {
            // What failed is what matters; leftovers go at the next opening, too.
            let _ = atomic::remove_dir(&part);
        }
        fail("the program cannot be written", &place, written)
    }

    /// Makes what is missing of a program's folders for this start, and drops logs of long ago.
    ///
    /// # Errors
    /// [`HostError::Storage`]; also when the sources are gone, which nobody can make.
    pub fn ensure(&self, id: &ProgramId, attempt: Attempt) -> Result<(), HostError> {
        let src = self.src(id);
        fail("the sources are gone", &src, fs::metadata(&src).map(drop))?;
        let made = make_folders(&self.program(id));
        fail("the folders cannot be made", &self.program(id), made)?;
        self.drop_old_logs(id, attempt);
        Ok(())
    }

    /// Notes how far a program has come.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn note_progress(&self, id: &ProgramId, progress: Progress) -> Result<(), HostError> {
        let folder = self.program(id);
        let written = meta::write_progress(&folder, progress);
        fail("the program's progress cannot be noted", &folder, written)
    }

    /// Notes the facts of a program that has a folder.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn note_meta(&self, meta: &Meta) -> Result<(), HostError> {
        let folder = self.program(&meta.program_id);
        fail("the program's meta data cannot be noted", &folder, meta::write(&folder, meta))
    }

    /// What is needed to register a program again.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn meta(&self, id: &ProgramId) -> Result<(Meta, Progress), HostError> {
        let folder = self.program(id);
        fail("the program's meta data cannot be read", &folder, meta::read(&folder))
    }

    /// The programs that have a folder, in the order of their ids.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn list(&self) -> Result<Vec<ProgramId>, HostError> {
        let programs = self.programs();
        let names = fail("the programs cannot be listed", &programs, names(&programs))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// A program's files by name, the Dockerfile among them.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn sources(&self, id: &ProgramId) -> Result<BTreeMap<String, Vec<u8>>, HostError> {
        let src = self.src(id);
        let mut files = BTreeMap::new();
        fail("the sources cannot be read", &src, read_tree(&src, "", &mut files))?;
        Ok(files)
    }

    /// Writes a file that the engine reads at a start, for the host and the engine alone.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn write_private(&self, path: &Path, content: &[u8]) -> Result<(), HostError> {
        fail("a file cannot be written", path, atomic::write(path, content, PRIVATE_FILE))
    }

    /// Writes a file that programs may read.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn write_public(&self, path: &Path, content: &[u8]) -> Result<(), HostError> {
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        // Programs that start at once share such files, and a write has a neighbour of one name.
        let _writing = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if fs::read(path).is_ok_and(|old| old == content) {
            return Ok(());
        }
        fail("a file cannot be written", path, atomic::write(path, content, 0o644))
    }

    /// Begins the log of a build, anew.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn new_build_log(&self, id: &ProgramId, attempt: Attempt) -> Result<File, HostError> {
        let path = self.build_log(id, attempt);
        let mut options = fs::OpenOptions::new();
        let opened = options.create(true).append(true).open(&path);
        let file = fail("the build's log cannot be written", &path, opened)?;
        fail("the build's log cannot be emptied", &path, file.set_len(0))?;
        Ok(file)
    }

    /// Makes the `/state` of one program that of another, which gives its own up. Neither may run.
    /// One that was passed on already is a success: after a crash this is asked for again.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn pass_state(&self, from: &ProgramId, to: &ProgramId) -> Result<(), HostError> {
        let (source, target) = (self.state(from), self.state(to));
        if !source.exists() {
            return Ok(());
        }
        let passed = atomic::remove_dir(&target)
            .and_then(|()| fs::rename(&source, &target))
            .and_then(|()| atomic::sync_dir(&self.program(to)))
            .and_then(|()| atomic::sync_dir(&self.program(from)));
        fail("the state cannot be passed on", &target, passed)
    }

    /// The end of a log; nothing when there is none.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn read_log(&self, path: &Path) -> Result<Vec<u8>, HostError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                other => other?,
            };
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
            let mut bytes = Vec::new();
            file.take(LOG_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        fail("a log cannot be read", path, read())
    }

    /// Removes a program's folder; `/state` is set aside unless `purge`. One that is not there is a
    /// success. A crash on the way is made good at the next opening.
    ///
    /// # Errors
    /// [`HostError::Storage`].
    pub fn remove(&self, id: &ProgramId, purge: bool) -> Result<(), HostError> {
        let mark = if purge { ".purge-" } else { ".going-" };
        let going = self.deleted().join(format!("{mark}{id}"));
        match fs::rename(self.program(id), &going) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => fail("the program's folder cannot be moved", &going, other)?,
        }
        self.finish_removal(&going, id, purge)
    }

    fn finish_removal(&self, going: &Path, id: &ProgramId, purge: bool) -> Result<(), HostError> {
        let state = going.join("state");
        if !purge && state.exists() {
            let aside = self.deleted().join(format!("{id}-{}", Timestamp::now().0));
            fail("the state cannot be set aside", &aside, fs::rename(&state, &aside))?;
        }
        let gone = atomic::remove_dir(going)
            .and_then(|()| atomic::sync_dir(&self.deleted()))
            .and_then(|()| atomic::sync_dir(&self.programs()));
        fail("the program's folder cannot be removed", going, gone)
    }

    /// Finishes what a crash left half-done.
    fn tidy(&self) -> Result<(), HostError> {
        let listed = |folder: &Path| fail("a folder cannot be listed", folder, names(folder));
        for name in listed(&self.programs())?.iter().filter(|name| name.starts_with(".new-")) {
            let path = self.programs().join(name);
            fail("a leftover cannot be removed", &path, atomic::remove_dir(&path))?;
        }
        for name in listed(&self.deleted())? {
            for (mark, purge) in [(".going-", false), (".purge-", true)] {
                if let Some(Ok(id)) = name.strip_prefix(mark).map(str::parse) {
                    self.finish_removal(&self.deleted().join(&name), &id, purge)?;
                }
            }
        }
        let scratch = self.scratch();
        let emptied = atomic::remove_dir(&scratch).and_then(|()| atomic::make_dir(&scratch));
        fail("a leftover cannot be removed", &scratch, emptied)
    }

    /// Keeps a program's logs within their bounds: of the last starts, and not more than so many
    /// bytes in all, the oldest going first. One that cannot be removed stays.
    pub fn rotate_logs(&self, id: &ProgramId, attempt: Attempt) {
        self.drop_old_logs(id, attempt);
        let folder = self.logs(id);
        let mut logs: Vec<_> = names(&folder)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| {
                let facts = fs::symlink_metadata(folder.join(&name)).ok()?;
                Some((facts.modified().ok()?, facts.len(), name))
            })
            .collect();
        logs.sort_unstable();
        let mut total: u64 = logs.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, name) in &logs {
            if total <= ALL_LOG_BYTES {
                break;
            }
            total -= bytes;
            let _ = fs::remove_file(folder.join(name));
        }
    }

    /// Logs of long ago go; one that cannot is no reason not to start.
    fn drop_old_logs(&self, id: &ProgramId, attempt: Attempt) {
        let oldest = attempt.0.saturating_sub(KEPT_LOGS);
        for name in names(&self.logs(id)).unwrap_or_default() {
            let number = name.rsplit_once('-').and_then(|(_, rest)| rest.strip_suffix(".log"));
            if number.and_then(|text| text.parse::<u32>().ok()).is_some_and(|n| n <= oldest) {
                let _ = fs::remove_file(self.logs(id).join(name));
            }
        }
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn make_folders(program: &Path) -> io::Result<()> {
    for folder in FOLDERS {
        atomic::make_dir(&program.join(folder))?;
    }
    // Whoever the image's user is, it may write here; only the host can come this far from outside.
    fs::set_permissions(program.join("state"), fs::Permissions::from_mode(0o777))
}

fn write_program(
    part: &Path,
    meta: &Meta,
    dockerfile: &[u8],
    files: &BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    atomic::remove_dir(part)?;
    make_folders(part)?;
    let src = part.join("src");
    atomic::write_new(&src.join("Dockerfile"), dockerfile, 0o644)?;
    let mut folders = std::collections::BTreeSet::from([src.clone()]);
    for (name, content) in files {
        let path = src.join(name);
        if let Some(folder) = path.parent() {
            atomic::make_dir(folder)?;
            folders
                .extend(folder.ancestors().take_while(|f| f.starts_with(&src)).map(Path::to_owned));
        }
        // A build may run what it copies; who may is for its Dockerfile to say.
        let mode = if content.starts_with(b"#!") || content.starts_with(b"\x7fELF") {
            0o755
        } else {
            0o644
        };
        atomic::write_new(&path, content, mode)?;
    }
    for folder in &folders {
        // The image gets the folders as they are here: not for the host alone.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        atomic::sync_dir(folder)?;
    }
    meta::write(part, meta)?;
    atomic::sync_dir(part)
}

fn read_tree(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for name in names(folder)? {
        let path = folder.join(&name);
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            // As deep as names are long, which was checked when they were written.
            read_tree(&path, &format!("{prefix}{name}/"), files)?;
        } else if kind.is_file() {
            files.insert(format!("{prefix}{name}"), fs::read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
