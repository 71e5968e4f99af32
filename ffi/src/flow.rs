//! A channel into a watcher.

use std::ffi::c_char;
use std::sync::Mutex;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use serde_json::Value as Json;

use crate::boundary;
use crate::error::Failure;
use crate::handle::{self, handle_of};
use crate::status::HershStatus;
use crate::text::{Out, json, lock};
use crate::token::timeout;

/// A channel of JSON values into a watcher: whoever has something pushes it, and the managed
/// function watches the channel with `hersh_context_watch_flow`. It holds a bounded number of
/// values; a push into a full one waits, so nothing is lost.
///
/// May be used from any thread. Free it with `hersh_flow_free`: that closes it, and a watcher that
/// watches it still gets what was pushed before.
pub struct HershFlow {
    sender: Mutex<Option<Sender<Json>>>,
    receiver: Receiver<Json>,
}

/// The most values that a flow can be made to hold.
const MOST: usize = 1 << 24;

handle_of!(HershFlow, Flow);

impl HershFlow {
    pub(crate) const fn receiver(&self) -> &Receiver<Json> {
        &self.receiver
    }
}

/// Makes a flow that holds up to `capacity` values, at least 1. Free it with `hersh_flow_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_flow_new(capacity: usize, flow: *mut *mut HershFlow) -> HershStatus {
    boundary::status(|| {
        // SAFETY: contract, outputs.
        let out = unsafe { Out::new(flow, "flow") }?;
        if !(1..=MOST).contains(&capacity) {
            let words = format_args!("capacity must be from 1 to {MOST}");
            return Err(Failure::new(HershStatus::InvalidArgument, words));
        }
        let (sender, receiver) = bounded(capacity);
        out.set(handle::insert(HershFlow { sender: Mutex::new(Some(sender)), receiver })?);
        Ok(())
    })
}

/// Frees a flow and closes it. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_flow_free(flow: *mut HershFlow) -> HershStatus {
    boundary::status(|| {
        if let Some(flow) = handle::take(flow, "flow")? {
            lock(&flow.sender).take();
        }
        Ok(())
    })
}

/// Pushes a value, waiting for room for at most `timeout_ms` milliseconds: then
/// `HERSH_STATUS_QUEUE_FULL`. In a managed function the timeout should be 0, as nobody else makes
/// room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hersh_flow_push_json(
    flow: *mut HershFlow,
    value: *const c_char,
    timeout_ms: u64,
) -> HershStatus {
    boundary::status(|| {
        let flow = handle::get(flow, "flow")?;
        // SAFETY: contract, texts.
        let value = unsafe { json(value, "value") }?;
        let closed = || Failure::new(HershStatus::Closed, "the flow is closed");
        let sender = lock(&flow.sender).clone().ok_or_else(closed)?;
        let pushed = match timeout(timeout_ms) {
            Some(timeout) => sender.send_timeout(value, timeout),
            None => sender.send(value).map_err(|gone| SendTimeoutError::Disconnected(gone.0)),
        };
        pushed.map_err(|refused| match refused {
            SendTimeoutError::Timeout(_) => Failure::new(
                HershStatus::QueueFull,
                "the flow is full: nobody took a value in time",
            ),
            SendTimeoutError::Disconnected(_) => closed(),
        })
    })
}

/// Closes a flow: nothing more can be pushed, and the watcher's log says so. Closing again is fine.
#[unsafe(no_mangle)]
pub extern "C" fn hersh_flow_close(flow: *mut HershFlow) -> HershStatus {
    boundary::status(|| {
        lock(&handle::get(flow, "flow")?.sender).take();
        Ok(())
    })
}
