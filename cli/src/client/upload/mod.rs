//! What `deploy` sends: the build context of a folder.

mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use thiserror::Error;

pub use self::rules::{Rules, RulesError};
use crate::output::{Exit, Failure};
use crate::units::ByteSize;
use crate::wire::CreateProgram;

/// More files than this are not sent; a host takes no more.
pub const MAX_FILES: usize = 2_000;
/// More bytes than this are not sent; a host takes no more.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

// Deeper folders than this come from a mistake, or a loop through a mount.
const MAX_DEPTH: usize = 64;

/// Why a folder cannot be sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UploadError {
    /// Not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// There is no Dockerfile.
    #[error("there is no Dockerfile at {}", path.display())]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The rules of what to leave out cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RulesError,
    },
    /// Something that cannot be sent.
    #[error("{} cannot be sent: {reason}", path.display())]
    Unsendable {
        /// What.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// Too much.
    #[error("{} holds more than {limit}", path.display())]
    TooMuch {
        /// The folder.
        path: PathBuf,
        /// The limit that it passes.
        limit: String,
    },
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let failure = Failure::new(Exit::Usage, error.to_string());
        match error {
            UploadError::NotAFolder { .. } => failure.with_remedy("name the folder to deploy"),
            UploadError::NoDockerfile { .. } => {
                failure.with_remedy("write one, or name it with --file")
            }
            UploadError::Unsendable { .. } | UploadError::TooMuch { .. } => {
                failure.with_remedy("leave out what the build does not need in .dockerignore")
            }
            UploadError::Rules { .. } => failure.with_remedy("mend that line"),
            UploadError::Read { .. } => {
                failure.with_remedy("see its permissions, or leave it out in .dockerignore")
            }
        }
    }
}

/// A build context, read into memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// The other files, by name relative to the folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The sum of their sizes.
    pub bytes: u64,
}

impl Context {
    /// Reads the folder `dir`, without what its `.dockerignore` leaves out. `dockerfile` is the
    /// Dockerfile where it is not `dir/Dockerfile`.
    ///
    /// Links are sent as what they point to, and must point to a file inside the folder: anything
    /// else could send what its owner did not mean to.
    ///
    /// # Errors
    /// [`UploadError`] with the path it is about.
    pub fn read(dir: &Path, dockerfile: Option<&Path>) -> Result<Self, UploadError> {
        let at = |path: &Path| path.to_owned();
        let root = dir.canonicalize().ok().filter(|path| path.is_dir());
        let root = root.ok_or_else(|| UploadError::NotAFolder { path: at(dir) })?;
        let file = dockerfile.map_or_else(|| root.join("Dockerfile"), Path::to_owned);
        let text = read_file(&file, MAX_BYTES).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => UploadError::NoDockerfile { path: at(&file) },
            _ => UploadError::Read { path: at(&file), source },
        })?;
        let text = String::from_utf8(text).map_err(|_| UploadError::Unsendable {
            path: at(&file),
            reason: "a Dockerfile must be UTF-8 text",
        })?;
        let rules = read_rules(&root, &file)?;
        let canonical = file.canonicalize().unwrap_or(file);
        let context = Self { dockerfile: text, ..Self::default() };
        let mut walk = Walk { root: &root, rules: &rules, dockerfile: &canonical, context };
        walk.folder(&root, "", 0)?;
        Ok(walk.context)
    }

    /// Puts the files into the body of a request.
    pub fn into_body(self, body: &mut CreateProgram) {
        body.dockerfile = self.dockerfile;
        for (name, content) in self.files {
            match String::from_utf8(content) {
                Ok(text) => body.src_files.insert(name, text),
                Err(binary) => {
                    let encoded = base64::prelude::BASE64_STANDARD.encode(binary.as_bytes());
                    body.src_files_base64.insert(name, encoded)
                }
            };
        }
    }
}

fn read_rules(root: &Path, dockerfile: &Path) -> Result<Rules, UploadError> {
    // A Dockerfile may have rules of its own beside it, which then replace the folder's.
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    for path in [PathBuf::from(own), root.join(".dockerignore")] {
        match fs::read_to_string(&path) {
            Ok(text) => {
                return Rules::parse(&text).map_err(|source| UploadError::Rules { path, source });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(UploadError::Read { path, source }),
        }
    }
    Ok(Rules::default())
}

struct Walk<'a> {
    root: &'a Path,
    rules: &'a Rules,
    dockerfile: &'a Path,
    context: Context,
}

impl Walk<'_> {
    fn folder(&mut self, dir: &Path, prefix: &str, depth: usize) -> Result<(), UploadError> {
        let failed = |source| UploadError::Read { path: dir.to_owned(), source };
        if depth > MAX_DEPTH {
            let limit = format!("{MAX_DEPTH} folders inside one another");
            return Err(UploadError::TooMuch { path: self.root.to_owned(), limit });
        }
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str().map(|name| format!("{prefix}{name}")) else {
                // Rules are text: one that leaves out a name which is not cannot be written, but
                // its folder can be left out.
                return Err(UploadError::Unsendable { path, reason: "its name is not UTF-8" });
            };
            // What `hersh dev` keeps there is of this machine.
            let left_out = self.rules.leaves_out(&name) || name == ".hersh";
            if kind.is_dir() {
                if !left_out || self.rules.takes_back() {
                    self.folder(&path, &format!("{name}/"), depth + 1)?;
                }
            } else if !left_out && path != self.dockerfile && name != "Dockerfile" {
                self.file(path, name, kind)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, name: String, kind: fs::FileType) -> Result<(), UploadError> {
        if kind.is_symlink() {
            let inside =
                path.canonicalize().is_ok_and(|to| to.starts_with(self.root) && to.is_file());
            if !inside {
                let reason = "it is a link to something that is no file of the folder";
                return Err(UploadError::Unsendable { path, reason });
            }
        } else if !kind.is_file() {
            return Err(UploadError::Unsendable { path, reason: "it is neither file nor folder" });
        }
        let too_much = |limit: String| UploadError::TooMuch { path: self.root.to_owned(), limit };
        if self.context.files.len() == MAX_FILES {
            return Err(too_much(format!("{MAX_FILES} files")));
        }
        let left = MAX_BYTES - self.context.bytes;
        match read_file(&path, left) {
            Ok(content) => {
                self.context.bytes += content.len() as u64;
                self.context.files.insert(name, content);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(too_much(format!("{} bytes", ByteSize(MAX_BYTES))))
            }
            Err(source) => Err(UploadError::Read { path, source }),
        }
    }
}

fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        dir
    }

    fn names(context: &Context) -> Vec<&str> {
        context.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_folder_is_read_without_what_is_left_out() {
        let dir = folder(&[
            ("Dockerfile", b"FROM scratch"),
            (".dockerignore", b"target\n!target/keep\n**/*.log\n"),
            ("src/main.py", b"print()"),
            ("src/run.log", b"x"),
            ("target/debug/x", b"x"),
            ("target/keep", b"x"),
        ]);
        let context = Context::read(dir.path(), None).unwrap();
        assert_eq!(context.dockerfile, "FROM scratch");
        assert_eq!(names(&context), [".dockerignore", "src/main.py", "target/keep"]);
    }

    #[test]
    fn binary_files_arrive_in_the_body() {
        let dir = folder(&[("Dockerfile", b"FROM scratch"), ("bin", b"\x7fELF\xff"), ("t", b"t")]);
        let mut body = CreateProgram::default();
        Context::read(dir.path(), None).unwrap().into_body(&mut body);
        assert_eq!(body.src_files["t"], "t");
        assert_eq!(body.src_files_base64["bin"], "f0VMRv8=");
    }

    #[test]
    fn links_out_of_the_folder_are_refused_and_links_inside_are_followed() {
        let dir = folder(&[("Dockerfile", b"FROM scratch"), ("a", b"a")]);
        std::os::unix::fs::symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(names(&Context::read(dir.path(), None).unwrap()), ["a", "b"]);
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("c")).unwrap();
        let error = Context::read(dir.path(), None).unwrap_err();
        assert!(matches!(error, UploadError::Unsendable { .. }), "{error}");
    }

    #[test]
    fn a_fifo_does_not_hang_the_command() {
        let dir = folder(&[("Dockerfile", b"FROM scratch")]);
        let socket = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = Context::read(dir.path(), None).unwrap_err();
        assert!(error.to_string().contains("neither file nor folder"), "{error}");
    }

    #[test]
    fn another_dockerfile_and_its_own_rules() {
        let dir = folder(&[
            ("Dockerfile", b"one"),
            ("docker/prod", b"two"),
            ("docker/prod.dockerignore", b"a"),
            (".dockerignore", b"b"),
            ("a", b""),
            ("b", b""),
        ]);
        let prod = dir.path().join("docker/prod");
        let context = Context::read(dir.path(), Some(&prod)).unwrap();
        assert_eq!(context.dockerfile, "two");
        assert_eq!(names(&context), [".dockerignore", "b", "docker/prod.dockerignore"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = folder(&[("a", b"")]);
        let error = Context::read(dir.path(), None).unwrap_err();
        assert!(matches!(error, UploadError::NoDockerfile { .. }), "{error}");
        let error = Context::read(&dir.path().join("a"), None).unwrap_err();
        assert!(matches!(error, UploadError::NotAFolder { .. }), "{error}");
    }
}
