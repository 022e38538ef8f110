//! What the `config.json` of an EAGLE-3 head states.

use serde_json::{Map, Value};

use super::{
    config::Config,
    hugging_face::{StatedConfig, read_config},
};

/// Sizes and kind of a head.
#[derive(Debug)]
pub struct HeadConfig {
    /// Its one layer, in the terms of a whole model.
    pub config: Config,
    /// Tokens of its own vocabulary, if it says.
    pub draft_vocab: Option<usize>,
    /// Layers of the model whose inputs it reads, if it says.
    pub taps: Option<Vec<usize>>,
    /// Whether what its layer adds to is the normed feature.
    pub norm_before_residual: bool,
}

/// Reads it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read(text: &str) -> Result<HeadConfig, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("config.json: {error}"))?;
    let Value::Object(json) = json else { return Err("config.json is no table".to_owned()) };
    let count = |table: &Map<String, Value>, key: &str| {
        table.get(key).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
    };
    let nothing = Map::new();
    let eagle = json.get("eagle_config").and_then(Value::as_object).unwrap_or(&nothing);
    let flag = |key: &str| {
        [eagle, &json].into_iter().any(|table| table.get(key) == Some(&Value::Bool(true)))
    };
    if let Some(key) = ["norm_before_fc", "norm_output"].into_iter().find(|key| flag(key)) {
        return Err(format!("its {key} is true, a kind of head that is not provided for"));
    }
    let taps = eagle.get("eagle_aux_hidden_state_layer_ids").and_then(Value::as_array);
    let tap = |value: &Value| value.as_u64().and_then(|tap| usize::try_from(tap).ok());
    let taps: Option<Option<Vec<usize>>> = taps.map(|taps| taps.iter().map(tap).collect());
    let taps = match taps {
        Some(None) => return Err("its eagle_aux_hidden_state_layer_ids are no layers".to_owned()),
        taps => taps.flatten().filter(|taps| !taps.is_empty()),
    };
    let draft_vocab = count(&json, "draft_vocab_size");
    let norm_before_residual = flag("norm_before_residual");
    let config = read_config(&StatedConfig(json)).map_err(|why| why.to_string())?;
    if config.n_layers != 1 {
        let n = config.n_layers;
        return Err(format!("it has {n} layers; an EAGLE-3 head has one"));
    }
    Ok(HeadConfig { config, draft_vocab, taps, norm_before_residual })
}
