//! The managed function, as C gives it.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

use hersh::{Context, ManagedError, Message};

use crate::callback::{HershManagedFn, UserData};
use crate::context::HershContext;
use crate::error::Answer;
use crate::handle::Lent;
use crate::outcome::meant;
use crate::simulation::Home;
use crate::text::{Room, null};

/// A managed function of C with its data.
pub(crate) struct Managed {
    call: unsafe extern "C" fn(*const c_char, *mut HershContext, *mut c_void) -> i32,
    data: UserData,
    home: Option<Arc<Home>>,
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
        Ok(Self { call, data, home, message: Room::default() })
    }

    /// Runs it once.
    pub(crate) fn run(
        &mut self,
        message: Option<&Message>,
        context: &Context,
    ) -> Result<(), ManagedError> {
        let shown = HershContext::new(context, self.home.clone());
        let lent = Lent::new(shown).map_err(|failure| failure.words)?;
        let text = message.map_or(ptr::null(), |message| self.message.hold(message.content()));
        let _inside = self.home.as_ref().map(|home| home.enter());
        // SAFETY: C gave this function for this data; text and handle are alive until it returns.
        let outcome = unsafe { (self.call)(text, lent.handle(), self.data.pointer()) };
        meant(outcome, lent.content().reason().as_deref())
    }
}
