//! `adapter_config.json`: which modules are changed, by which rank and scale.
//!
//! Source: `LoraConfig` and `get_pattern_key` of <https://github.com/huggingface/peft>. What changes
//! the result and is not provided for is refused, whatever its name: a setting that is not known
//! here passes only if it is off.

use std::fmt;

use fancy_regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::AdapterProblem;

/// The file's name.
pub const CONFIG: &str = "adapter_config.json";

/// Ranks beyond this are no adapter's.
const MOST_RANK: u64 = 4096;

/// What PEFT changes in a Llama if it is told nothing.
const DEFAULT_TARGETS: [&str; 2] = ["q_proj", "v_proj"];

/// Settings of the training, of other programs, or of how weights were begun.
const HARMLESS: [&str; 16] = [
    "task_type",
    "inference_mode",
    "revision",
    "auto_mapping",
    "peft_version",
    "lora_dropout",
    "megatron_config",
    "megatron_core",
    "loftq_config",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "runtime_config",
    "qalora_group_size",
    "ensure_weight_tying",
    "base_model_class",
];

/// Ways to begin an adapter's weights that leave the base as it is.
const PLAIN_BEGINNINGS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// What is expected of a setting that changes the result in a way that is not provided for.
const REFUSED: [(&str, &str); 10] = [
    (
        "use_dora",
        "false: DoRA also scales each output of the base; train or convert it as plain LoRA",
    ),
    ("use_qalora", "false: QALoRA changes groups of inputs, which is not provided for"),
    ("lora_bias", "false: biases are not provided for"),
    ("fan_in_fan_out", "false: no Llama stores its weights transposed"),
    (
        "modules_to_save",
        "null: whole modules in place of the base's are not provided for; merge the adapter into its model",
    ),
    ("layer_replication", "null: models with repeated layers are not provided for"),
    ("trainable_token_indices", "null: changed embeddings are not provided for"),
    ("target_parameters", "null: bare parameters are not provided for, only linear layers"),
    ("alora_invocation_tokens", "null: adapters that begin within a text are not provided for"),
    ("use_bdlora", "null: block-diagonal adapters are not provided for"),
];

/// What the file states.
#[derive(Debug)]
pub struct PeftConfig {
    /// The model that it was trained on.
    pub base: Option<String>,
    /// Alpha, but for modules of `alpha_pattern`.
    pub alpha: f64,
    /// Whether the scale is alpha over the root of the rank.
    pub is_rank_stabilized: bool,
    rank: usize,
    rank_pattern: Vec<(Regex, f64)>,
    alpha_pattern: Vec<(Regex, f64)>,
    targets: Names,
    excluded: Option<Names>,
    layers: Option<Vec<u64>>,
}

/// Which modules are meant.
#[derive(Debug)]
enum Names {
    /// Every linear layer but the head.
    AllLinear,
    /// Those whose path is, or ends with, one of these.
    Listed(Vec<String>),
    /// Those whose whole path matches.
    Matching(Regex),
}

/// The settings in which order counts.
#[derive(Deserialize)]
struct Patterns {
    #[serde(default)]
    rank_pattern: Option<Ordered>,
    #[serde(default)]
    alpha_pattern: Option<Ordered>,
}

/// An object's numbers, in the order of the file.
struct Ordered(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers by pattern")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl PeftConfig {
    /// Reads the file's text.
    ///
    /// # Errors
    /// If it is damaged, or states what cannot be or is not provided for.
    pub fn read(text: &[u8]) -> Result<Self, AdapterProblem> {
        let damaged = |error: serde_json::Error| AdapterProblem::File {
            file: CONFIG.to_owned(),
            why: error.to_string(),
        };
        let json: Map<String, Value> = serde_json::from_slice(text).map_err(damaged)?;
        refuse(&json)?;
        let patterns: Patterns = serde_json::from_slice(text).map_err(damaged)?;
        let rank = match json.get("r") {
            None => return Err(AdapterProblem::setting("r", &"nothing", "the rank")),
            Some(rank) => {
                rank.as_u64().filter(|rank| (1..=MOST_RANK).contains(rank)).ok_or_else(|| {
                    AdapterProblem::setting("r", rank, &format!("a rank of 1 to {MOST_RANK}"))
                })?
            }
        };
        let alpha = match json.get("lora_alpha") {
            None => return Err(AdapterProblem::setting("lora_alpha", &"nothing", "a number")),
            Some(alpha) => alpha
                .as_f64()
                .filter(|alpha| alpha.is_finite())
                .ok_or_else(|| AdapterProblem::setting("lora_alpha", alpha, "a number"))?,
        };
        let default = DEFAULT_TARGETS.map(str::to_owned).to_vec();
        let targets = Names::read("target_modules", json.get("target_modules"))?;
        Ok(Self {
            base: json.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_owned),
            alpha,
            is_rank_stabilized: json.get("use_rslora").and_then(Value::as_bool).unwrap_or(false),
            rank: rank as usize,
            rank_pattern: compiled("rank_pattern", patterns.rank_pattern)?,
            alpha_pattern: compiled("alpha_pattern", patterns.alpha_pattern)?,
            targets: targets.unwrap_or(Names::Listed(default)),
            excluded: Names::read("exclude_modules", json.get("exclude_modules"))?,
            layers: layers(&json)?,
        })
    }

    /// Whether the module of that path, in that layer, is to be changed.
    pub fn covers(&self, path: &str, layer_idx: usize) -> bool {
        let is_in_layer =
            self.layers.as_ref().is_none_or(|layers| layers.contains(&(layer_idx as u64)));
        is_in_layer
            && self.targets.contain(path)
            && !self.excluded.as_ref().is_some_and(|excluded| excluded.contain(path))
    }

    /// The rank of a module.
    pub fn rank(&self, path: &str) -> usize {
        first_match(&self.rank_pattern, path).map_or(self.rank, |rank| rank as usize)
    }

    /// What a module's change is multiplied by.
    pub fn scale(&self, path: &str) -> f64 {
        let alpha = first_match(&self.alpha_pattern, path).unwrap_or(self.alpha);
        let rank = self.rank(path) as f64;
        if self.is_rank_stabilized { alpha / rank.sqrt() } else { alpha / rank }
    }
}

impl Names {
    fn read(key: &str, value: Option<&Value>) -> Result<Option<Self>, AdapterProblem> {
        const EXPECTED: &str = "a list of names, a regular expression or \"all-linear\"";
        match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text == "all-linear" => Ok(Some(Self::AllLinear)),
            Some(Value::String(pattern)) => Regex::new(&format!("^(?:{pattern})$"))
                .map(|regex| Some(Self::Matching(regex)))
                .map_err(|_| AdapterProblem::setting(key, pattern, EXPECTED)),
            Some(Value::Array(names)) => {
                let names: Option<Vec<String>> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                let unexpected = || AdapterProblem::setting(key, &"something else", EXPECTED);
                Ok(Some(Self::Listed(names.ok_or_else(unexpected)?)))
            }
            Some(other) => Err(AdapterProblem::setting(key, other, EXPECTED)),
        }
    }

    fn contain(&self, path: &str) -> bool {
        match self {
            Self::AllLinear => path != "lm_head",
            Self::Listed(names) => names.iter().any(|name| {
                path.strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
            // A pattern that takes too long to match is one that nobody meant.
            Self::Matching(regex) => regex.is_match(path).unwrap_or(false),
        }
    }
}

/// Refuses what changes the result in a way that is not provided for.
fn refuse(json: &Map<String, Value>) -> Result<(), AdapterProblem> {
    let text = |key: &str| json.get(key).and_then(Value::as_str);
    match json.get("peft_type") {
        Some(Value::String(kind)) if kind == "LORA" => (),
        Some(other) => return Err(AdapterProblem::setting("peft_type", other, "\"LORA\"")),
        None => return Err(AdapterProblem::setting("peft_type", &"nothing", "\"LORA\"")),
    }
    if let Some(bias) = text("bias").filter(|bias| *bias != "none") {
        let expected = "\"none\": biases are not provided for";
        return Err(AdapterProblem::setting("bias", &bias, expected));
    }
    for (key, expected) in REFUSED {
        if let Some(value) = json.get(key).filter(|value| is_on(value)) {
            return Err(AdapterProblem::setting(key, value, expected));
        }
    }
    if let Some(way) = text("init_lora_weights").filter(|way| !PLAIN_BEGINNINGS.contains(way)) {
        let expected = "a way that leaves the base's weights as they are; convert the adapter with \
                        path_initial_model_for_weight_conversion";
        return Err(AdapterProblem::setting("init_lora_weights", &way, expected));
    }
    let known = |key: &str| {
        HARMLESS.contains(&key)
            || matches!(
                key,
                "peft_type"
                    | "base_model_name_or_path"
                    | "bias"
                    | "init_lora_weights"
                    | "r"
                    | "lora_alpha"
                    | "use_rslora"
                    | "rank_pattern"
                    | "alpha_pattern"
                    | "target_modules"
                    | "exclude_modules"
                    | "layers_to_transform"
                    | "layers_pattern"
            )
    };
    match json.iter().find(|(key, value)| !known(key) && is_on(value)) {
        Some((key, value)) => Err(AdapterProblem::setting(
            key,
            value,
            "null: nobody here knows what it changes; take it out if that is nothing",
        )),
        None => Ok(()),
    }
}

/// Whether a setting says anything.
fn is_on(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_on) => *is_on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(values) => !values.is_empty(),
    }
}

fn layers(json: &Map<String, Value>) -> Result<Option<Vec<u64>>, AdapterProblem> {
    let is_usual = match json.get("layers_pattern") {
        None | Some(Value::Null) => true,
        Some(Value::String(pattern)) => pattern == "layers",
        Some(Value::Array(patterns)) => patterns.iter().all(|pattern| pattern == "layers"),
        Some(_) => false,
    };
    if !is_usual {
        let value = &json["layers_pattern"];
        let expected = "\"layers\", which is what a Llama's are called";
        return Err(AdapterProblem::setting("layers_pattern", value, expected));
    }
    let unexpected =
        |value| AdapterProblem::setting("layers_to_transform", value, "numbers of layers");
    match json.get("layers_to_transform") {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Array(layers)) => {
            let layers: Option<Vec<u64>> = layers.iter().map(Value::as_u64).collect();
            let layers = layers.ok_or_else(|| unexpected(value))?;
            Ok((!layers.is_empty()).then_some(layers))
        }
        Some(value) => Ok(Some(vec![value.as_u64().ok_or_else(|| unexpected(value))?])),
    }
}

fn compiled(key: &str, patterns: Option<Ordered>) -> Result<Vec<(Regex, f64)>, AdapterProblem> {
    let entries = patterns.map_or(Vec::new(), |patterns| patterns.0);
    let compile = |(pattern, number): (String, f64)| {
        let is_good = if key == "rank_pattern" {
            number.fract() == 0.0 && (1.0..=MOST_RANK as f64).contains(&number)
        } else {
            number.is_finite()
        };
        match Regex::new(&format!(r"^(.*\.)?({pattern})$")) {
            Ok(regex) if is_good => Ok((regex, number)),
            Ok(_) => Err(AdapterProblem::setting(key, &number, "numbers that can be")),
            Err(_) => Err(AdapterProblem::setting(key, &pattern, "regular expressions")),
        }
    };
    entries.into_iter().map(compile).collect()
}

fn first_match(patterns: &[(Regex, f64)], path: &str) -> Option<f64> {
    let is_match = |(regex, _): &&(Regex, f64)| regex.is_match(path).unwrap_or(false);
    patterns.iter().find(is_match).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(changes: &Value) -> Result<PeftConfig, AdapterProblem> {
        let mut config = json!({
            "peft_type": "LORA", "r": 16, "lora_alpha": 32, "target_modules": ["q_proj", "v_proj"],
            "bias": "none", "lora_dropout": 0.05, "megatron_core": "megatron.core",
            "qalora_group_size": 16, "init_lora_weights": true,
        });
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        PeftConfig::read(&serde_json::to_vec(&config).unwrap())
    }

    #[track_caller]
    fn check_refused(changes: &Value, expected: &str) {
        assert_eq!(read(changes).unwrap_err().to_string(), expected);
    }

    const QUERY: &str = "model.layers.3.self_attn.q_proj";

    #[test]
    fn the_scale_is_alpha_over_the_rank_or_over_its_root() {
        assert_eq!(read(&json!({})).unwrap().scale(QUERY), 2.0);
        assert_eq!(read(&json!({ "use_rslora": true })).unwrap().scale(QUERY), 8.0);
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let text =
            br#"{ "peft_type": "LORA", "r": 8, "lora_alpha": 8, "target_modules": "all-linear",
            "rank_pattern": { "layers\\.3\\..*q_proj": 4, "q_proj": 2 },
            "alpha_pattern": { "q_proj": 16, "model.layers.3.self_attn.q_proj": 1 } }"#;
        let config = PeftConfig::read(text).unwrap();
        assert_eq!((config.rank(QUERY), config.scale(QUERY)), (4, 4.0));
        let other = "model.layers.4.self_attn.q_proj";
        assert_eq!((config.rank(other), config.scale(other)), (2, 8.0));
        let value = "model.layers.3.self_attn.v_proj";
        assert_eq!((config.rank(value), config.scale(value)), (8, 1.0));
    }

    #[test]
    fn modules_are_named_by_their_ends_by_a_pattern_or_all_at_once() {
        let covers = |targets: Value| {
            let config = read(&json!({ "target_modules": targets })).unwrap();
            [QUERY, "model.layers.3.mlp.up_proj", "lm_head"].map(|path| config.covers(path, 3))
        };
        assert_eq!(covers(json!(["q_proj"])), [true, false, false]);
        assert_eq!(covers(json!(["_proj", "self_attn"])), [false, false, false]);
        assert_eq!(covers(json!([QUERY, "lm_head"])), [true, false, true]);
        assert_eq!(covers(json!(r".*\.(q_proj|up_proj)")), [true, true, false]);
        assert_eq!(covers(json!("q_proj")), [false, false, false]);
        assert_eq!(covers(json!("all-linear")), [true, true, false]);
        assert_eq!(covers(Value::Null), [true, false, false]);
    }

    #[test]
    fn layers_and_modules_can_be_left_out() {
        let config = read(&json!({ "layers_to_transform": [1, 3], "exclude_modules": ["v_proj"] }));
        let config = config.unwrap();
        assert!(config.covers(QUERY, 3) && !config.covers(QUERY, 2));
        assert!(!config.covers("model.layers.3.self_attn.v_proj", 3));
        assert!(!read(&json!({ "layers_to_transform": 2 })).unwrap().covers(QUERY, 3));
    }

    #[test]
    fn what_changes_the_result_and_is_not_provided_for_is_refused_with_the_reason() {
        check_refused(
            &json!({ "peft_type": "IA3" }),
            "it states \"peft_type\" as \"IA3\", expected \"LORA\"",
        );
        check_refused(
            &json!({ "bias": "lora_only" }),
            "it states \"bias\" as lora_only, expected \"none\": biases are not provided for",
        );
        check_refused(
            &json!({ "use_dora": true }),
            "it states \"use_dora\" as true, expected false: DoRA also scales each output of the \
             base; train or convert it as plain LoRA",
        );
        check_refused(
            &json!({ "modules_to_save": ["lm_head"] }),
            "it states \"modules_to_save\" as [\"lm_head\"], expected null: whole modules in place \
             of the base's are not provided for; merge the adapter into its model",
        );
        check_refused(
            &json!({ "init_lora_weights": "pissa" }),
            "it states \"init_lora_weights\" as pissa, expected a way that leaves the base's weights \
             as they are; convert the adapter with path_initial_model_for_weight_conversion",
        );
        check_refused(
            &json!({ "fan_in_fan_out": true }),
            "it states \"fan_in_fan_out\" as true, expected false: no Llama stores its weights \
             transposed",
        );
        check_refused(
            &json!({ "use_something_new": 3 }),
            "it states \"use_something_new\" as 3, expected null: nobody here knows what it \
             changes; take it out if that is nothing",
        );
        check_refused(&json!({ "r": 0 }), "it states \"r\" as 0, expected a rank of 1 to 4096");
        check_refused(
            &json!({ "target_modules": "(" }),
            "it states \"target_modules\" as (, expected a list of names, a regular expression or \
             \"all-linear\"",
        );
        check_refused(
            &json!({ "rank_pattern": { "q_proj": 1.5 } }),
            "it states \"rank_pattern\" as 1.5, expected numbers that can be",
        );
        check_refused(
            &json!({ "layers_pattern": "h" }),
            "it states \"layers_pattern\" as \"h\", expected \"layers\", which is what a Llama's \
             are called",
        );
    }

    #[test]
    fn settings_that_are_off_pass() {
        let config = read(&json!({
            "use_dora": false, "modules_to_save": null, "layer_replication": null,
            "something_new": null, "another": {}, "layers_to_transform": [],
        }));
        assert!(config.unwrap().covers(QUERY, 7));
    }
}
