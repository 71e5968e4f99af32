//! Building a watcher.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::cancel::CancelToken;
use super::config::{Config, ConfigError};
use super::handle::Watcher;
use crate::drive::{Body, Cell, Parts};
use crate::runtime::Threads;

/// Collects what a watcher is made of. See [`Watcher::builder`].
pub struct Builder {
    id: Option<String>,
    name: String,
    config: Config,
    env: BTreeMap<String, String>,
    parent: Option<CancelToken>,
    seed: Option<u64>,
    body: Option<Arc<dyn Body>>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            id: None,
            name: "watcher".to_owned(),
            config: Config::default(),
            env: BTreeMap::new(),
            parent: None,
            seed: None,
            body: None,
        }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn simulated(id: String, seed: u64, body: Arc<dyn Body>) -> Self {
        Self { id: Some(id), seed: Some(seed), body: Some(body), ..Self::new() }
    }

    /// The name, for people. Default `watcher`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The configuration.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds one environment value, which the managed function reads with `Context::get_env`.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Adds environment values.
    #[must_use]
    pub fn envs<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.env.extend(pairs.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// A token whose cancellation stops the watcher.
    #[must_use]
    pub fn parent(mut self, parent: &CancelToken) -> Self {
        self.parent = Some(parent.clone());
        self
    }

    /// The seed of the jitter of recovery delays. Default random.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Builds the watcher.
    ///
    /// # Errors
    /// When a field of the configuration makes no sense.
    pub fn build(self) -> Result<Watcher, ConfigError> {
        self.config.check()?;
        let id = self.id.unwrap_or_else(|| format!("{}-{:016x}", self.name, random()));
        let seed = self.seed.unwrap_or_else(random);
        let parts = Parts {
            id: Arc::from(id),
            name: Arc::from(self.name),
            config: self.config,
            env: self.env,
            seed,
            body: self.body.unwrap_or_else(|| Arc::new(Threads::new())),
        };
        Ok(Watcher::new(Cell::new(parts), self.parent))
    }
}

/// A number that nobody can foresee; not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
