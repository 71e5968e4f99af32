//! The file: made whole or not at all, and left alone when it is not ours.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::schema::{APPLICATION_ID, STEPS};
use super::{Durability, SqliteOptions};
use crate::kharon::error::{StoreError, StoreFault};

/// Each transaction writes every page that it touches, whole: small ones are less to write.
const PAGE_BYTES: u32 = 2048;

/// From how many pages on the log is copied into the file: 16 MiB. The same few pages change again
/// and again; copying them back less often writes them less.
const LOG_PAGES: u32 = 8192;

/// The bytes before the pages of a SQLite file that say what it is (SQLite file format, 1.3).
struct Header([u8; 100]);

impl Header {
    fn number(&self, at: usize) -> u32 {
        let bytes = [self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]];
        u32::from_be_bytes(bytes)
    }

    /// How long the file says that it is, if it can be believed.
    fn length(&self) -> Option<u64> {
        let page = match u16::from_be_bytes([self.0[16], self.0[17]]) {
            1 => 65536,
            size => u64::from(size),
        };
        (self.number(24) == self.number(92)).then(|| page * u64::from(self.number(28)))
    }
}

/// Opens the file for writing, making it if there is none, and brings its tables up to date.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let io = |error: io::Error| trouble(path, &error);
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => inspect(path, metadata.len())?,
        Ok(_) => {
            fs::remove_file(path).map_err(io)?;
            create(path).map_err(io)??;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map_err(io)??,
        Err(error) => return Err(io(error)),
    }
    let mut connection = connect(path, options)?;
    let synchronous = match options.durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens the file for reading.
pub(super) fn reader(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let connection = connect(path, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Plans must not hang on the values bound, or statements are prepared anew for other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Looks at a file that is there, without changing it.
fn inspect(path: &Path, length: u64) -> Result<(), StoreError> {
    let refuse = |fault, what: &str| {
        Err(StoreError::new(fault, format!("{} {what}; it was left as it is", path.display())))
    };
    let mut header = Header([0; 100]);
    let mut file = File::open(path).map_err(|error| trouble(path, &error))?;
    let ours = file.read_exact(&mut header.0).is_ok()
        && header.0.starts_with(b"SQLite format 3\0")
        && header.number(68) == APPLICATION_ID;
    if !ours {
        return refuse(StoreFault::Foreign, "is not a store of tickets");
    }
    // While there is a log, pages that are missing here may be there.
    let log = fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
    if log == 0 && header.length().is_some_and(|expected| length < expected) {
        return refuse(StoreFault::Corrupt, "is shorter than it was");
    }
    Ok(())
}

/// Makes the file elsewhere and moves it in place, so that nobody ever sees a part of it.
fn create(path: &Path) -> io::Result<Result<(), StoreError>> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let draft = beside(path, &format!(".{}-{number}.new", std::process::id()));
    let drawn = draw(&draft);
    let placed = match &drawn {
        Ok(()) => place(&draft, path),
        Err(_) => Ok(()),
    };
    let removed = fs::remove_file(&draft);
    if drawn.is_ok() {
        placed?;
        removed?;
    }
    Ok(drawn)
}

fn draw(draft: &Path) -> Result<(), StoreError> {
    let mut connection = Connection::open(draft)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut connection)?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(draft).and_then(|file| file.sync_all()).map_err(|error| trouble(draft, &error))
}

/// Gives a draft its name, unless somebody else was faster.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Brings the tables up to date, in one step or not at all.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > STEPS.len() {
        let message = format!(
            "the store has tables of version {version}, later than {}, and was left as it is",
            STEPS.len()
        );
        return Err(StoreError::new(StoreFault::TooNew, message));
    }
    if version < STEPS.len() {
        for step in &STEPS[version..] {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(0))?;
    }
    transaction.commit()?;
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn trouble(path: &Path, error: &io::Error) -> StoreError {
    let fault = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreFault::Full,
        _ => StoreFault::Broken,
    };
    StoreError::new(fault, format!("{}: {error}", path.display()))
}
