//! The vocabulary of a model folder: `tokenizer.json`, and what stands beside it.
//!
//! Files and their precedence: `tokenization_utils_base.py` and `generation/configuration_utils.py`
//! of <https://github.com/huggingface/transformers>.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper,
    Tokenizer as Rules, pre_tokenizers::metaspace::PrependScheme,
};

use super::HuggingFace;
use crate::lm::{
    Error, ModelProblem,
    checkpoint::Checkpoint,
    sentencepiece::{SPACE, byte_named},
    text_stream::spelled_by,
    tokenizer::{END_OF_TURN, Splitter, Tokenizer},
};

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Reads the vocabulary.
///
/// # Errors
/// If it is missing, inconsistent, or of a kind that is not known here.
pub fn read(folder: &HuggingFace<'_>, n_vocab: usize) -> Result<Tokenizer, Error> {
    let Some(json) = folder.file(TOKENIZER)? else {
        return Err(folder.problem(ModelProblem::MissingFile(TOKENIZER.to_owned())));
    };
    let beside = folder.json(TOKENIZER_CONFIG)?.unwrap_or_default();
    let generation = folder.json("generation_config.json")?.unwrap_or_default();
    let stops = [generation.get("eos_token_id"), folder.stated("eos_token_id")];
    let tokenizer = build(&json, &beside, stops.into_iter().flatten(), n_vocab);
    tokenizer.map_err(|why| folder.problem(ModelProblem::Tokenizer(why)))
}

/// The chat template's source: a file of its own, else the one beside the tokenizer.
///
/// # Errors
/// If a file cannot be read.
pub fn chat_template(folder: &HuggingFace<'_>) -> Result<Option<String>, Error> {
    if let Some(template) = folder.file("chat_template.jinja")? {
        return Ok(Some(String::from_utf8_lossy(&template).into_owned()));
    }
    let beside = folder.json(TOKENIZER_CONFIG)?.unwrap_or_default();
    let named = |template: &Value, name: &str| {
        (template.get("name")?.as_str()? == name)
            .then(|| template.get("template")?.as_str().map(str::to_owned))?
    };
    Ok(match beside.get("chat_template") {
        Some(Value::String(template)) => Some(template.clone()),
        // Several, by name: the one for plain conversations.
        Some(Value::Array(templates)) => {
            templates.iter().find_map(|template| named(template, "default"))
        }
        _ => None,
    })
}

/// `tokenizer.json`, as far as it matters here. The crate could read all of it, but its
/// post-processors take what is stated at its word and panic where it is wrong, and a prompt is
/// neither cut off nor filled up. Its steps are read as plain JSON first, since the crate's decoders
/// panic on what is none.
#[derive(Deserialize)]
struct Json {
    model: ModelWrapper,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(flatten)]
    token: AddedToken,
}

fn build<'v>(
    json: &[u8],
    beside: &Map<String, Value>,
    stops: impl Iterator<Item = &'v Value>,
    n_vocab: usize,
) -> Result<Tokenizer, String> {
    let json: Json = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if !matches!(json.model, ModelWrapper::BPE(_)) {
        return Err("it is no byte-pair encoding".to_owned());
    }
    let added = json.added_tokens;
    let mut rules = Rules::new(json.model);
    rules
        .with_normalizer(step::<NormalizerWrapper>(json.normalizer)?)
        .map_err(|error| error.to_string())?;
    rules.with_pre_tokenizer(step::<PreTokenizerWrapper>(json.pre_tokenizer)?);
    rules.with_decoder(step::<DecoderWrapper>(json.decoder)?);
    let tokens = added.iter().map(|added| added.token.clone());
    rules.add_tokens(tokens).map_err(|error| error.to_string())?;
    let vocab = rules.get_vocab(true);
    let n_tokens = vocab.values().max().map_or(0, |last| *last as usize + 1);
    if n_tokens == 0 || n_tokens > n_vocab {
        return Err(format!("it has {n_tokens} tokens, the embedding {n_vocab}"));
    }
    for Added { id, token } in &added {
        // The crate numbers them anew where they leave a gap, and every id after would be wrong.
        if vocab.get(&token.content) != Some(id) {
            return Err(format!("its added token {:?} is not number {id}", token.content));
        }
    }
    let spelled = Spelled::by(rules.get_decoder())?;
    let mut spellings = vec![Vec::new(); n_tokens];
    for (token, id) in &vocab {
        spellings[*id as usize] = spelled.spelling(token);
    }
    for Added { id, token } in &added {
        spellings[*id as usize] =
            if token.special { Vec::new() } else { token.content.clone().into_bytes() };
    }

    let bos_text = token_text(beside.get("bos_token"));
    let eos_text = token_text(beside.get("eos_token"));
    let mut stop_ids: BTreeSet<u32> = stops.flat_map(ids).collect();
    stop_ids.extend(vocab.get(&eos_text));
    let added_ids: HashMap<&str, u32> =
        added.iter().map(|added| (added.token.content.as_str(), added.id)).collect();
    stop_ids.extend(END_OF_TURN.iter().filter_map(|name| added_ids.get(name)));
    let bos = vocab.get(&bos_text).copied();
    let adds_bos = match beside.get("add_bos_token").and_then(Value::as_bool) {
        Some(adds) => adds,
        None => begins_with(&json.post_processor, &bos_text),
    };
    Ok(Tokenizer {
        first: bos.filter(|_| adds_bos),
        stop_ids: stop_ids.into_iter().filter(|id| (*id as usize) < n_vocab).collect(),
        bos_text,
        eos_text,
        begins_with_space: spelled == Spelled::Pieces { begins_with_space: true },
        label: format!("{}, {} tokens", spelled.label(), vocab.len()),
        spellings,
        splitter: Splitter::Rules(Box::new(rules)),
    })
}

/// A step of the tokenizer, if there is one.
fn step<T: DeserializeOwned>(json: Value) -> Result<Option<T>, String> {
    // Its table of characters is unpacked unchecked; no byte-pair encoding has one.
    if has_type(&json, "Precompiled") {
        return Err("it normalizes by a precompiled table, which is not provided for".to_owned());
    }
    serde_json::from_value(json).map_err(|error| error.to_string())
}

/// Whether a step or one within it is of that type.
fn has_type(json: &Value, name: &str) -> bool {
    match json {
        Value::Object(fields) => {
            fields.get("type").is_some_and(|kind| kind == name)
                || fields.values().any(|field| has_type(field, name))
        }
        Value::Array(steps) => steps.iter().any(|step| has_type(step, name)),
        _ => false,
    }
}

/// Whether a post-processor puts that token before every text.
fn begins_with(processor: &Value, bos: &str) -> bool {
    let first = || processor.get("single")?.get(0)?.get("SpecialToken")?.get("id")?.as_str();
    match processor.get("processors").and_then(Value::as_array) {
        // A sequence of them.
        Some(processors) => processors.iter().any(|processor| begins_with(processor, bos)),
        None => first() == Some(bos),
    }
}

/// A token's name, which stands there as it is or within a table.
fn token_text(token: Option<&Value>) -> String {
    let text = token.and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
    text.unwrap_or_default().to_owned()
}

/// One id or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match value {
        Value::Array(ids) => ids.iter().filter_map(id).collect(),
        value => id(value).into_iter().collect(),
    }
}

/// How the names of tokens spell text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelled {
    /// In GPT-2's letters, one for each byte.
    Letters,
    /// In the text's own letters, with `▁` for spaces and `<0x0A>` for single bytes.
    Pieces { begins_with_space: bool },
}

impl Spelled {
    /// As the decoder would read them.
    fn by(decoder: Option<&DecoderWrapper>) -> Result<Self, String> {
        let mut steps = Vec::new();
        flatten(decoder, &mut steps);
        if steps.iter().any(|step| matches!(step, DecoderWrapper::ByteLevel(_))) {
            return Ok(Self::Letters);
        }
        let is_piece = |step: &&DecoderWrapper| {
            matches!(step, DecoderWrapper::Metaspace(_) | DecoderWrapper::ByteFallback(_))
        };
        let drops_space = |step: &&DecoderWrapper| match step {
            DecoderWrapper::Metaspace(space) => space.get_prepend_scheme() != PrependScheme::Never,
            DecoderWrapper::Strip(strip) => strip.content == ' ' && strip.start > 0,
            _ => false,
        };
        if steps.iter().any(is_piece) {
            return Ok(Self::Pieces { begins_with_space: steps.iter().any(drops_space) });
        }
        Err("its decoder is neither byte-level nor SentencePiece's".to_owned())
    }

    fn spelling(self, token: &str) -> Vec<u8> {
        match self {
            Self::Letters => spelled_by(token),
            Self::Pieces { .. } => byte_named(token)
                .map_or_else(|| token.replace(SPACE, " ").into_bytes(), |byte| vec![byte]),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Letters => "byte-level BPE",
            Self::Pieces { .. } => "SentencePiece BPE",
        }
    }
}

fn flatten<'a>(decoder: Option<&'a DecoderWrapper>, steps: &mut Vec<&'a DecoderWrapper>) {
    match decoder {
        Some(DecoderWrapper::Sequence(sequence)) => {
            for step in sequence.get_decoders() {
                flatten(Some(step), steps);
            }
        }
        step => steps.extend(step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Deserialize)]
    struct Fixture {
        tokenizer: Value,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        text: String,
        by_rules: Vec<u32>,
    }

    /// Made by `scripts/make_sentencepiece_fixture.py`; ids by Hugging Face's `tokenizers`.
    fn fixture() -> Fixture {
        let json = include_str!("../../../tests/fixtures/lm/sentencepiece.json");
        serde_json::from_str(json).unwrap()
    }

    fn build_of(tokenizer: &Value, beside: &Value) -> Result<Tokenizer, String> {
        let beside = beside.as_object().unwrap();
        build(tokenizer.to_string().as_bytes(), beside, std::iter::empty(), 420)
    }

    #[test]
    fn a_converted_sentencepiece_vocabulary_spells_and_is_spelled_right() {
        let Fixture { tokenizer, cases } = fixture();
        let made = build_of(&tokenizer, &json!({})).unwrap();
        for Case { text, by_rules } in cases {
            assert_eq!(made.encode(&text).unwrap(), by_rules, "{text:?}");
            if !text.starts_with("<mark>") {
                assert_eq!(made.text(&by_rules), text.replace(SPACE, " "));
            }
        }
        assert_eq!(made.bytes(0), b"");
    }

    #[test]
    fn whether_prompts_begin_with_a_token_is_said_beside() {
        let Fixture { tokenizer, .. } = fixture();
        let first = |adds: bool| {
            let beside = json!({ "bos_token": { "content": "<s>" }, "add_bos_token": adds });
            build_of(&tokenizer, &beside).unwrap().first
        };
        assert_eq!((first(true), first(false)), (Some(1), None));
        assert_eq!(build_of(&tokenizer, &json!({ "bos_token": "<s>" })).unwrap().first, None);
    }

    #[test]
    fn nothing_is_cut_off_or_filled_up() {
        let Fixture { mut tokenizer, .. } = fixture();
        tokenizer["truncation"] = json!({ "max_length": 1, "strategy": "LongestFirst",
            "stride": 0, "direction": "Right" });
        tokenizer["padding"] = json!({ "strategy": { "Fixed": 1_000_000 }, "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>" });
        let made = build_of(&tokenizer, &json!({})).unwrap();
        assert_eq!(made.encode("the sea").unwrap().len(), 2);
    }

    #[test]
    fn a_tokenizer_of_another_kind_is_refused() {
        let Fixture { mut tokenizer, .. } = fixture();
        tokenizer["decoder"] = Value::Null;
        let why = "its decoder is neither byte-level nor SentencePiece's";
        assert_eq!(build_of(&tokenizer, &json!({})).err().unwrap(), why);
        let mut gap = fixture().tokenizer;
        gap["added_tokens"].as_array_mut().unwrap().push(json!({ "id": 900, "content": "<gap>",
            "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true }));
        assert!(build_of(&gap, &json!({})).err().unwrap().contains("the embedding 420"));
        let made = build(gap.to_string().as_bytes(), &Map::new(), std::iter::empty(), 1000);
        assert_eq!(made.err().unwrap(), "its added token \"<gap>\" is not number 900");
    }
}
