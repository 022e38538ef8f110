//! The vocabulary inside a GGUF file, and the rules that its name stands for.
//!
//! The file names how text is split before byte-pair encoding (`tokenizer.ggml.pre`) but does not
//! bring the rule, so the known ones stand here as llama.cpp has them (`llm_tokenizer_bpe` in
//! `src/llama-vocab.cpp`, <https://github.com/ggml-org/llama.cpp>). An unknown name is refused: a
//! wrong split still "works", and quietly costs quality.

use tokenizers::{
    AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer as Rules,
    models::bpe::{BPE, Vocab},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::file::Gguf;
use crate::lm::{
    config::Stated,
    sentencepiece::{Piece, PieceKind, SentencePiece, SpaceBefore},
    text_stream::spelled_by,
    tokenizer::{END_OF_TURN, Splitter, Tokenizer},
};

/// Reads the vocabulary.
///
/// # Errors
/// If it is missing, inconsistent, or of a kind that is not known here; in words.
pub fn read(gguf: &Gguf<'_>, n_vocab: usize) -> Result<Tokenizer, String> {
    let tokens = gguf.texts("tokenizer.ggml.tokens");
    if tokens.is_empty() || tokens.len() > n_vocab {
        return Err(format!("it has {} tokens, the embedding {n_vocab}", tokens.len()));
    }
    let kinds = kinds(gguf, tokens.len());
    let Made { splitter, spellings, adds_bos, begins_with_space, label } =
        match gguf.text("tokenizer.ggml.model").unwrap_or("none") {
            "gpt2" => byte_level(gguf, tokens, &kinds)?,
            "llama" => sentencepiece(gguf, tokens, &kinds)?,
            other => {
                return Err(format!("it is a {other:?}, known are \"gpt2\" and \"llama\""));
            }
        };
    let id_at = |key: &str| {
        let id = gguf.count(&format!("tokenizer.ggml.{key}_token_id"))?;
        (id < tokens.len()).then_some(id as u32)
    };
    let (bos, eos) = (id_at("bos"), id_at("eos"));
    let text_of = |id: Option<u32>| id.map_or(String::new(), |id| tokens[id as usize].clone());
    let ends_turn = |(id, token): (usize, &String)| {
        let ends = END_OF_TURN.contains(&token.as_str())
            && matches!(kinds[id], PieceKind::Control | PieceKind::UserDefined);
        ends.then_some(id as u32)
    };
    let mut stop_ids: Vec<u32> = tokens.iter().enumerate().filter_map(ends_turn).collect();
    stop_ids.extend(["eos", "eot", "eom"].into_iter().filter_map(id_at));
    stop_ids.sort_unstable();
    stop_ids.dedup();
    let adds_bos = gguf.flag("tokenizer.ggml.add_bos_token").unwrap_or(adds_bos);
    Ok(Tokenizer {
        splitter,
        spellings,
        first: bos.filter(|_| adds_bos),
        stop_ids,
        bos_text: text_of(bos),
        eos_text: text_of(eos),
        begins_with_space,
        label,
    })
}

/// What the two kinds of vocabulary differ in.
struct Made {
    splitter: Splitter,
    spellings: Vec<Vec<u8>>,
    /// Whether prompts begin with a token of their own, unless the file says otherwise.
    adds_bos: bool,
    begins_with_space: bool,
    label: String,
}

/// What each token is; text where the file does not say.
fn kinds(gguf: &Gguf<'_>, n_tokens: usize) -> Vec<PieceKind> {
    let codes = gguf.wholes("tokenizer.ggml.token_type");
    (0..n_tokens)
        .map(|id| codes.get(id).map_or(PieceKind::Normal, |code| PieceKind::of_code(*code)))
        .collect()
}

fn sentencepiece(gguf: &Gguf<'_>, tokens: &[String], kinds: &[PieceKind]) -> Result<Made, String> {
    let scores = gguf.numbers("tokenizer.ggml.scores");
    if scores.len() != tokens.len() {
        return Err(format!("it has {} tokens and {} scores", tokens.len(), scores.len()));
    }
    let pieces: Vec<Piece> = tokens
        .iter()
        .zip(scores)
        .zip(kinds)
        .map(|((text, &score), &kind)| Piece { text: text.clone(), score, kind })
        .collect();
    let begins_with_space = gguf.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let space = if begins_with_space { SpaceBefore::FirstWord } else { SpaceBefore::Nothing };
    Ok(Made {
        splitter: Splitter::SentencePiece(SentencePiece::new(&pieces, space)),
        spellings: pieces.iter().map(Piece::spelling).collect(),
        adds_bos: true,
        begins_with_space,
        label: format!("SentencePiece BPE, {} tokens", tokens.len()),
    })
}

fn byte_level(gguf: &Gguf<'_>, tokens: &[String], kinds: &[PieceKind]) -> Result<Made, String> {
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
    let mut rules = Rules::new(byte_pair_encoding(gguf, tokens, pre)?);
    rules.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
    let added = tokens.iter().zip(kinds).filter_map(|(token, kind)| match kind {
        PieceKind::Control => Some(AddedToken::from(token.clone(), true)),
        PieceKind::UserDefined => Some(AddedToken::from(token.clone(), false).normalized(false)),
        _ => None,
    });
    rules.add_tokens(added).map_err(|error| error.to_string())?;
    let spelling = |(token, kind): (&String, &PieceKind)| match kind {
        PieceKind::Control => Vec::new(),
        PieceKind::UserDefined => token.clone().into_bytes(),
        _ => spelled_by(token),
    };
    Ok(Made {
        splitter: Splitter::Rules(Box::new(rules)),
        spellings: tokens.iter().zip(kinds).map(spelling).collect(),
        adds_bos: is_llama_3(pre),
        begins_with_space: false,
        label: format!("byte-level BPE split as {pre}, {} tokens", tokens.len()),
    })
}

fn byte_pair_encoding(gguf: &Gguf<'_>, tokens: &[String], pre: &str) -> Result<BPE, String> {
    let vocab: Vocab =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)).collect();
    let merges = gguf
        .texts("tokenizer.ggml.merges")
        .iter()
        .map(|merge| match merge.split_once(' ') {
            Some((left, right)) => Ok((left.to_owned(), right.to_owned())),
            None => Err(format!("merge {merge:?} is not a pair")),
        })
        .collect::<Result<Vec<_>, _>>()?;
    BPE::builder()
        .vocab_and_merges(vocab, merges)
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
