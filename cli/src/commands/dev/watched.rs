//! Whether the files of a program have changed.
//!
//! Their times and sizes are looked at, and nobody is told by the system: that works on every file
//! system, needs no handle a file, and costs a few milliseconds a look for the few files that a
//! program has.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::client::upload::Rules;

// More files than this are no program's sources; what lies beyond is not looked at.
const MAX_FILES: usize = 20_000;
const MAX_DEPTH: usize = 32;

// What compilers and installers write, and nobody edits.
const LEFT_OUT: &[&str] =
    &["target", "build", "dist", "vendor", "node_modules", "__pycache__", "Cargo.lock"];

/// The files of a folder, at any time.
pub(super) struct Watched {
    root: PathBuf,
    rules: Rules,
    // As they were when the program was started.
    known: u64,
    // As they were at the last look, if that was different.
    changing: Option<u64>,
}

impl Watched {
    /// The folder as it is now. `rules` say what else is left out.
    pub(super) fn new(root: &Path, rules: Rules) -> Self {
        let mut watched = Self { root: root.to_owned(), rules, known: 0, changing: None };
        watched.known = watched.look();
        watched
    }

    /// Whether something has changed since the program was started, and has come to rest: two looks
    /// in a row have found the same. Writing many files thus leads to one start.
    pub(super) fn has_changed(&mut self) -> bool {
        let now = self.look();
        if now == self.known {
            self.changing = None;
            return false;
        }
        if self.changing.replace(now) == Some(now) {
            self.known = now;
            self.changing = None;
            return true;
        }
        false
    }

    fn look(&self) -> u64 {
        let mut digest = DefaultHasher::new();
        let mut left = MAX_FILES;
        self.folder(&self.root, "", 0, &mut left, &mut digest);
        digest.finish()
    }

    // A file that goes while it is looked at is one that has changed: the next look sees it.
    fn folder(
        &self,
        dir: &Path,
        prefix: &str,
        depth: usize,
        left: &mut usize,
        digest: &mut DefaultHasher,
    ) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        for name in names {
            let Some(text) = name.to_str() else { continue };
            let path = format!("{prefix}{text}");
            if text.starts_with('.') || LEFT_OUT.contains(&text) || self.rules.leaves_out(&path) {
                continue;
            }
            if *left == 0 {
                return;
            }
            *left -= 1;
            let full = dir.join(&name);
            let Ok(meta) = fs::symlink_metadata(&full) else { continue };
            if meta.is_dir() {
                if depth < MAX_DEPTH {
                    self.folder(&full, &format!("{path}/"), depth + 1, left, digest);
                }
            } else {
                (path, meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino()).hash(digest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_has_come_to_rest() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("src")).unwrap();
        fs::write(at("src/main.py"), "1").unwrap();
        let mut watched = Watched::new(dir.path(), Rules::default());
        assert!(!watched.has_changed());
        fs::write(at("src/main.py"), "22").unwrap();
        assert!(!watched.has_changed(), "it may still be written");
        fs::write(at("src/main.py"), "333").unwrap();
        assert!(!watched.has_changed());
        assert!(watched.has_changed());
        assert!(!watched.has_changed(), "told once");
        fs::remove_file(at("src/main.py")).unwrap();
        assert!(!watched.has_changed());
        assert!(watched.has_changed());
    }

    #[test]
    fn what_compilers_write_and_what_is_left_out_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let rules = Rules::parse("*.log\ndata\n").unwrap();
        let mut watched = Watched::new(dir.path(), rules);
        for name in ["target/x", ".hersh/state/x", "__pycache__/x", "a.log", "data/x", "Cargo.lock"]
        {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert!(!watched.has_changed());
        assert!(!watched.has_changed());
    }
}
