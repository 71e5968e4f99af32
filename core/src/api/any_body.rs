//! What a client may send and what it gets, whatever a fuzzer makes of either.

use std::cell::OnceCell;

use serde_json::Value;

use super::{bodies, steer};
use crate::sim::Simulation;
use crate::{Watched, Watcher};

thread_local! {
    /// One for each thread, as a simulation belongs to one.
    static SHOWN: OnceCell<(Simulation, Watcher)> = const { OnceCell::new() };
}

/// A fuzzer's bytes as a request's body, as a query, and as words that come back in every body.
pub(crate) fn any_body(data: &[u8]) {
    if let Ok(content) = steer::content(data) {
        let sent: Value = serde_json::from_slice(data).expect("what was taken is JSON");
        assert_eq!(sent["content"], content.as_str());
        assert!(!content.is_empty());
        show(&content);
    }
    if let Ok(query) = str::from_utf8(data) {
        bodies::any_query(query);
        show(query);
    }
}

fn show(words: &str) {
    SHOWN.with(|shown| {
        let (sim, watcher) = shown.get_or_init(start);
        let taken = watcher.send_message(words);
        sim.run_until_idle();
        assert!(taken.is_ok(), "{taken:?}");
        let shown = bodies::all(watcher);
        for body in &shown {
            let text = serde_json::to_string(body).expect("a body can be written");
            let read: Value = serde_json::from_str(&text).expect("a body can be read");
            assert_eq!(&read, body, "as it was written");
        }
        let values = watcher.values();
        assert_eq!(values["words"].get::<String>().map(String::as_str), Some(words));
    });
}

fn start() -> (Simulation, Watcher) {
    let sim = Simulation::new(1);
    let watcher = sim.builder().build().expect("sound");
    watcher
        .manage("show", |message, ctx| {
            let words = message.map_or("", |message| message.content()).to_owned();
            ctx.log(&words);
            ctx.set_value("words", words.clone());
            ctx.clear_memo("words");
            ctx.memo("words", || words.clone())?;
            let failing: Watched<u8> =
                ctx.watch_call("fails", std::time::Duration::from_secs(1), || Err("always"))?;
            if failing.updated() { Ok(()) } else { Err(words.into()) }
        })
        .expect("not running");
    watcher.start().expect("starts");
    (sim, watcher)
}
