//! What happens in a watcher, followed through ends and new beginnings of the program.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::snapshot::is_away;
use crate::client::sse::Event;
use crate::client::{Client, ClientError};

// A stream that ended is asked for again after so long.
const COME_AGAIN: Duration = Duration::from_millis(500);
// More than this is not read ahead of what is shown; the watcher then tells what was lost.
const WAITING: usize = 256;

/// News of the watcher.
#[derive(Debug)]
pub(super) enum News {
    /// It can be seen now.
    There,
    /// It cannot be seen: the program is not Ready.
    Away,
    /// Something happened in it.
    Happened(Event),
    /// The host does not answer as it should.
    Failed(ClientError),
}

/// Follows the watcher of program `id` on a thread, until what it tells is no longer listened to.
pub(super) fn follow(client: &Client, id: &str) -> Receiver<News> {
    let (sender, receiver) = bounded(WAITING);
    let (client, id) = (client.clone(), id.to_owned());
    std::thread::spawn(move || {
        let mut last = String::new();
        while once(&client, &id, &mut last, &sender).is_some() {
            std::thread::sleep(COME_AGAIN);
        }
    });
    receiver
}

// One stream, to its end. None when nobody listens any more, or it makes no sense to go on.
fn once(client: &Client, id: &str, last: &mut String, news: &Sender<News>) -> Option<()> {
    let after = Some(last.as_str()).filter(|last| !last.is_empty());
    let mut events = match client.watcher_events(id, after) {
        Ok(events) => events,
        Err(error) if is_away(&error) => return news.send(News::Away).ok(),
        Err(error) => {
            let _ = news.send(News::Failed(error));
            return None;
        }
    };
    news.send(News::There).ok()?;
    // However the stream ended, it is asked for again; a program that is gone is told then.
    while let Ok(Some(event)) = events.next_event() {
        news.send(News::Happened(event)).ok()?;
        events.last_id().clone_into(last);
    }
    Some(())
}
