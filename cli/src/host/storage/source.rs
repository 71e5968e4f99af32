//! Which source files may be written: all of them are looked at before the first one is.
use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::dockerfile;

/// Bounds on what one program may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// How many files, the Dockerfile not counted.
    pub files: usize,
    /// Bytes in one file.
    pub file_bytes: usize,
    /// Bytes in all files together, the Dockerfile counted.
    pub total_bytes: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self { files: 2_000, file_bytes: 32 << 20, total_bytes: 64 << 20 }
    }
}

/// Longest file name with its folders, in bytes.
const MAX_PATH: usize = 512;
/// Longest part of a file name between slashes, in bytes: what common file systems take.
const MAX_PART: usize = 255;

/// What is wrong with a source file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFault {
    /// The Dockerfile has no content.
    #[error("it has no content")]
    NoContent,
    /// The name has no character.
    #[error("its name is empty")]
    EmptyName,
    /// The name begins with a slash.
    #[error("its name is absolute")]
    Absolute,
    /// The name climbs out, or has an empty or `.` part.
    #[error("its name has an empty, '.' or '..' part")]
    Climbs,
    /// The name has a NUL, a backslash or another control character.
    #[error("its name has a NUL, a backslash or a control character")]
    Character,
    /// The name, or a part of it, is too long.
    #[error("its name is longer than {MAX_PATH} bytes, or has a part longer than {MAX_PART}")]
    LongName,
    /// Another file has the same name but for upper and lower case.
    #[error("its name differs from that of {0:?} in upper and lower case only")]
    CaseCollision(String),
    /// A file with this name and a folder with this name cannot both be.
    #[error("it is both a file and a folder")]
    FileAndFolder,
    /// The name comes twice.
    #[error("its name comes twice")]
    Twice,
    /// It is a link, to a name that its builder would follow.
    #[error("it is a link")]
    Link,
    /// It is a device, a pipe or the like.
    #[error("it is no plain file")]
    Special,
    /// The Dockerfile has the engine fetch something, from where programs may not reach.
    #[error(
        "its instruction {0:?} may have the engine fetch an address: put the file beside it and say \
         COPY, or fetch it in a RUN step"
    )]
    Fetches(String),
    /// The Dockerfile is given apart.
    #[error("the Dockerfile is given apart, not among the source files")]
    Dockerfile,
    /// The file is too large.
    #[error("it has {bytes} bytes, more than {limit}")]
    Large {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        limit: usize,
    },
    /// With this file there are too many.
    #[error("it is one more than the {0} files that a program may have")]
    TooMany(usize),
    /// With this file there are too many bytes in all.
    #[error("with it the program has more than {0} bytes in all")]
    TotalLarge(usize),
}

/// A source file that is refused; nothing of its program was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source file {file:?} is refused: {fault}")]
pub struct SourceError {
    /// The name as it was given.
    pub file: String,
    /// What is wrong with it.
    pub fault: SourceFault,
}

/// Looks at the Dockerfile and all files; the first fault is the answer.
///
/// # Errors
/// [`SourceError`] names the file and the fault.
pub fn check_sources(
    dockerfile: &[u8],
    files: &BTreeMap<String, Vec<u8>>,
    limits: &SourceLimits,
) -> Result<(), SourceError> {
    let fail = |file: &str, fault| Err(SourceError { file: file.to_owned(), fault });
    if dockerfile.is_empty() {
        return fail("Dockerfile", SourceFault::NoContent);
    }
    let sizes = std::iter::once(("Dockerfile", dockerfile.len()))
        .chain(files.iter().map(|(name, content)| (name.as_str(), content.len())));
    let mut total = 0_usize;
    for (index, (name, bytes)) in sizes.enumerate() {
        if index > limits.files {
            return fail(name, SourceFault::TooMany(limits.files));
        }
        if bytes > limits.file_bytes {
            return fail(name, SourceFault::Large { bytes, limit: limits.file_bytes });
        }
        total = total.saturating_add(bytes);
        if total > limits.total_bytes {
            return fail(name, SourceFault::TotalLarge(limits.total_bytes));
        }
    }
    if let Some(instruction) = dockerfile::fetching(dockerfile) {
        return fail("Dockerfile", SourceFault::Fetches(instruction));
    }
    let mut seen = Seen::default();
    for name in files.keys() {
        if let Err(fault) = check_name(name).and_then(|()| seen.add(name)) {
            return fail(name, fault);
        }
    }
    Ok(())
}

/// Looks at one name by itself.
fn check_name(name: &str) -> Result<(), SourceFault> {
    if name.is_empty() {
        return Err(SourceFault::EmptyName);
    }
    if name.starts_with('/') {
        return Err(SourceFault::Absolute);
    }
    if name.chars().any(|c| c == '\\' || c.is_control()) {
        return Err(SourceFault::Character);
    }
    if name.len() > MAX_PATH || name.split('/').any(|part| part.len() > MAX_PART) {
        return Err(SourceFault::LongName);
    }
    if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(SourceFault::Climbs);
    }
    // What the path type itself makes of the name has the last word.
    let plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(()) } else { Err(SourceFault::Climbs) }
}

/// The names so far, folded to lower case: on some file systems two that fold alike are one file.
#[derive(Default)]
struct Seen {
    files: BTreeMap<String, String>,
    folders: BTreeMap<String, String>,
}

impl Seen {
    fn add(&mut self, name: &str) -> Result<(), SourceFault> {
        let key = name.to_lowercase();
        if key == "dockerfile" {
            return Err(SourceFault::Dockerfile);
        }
        if self.folders.contains_key(&key) {
            return Err(SourceFault::FileAndFolder);
        }
        if let Some(other) = self.files.insert(key, name.to_owned()) {
            return Err(SourceFault::CaseCollision(other));
        }
        for (slash, _) in name.match_indices('/') {
            let folder = &name[..slash];
            let key = folder.to_lowercase();
            if self.files.contains_key(&key) {
                return Err(SourceFault::FileAndFolder);
            }
            match self.folders.insert(key, folder.to_owned()) {
                Some(other) if other != folder => return Err(SourceFault::CaseCollision(other)),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(names: &[&str]) -> Result<(), SourceFault> {
        let files = names.iter().map(|name| ((*name).to_owned(), vec![1])).collect();
        check_sources(b"FROM scratch", &files, &SourceLimits::default()).map_err(|e| e.fault)
    }

    #[test]
    fn hostile_names_are_refused() {
        use SourceFault as F;
        let long = "a/".repeat(300) + "a";
        let part = "a".repeat(256);
        let table: &[(&str, F)] = &[
            ("", F::EmptyName),
            ("/etc/passwd", F::Absolute),
            ("../../x", F::Climbs),
            ("a/../../x", F::Climbs),
            ("a/..", F::Climbs),
            ("..", F::Climbs),
            (".", F::Climbs),
            ("a//b", F::Climbs),
            ("a/", F::Climbs),
            ("./a", F::Climbs),
            ("a\\..\\b", F::Character),
            ("a\0b", F::Character),
            ("a\nb", F::Character),
            ("a\u{85}b", F::Character),
            (&long, F::LongName),
            (&part, F::LongName),
            ("Dockerfile", F::Dockerfile),
            ("dockerfile", F::Dockerfile),
        ];
        for (name, fault) in table {
            assert_eq!(check(&[name]).as_ref(), Err(fault), "{name:?}");
        }
    }

    #[test]
    fn usual_names_are_taken() {
        let names = ["src/main.rs", "a b", "ü/é", ".dockerignore", "...", "-rf", "x/Dockerfile"];
        assert_eq!(check(&names), Ok(()));
    }

    #[test]
    fn two_names_for_one_file_are_refused() {
        assert!(matches!(check(&["a", "A"]), Err(SourceFault::CaseCollision(_))));
        assert!(matches!(check(&["d/a", "D/b"]), Err(SourceFault::CaseCollision(_))));
        assert_eq!(check(&["a", "a/b"]), Err(SourceFault::FileAndFolder));
        assert_eq!(check(&["A/b", "a"]), Err(SourceFault::FileAndFolder));
    }

    #[test]
    fn sizes_and_counts_are_bounded() {
        let limits = SourceLimits { files: 2, file_bytes: 20, total_bytes: 30 };
        let check = |sizes: &[usize]| {
            let named = sizes.iter().enumerate().map(|(n, size)| (format!("f{n}"), vec![0; *size]));
            check_sources(b"FROM scratch", &named.collect(), &limits).map_err(|e| e.fault)
        };
        assert_eq!(check(&[9, 9]), Ok(()));
        assert_eq!(check(&[1, 1, 1]), Err(SourceFault::TooMany(2)));
        assert_eq!(check(&[21]), Err(SourceFault::Large { bytes: 21, limit: 20 }));
        assert_eq!(check(&[10, 10]), Err(SourceFault::TotalLarge(30)));
    }

    proptest! {
        #[test]
        fn a_name_that_passes_stays_in_its_folder(name in "[./\\\\a-c\0]{0,12}") {
            if check(&[&name]).is_ok() {
                let joined = Path::new("/base/src").join(&name);
                prop_assert!(joined.components().all(|c| c != Component::ParentDir));
                prop_assert!(joined.starts_with("/base/src") && joined != Path::new("/base/src"));
            }
        }
    }
}
