//! What the engine holds at the moment: a snapshot that anybody may read each frame.

use serde::Serialize;

/// One model in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedModel {
    /// Its id in the library.
    pub id: String,
    /// Bytes of its weights in memory.
    pub bytes: u64,
}

/// Replaced whole by the engine after each change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What the models run on.
    pub device: String,
    /// Models in memory, in the order they were loaded.
    pub loaded: Vec<LoadedModel>,
    /// Bytes of the key-value caches.
    pub kv_bytes: u64,
    /// Replies being written.
    pub running_chats: usize,
    /// Whether speech is being made.
    pub speaking: bool,
    /// Jobs that wait for their turn.
    pub waiting: usize,
}

impl Status {
    /// Bytes of all weights and caches.
    pub fn total_bytes(&self) -> u64 {
        self.loaded.iter().map(|model| model.bytes).sum::<u64>() + self.kv_bytes
    }
}
