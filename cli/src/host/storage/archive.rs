//! Sources that come as one tar archive. It is read into memory within the bounds of
//! [`SourceLimits`], and nothing of it is written anywhere.
use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::source::{SourceError, SourceFault, SourceLimits, check_sources};

/// What an archive spends on each file beyond its content: header, padding, a long name.
const OVERHEAD: u64 = 4 << 10;

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The Dockerfile's content.
    pub dockerfile: Vec<u8>,
    /// The other files by their names.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Why an archive cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file in it is refused.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is no tar archive, it ends in the middle, or it could not be read.
    #[error("the archive cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads a tar archive with a Dockerfile at its top, and looks at all that [`check_sources`] looks
/// at, so that what it returns can be written down as it is.
///
/// Plain files and folders alone are taken: links, devices, pipes and sparse files are refused by
/// name, and so is a name that comes twice. However large it says it is or becomes, no more is read
/// of it than a program may have. It is not decompressed: `gzip -d` goes before it.
///
/// ```
/// use hersh_cli::host::storage::{SourceLimits, read_tar};
///
/// let mut builder = tar::Builder::new(Vec::new());
/// let mut header = tar::Header::new_gnu();
/// header.set_size(12);
/// builder.append_data(&mut header, "./Dockerfile", &b"FROM scratch"[..])?;
/// let archive = builder.into_inner()?;
/// let unpacked = read_tar(archive.as_slice(), &SourceLimits::default())?;
/// assert_eq!(unpacked.dockerfile, b"FROM scratch");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ArchiveError`].
pub fn read_tar(archive: impl Read, limits: &SourceLimits) -> Result<Unpacked, ArchiveError> {
    let most = (limits.total_bytes as u64).saturating_add(OVERHEAD * (limits.files as u64 + 2));
    let mut archive = Archive::new(Bounded { inner: archive, left: most });
    let mut dockerfile = None;
    let mut files = BTreeMap::new();
    let mut total = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some((name, is_folder)) = name_of(&entry)? else { continue };
        let fail = |fault| ArchiveError::Source(SourceError { file: name.clone(), fault });
        if is_folder {
            // An empty one is not kept: the others are made for their files.
            continue;
        }
        if files.len() > limits.files {
            return Err(fail(SourceFault::TooMany(limits.files)));
        }
        let content = content_of(&mut entry, limits, &mut total).map_err(|error| match error {
            Fault::Source(fault) => fail(fault),
            Fault::Read(error) => ArchiveError::Read(error),
        })?;
        let earlier = if name == "Dockerfile" {
            dockerfile.replace(content).is_some()
        } else {
            files.insert(name.clone(), content).is_some()
        };
        if earlier {
            return Err(fail(SourceFault::Twice));
        }
    }
    let dockerfile = dockerfile.unwrap_or_default();
    check_sources(&dockerfile, &files, limits)?;
    Ok(Unpacked { dockerfile, files })
}

/// The name of an entry and whether it is a folder; none for what is neither file nor folder and
/// means nothing here.
fn name_of<R: Read>(entry: &Entry<'_, R>) -> Result<Option<(String, bool)>, SourceError> {
    let bytes = entry.path_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let fail = |fault| Err(SourceError { file: text.clone().into_owned(), fault });
    let is_folder = match entry.header().entry_type() {
        EntryType::Regular => false,
        EntryType::Directory => true,
        // What `git archive` says of the whole.
        EntryType::XGlobalHeader => return Ok(None),
        EntryType::Link | EntryType::Symlink => return fail(SourceFault::Link),
        _ => return fail(SourceFault::Special),
    };
    if std::str::from_utf8(&bytes).is_err() {
        return fail(SourceFault::Character);
    }
    // `tar -c .` writes every name like this.
    let name = text.strip_prefix("./").unwrap_or(&text);
    let name = if is_folder { name.trim_end_matches('/') } else { name };
    if is_folder {
        // Those of files are looked at with all the others.
        let climbs = name.split('/').any(|part| part == "..");
        if climbs || text.starts_with('/') {
            return fail(if climbs { SourceFault::Climbs } else { SourceFault::Absolute });
        }
    }
    Ok(Some((name.to_owned(), is_folder)))
}

enum Fault {
    Source(SourceFault),
    Read(io::Error),
}

fn content_of<R: Read>(
    entry: &mut Entry<'_, R>,
    limits: &SourceLimits,
    total: &mut usize,
) -> Result<Vec<u8>, Fault> {
    let bytes = usize::try_from(entry.size()).unwrap_or(usize::MAX);
    if bytes > limits.file_bytes {
        return Err(Fault::Source(SourceFault::Large { bytes, limit: limits.file_bytes }));
    }
    *total = total.saturating_add(bytes);
    if *total > limits.total_bytes {
        return Err(Fault::Source(SourceFault::TotalLarge(limits.total_bytes)));
    }
    // What it says of itself was checked, and no more room is taken before it has been sent.
    let mut content = Vec::new();
    entry.read_to_end(&mut content).map_err(Fault::Read)?;
    if content.len() == bytes { Ok(content) } else { Err(Fault::Read(ended())) }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in the middle of a file")
}

/// Reads no more than so many bytes; more is an error, not an end.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("it is longer than all that a program may have"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn limits() -> SourceLimits {
        SourceLimits { files: 3, file_bytes: 100, total_bytes: 200 }
    }

    /// An archive of these names as they stand: the crate's own writer would refuse the bad ones.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            if matches!(kind, EntryType::Link | EntryType::Symlink) {
                header.set_link_name_literal("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn fault(entries: &[(&str, EntryType, &[u8])]) -> SourceFault {
        match read_tar(archive(entries).as_slice(), &limits()) {
            Err(ArchiveError::Source(error)) => error.fault,
            other => panic!("{other:?}"),
        }
    }

    const DOCKERFILE: (&str, EntryType, &[u8]) =
        ("Dockerfile", EntryType::Regular, b"FROM scratch");

    #[test]
    fn files_and_folders_are_taken() {
        let entries = [
            ("./", EntryType::Directory, &b""[..]),
            ("./Dockerfile", EntryType::Regular, b"FROM scratch"),
            ("./src/", EntryType::Directory, b""),
            ("./src/a", EntryType::Regular, b"a"),
            ("b", EntryType::Regular, b""),
        ];
        let unpacked = read_tar(archive(&entries).as_slice(), &limits()).unwrap();
        assert_eq!(unpacked.dockerfile, b"FROM scratch");
        let files: Vec<_> = unpacked.files.keys().map(String::as_str).collect();
        assert_eq!(files, ["b", "src/a"]);
    }

    #[test]
    fn all_but_plain_files_in_their_place_is_refused_by_name() {
        use SourceFault as F;
        let file = |name| [DOCKERFILE, (name, EntryType::Regular, &b"x"[..])];
        let other = |kind| [DOCKERFILE, ("x", kind, &b""[..])];
        for kind in [EntryType::Symlink, EntryType::Link] {
            assert_eq!(fault(&other(kind)), F::Link);
        }
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::Continuous] {
            assert_eq!(fault(&other(kind)), F::Special, "{kind:?}");
        }
        assert_eq!(fault(&file("../x")), F::Climbs);
        assert_eq!(fault(&file("a/../../x")), F::Climbs);
        assert_eq!(fault(&file("/etc/x")), F::Absolute);
        assert_eq!(fault(&file(".//x")), F::Absolute);
        assert_eq!(fault(&file("a\\b")), F::Character);
        assert_eq!(fault(&file("dockerfile")), F::Dockerfile);
        assert_eq!(fault(&[DOCKERFILE, ("../x/", EntryType::Directory, b"")]), F::Climbs);
        assert_eq!(fault(&[DOCKERFILE, DOCKERFILE]), F::Twice);
        let twice = [DOCKERFILE, ("a", EntryType::Regular, b"1"), ("a", EntryType::Regular, b"2")];
        assert_eq!(fault(&twice), F::Twice);
        let folded = [DOCKERFILE, ("a", EntryType::Regular, b"1"), ("A", EntryType::Regular, b"2")];
        assert!(matches!(fault(&folded), F::CaseCollision(_)));
        assert_eq!(fault(&[("a", EntryType::Regular, b"x")]), F::NoContent);
    }

    #[test]
    fn no_more_is_read_than_a_program_may_have() {
        let large = [0_u8; 101];
        let one = [DOCKERFILE, ("a", EntryType::Regular, &large[..])];
        assert_eq!(fault(&one), SourceFault::Large { bytes: 101, limit: 100 });
        let names = ["a", "b", "c"].map(|name| (name, EntryType::Regular, &large[..70]));
        assert_eq!(fault(&names), SourceFault::TotalLarge(200));
        let many = ["a", "b", "c", "d", "e"].map(|name| (name, EntryType::Regular, &b""[..]));
        assert_eq!(fault(&many), SourceFault::TooMany(3));
        // A file that says it is huge takes no room; an archive that never ends is not read on.
        let mut header = Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_size(90);
        header.set_cksum();
        let cut = header.as_bytes().to_vec();
        assert!(matches!(read_tar(cut.as_slice(), &limits()), Err(ArchiveError::Read(_))));
        let mut endless = Header::new_gnu();
        endless.set_entry_type(EntryType::XGlobalHeader);
        endless.set_size(u64::MAX / 2);
        endless.set_cksum();
        let stream = io::Cursor::new(endless.as_bytes().to_vec()).chain(io::repeat(b'x'));
        assert!(read_tar(stream, &limits()).is_err());
        assert!(matches!(read_tar(io::repeat(b'x'), &limits()), Err(ArchiveError::Read(_))));
    }
}
