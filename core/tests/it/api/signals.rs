//! What waits and what came last, seen without touching it.

use std::sync::mpsc;
use std::time::Duration;

use hersh::{Config, Context, ManagedError, Message, Watcher};

use crate::gate::client::Client;

/// A watcher that holds its first message until it is let go, and says what it serves.
fn holding(config: Config) -> (Watcher, mpsc::Receiver<String>, mpsc::Sender<()>) {
    let watcher = Watcher::builder().config(config).build().unwrap();
    let (heard, hearing) = mpsc::channel();
    let (release, releases) = mpsc::channel::<()>();
    let managed = move |message: Option<&Message>, _: &Context| -> Result<(), ManagedError> {
        if let Some(message) = message {
            heard.send(message.content().to_owned()).ok();
            releases.recv().ok();
        }
        Ok(())
    };
    watcher.manage("hold", managed).unwrap();
    watcher.start().unwrap();
    (watcher, hearing, release)
}

fn client(watcher: &Watcher) -> Client {
    Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap())
}

#[test]
fn looking_shows_what_waits_and_changes_nothing() {
    let config = Config { signal_capacity: 100, ..Config::default() };
    let (watcher, hearing, release) = holding(config);
    let mut client = client(&watcher);
    watcher.send_message("first").unwrap();
    assert_eq!(hearing.recv().unwrap(), "first");
    for n in 0..100 {
        watcher.send_message(n.to_string()).unwrap();
        if n % 7 == 0 {
            client.get("/watcher/signals");
        }
    }
    let shown = client.get("/watcher/signals").json();
    assert_eq!((&shown["userSigCount"], &shown["totalPending"]), (&100.into(), &100.into()));
    assert_eq!((&shown["varSigCount"], &shown["watcherSigCount"]), (&0.into(), &0.into()));
    assert!(shown["timestamp"].is_string());
    let recent = shown["recentSignals"].as_array().unwrap();
    let contents: Vec<_> =
        recent.iter().map(|signal| signal["content"].as_str().unwrap()).collect();
    assert_eq!(contents, (70..100).map(|n: u32| n.to_string()).collect::<Vec<_>>());
    assert!(
        recent.iter().all(|signal| signal["type"] == "user" && signal["createdAt"].is_string())
    );
    assert!(watcher.send_message("one too many").is_err(), "looking makes no room");
    drop(release);
    let served: Vec<_> = hearing.iter().take(100).collect();
    assert_eq!(served, (0..100).map(|n: u32| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_watcher_at_rest_serves_what_was_looked_at() {
    let (watcher, hearing, release) = holding(Config::default());
    drop(release);
    let mut client = client(&watcher);
    for n in 0..200 {
        // The loop and the one who looks may reach for the same message.
        watcher.send_message(n.to_string()).unwrap();
        client.get("/watcher/signals");
        assert_eq!(hearing.recv_timeout(Duration::from_secs(30)), Ok(n.to_string()));
    }
}

#[cfg(feature = "sim")]
#[test]
fn signals_of_all_classes_stand_in_order_with_their_times() {
    let sim = hersh::sim::Simulation::new(1);
    let watcher = sim.builder().build().unwrap();
    let managed = |_: Option<&Message>, ctx: &Context| {
        ctx.watch_call("same", Duration::from_secs(1), || Ok::<_, std::io::Error>(7_u32))?;
        Ok(())
    };
    watcher.manage("watch", managed).unwrap();
    watcher.start().unwrap();
    sim.advance(Duration::from_secs(5));
    watcher.send_message("hello").unwrap();
    sim.advance(Duration::from_secs(5));
    watcher.request_stop("enough");
    sim.run_until_idle();
    let shown = client(&watcher).get("/watcher/signals").json();
    let signal = |class: &str, content: &str, second: u32| {
        let at = format!("2025-01-01T00:00:{second:02}.000Z");
        serde_json::json!({ "type": class, "content": content, "createdAt": at })
    };
    let expected = [
        signal("watcher", "start", 0),
        signal("var", "same: 7", 0),
        signal("user", "hello", 5),
        signal("watcher", "stop: enough", 10),
    ];
    assert_eq!(shown["recentSignals"].as_array().unwrap().as_slice(), expected);
}
