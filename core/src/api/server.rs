//! The server of one watcher.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::config::ApiConfig;
use super::error::ApiError;
use super::routes::Api;
use crate::Watcher;
use crate::drive::lock;
use crate::http::{Gate, GateConfig};
use crate::sync::Mutex;

/// A watcher's place for its server. Dropping it ends the server.
#[derive(Debug, Default)]
pub(crate) struct Server {
    gate: Mutex<Option<Gate>>,
}

impl Watcher {
    /// Serves the WatcherAPI at `address` and returns where it listens: `"127.0.0.1:8080"`, or
    /// port 0 to have a free one picked.
    ///
    /// The server runs on threads of its own. It serves in every state, before `start()` and after
    /// the end too, until [`stop_api_server`](Self::stop_api_server) is called or the last handle
    /// of the watcher is dropped.
    ///
    /// # Errors
    /// [`ApiError`]: not an address, a port that is taken, or a server that runs already.
    ///
    /// # Examples
    ///
    /// ```
    /// let watcher = hersh::Watcher::builder().name("prices").build()?;
    /// let address = watcher.start_api_server("127.0.0.1:0")?;
    /// println!("curl http://{address}/watcher/status");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_api_server(&self, address: impl ToSocketAddrs) -> Result<SocketAddr, ApiError> {
        let mut found = address.to_socket_addrs().map_err(|source| ApiError::Address { source })?;
        let nothing = || ApiError::Address { source: io::ErrorKind::NotFound.into() };
        let address = found.next().ok_or_else(nothing)?;
        self.start_api_server_with(ApiConfig { address, ..ApiConfig::default() })
    }

    /// Like [`start_api_server`](Self::start_api_server), with everything that can be chosen.
    ///
    /// # Errors
    /// See [`start_api_server`](Self::start_api_server).
    pub fn start_api_server_with(&self, config: ApiConfig) -> Result<SocketAddr, ApiError> {
        let mut gate = lock(&self.api().gate);
        if let Some(gate) = &*gate {
            return Err(ApiError::Started { address: gate.local_addr() });
        }
        let ApiConfig { address, allowed_hosts, show_secrets, token } = config;
        // The handler keeps the rule itself, where it knows that a body is wanted at all.
        let json_only = false;
        let limits = GateConfig { address, allowed_hosts, json_only, ..GateConfig::default() };
        let opened = Gate::bind(limits, Api::new(self.downgrade(), show_secrets, token))?;
        Ok(gate.insert(opened).local_addr())
    }

    /// Serves the WatcherAPI if the configuration says so and it is not served yet; whether that
    /// was done.
    pub(crate) fn open_configured_api(&self) -> Result<bool, ApiError> {
        let Some(config) = &self.config().api else { return Ok(false) };
        match self.start_api_server_with(config.clone()) {
            Ok(_) => Ok(true),
            Err(ApiError::Started { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the WatcherAPI is served; `None` if it is not.
    pub fn api_address(&self) -> Option<SocketAddr> {
        lock(&self.api().gate).as_ref().map(Gate::local_addr)
    }

    /// Ends the WatcherAPI's server, if there is one. Requests under way may take half a second
    /// to finish; then they are cut off.
    pub fn stop_api_server(&self) {
        let gate = lock(&self.api().gate).take();
        drop(gate);
    }
}
