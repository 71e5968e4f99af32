//! The durable stores, as several processes open them.

use std::sync::Arc;

use hersh::kharon::Store;

#[cfg(feature = "kharon-postgres")]
use crate::postgres::Schema;

/// Where tickets are, in words that a child process can be told.
pub(super) struct Place {
    pub(super) words: String,
    #[cfg(feature = "kharon-postgres")]
    schema: Option<Schema>,
    #[cfg(feature = "kharon-sqlite")]
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// An empty store in PostgreSQL, if there is a server.
    #[cfg(feature = "kharon-postgres")]
    pub(super) fn postgres() -> Option<Self> {
        let schema = Schema::new()?;
        drop(schema.open());
        Some(Self {
            words: format!("postgres {} {}", schema.name, schema.address),
            schema: Some(schema),
            #[cfg(feature = "kharon-sqlite")]
            _folder: None,
        })
    }

    /// An empty store in a file.
    #[cfg(feature = "kharon-sqlite")]
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            words: format!("sqlite {}", folder.path().join("tickets.db").display()),
            #[cfg(feature = "kharon-postgres")]
            schema: None,
            _folder: Some(folder),
        }
    }

    pub(super) fn open(&self) -> Arc<dyn Store> {
        open(&self.words)
    }

    /// That what is kept of tickets agrees with itself, while nobody is at work.
    pub(super) fn assert_in_order(&self) {
        #[cfg(feature = "kharon-postgres")]
        self.schema.iter().for_each(Schema::assert_in_order);
        #[cfg(feature = "kharon-sqlite")]
        if let Some(("sqlite", path)) = self.words.split_once(' ') {
            hersh::kharon::SqliteStore::open(path).unwrap().verify().unwrap();
        }
    }
}

/// Opens the store that a parent speaks of.
pub(super) fn open(words: &str) -> Arc<dyn Store> {
    match words.split_once(' ').unwrap() {
        #[cfg(feature = "kharon-postgres")]
        ("postgres", place) => {
            use hersh::kharon::store::postgres::PostgresOptions;
            let (schema, address) = place.split_once(' ').unwrap();
            let options = PostgresOptions::new().schema(schema).connections(3);
            Arc::new(options.connect(address).unwrap())
        }
        #[cfg(feature = "kharon-sqlite")]
        ("sqlite", path) => Arc::new(hersh::kharon::SqliteStore::open(path).unwrap()),
        (other, _) => panic!("no store {other}"),
    }
}
