//! Text to token ids and back, built from the vocabulary inside a GGUF file.
//!
//! The file names how text is split before byte-pair encoding (`tokenizer.ggml.pre`) but does not
//! bring the rule, so the known ones stand here as llama.cpp has them (`llm_tokenizer_bpe` in
//! `src/llama-vocab.cpp`, <https://github.com/ggml-org/llama.cpp>). An unknown name is refused: a
//! wrong split still "works", and quietly costs quality.

use std::collections::HashMap;

use tokenizers::{
    AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer as Bpe,
    models::bpe::BPE,
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::{Error, ModelProblem, gguf::Gguf, text_stream::byte_of_letter};

/// `tokenizer.ggml.token_type` of tokens that steer the model and are no text.
const CONTROL: i64 = 3;
/// … of tokens that were added to the vocabulary and are text.
const USER_DEFINED: i64 = 4;

/// Tokens that end a turn in one family or another.
const END_OF_TURN: [&str; 5] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"];

/// The vocabulary and its rules.
pub struct Tokenizer {
    bpe: Bpe,
    /// What each token spells; nothing for control tokens.
    bytes: Vec<Vec<u8>>,
    bos: Option<u32>,
    stop_ids: Vec<u32>,
    bos_text: String,
    eos_text: String,
}

impl Tokenizer {
    /// Reads the vocabulary.
    ///
    /// # Errors
    /// If it is missing, inconsistent, or of a kind that is not known here.
    pub fn read(gguf: &Gguf<'_>, n_vocab: usize) -> Result<Self, Error> {
        let build = || -> Result<Self, String> {
            let model = gguf.text("tokenizer.ggml.model").unwrap_or("none");
            if model != "gpt2" {
                return Err(format!("it is a {model:?}, known is \"gpt2\""));
            }
            let tokens = gguf.texts("tokenizer.ggml.tokens");
            if tokens.is_empty() || tokens.len() > n_vocab {
                let n_tokens = tokens.len();
                return Err(format!("it has {n_tokens} tokens, the embedding {n_vocab}"));
            }
            let types = gguf.codes("tokenizer.ggml.token_type");
            let type_of = |id: usize| types.get(id).copied().unwrap_or(1);
            let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("default");

            let bpe = byte_pair_encoding(gguf, &tokens, pre)?;
            let mut bpe = Bpe::new(bpe);
            bpe.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
            let added = tokens.iter().enumerate().filter_map(|(id, token)| match type_of(id) {
                CONTROL => Some(AddedToken::from(token.clone(), true)),
                USER_DEFINED => Some(AddedToken::from(token.clone(), false).normalized(false)),
                _ => None,
            });
            bpe.add_tokens(added).map_err(|error| error.to_string())?;

            let spelling = |(id, token): (usize, &String)| match type_of(id) {
                CONTROL => Vec::new(),
                USER_DEFINED => token.clone().into_bytes(),
                _ => spelled_by(token),
            };
            let id_at = |key: &str| {
                let id = gguf.count(&format!("tokenizer.ggml.{key}_token_id"))?;
                (id < tokens.len()).then_some(id as u32)
            };
            let (bos, eos) = (id_at("bos"), id_at("eos"));
            let text_of =
                |id: Option<u32>| id.map_or(String::new(), |id| tokens[id as usize].clone());
            let ends_turn = |(id, token): (usize, &String)| {
                let ends = END_OF_TURN.contains(&token.as_str())
                    && matches!(type_of(id), CONTROL | USER_DEFINED);
                ends.then_some(id as u32)
            };
            let mut stop_ids: Vec<u32> = tokens
                .iter()
                .enumerate()
                .filter_map(ends_turn)
                .chain(eos)
                .chain(id_at("eot"))
                .collect();
            stop_ids.sort_unstable();
            stop_ids.dedup();
            let add_bos = gguf.flag("tokenizer.ggml.add_bos_token").unwrap_or(pre == "llama-bpe");
            Ok(Self {
                bytes: tokens.iter().enumerate().map(spelling).collect(),
                bos: bos.filter(|_| add_bos),
                stop_ids,
                bos_text: text_of(bos),
                eos_text: text_of(eos),
                bpe,
            })
        };
        build().map_err(|why| gguf.problem(ModelProblem::Tokenizer(why)))
    }

    /// The ids of a text; names of control tokens in it become those tokens.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let tokenize = |error: tokenizers::Error| Error::Tokenize { why: error.to_string() };
        Ok(self.bpe.encode_fast(text, false).map_err(tokenize)?.get_ids().to_vec())
    }

    /// The ids of a whole prompt: as [`Tokenizer::encode`], behind the model's first token if it
    /// wants one and the text did not bring it.
    ///
    /// # Errors
    /// If the tokenizer refuses the text.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = self.encode(text)?;
        if let Some(bos) = self.bos
            && ids.first() != Some(&bos)
        {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// What a token spells, in bytes; a character may be spread over several tokens.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether a reply ends with this token.
    pub fn is_stop(&self, id: u32) -> bool {
        self.stop_ids.binary_search(&id).is_ok()
    }

    /// The name of the token that begins a text; empty if there is none.
    pub fn bos_text(&self) -> &str {
        &self.bos_text
    }

    /// The name of the token that ends a text; empty if there is none.
    pub fn eos_text(&self) -> &str {
        &self.eos_text
    }
}

fn byte_pair_encoding(gguf: &Gguf<'_>, tokens: &[String], pre: &str) -> Result<BPE, String> {
    let vocab: HashMap<String, u32> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
    let merges = gguf
        .texts("tokenizer.ggml.merges")
        .into_iter()
        .map(|merge| match merge.split_once(' ') {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(format!("merge {merge:?} is not a pair")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    BPE::builder()
        .vocab_and_merges(vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), merges)
        // Llama 3 takes a word that is in the vocabulary whole, whatever the merges say.
        .ignore_merges(is_llama_3(pre))
        .build()
        .map_err(|error| error.to_string())
}

fn is_llama_3(pre: &str) -> bool {
    matches!(pre, "llama-bpe" | "llama3" | "llama-v3")
}

/// How text is split before the merges.
fn pre_tokenizer(pre: &str) -> Result<PreTokenizerWrapper, String> {
    const GPT_2: &str =
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let splits: &[&str] = match pre {
        // Each digit by itself, then as GPT-2.
        "smollm" => {
            let byte_level = ByteLevel::new(false, false, true);
            return Ok(sequence(vec![Digits::new(true).into(), byte_level.into()]));
        }
        "llama-bpe" | "llama3" | "llama-v3" => &[LLAMA_3],
        "qwen2" => &[QWEN_2],
        "gpt-2" => &[GPT_2],
        "default" => &[r"[\p{P}\$\+<=>\^~\|]+", GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"],
        other => {
            return Err(format!(
                "its text is split by {other:?}, known are smollm, llama-bpe, qwen2, gpt-2, default"
            ));
        }
    };
    let mut steps = Vec::new();
    for split in splits {
        let pattern = SplitPattern::Regex((*split).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        steps.push(split.map_err(|error| error.to_string())?.into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    Ok(sequence(steps))
}

fn sequence(steps: Vec<PreTokenizerWrapper>) -> PreTokenizerWrapper {
    Sequence::new(steps).into()
}

/// The bytes of a token written in GPT-2's letters; of any other token, those of its name.
fn spelled_by(token: &str) -> Vec<u8> {
    let letters: Option<Vec<u8>> = token.chars().map(byte_of_letter).collect();
    letters.unwrap_or_else(|| token.as_bytes().to_vec())
}
