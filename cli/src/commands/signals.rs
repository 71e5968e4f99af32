//! Ctrl-C and its like, for commands that end in their own way.

use crossbeam_channel::{Receiver, bounded};
use signal_hook::iterator::Signals;

use crate::output::{Exit, Failure};

/// Each of these signals that arrives from now on. When `most` of them wait, or nobody looks any
/// more, a further one does what it does to any process: whoever asks does not want to wait.
pub(super) fn caught(signals: &[i32], most: usize) -> Result<Receiver<i32>, Failure> {
    let mut signals = Signals::new(signals).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot watch for signals: {error}"))
            .with_remedy("see the limits of this process: `ulimit -a`")
    })?;
    let (sender, receiver) = bounded(most);
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Err(unheard) = sender.try_send(signal) {
                let _ = signal_hook::low_level::emulate_default_handler(unheard.into_inner());
            }
        }
    });
    Ok(receiver)
}
