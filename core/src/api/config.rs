//! How the WatcherAPI is served.

use std::env;
use std::net::{Ipv4Addr, SocketAddr};

use crate::http::BearerToken;

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
    /// address can steer the watcher, so it is this machine alone unless told otherwise. Inside a
    /// container that hersh runs (`HERSH_PROGRAM_ID` is set) it is `0.0.0.0:8080`: the container is
    /// the wall, and the host comes from outside.
    pub address: SocketAddr,
    /// Names, besides IP addresses and `localhost`, by which clients may address the server.
    pub allowed_hosts: Vec<String>,
    /// Whether `/watcher/vars` shows the values of variables that look like secrets. Default
    /// false: they show as `***`.
    pub show_secrets: bool,
    /// What requests must carry as `Authorization: Bearer …`, all but those to `/healthz` and
    /// `/readyz`. Default nothing.
    pub token: Option<BearerToken>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let contained = env::var_os("HERSH_PROGRAM_ID").is_some_and(|id| !id.is_empty());
        Self {
            address: address(contained),
            allowed_hosts: Vec::new(),
            show_secrets: false,
            token: None,
        }
    }
}

fn address(contained: bool) -> SocketAddr {
    let host = if contained { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
    SocketAddr::from((host, 8080))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn only_a_container_listens_to_the_outside() {
        assert_eq!(address(false).to_string(), "127.0.0.1:8080");
        assert_eq!(address(true).to_string(), "0.0.0.0:8080");
    }
}
