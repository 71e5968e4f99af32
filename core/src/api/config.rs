//! How the WatcherAPI is served.

use std::net::{Ipv4Addr, SocketAddr};

/// How a watcher is shown to the outside.
///
/// # Examples
///
/// ```
/// let config = hersh::ApiConfig { address: "127.0.0.1:0".parse()?, ..Default::default() };
/// assert!(!config.show_secrets);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where to listen; port 0 picks a free one. Default `127.0.0.1:8080`: whoever reaches the
    /// address can steer the watcher, so it is this machine alone unless told otherwise.
    pub address: SocketAddr,
    /// Names, besides IP addresses and `localhost`, by which clients may address the server.
    pub allowed_hosts: Vec<String>,
    /// Whether `/watcher/vars` shows the values of variables that look like secrets. Default
    /// false: they show as `***`.
    pub show_secrets: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allowed_hosts: Vec::new(),
            show_secrets: false,
        }
    }
}
