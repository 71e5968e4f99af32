//! The stores that hersh brings along.

use std::path::PathBuf;
use std::sync::Arc;

use hersh::kharon::store::Store;
use hersh::kharon::{Durability, SqliteOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::clock::VirtualClock;
use super::errors;
use super::store::PyStore;
use crate::config;
use crate::interpreter::{generation, survived};

/// Keeps tickets in memory: they end with the process.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct MemoryStore {
    store: Arc<dyn Store>,
    made: u32,
}

#[pymethods]
impl MemoryStore {
    #[new]
    #[pyo3(signature = (*, clock=None))]
    fn new(clock: Option<&Bound<'_, VirtualClock>>) -> Self {
        let store: Arc<dyn Store> = match clock {
            None => Arc::new(hersh::kharon::MemoryStore::new()),
            Some(clock) => {
                Arc::new(hersh::kharon::MemoryStore::with_clock(Arc::clone(&clock.get().0)))
            }
        };
        Self { store, made: generation() }
    }
}

/// Keeps tickets in a SQLite file, for the processes of one machine.
#[pyclass(frozen, module = "hersh.kharon")]
pub(crate) struct SqliteStore {
    store: Arc<hersh::kharon::SqliteStore>,
    made: u32,
}

#[pymethods]
impl SqliteStore {
    #[new]
    #[pyo3(signature = (path, *, durability="full", busy_timeout=None, clock=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        durability: &str,
        busy_timeout: Option<&Bound<'_, PyAny>>,
        clock: Option<&Bound<'_, VirtualClock>>,
    ) -> PyResult<Self> {
        let durability = match durability {
            "full" => Durability::Full,
            "normal" => Durability::Normal,
            other => {
                let words = format!("durability is \"full\" or \"normal\", not {other:?}");
                return Err(PyValueError::new_err(words));
            }
        };
        let mut options = SqliteOptions { durability, ..SqliteOptions::default() };
        if let Some(busy_timeout) = busy_timeout {
            options.busy_timeout = config::seconds(busy_timeout, "busy_timeout")?;
        }
        let clock = clock.map(|clock| Arc::clone(&clock.get().0));
        let opened = py.detach(|| match clock {
            None => hersh::kharon::SqliteStore::open_with(
                path,
                &options,
                hersh::kharon::SystemClock::new(),
            ),
            Some(clock) => hersh::kharon::SqliteStore::open_with(path, &options, clock),
        });
        let store = Arc::new(opened.map_err(|error| errors::store(&error))?);
        Ok(Self { store, made: generation() })
    }

    /// The file.
    #[getter]
    fn path(&self) -> PathBuf {
        self.store.path().to_owned()
    }

    /// Looks through the whole file. ``StoreError`` with the fault ``corrupt``.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        survived(self.made, "SqliteStore")?;
        py.detach(|| self.store.verify()).map_err(|error| errors::store(&error))
    }
}

/// A store of the core: one that hersh brings along, or one written in Python.
pub(crate) fn store(given: &Bound<'_, PyAny>) -> PyResult<Arc<dyn Store>> {
    if let Ok(memory) = given.cast::<MemoryStore>() {
        survived(memory.get().made, "MemoryStore")?;
        return Ok(Arc::clone(&memory.get().store));
    }
    if let Ok(sqlite) = given.cast::<SqliteStore>() {
        survived(sqlite.get().made, "SqliteStore")?;
        return Ok(Arc::clone(&sqlite.get().store) as Arc<dyn Store>);
    }
    #[cfg(feature = "kharon-postgres")]
    if let Ok(postgres) = given.cast::<postgres::NativePostgres>() {
        return postgres.get().store();
    }
    Ok(Arc::new(PyStore::new(given)?))
}

/// Keeps tickets in PostgreSQL, for many processes on many machines.
#[pyfunction]
#[pyo3(signature = (address, *, schema, connections, patience, listen))]
#[cfg_attr(
    not(feature = "kharon-postgres"),
    expect(unused_variables, reason = "there is none to open")
)]
pub(crate) fn open_postgres<'py>(
    py: Python<'py>,
    address: &str,
    schema: &str,
    connections: usize,
    patience: &Bound<'py, PyAny>,
    listen: bool,
) -> PyResult<Bound<'py, PyAny>> {
    #[cfg(feature = "kharon-postgres")]
    return postgres::open(py, address, schema, connections, patience, listen);
    #[cfg(not(feature = "kharon-postgres"))]
    Err(errors::missing(
        "this build of hersh has no PostgresStore, so that it links no async runtime: build one \
         that has it, by `MATURIN_PEP517_ARGS='--features kharon-postgres' pip install ./python`, or by \
         `python/wheel OUT --features kharon-postgres`",
    ))
}

#[cfg(feature = "kharon-postgres")]
mod postgres {
    use hersh::kharon::store::postgres::PostgresOptions;

    use super::{Arc, Bound, Py, PyAny, PyResult, Python, Store, errors, generation, survived};
    use pyo3::prelude::*;

    use crate::config;

    /// A store in PostgreSQL.
    #[pyclass(frozen, module = "hersh.kharon", name = "NativePostgres")]
    pub(crate) struct NativePostgres {
        store: Arc<dyn Store>,
        made: u32,
    }

    impl NativePostgres {
        pub(super) fn store(&self) -> PyResult<Arc<dyn Store>> {
            survived(self.made, "PostgresStore")?;
            Ok(Arc::clone(&self.store))
        }
    }

    pub(super) fn open<'py>(
        py: Python<'py>,
        address: &str,
        schema: &str,
        connections: usize,
        patience: &Bound<'py, PyAny>,
        listen: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = PostgresOptions::new()
            .schema(schema)
            .connections(connections)
            .patience(config::seconds(patience, "patience")?)
            .listen(listen);
        let opened = py.detach(|| options.connect(address));
        let store = Arc::new(opened.map_err(|error| errors::store(&error))?);
        let native = Py::new(py, NativePostgres { store, made: generation() })?;
        Ok(native.into_bound(py).into_any())
    }
}
