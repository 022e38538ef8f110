//! Keys and values of ended replies, kept because a conversation's next turn begins with its last.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use super::{LanguageModel, adapters::AdapterKey, network::Cache};

/// Ended replies that are kept: the chats that somebody is likely to go back to.
const MOST: usize = 4;

/// Bytes that they may take together; the last one is kept whatever its size.
const MOST_BYTES: u64 = 512 << 20;

/// The kept caches, the oldest first.
#[derive(Debug, Default)]
pub struct KeptCaches {
    entries: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// A model that nobody uses any more takes its caches with it.
    model: Weak<LanguageModel>,
    /// What it was written with.
    adapters: AdapterKey,
    /// The tokens whose keys and values the cache holds.
    tokens: Vec<u32>,
    cache: Cache,
}

impl KeptCaches {
    /// Keeps what a reply leaves behind.
    pub fn keep(
        &mut self,
        model: &Arc<LanguageModel>,
        adapters: AdapterKey,
        mut tokens: Vec<u32>,
        cache: Cache,
    ) {
        tokens.truncate(cache.len());
        if !tokens.is_empty() {
            let model = Arc::downgrade(model);
            self.entries.push_back(Entry { model, adapters, tokens, cache });
        }
        while self.entries.len() > MOST || self.entries.len() > 1 && self.n_bytes() > MOST_BYTES {
            self.entries.pop_front();
        }
    }

    /// Lets go the oldest until the others take `n_bytes` at most.
    pub fn shrink(&mut self, n_bytes: u64) {
        while self.n_bytes() > n_bytes {
            self.entries.pop_front();
        }
    }

    /// A cache that holds as many of the prompt's first tokens as any kept one, but not all: the
    /// last must be passed through to learn what follows it. An empty one if none holds more than
    /// the `known` first tokens, which are known from elsewhere. What was written with other
    /// adapters is no use.
    pub fn begin(
        &mut self,
        model: &Arc<LanguageModel>,
        adapters: &AdapterKey,
        prompt: &[u32],
        known: usize,
    ) -> Cache {
        self.forget_unused_models();
        let shared = |entry: &Entry| {
            let is_same = entry.model.as_ptr() == Arc::as_ptr(model) && entry.adapters == *adapters;
            let length = if is_same { common_prefix(&entry.tokens, prompt) } else { 0 };
            length.min(prompt.len().saturating_sub(1))
        };
        let lengths = self.entries.iter().map(shared).enumerate();
        match lengths.max_by_key(|&(_, length)| length) {
            Some((idx, length)) if length > known => self.take_or_copy(idx, length),
            _ => model.network().new_cache(),
        }
    }

    /// Takes a cache whose conversation goes on; copies from one that only begins alike.
    fn take_or_copy(&mut self, idx: usize, length: usize) -> Cache {
        if 2 * length >= self.entries[idx].tokens.len()
            && let Some(entry) = self.entries.remove(idx)
        {
            let mut cache = entry.cache;
            cache.truncate(length);
            return cache;
        }
        self.entries[idx].cache.copy_prefix(length)
    }

    /// Lets go what belongs to models that are gone.
    pub fn forget_unused_models(&mut self) {
        self.entries.retain(|entry| entry.model.strong_count() > 0);
    }

    /// Bytes that the kept caches take.
    pub fn n_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.cache.n_bytes()).sum()
    }
}

/// How many first tokens two texts share.
pub fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
