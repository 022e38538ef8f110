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

/// What writing replies takes beside the weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ReplyMemory {
    /// Bytes of keys and values, of replies under way and of ended ones that are kept.
    pub kv_bytes: u64,
    /// Bytes that keys and values may take.
    pub kv_budget_bytes: u64,
    /// Bytes of the buffers that passes use again and again.
    pub scratch_bytes: u64,
}

/// Replaced whole by the engine after each change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What language models run on; speech runs on the CPU.
    pub device: String,
    /// Why that is not what was asked for.
    pub device_problem: Option<String>,
    /// Models in memory, in the order they were loaded.
    pub loaded: Vec<LoadedModel>,
    /// What replies take beside that.
    pub replies: ReplyMemory,
    /// Replies being written.
    pub running_chats: usize,
    /// Whether speech is being made.
    pub speaking: bool,
    /// Jobs that wait for their turn.
    pub waiting: usize,
}

impl Status {
    /// Bytes of all weights.
    pub fn weights_bytes(&self) -> u64 {
        self.loaded.iter().map(|model| model.bytes).sum()
    }

    /// Bytes of all weights, caches and buffers.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes() + self.replies.kv_bytes + self.replies.scratch_bytes
    }
}
