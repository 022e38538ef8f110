//! Text to token ids and back, by whichever rules the model was taught with.

use sha2::{Digest, Sha256};

use super::{Error, sentencepiece::SentencePiece, text_stream::TextStream};

/// Names of tokens that end a turn in one family or another.
pub const END_OF_TURN: [&str; 5] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"];

/// The vocabulary and its rules.
pub struct Tokenizer {
    /// What makes ids of text.
    pub splitter: Splitter,
    /// What each token spells; nothing for control tokens.
    pub spellings: Vec<Vec<u8>>,
    /// The token that every prompt begins with, if the model wants one.
    pub first: Option<u32>,
    /// Tokens that end a reply.
    pub stop_ids: Vec<u32>,
    /// The name of the token that begins a text; empty if there is none.
    pub bos_text: String,
    /// The name of the token that ends a text; empty if there is none.
    pub eos_text: String,
    /// Whether a text's first word is written as if a space stood before it.
    pub begins_with_space: bool,
    /// The kind of tokenizer, for people.
    pub label: String,
}

/// What makes ids of text.
pub enum Splitter {
    /// Rules as a `tokenizer.json` has them.
    Rules(Box<tokenizers::Tokenizer>),
    /// Pieces with scores.
    SentencePiece(SentencePiece),
}

impl Tokenizer {
    /// The ids of a text; names of control tokens in it become those tokens.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        match &self.splitter {
            Splitter::Rules(rules) => match rules.encode_fast(text, false) {
                Ok(encoding) => Ok(encoding.get_ids().to_vec()),
                Err(error) => Err(Error::Tokenize { why: error.to_string() }),
            },
            Splitter::SentencePiece(pieces) => {
                pieces.encode(text).map_err(|why| Error::Tokenize { why })
            }
        }
    }

    /// The ids of a whole prompt: as [`Tokenizer::encode`], behind the model's first token if it
    /// wants one and the text did not bring it.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = self.encode(text)?;
        if let Some(first) = self.first
            && ids.first() != Some(&first)
        {
            ids.insert(0, first);
        }
        Ok(ids)
    }

    /// What a token spells, in bytes; a character may be spread over several tokens.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.spellings.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// For the text of tokens as they come, from the beginning of a text.
    pub fn text_stream(&self) -> TextStream {
        TextStream::new(self.begins_with_space)
    }

    /// The text of tokens that begin a text.
    pub fn text(&self, ids: &[u32]) -> String {
        let mut stream = self.text_stream();
        let mut text: String = ids.iter().map(|&id| stream.push(self.bytes(id))).collect();
        text.push_str(&stream.finish());
        text
    }

    /// What the vocabulary calls a token.
    pub fn name(&self, id: u32) -> String {
        let name = match &self.splitter {
            Splitter::Rules(rules) => rules.id_to_token(id),
            Splitter::SentencePiece(pieces) => pieces.divider(id).map(str::to_owned),
        };
        name.unwrap_or_else(|| format!("<{id}>"))
    }

    /// The first 16 hex digits of a SHA-256 over what each of `n_vocab` tokens spells, or is called.
    pub fn hash(&self, n_vocab: usize) -> String {
        let mut hash = Sha256::new();
        for id in 0..n_vocab as u32 {
            match self.bytes(id) {
                [] => hash.update(self.name(id)),
                bytes => hash.update(bytes),
            }
            // No spelling holds this byte of no text.
            hash.update([0xFF]);
        }
        let digits = hash.finalize();
        let number =
            digits.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{number:016x}")
    }

    /// Whether a reply ends with this token.
    pub fn is_stop(&self, id: u32) -> bool {
        self.stop_ids.contains(&id)
    }
}
