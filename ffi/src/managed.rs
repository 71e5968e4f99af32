//! The managed function, as C gives it.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use hersh::{Context, ManagedError, Message};

use crate::callback::{HershManagedFn, UserData};
use crate::context::{HershContext, Lender};
use crate::error::Answer;
use crate::outcome::meant;
use crate::simulation::Home;
use crate::text::{Room, null};

/// A managed function of C with its data.
pub(crate) struct Managed {
    call: unsafe extern "C" fn(*const c_char, *mut HershContext, *mut c_void) -> i32,
    data: UserData,
    home: Option<Arc<Home>>,
    lender: Lender,
    /// Where C reads the message of the execution that runs.
    message: Room,
}

impl Managed {
    pub(crate) fn new(
        managed: HershManagedFn,
        data: UserData,
        home: Option<Arc<Home>>,
    ) -> Answer<Self> {
        let call = managed.ok_or_else(|| null("managed"))?;
        let lender = Lender::new(home.clone())?;
        Ok(Self { call, data, home, lender, message: Room::default() })
    }

    /// Runs it once.
    pub(crate) fn run(
        &mut self,
        message: Option<&Message>,
        context: &Context,
    ) -> Result<(), ManagedError> {
        let text = message.map_or(ptr::null(), |message| self.message.hold(message.content()));
        let _inside = self.home.as_ref().map(|home| home.enter());
        let (outcome, reason) = self.lender.lend(context, |handle| {
            // SAFETY: C gave this function for this data; text and handle are alive until it returns.
            unsafe { (self.call)(text, handle, self.data.pointer()) }
        });
        meant(outcome, reason.as_deref())
    }
}
