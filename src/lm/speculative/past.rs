//! What was said before: the replies that suffix decoding learns from, in memory and in a file.
//!
//! The file is `formant replies 1`, a line end, then each reply as its length and its tokens, all
//! `u32` in little-endian order. Replies of different vocabularies are different files.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::trie::{CountedTrie, Likely, Reach, Reading};
use crate::files::write_atomically;

/// Tokens of a match and its continuation together, as vLLM has it.
const DEPTH: usize = 24;
/// Tokens of earlier replies and of documents that are kept: at most some 20 MB.
pub const MOST_TOKENS: usize = 40_000;
/// What the file begins with.
const MAGIC: &[u8] = b"formant replies 1\n";

/// Earlier replies of one vocabulary, which many drafters share.
#[derive(Debug, Clone)]
pub struct PastReplies(Arc<Mutex<Past>>);

/// How much is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PastSize {
    /// Replies.
    pub n_replies: usize,
    /// Their tokens.
    pub n_tokens: usize,
    /// Memory that takes.
    pub n_bytes: usize,
}

#[derive(Debug)]
struct Past {
    trie: CountedTrie,
    replies: VecDeque<Vec<u32>>,
    n_tokens: usize,
    /// Whether the file is behind.
    is_unsaved: bool,
}

impl Default for PastReplies {
    fn default() -> Self {
        let (trie, replies) = (CountedTrie::new(DEPTH), VecDeque::new());
        Self(Arc::new(Mutex::new(Past { trie, replies, n_tokens: 0, is_unsaved: false })))
    }
}

impl PastReplies {
    /// Reads what [`PastReplies::save`] wrote; a file that is not there holds nothing.
    ///
    /// # Errors
    /// If the file cannot be read, or is not one of those.
    pub fn load(path: &Path) -> io::Result<Self> {
        let past = Self::default();
        match std::fs::read(path) {
            Ok(bytes) => {
                for reply in parse(&bytes)? {
                    past.keep(reply);
                }
                past.lock().is_unsaved = false;
                Ok(past)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(past),
            Err(error) => Err(error),
        }
    }

    /// Writes the replies down if there are new ones.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let mut past = self.lock();
        if !past.is_unsaved {
            return Ok(());
        }
        let mut bytes = MAGIC.to_vec();
        for reply in &past.replies {
            bytes.extend((reply.len() as u32).to_le_bytes());
            bytes.extend(reply.iter().flat_map(|token| token.to_le_bytes()));
        }
        past.is_unsaved = false;
        drop(past);
        write_atomically(path, &bytes)
    }

    /// How much is remembered.
    pub fn size(&self) -> PastSize {
        let past = self.lock();
        let (n_replies, n_tokens) = (past.replies.len(), past.n_tokens);
        PastSize { n_replies, n_tokens, n_bytes: past.trie.n_bytes() }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut past = self.lock();
        past.trie = CountedTrie::new(DEPTH);
        past.replies.clear();
        past.n_tokens = 0;
        past.is_unsaved = false;
    }

    /// Remembers a reply.
    pub fn keep(&self, reply: Vec<u32>) {
        self.lock().keep(reply);
    }

    /// What most often followed the end of a text.
    pub fn continuation(&self, end: &[u32], reach: Reach) -> Likely {
        self.lock().trie.continuation(end, reach)
    }

    fn lock(&self) -> MutexGuard<'_, Past> {
        // Whoever panicked held nothing half-done that would matter: drafts change no text.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    fn keep(&mut self, mut reply: Vec<u32>) {
        self.is_unsaved = true;
        reply.truncate(MOST_TOKENS);
        self.n_tokens += reply.len();
        self.read(&reply);
        self.replies.push_back(reply);
        if self.n_tokens <= MOST_TOKENS {
            return;
        }
        // Half goes at once, so that reading in the rest again is worth it.
        while self.n_tokens > MOST_TOKENS / 2
            && self.replies.len() > 1
            && let Some(oldest) = self.replies.pop_front()
        {
            self.n_tokens -= oldest.len();
        }
        self.trie = CountedTrie::new(DEPTH);
        for reply in std::mem::take(&mut self.replies) {
            self.read(&reply);
            self.replies.push_back(reply);
        }
    }

    fn read(&mut self, reply: &[u32]) {
        let mut reading = Reading::default();
        for &token in reply {
            self.trie.append(&mut reading, token);
        }
    }
}

fn parse(bytes: &[u8]) -> io::Result<Vec<Vec<u32>>> {
    let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let numbers = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("it is no list of replies"))?;
    let (numbers, rest) = numbers.as_chunks::<4>();
    let mut numbers = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes));
    let mut replies = Vec::new();
    while let Some(length) = numbers.next() {
        let reply: Vec<u32> = numbers.by_ref().take(length as usize).collect();
        if reply.len() < length as usize {
            return Err(wrong("it is cut off"));
        }
        replies.push(reply);
    }
    if rest.is_empty() { Ok(replies) } else { Err(wrong("it is cut off")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: Reach = Reach { most: 4, factor: 1.0, offset: 0.0, least_probability: 0.1 };

    #[test]
    fn what_was_kept_is_bounded() {
        let past = PastReplies::default();
        for first in 0..5 {
            past.keep((0..MOST_TOKENS as u32 / 4).map(|at| first * 1_000_000 + at).collect());
        }
        let PastSize { n_tokens, .. } = past.size();
        assert!(n_tokens <= MOST_TOKENS, "{n_tokens}");
        // The latest is there, the first is not.
        assert_eq!(past.continuation(&[9, 4_000_000, 4_000_001], REACH).nodes.len(), 2);
        assert_eq!(past.continuation(&[9, 7, 0, 1], REACH).nodes.len(), 0);
    }

    #[test]
    fn a_restart_forgets_nothing_and_a_clear_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speculation/a.replies");
        let past = PastReplies::load(&path).unwrap();
        past.keep(vec![1, 2, 3, 4]);
        past.keep(vec![7]);
        past.save(&path).unwrap();
        let again = PastReplies::load(&path).unwrap();
        assert_eq!((again.size().n_replies, again.size().n_tokens), (2, 5));
        assert_eq!(again.continuation(&[9, 1, 2], REACH).nodes.len(), 2);
        again.clear();
        assert_eq!((again.size().n_replies, again.size().n_tokens), (0, 0));
        assert_eq!(again.continuation(&[9, 1, 2], REACH).nodes.len(), 0);
    }

    #[test]
    fn what_is_no_list_of_replies_is_refused() {
        let why = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        assert_eq!(why(b"hello"), "it is no list of replies");
        assert_eq!(why(&[MAGIC, &[2, 0, 0, 0, 1, 0, 0, 0]].concat()), "it is cut off");
        assert_eq!(why(&[MAGIC, &[0, 0]].concat()), "it is cut off");
    }
}
