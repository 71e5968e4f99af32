//! The flows of one watcher: how values get from where they are made to where the core takes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, never, unbounded};
use pyo3::prelude::*;

use crate::channel::Channel;
use crate::errors::log;
use crate::pump::Pump;
use crate::shared::{Mode, Shared, lock};
use crate::supply::{Next, Tap};
use crate::value::Object;

/// By the names of the variables.
#[derive(Default)]
pub(crate) struct Flows {
    /// Kept from session to session, as one may hold a value.
    taps: Mutex<HashMap<String, Arc<Tap>>>,
    pumps: Mutex<HashMap<String, Pump>>,
    inlets: Mutex<HashMap<String, Arc<Inlet>>>,
}

impl Flows {
    /// Where the core is to take the values of a flow from.
    pub(crate) fn receiver(
        shared: &Arc<Shared>,
        context: &hersh::Context,
        name: &str,
        source: &Bound<'_, PyAny>,
        latest: bool,
    ) -> PyResult<Receiver<Object>> {
        match shared.mode {
            Mode::Live => shared.flows.live(shared, context, name, source, latest),
            Mode::Simulated => shared.flows.simulated(name, source, latest),
            Mode::Replayed => Ok(never()),
        }
    }

    /// The channel itself, or a pump that is started when its name is first used.
    fn live(
        &self,
        shared: &Arc<Shared>,
        context: &hersh::Context,
        name: &str,
        source: &Bound<'_, PyAny>,
        latest: bool,
    ) -> PyResult<Receiver<Object>> {
        if let Ok(channel) = source.cast::<Channel>() {
            return channel.get().receiver().cloned();
        }
        if let Some(pump) = lock(&self.pumps).get(name) {
            return Ok(pump.receiver());
        }
        let tap = self.tap(name, source)?;
        let pump = Pump::start(name, &tap, latest, context, shared)?;
        let receiver = pump.receiver();
        lock(&self.pumps).insert(name.to_owned(), pump);
        Ok(receiver)
    }

    /// An inlet, which is filled while the simulation is run: no thread takes part.
    fn simulated(
        &self,
        name: &str,
        source: &Bound<'_, PyAny>,
        latest: bool,
    ) -> PyResult<Receiver<Object>> {
        let inlet = self.inlet(name);
        let is_new = lock(&inlet.tap).is_none();
        if is_new {
            let tap = self.tap(name, source)?;
            *lock(&inlet.tap) = Some((tap, latest));
        }
        inlet.fill(source.py());
        Ok(inlet.receiver.clone())
    }

    fn tap(&self, name: &str, source: &Bound<'_, PyAny>) -> PyResult<Arc<Tap>> {
        let known = lock(&self.taps).get(name).cloned();
        if let Some(tap) = known.filter(|tap| tap.is_of(source)) {
            return Ok(tap);
        }
        let tap = Arc::new(Tap::of(source)?);
        let before = lock(&self.taps).insert(name.to_owned(), Arc::clone(&tap));
        drop(before);
        Ok(tap)
    }

    fn inlet(&self, name: &str) -> Arc<Inlet> {
        let mut inlets = lock(&self.inlets);
        Arc::clone(inlets.entry(name.to_owned()).or_default())
    }

    /// Lets a simulated flow bring this value, after those that wait already; `false` when its
    /// source has ended.
    pub(crate) fn inject(&self, name: &str, value: Object) -> bool {
        let inlet = self.inlet(name);
        let sender = lock(&inlet.sender);
        sender.as_ref().is_some_and(|sender| sender.send(value).is_ok())
    }

    /// Takes a value from each simulated source whose last one was taken; whether there was any.
    pub(crate) fn fill(&self, py: Python<'_>) -> bool {
        let inlets: Vec<_> = lock(&self.inlets).values().cloned().collect();
        inlets.into_iter().filter(|inlet| inlet.fill(py)).count() > 0
    }

    /// A variable is watched no longer.
    pub(crate) fn forget(&self, name: &str) {
        let forgotten = (lock(&self.pumps).remove(name), lock(&self.inlets).remove(name));
        drop(forgotten);
    }

    /// A new session begins.
    pub(crate) fn renew(&self) {
        let pumps = std::mem::take(&mut *lock(&self.pumps));
        // What was injected before the start is for the session to come.
        for inlet in lock(&self.inlets).values() {
            *lock(&inlet.tap) = None;
        }
        drop(pumps);
    }

    pub(crate) fn traverse(&self, visit: &mut dyn FnMut(&Py<PyAny>)) {
        if let Ok(taps) = self.taps.try_lock() {
            // A running pump has it too, and then it is no garbage.
            for tap in taps.values().filter(|tap| Arc::strong_count(tap) == 1) {
                tap.traverse(visit);
            }
        }
    }

    pub(crate) fn clear(&self) {
        self.renew();
        let (taps, inlets) =
            (std::mem::take(&mut *lock(&self.taps)), std::mem::take(&mut *lock(&self.inlets)));
        drop((taps, inlets));
    }
}

/// The way into a simulated flow.
struct Inlet {
    tap: Mutex<Option<(Arc<Tap>, bool)>>,
    /// Gone when the source has ended.
    sender: Mutex<Option<Sender<Object>>>,
    receiver: Receiver<Object>,
}

impl Default for Inlet {
    fn default() -> Self {
        let (sender, receiver) = unbounded();
        Self { tap: Mutex::default(), sender: Mutex::new(Some(sender)), receiver }
    }
}

impl Inlet {
    /// Takes one value, if the last one was taken; of a queue whose newest value alone counts, all.
    fn fill(&self, py: Python<'_>) -> bool {
        let Some((tap, latest)) = lock(&self.tap).clone() else { return false };
        let all = latest && tap.is_queue();
        let mut brought = false;
        while lock(&self.sender).is_some() && (all || self.receiver.is_empty()) {
            match tap.next(py, Duration::ZERO) {
                Ok(Next::Value(value)) => {
                    if let Some(sender) = &*lock(&self.sender) {
                        // The inlet holds the receiver too.
                        let _ = sender.send(value);
                    }
                    brought = true;
                }
                Ok(Next::Nothing) => break,
                Ok(Next::End) => return self.end(),
                Err(error) => {
                    log(py, "error", "the source of a flow raised", &error);
                    return self.end();
                }
            }
        }
        brought
    }

    /// That a source has ended is news too.
    fn end(&self) -> bool {
        lock(&self.sender).take().is_some()
    }
}
