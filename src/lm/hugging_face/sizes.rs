//! The sizes of a Llama from its `config.json`.
//!
//! Keys and defaults: `LlamaConfig` and `MistralConfig` of
//! <https://github.com/huggingface/transformers>; how the rotary embedding is scaled, in
//! `modeling_rope_utils.py` there.

use serde_json::{Map, Value};

use crate::lm::{
    ModelProblem,
    config::{AttentionShape, Config, RopeScaling, Stated, bad, rope_frequencies},
};

/// Numbers above nothing.
const ABOVE_ZERO: &str = "a number above 0";

/// What `config.json` states.
#[derive(Debug)]
pub struct StatedConfig(pub Map<String, Value>);

impl StatedConfig {
    /// What stands under a key; nothing if that is `null`.
    fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.as_str()
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, ModelProblem> {
        number(key, self.value(key), Some(default))
    }
}

impl Stated for StatedConfig {
    fn count(&self, key: &str) -> Option<usize> {
        self.value(key)?.as_u64().and_then(|count| usize::try_from(count).ok())
    }
}

/// The model's sizes.
///
/// # Errors
/// If it is of another architecture, or a value is missing, out of range or not provided for.
pub fn read(stated: &StatedConfig) -> Result<Config, ModelProblem> {
    let model_type = stated.text("model_type").unwrap_or_default();
    if !matches!(model_type, "llama" | "mistral") {
        let found = model_type.to_owned();
        let known = "known are \"llama\" and \"mistral\"";
        return Err(ModelProblem::Architecture { found, known });
    }
    for (key, why) in [
        ("attention_bias", "false: layers with biases are not provided for"),
        ("mlp_bias", "false: layers with biases are not provided for"),
        ("quantization_config", "none: weights of F32, F16 or BF16"),
    ] {
        match stated.value(key) {
            None | Some(Value::Bool(false)) => (),
            Some(Value::Bool(true)) => return Err(bad(key, "true", why)),
            Some(_) => return Err(bad(key, "something", why)),
        }
    }
    match stated.value("hidden_act") {
        None => (),
        Some(Value::String(act)) if act == "silu" => (),
        Some(act) => return Err(bad("hidden_act", act, "\"silu\"")),
    }
    let n_embd = stated.size("hidden_size", None)?;
    let heads = AttentionShape::read(
        stated,
        n_embd,
        ["num_attention_heads", "num_key_value_heads", "head_dim"],
    )?;
    let context_length = stated.size("max_position_embeddings", None)?;
    if let Some(window) = stated.count("sliding_window")
        && window < context_length
    {
        let expected = format!("none, or the whole context of {context_length}");
        return Err(bad("sliding_window", &window, &expected));
    }
    let rms_eps = stated.number("rms_norm_eps", 1e-6)?;
    let is_tied = match stated.value("tie_word_embeddings") {
        None => false,
        Some(Value::Bool(tied)) => *tied,
        Some(other) => return Err(bad("tie_word_embeddings", other, "true or false")),
    };
    Ok(Config {
        n_vocab: stated.size("vocab_size", None)?,
        n_embd,
        n_layers: stated.size("num_hidden_layers", None)?,
        n_heads: heads.n_heads,
        n_kv_heads: heads.n_kv_heads,
        head_dim: heads.head_dim,
        n_ff: stated.size("intermediate_size", None)?,
        context_length,
        rms_eps: rms_eps as f32,
        is_tied,
        rope_frequencies: rope(stated, heads.head_dim, context_length)?,
    })
}

fn rope(
    stated: &StatedConfig,
    head_dim: usize,
    context_length: usize,
) -> Result<Vec<f64>, ModelProblem> {
    // Newer files have base and scaling in one table, older ones the scaling alone.
    let key =
        if stated.value("rope_parameters").is_some() { "rope_parameters" } else { "rope_scaling" };
    let table = match stated.value(key) {
        None => None,
        Some(Value::Object(table)) => Some(table),
        Some(other) => return Err(bad(key, other, "a table")),
    };
    let entry = |name: &str| table?.get(name).filter(|value| !value.is_null());
    let required = |name: &str| number(&format!("{key}.{name}"), entry(name), None);
    let base = match entry("rope_theta") {
        Some(base) => number("rope_theta", Some(base), None)?,
        None => stated.number("rope_theta", 10_000.0)?,
    };
    if base < 1.0 {
        return Err(bad("rope_theta", &base, "a number from 1"));
    }
    let partial = match entry("partial_rotary_factor") {
        Some(partial) => number("partial_rotary_factor", Some(partial), None)?,
        None => stated.number("partial_rotary_factor", 1.0)?,
    };
    if partial != 1.0 {
        return Err(bad("partial_rotary_factor", &partial, "1"));
    }
    let scaling = match entry("rope_type").or_else(|| entry("type")).map(Value::as_str) {
        None if table.is_none_or(|table| !table.contains_key("factor")) => RopeScaling::None,
        Some(Some("default")) => RopeScaling::None,
        Some(Some("linear")) => RopeScaling::Linear(required("factor")?),
        Some(Some("llama3")) => {
            let (low_freq_factor, high_freq_factor) =
                (required("low_freq_factor")?, required("high_freq_factor")?);
            if high_freq_factor <= low_freq_factor {
                let expected = format!("a number above the low {low_freq_factor}");
                return Err(bad(&format!("{key}.high_freq_factor"), &high_freq_factor, &expected));
            }
            let original = entry("original_max_position_embeddings");
            let original_context = match original {
                Some(_) => required("original_max_position_embeddings")?,
                None => context_length as f64,
            };
            let factor = required("factor")?;
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context }
        }
        other => {
            let other = other.flatten().unwrap_or("something else");
            let expected = "\"default\", \"linear\" or \"llama3\"";
            return Err(bad(&format!("{key}.rope_type"), other, expected));
        }
    };
    Ok(rope_frequencies(base, head_dim, scaling))
}

/// A number above zero.
fn number(key: &str, value: Option<&Value>, default: Option<f64>) -> Result<f64, ModelProblem> {
    let number = match value {
        None => default.ok_or_else(|| ModelProblem::MissingValue(key.to_owned()))?,
        Some(value) => value.as_f64().ok_or_else(|| bad(key, value, ABOVE_ZERO))?,
    };
    let is_good = number > 0.0 && number.is_finite();
    if is_good { Ok(number) } else { Err(bad(key, &number, ABOVE_ZERO)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stated(changes: &Value) -> StatedConfig {
        let mut config = json!({
            "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4,
            "num_hidden_layers": 2, "intermediate_size": 96, "max_position_embeddings": 128,
            "vocab_size": 300, "rms_norm_eps": 1e-5,
        });
        let config = config.as_object_mut().unwrap();
        config.extend(changes.as_object().unwrap().clone());
        StatedConfig(config.clone())
    }

    #[track_caller]
    fn check_refused(changes: &Value, expected: &str) {
        assert_eq!(read(&stated(changes)).unwrap_err().to_string(), expected);
    }

    #[test]
    fn sizes_that_are_left_out_follow_from_the_others() {
        let config = read(&stated(&json!({ "head_dim": null }))).unwrap();
        assert_eq!((config.n_heads, config.n_kv_heads, config.head_dim), (4, 4, 16));
        assert!(!config.is_tied);
        assert_eq!(config.rope_frequencies[..2], [1.0, 10_000f64.powf(-0.125)]);
        let config = read(&stated(&json!({
            "head_dim": 32, "num_key_value_heads": 1, "tie_word_embeddings": true,
        })));
        let config = config.unwrap();
        assert_eq!((config.n_kv_heads, config.head_dim, config.is_tied), (1, 32, true));
    }

    #[test]
    fn scaling_is_read_in_its_old_and_its_new_place() {
        let llama3 = json!({
            "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64, "rope_type": "llama3",
        });
        let mut parameters = llama3.clone();
        parameters["rope_theta"] = json!(500_000.0);
        let old = read(&stated(&json!({ "rope_theta": 500_000, "rope_scaling": llama3 }))).unwrap();
        let new = read(&stated(&json!({ "rope_parameters": parameters }))).unwrap();
        assert_eq!(old, new);
        let legacy = json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } });
        assert_eq!(read(&stated(&legacy)).unwrap().rope_frequencies[0], 0.5);
    }

    #[test]
    fn a_window_as_long_as_the_context_is_none() {
        let changes = json!({ "model_type": "mistral", "sliding_window": 128 });
        assert_eq!(read(&stated(&changes)).unwrap().context_length, 128);
    }

    #[test]
    fn what_is_not_provided_for_is_refused_with_the_reason() {
        check_refused(
            &json!({ "model_type": "gemma3" }),
            "its architecture is \"gemma3\", known are \"llama\" and \"mistral\"",
        );
        check_refused(
            &json!({ "model_type": "mistral", "sliding_window": 96 }),
            "it states \"sliding_window\" as 96, expected none, or the whole context of 128",
        );
        check_refused(
            &json!({ "attention_bias": true }),
            "it states \"attention_bias\" as true, expected false: layers with biases are not \
             provided for",
        );
        check_refused(
            &json!({ "quantization_config": { "bits": 4 } }),
            "it states \"quantization_config\" as something, expected none: weights of F32, F16 or \
             BF16",
        );
        check_refused(
            &json!({ "hidden_act": "gelu" }),
            "it states \"hidden_act\" as \"gelu\", expected \"silu\"",
        );
        check_refused(
            &json!({ "rope_scaling": { "rope_type": "yarn", "factor": 4.0 } }),
            "it states \"rope_scaling.rope_type\" as yarn, expected \"default\", \"linear\" or \
             \"llama3\"",
        );
        check_refused(
            &json!({ "rope_scaling": { "rope_type": "linear", "factor": 0 } }),
            "it states \"rope_scaling.factor\" as 0, expected a number above 0",
        );
        check_refused(
            &json!({ "rope_scaling": { "rope_type": "llama3", "factor": 8 } }),
            "it does not state \"rope_scaling.low_freq_factor\"",
        );
        check_refused(
            &json!({ "hidden_size": 40 }),
            "it states \"head_dim\" as 10, expected a multiple of 16 up to 1024",
        );
        check_refused(
            &json!({ "num_hidden_layers": null }),
            "it does not state \"num_hidden_layers\"",
        );
    }
}
