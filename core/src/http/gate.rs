//! Opening and closing a gate.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Handler;
use super::config::GateConfig;
use super::door::Door;
use super::error::GateError;
use super::pool;
use super::shared::{Shared, Waker};
use crate::sync::thread::Builder;

/// What dropping a gate allows requests under way.
const DROP_GRACE: Duration = Duration::from_millis(500);
/// What a connection that was cut needs to notice it.
const SEVERED_GRACE: Duration = Duration::from_millis(250);

/// Connections that may wait to be accepted, as far as the system allows.
const BACKLOG: i32 = 1024;

/// A listening server. Dropping it shuts it down.
pub struct Gate {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Gate {
    /// Listens at `config.address` and serves requests with `handler` on threads of its own.
    ///
    /// While no client is connected the gate holds one thread, which sleeps.
    ///
    /// # Errors
    /// [`GateError`]: a limit that makes no sense, an address that is taken or not ours.
    ///
    /// # Examples
    ///
    /// ```
    /// use hersh::http::{Gate, GateConfig, Request, Response};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = GateConfig { address: "127.0.0.1:0".parse()?, ..Default::default() };
    /// let gate = Gate::bind(config, |request: &mut Request<'_>| match request.path() {
    ///     "/hello" => Response::text(200, "hello\n"),
    ///     _ => Response::error(404, "no such route"),
    /// })?;
    /// println!("listening on {}", gate.local_addr());
    /// gate.shutdown(std::time::Duration::from_secs(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(config: GateConfig, handler: impl Handler) -> Result<Self, GateError> {
        config.validate()?;
        let wanted = config.address;
        let listener = TcpListener::bind(wanted).map_err(|error| GateError::bind(wanted, error))?;
        let address = listener.local_addr().map_err(|error| GateError::bind(wanted, error))?;
        let start = |source| GateError::Start { source };
        listener.set_nonblocking(true).map_err(start)?;
        // The standard library asks for 128; when they are taken, the next client waits a second
        // before its system knocks again.
        rustix::net::listen(&listener, BACKLOG).map_err(|error| start(error.into()))?;
        let (waker, bell) = Waker::pair().map_err(start)?;
        let shared = Arc::new(Shared::new(config, Box::new(handler), waker));
        let door = Door::new(listener, bell, Arc::clone(&shared));
        let builder = Builder::new().name("hersh-door".into());
        shared.crew.spawn(builder, move || door.keep()).map_err(start)?;
        Ok(Self { shared, address })
    }

    /// Where it listens; the port is the one that was picked if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets requests under way finish for up to `grace`, then cuts them off.
    ///
    /// Returns within `grace` and a fraction of a second whatever clients and handlers do, and
    /// says whether everything had ended. A handler that never returns is left behind on its
    /// thread, which does not keep the process from exiting. May be called from any thread, even
    /// from a handler, and more than once.
    pub fn shutdown(&self, grace: Duration) -> bool {
        let ended = self.end_work(grace);
        if ended {
            // Their work is over; what is waited for are the threads themselves, so that the code
            // they run in may be unloaded. A handler that asks for this is one of them: not waited.
            self.shared.crew.join(Some(SEVERED_GRACE));
        }
        ended
    }

    fn end_work(&self, grace: Duration) -> bool {
        self.shared.begin_stop();
        let now = Instant::now();
        let deadline = now.checked_add(grace).unwrap_or(now + Duration::from_secs(86_400));
        let own = usize::from(pool::is_own_thread(&self.shared.pool));
        if self.shared.pool.ended_before(deadline, own) && self.shared.door_closed_before(deadline)
        {
            return true;
        }
        self.shared.pool.abandon();
        self.shared.sever_active();
        let deadline = Instant::now() + SEVERED_GRACE;
        self.shared.pool.ended_before(deadline, own) && self.shared.door_closed_before(deadline)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shutdown(DROP_GRACE);
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("address", &self.address).finish_non_exhaustive()
    }
}
