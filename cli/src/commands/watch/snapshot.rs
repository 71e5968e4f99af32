//! What a watcher shows of itself at one moment.

use serde::Serialize;
use serde_json::Value as Json;

use crate::client::{Client, ClientError};

/// The state, the variables and the signals, as the WatcherAPI tells them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    pub(super) state: Json,
    pub(super) var_state: Json,
    pub(super) signals: Json,
}

impl Snapshot {
    /// Asks for it; none while the program is not Ready.
    pub(super) fn take(client: &Client, id: &str) -> Result<Option<Self>, ClientError> {
        let ask = |what| client.watcher(id, what);
        match (ask("state"), ask("varState"), ask("signals")) {
            (Ok(state), Ok(var_state), Ok(signals)) => Ok(Some(Self { state, var_state, signals })),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                if is_away(&error) {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Context values and watched variables by name, each as one line of JSON.
    pub(super) fn named(&self, which: &str) -> Vec<(String, String)> {
        let entries = self.var_state[which].as_object().into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), shown(value))).collect()
    }
}

// A text that is a value of its own is shown without quotes.
fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether the host says that there is no watcher to be seen at the moment.
pub(super) fn is_away(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { code: 502..=504, .. })
}
