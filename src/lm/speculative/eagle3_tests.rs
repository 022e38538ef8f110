//! The head against the answers of one written for reading (`models/recipes/lm/eagle.py`).

use std::{collections::HashMap, path::PathBuf};

use serde_json::Value;

use super::*;
use crate::{
    domain::{Sampling, Speculative},
    lm::{
        AdapterSet, Scheduler, SequenceEvent, SequenceRequest,
        speculative::head::Precision,
        tiny::{self, N_EMBD, N_VOCAB},
    },
    nn::{Array, Weights},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lm/eagle3")
}

/// The fixture's head with its embedding, from a file of that name.
fn head(file: &str) -> Eagle3Head {
    let mut weights = Weights::read(&folder().join(file)).unwrap();
    let inputs = Weights::read(&folder().join("inputs.safetensors")).unwrap();
    let embedding = inputs.scope("").array("embed_tokens.weight").unwrap().clone();
    weights.insert("embed_tokens.weight", embedding);
    let config = std::fs::read_to_string(folder().join("config.json")).unwrap();
    Eagle3Head::new(&config, &weights, Precision::Half).unwrap()
}

fn expected() -> Value {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn tokens(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|token| token as u32).collect()
}

/// Differences in parts of the largest number. Keys and values are kept in half precision, which the
/// softmax magnifies; what is put together wrongly is wrong by parts of one.
#[track_caller]
fn check(what: &str, found: &[f32], expected: &Value) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let worst = differences.fold(0.0f32, f32::max) / largest;
    assert!(worst < 5e-3, "{what}: {worst}");
}

/// A head that reads rows of the text, as the drafter has it.
struct Reader {
    head: Eagle3Head,
    cache: KvCache,
    scratch: HeadScratch,
}

impl Reader {
    fn read(&mut self, tokens: &[u32], first: usize, features: &mut [f32]) -> Vec<f32> {
        let positions: Vec<usize> = (first..first + tokens.len()).collect();
        let sights: Vec<_> = positions.iter().map(|position| Sight::first(position + 1)).collect();
        let wanted = 0..tokens.len();
        let rows = Rows { tokens, positions: &positions, sights: &sights, wanted: &wanted };
        let none = |_: u32, _: &mut [f32]| unreachable!("the head has its own");
        self.head.forward(rows, features, &none, &mut self.cache, &mut self.scratch).to_vec()
    }
}

#[test]
fn reads_a_text_and_drafts_on_as_the_reference_does() {
    let expected = expected();
    for file in ["model.safetensors", "pytorch_model.bin"] {
        let head = head(file);
        let mut reader = Reader { cache: head.new_cache(), head, scratch: HeadScratch::default() };
        let inputs = Weights::read(&folder().join("inputs.safetensors")).unwrap();
        let hidden = &inputs.scope("").array("features").unwrap().values;
        let mut fused = Vec::new();
        reader.head.fuse(hidden, &mut reader.scratch, &mut fused);
        let n = expected["features_prefill"].as_u64().unwrap() as usize;
        let (prompt, next) = fused.split_at_mut(n * 64);
        let text = tokens(&expected["tokens"]);
        let logits = reader.read(&text[1..], 0, prompt);
        check("logits of the text", &logits, &expected["prefill"]["logits"]);
        check("features of the text", prompt, &expected["prefill"]["h2"]);
        let mut feature = prompt[(n - 1) * 64..].to_vec();
        for (idx, step) in expected["chain"].as_array().unwrap().iter().enumerate() {
            let token = step["token"].as_u64().unwrap() as u32;
            let logits = reader.read(&[token], n + idx, &mut feature);
            check("logits of a draft", &logits, &step["logits"]);
            check("features of a draft", &feature, &step["h2"]);
        }
        reader.cache.truncate(n);
        let logits = reader.read(&tokens(&expected["next_round"]["tokens"]), n, next);
        check("logits of the next round", &logits, &expected["next_round"]["logits"]);
    }
}

/// Weights of a head for the tiny model.
fn tiny_weights() -> Vec<(String, Array)> {
    let mut state = 7u32;
    let mut number = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as f32 / u32::MAX as f32 - 0.5) * 0.5
    };
    let mut array = |name: &str, shape: &[usize]| {
        let values = (0..shape.iter().product()).map(|_| number()).collect();
        (format!("{name}.weight"), Array { shape: shape.to_vec(), values })
    };
    let n = N_EMBD;
    vec![
        array("fc", &[n, 3 * n]),
        array("midlayer.input_layernorm", &[n]),
        array("midlayer.hidden_norm", &[n]),
        array("midlayer.self_attn.q_proj", &[n, 2 * n]),
        array("midlayer.self_attn.k_proj", &[n / 2, 2 * n]),
        array("midlayer.self_attn.v_proj", &[n / 2, 2 * n]),
        array("midlayer.self_attn.o_proj", &[n, n]),
        array("midlayer.post_attention_layernorm", &[n]),
        array("midlayer.mlp.gate_proj", &[96, n]),
        array("midlayer.mlp.up_proj", &[96, n]),
        array("midlayer.mlp.down_proj", &[n, 96]),
        array("norm", &[n]),
        array("lm_head", &[N_VOCAB, n]),
    ]
}

const TINY_CONFIG: &str = r#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 258,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
    "eagle_config": {"eagle_aux_hidden_state_layer_ids": [0, 1, 2]}}"#;

fn tiny_head(precision: Precision) -> Arc<Eagle3Head> {
    let weights = Weights::from_arrays(tiny_weights());
    Arc::new(Eagle3Head::new(TINY_CONFIG, &weights, precision).unwrap())
}

fn eagle3(model: &Arc<LanguageModel>, shape: DraftShape, precision: Precision) -> Eagle3 {
    let (head, pool) = (tiny_head(precision), Arc::default());
    Eagle3::new(head, Arc::clone(model), 6, shape, 0.0, pool).unwrap()
}

const TREE: DraftShape = DraftShape::Tree { depth: 3, top_k: 3 };

fn request(model: &Arc<LanguageModel>, prompt: Vec<u32>, temperature: f32) -> SequenceRequest {
    SequenceRequest {
        model: Arc::clone(model),
        adapters: AdapterSet::default(),
        prompt,
        sampling: Sampling { temperature, seed: 3, ..Sampling::default() },
        max_tokens: 40,
        speculative: Speculative::None,
        top_logprobs: 0,
    }
}

/// Texts and how much was drafted.
fn written(scheduler: &mut Scheduler) -> (HashMap<crate::lm::SequenceId, Vec<u32>>, usize) {
    let (mut texts, mut n_drafted) = (HashMap::<_, Vec<u32>>::new(), 0);
    while !scheduler.is_idle() {
        for (id, event) in scheduler.step() {
            if let SequenceEvent::Step(step) = event {
                texts.entry(id).or_default().extend(step.token_ids());
                n_drafted += step.drafted;
            }
        }
    }
    (texts, n_drafted)
}

#[test]
fn a_head_changes_no_word() {
    let model = tiny::model(1);
    for temperature in [0.0, 0.9] {
        let mut scheduler = Scheduler::default();
        let plain = scheduler.add(request(&model, (0..30).collect(), temperature)).unwrap();
        let plain = written(&mut scheduler).0.remove(&plain).unwrap();
        for shape in [DraftShape::Chain, TREE] {
            for precision in [Precision::Half, Precision::Eight] {
                // The second time the prompt is known but for its last token.
                for _ in 0..2 {
                    let drafter = eagle3(&model, shape, precision);
                    let request = request(&model, (0..30).collect(), temperature);
                    let id = scheduler.add_with_drafter(request, Some(Box::new(drafter))).unwrap();
                    let (mut texts, n_drafted) = written(&mut scheduler);
                    assert_eq!(texts.remove(&id).unwrap(), plain, "{shape:?}, {temperature}");
                    assert!(n_drafted > 0);
                }
            }
        }
    }
}

#[test]
fn what_is_read_in_pieces_is_drafted_from_as_what_is_read_at_once() {
    let model = tiny::model(1);
    let n_tokens = MOST_ROWS + 40;
    let hidden: Vec<f32> = (0..n_tokens * 3 * N_EMBD).map(|i| (i as f32 * 0.37).sin()).collect();
    let text: Vec<u32> = (0..=n_tokens as u32).map(|i| i * 31 % 256).collect();
    let limits = Limits { n_tokens: 6, depth: 6 };
    for shape in [DraftShape::Chain, TREE] {
        let mut at_once = eagle3(&model, shape, Precision::Half);
        at_once.observe(0, &hidden);
        // More than a step may read: the first draft is none.
        assert!(at_once.draft(&text, limits).is_empty());
        let draft = at_once.draft(&text, limits);
        assert_eq!(draft.len(), 6);
        let mut in_pieces = eagle3(&model, shape, Precision::Half);
        for (idx, hidden) in hidden.chunks(50 * 3 * N_EMBD).enumerate() {
            in_pieces.observe(50 * idx, hidden);
            in_pieces.draft(&text[..=n_tokens.min(50 * (idx + 1))], limits);
        }
        assert_eq!(in_pieces.draft(&text, limits), draft);
        assert_eq!(in_pieces.draft(&text, limits), draft, "a dropped pass asks again");
    }
}

#[test]
fn a_tree_holds_the_likeliest_ways_of_the_reference() {
    let expected = expected();
    let mut all: Vec<Candidate> = Vec::new();
    let tree = &expected["tree"];
    let parents = numbers(&tree["parents"]);
    let log_probabilities = numbers(&tree["log_probabilities"]);
    let head = head("model.safetensors");
    let inputs = Weights::read(&folder().join("inputs.safetensors")).unwrap();
    let hidden = &inputs.scope("").array("features").unwrap().values;
    let n = expected["features_prefill"].as_u64().unwrap() as usize;
    let mut drafter = Eagle3 {
        model: tiny::model(1),
        taps: vec![2, 4, 5],
        draft_tokens: 12,
        shape: DraftShape::Tree { depth: 4, top_k: 4 },
        min_probability: 0.0,
        scratch: HeadScratch::default(),
        cache: head.new_cache(),
        head: Arc::new(head),
        first_row: 0,
        n_stable: 0,
        heard: Vec::new(),
        last: None,
    };
    drafter.observe(0, &hidden[..n * 3 * 64]);
    let draft = drafter.draft(&tokens(&expected["tokens"]), Limits { n_tokens: 64, depth: 64 });
    for (idx, node) in draft.nodes().iter().enumerate() {
        let own = draft.probability(idx).unwrap().ln();
        let whole = own + node.parent.map_or(0.0, |parent| all[parent].whole);
        all.push(Candidate { token: node.token, parent: node.parent, own, whole, depth: 0 });
    }
    let found: Vec<u32> = all.iter().map(|candidate| candidate.token).collect();
    assert_eq!(found, tokens(&tree["tokens"]));
    let found: Vec<f32> =
        all.iter().map(|candidate| candidate.parent.map_or(-1.0, |idx| idx as f32)).collect();
    assert_eq!(found, parents);
    for (candidate, expected) in all.iter().zip(log_probabilities) {
        assert!((candidate.whole - expected).abs() < 5e-2, "{} {expected}", candidate.whole);
    }
}

#[test]
fn another_model_s_head_is_refused_with_the_shapes() {
    let refusal = |head: Eagle3Head| {
        let (model, pool) = (tiny::model(1), Arc::default());
        let shape = DraftShape::Chain;
        Eagle3::new(Arc::new(head), model, 3, shape, 0.0, pool).err().unwrap().to_string()
    };
    assert_eq!(
        refusal(head("model.safetensors")),
        "it reads what enters layer 4, and the model has 2 layers"
    );
    let mut weights = tiny_weights();
    weights[0].1 = Array { shape: vec![64, 192 * 2], values: vec![0.1; 64 * 192 * 2] };
    let wide =
        Eagle3Head::new(TINY_CONFIG, &Weights::from_arrays(weights), Precision::Half).unwrap();
    assert_eq!(
        refusal(wide),
        "it is another model's head: its tensor \"fc.weight\" is (64, 384), and 3 hidden states of \
         this model are 192 numbers"
    );
}

#[test]
fn what_is_no_head_is_named() {
    let why = |config: &str, change: fn(&mut Vec<(String, Array)>)| {
        let mut weights = tiny_weights();
        change(&mut weights);
        Eagle3Head::new(config, &Weights::from_arrays(weights), Precision::Eight).unwrap_err()
    };
    let none = why(TINY_CONFIG, |weights| drop(weights.remove(0)));
    assert_eq!(none, "it is no EAGLE-3 head: it has no tensor \"fc.weight\"");
    let draft_vocab = TINY_CONFIG.replace("258", "258, \"draft_vocab_size\": 96");
    assert_eq!(why(&draft_vocab, |_| ()), "its table \"d2t\" is missing");
    let deep = TINY_CONFIG.replace("layers\": 1", "layers\": 4");
    assert_eq!(why(&deep, |_| ()), "it has 4 layers; an EAGLE-3 head has one");
    let short = why(TINY_CONFIG, |weights| {
        weights[1].1 = Array { shape: vec![3], values: vec![1.0; 3] };
    });
    assert!(short.contains("input_layernorm"), "{short}");
}
