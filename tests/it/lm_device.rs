//! The default model by candle's operations, as a graphics processor runs it, against our kernels.

use std::sync::Arc;

use formant::{
    domain::{Message, Sampling, Speculative, Token},
    lm::{
        AdapterSet, Backend, LanguageModel, Scheduler, SequenceEvent, SequenceRequest,
        bench::Passes,
    },
    nn::TensorDevice,
};

use crate::support::{complaint, data, formant, json_lines};

fn model(backend: &Backend) -> Arc<LanguageModel> {
    let path = data().join("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf");
    Arc::new(LanguageModel::load_on(backend, &path, &mut |_, _| Ok(())).unwrap())
}

/// A greedy reply, each token with the likeliest two.
fn reply(model: &Arc<LanguageModel>, text: &str) -> Vec<Token> {
    let mut scheduler = Scheduler::default();
    let request = SequenceRequest {
        model: Arc::clone(model),
        adapters: AdapterSet::default(),
        prompt: model.prompt(&[Message::user(text)]).unwrap(),
        sampling: Sampling::default(),
        max_tokens: 32,
        speculative: Speculative::None,
        top_logprobs: 2,
    };
    scheduler.add(request).unwrap();
    let mut tokens = Vec::new();
    while !scheduler.is_idle() {
        for (_, event) in scheduler.step() {
            match event {
                SequenceEvent::Step(step) => tokens.extend(step.tokens),
                SequenceEvent::Failed(error) => panic!("{error}"),
                _ => (),
            }
        }
    }
    tokens
}

#[test]
fn the_default_model_says_the_same_by_candle_s_operations() {
    let (kernels, tensors) =
        (model(&Backend::Kernels), model(&Backend::Tensors(TensorDevice::cpu())));

    let sonnets = include_str!("../../assets/sonnets.txt");
    let text = kernels.tokens(&sonnets[..1200]).unwrap();
    let nats_per_token = |model: &Arc<LanguageModel>| {
        let mut passes = Passes::new(Arc::clone(model), text.clone()).unwrap();
        passes.negative_log_likelihood(&text).unwrap() / (text.len() - 1) as f64
    };
    let (expected, found) = (nats_per_token(&kernels), nats_per_token(&tensors));
    // Our kernels round activations to eight bits, candle's operations do not.
    assert!((found - expected).abs() < 0.02, "{found} nats per token, {expected} by our kernels");

    let question = "Tell me a story about a fox who cannot find the river.";
    let (expected, found) = (reply(&kernels, question), reply(&tensors, question));
    assert_eq!((found.len(), expected.len()), (32, 32));
    if let Some(at) = found.iter().zip(&expected).position(|(a, b)| a.id != b.id) {
        let top = &expected[at].top_logprobs;
        let apart = top[0].logprob - top[1].logprob;
        // Eight-bit activations move logits by some tenths.
        assert!(apart < 0.5, "token {at} differs, where the best two are {apart} apart");
    }
}

#[test]
fn asking_for_a_device_that_is_not_built_in_says_how_to_build_it() {
    for (device, feature) in [("cuda", cfg!(feature = "cuda")), ("metal", cfg!(feature = "metal"))]
    {
        if !feature {
            let command = ["chat", "--device", device, "--prompt", "Hello"];
            let said = complaint(formant(&command), 1);
            assert!(said.contains(&format!("--features {device}`")), "{said}");
        }
    }
    let command = ["bench", "engine", "--device", "cpu", "--shape", "llama-3.1-8b"];
    let said = complaint(formant(&command), 1);
    assert!(said.contains("measured on a graphics processor"), "{said}");
}

#[test]
fn a_reply_tells_what_made_it() {
    let command = ["chat", "--device", "cpu", "--prompt", "Hello", "--max-tokens", "2", "--json"];
    let lines = json_lines(formant(&command));
    let arithmetic = lines.last().unwrap()["arithmetic"].as_str().unwrap().to_owned();
    assert!(!arithmetic.is_empty() && !arithmetic.contains("CUDA"), "{arithmetic}");
}
