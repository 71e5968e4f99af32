//! Whatever a fuzzer makes of a journal.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::{Replay, digest};
use crate::brain::Message;

/// A fuzzer's bytes as a journal, which is replayed. The first decides whether each line gets the
/// digest that it should have, without which the reader lets little through to the replay.
pub(crate) fn any_journal(path: &Path, data: &[u8]) {
    let Some((mode, text)) = data.split_first() else { return };
    let content = if mode & 1 == 0 { text.to_vec() } else { digested(text) };
    if std::fs::write(path, content).is_err() {
        return;
    }
    let replayed = Replay::of(path).run(|message, ctx| {
        let price = ctx.watch_call::<u32, String>("price", Duration::from_secs(1), || Ok(1))?;
        ctx.watch_tick("tick", Duration::from_secs(1))?;
        match message.map(Message::content) {
            Some("unwatch") => drop(ctx.unwatch("price")),
            Some("fail") => return Err("asked to".into()),
            Some("crash") => return Err(crate::ManagedError::crash("asked to")),
            Some("stop") => return Err(crate::ManagedError::stop("asked to")),
            _ => drop(ctx.update_value("seen", |n: Option<u64>| Ok(n.unwrap_or(0) + 1))),
        }
        if price.triggered() {
            ctx.set_value("price", price.value().copied());
        }
        Ok(())
    });
    match replayed {
        Ok(replayed) => assert!(replayed.divergence.is_some() || !replayed.torn || mode & 1 == 0),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn digested(text: &[u8]) -> Vec<u8> {
    let mut lines = String::new();
    for line in String::from_utf8_lossy(text).lines() {
        let digest = digest::of(line.as_bytes());
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{digest:08x} {line}");
    }
    lines.into_bytes()
}
