//! hersh: reactive watchers.
