//! The language model against llama.cpp: same tokens for the same prompts, id for id.
//!
//! The fixture is made by `scripts/make_lm_fixture.py` from the model that `make models` fetches.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use formant::{
    domain::{FinishReason, Message, Sampling, Speculative},
    lm::{
        AdapterSet, Draft, Drafter, LanguageModel, Limits, Node, Scheduler, SequenceEvent,
        SequenceId, SequenceRequest,
    },
};
use serde::Deserialize;

/// The default model: `FORMANT_TEST_MODEL`, else in the data folder that `make models` fills.
fn default_model_path() -> PathBuf {
    if let Some(path) = env::var_os("FORMANT_TEST_MODEL") {
        return path.into();
    }
    let data = env::var_os("FORMANT_DATA").map(PathBuf::from);
    let built_in = || Path::new(env!("CARGO_MANIFEST_DIR")).join("out/data");
    data.unwrap_or_else(built_in)
        .join("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// Loaded once for all tests.
fn default_model() -> Arc<LanguageModel> {
    static MODEL: OnceLock<Arc<LanguageModel>> = OnceLock::new();
    let load = || {
        let path = default_model_path();
        assert!(path.exists(), "{} is missing; run `make models`", path.display());
        Arc::new(LanguageModel::load(&path, &mut |_, _| Ok(())).unwrap())
    };
    Arc::clone(MODEL.get_or_init(load))
}

#[derive(Deserialize)]
struct Fixture {
    prompts: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Message>,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    finish_reason: String,
}

fn fixture() -> Vec<Case> {
    let json = include_str!("../fixtures/lm/llama_cpp.json");
    serde_json::from_str::<Fixture>(json).unwrap().prompts
}

fn greedy(prompt: &Case, speculative: Speculative) -> SequenceRequest {
    SequenceRequest {
        model: default_model(),
        adapters: AdapterSet::default(),
        prompt: prompt.prompt_ids.clone(),
        sampling: Sampling::default(),
        max_tokens: 96,
        speculative,
        top_logprobs: 0,
    }
}

/// Ids, text and end.
type Reply = (Vec<u32>, String, FinishReason);

/// The replies to all prompts of the fixture, written at once.
fn replies(speculative: &Speculative) -> Vec<Reply> {
    let mut scheduler = Scheduler::default();
    let requests = fixture().into_iter().map(|prompt| greedy(&prompt, speculative.clone()));
    let ids: Vec<_> = requests.map(|request| scheduler.add(request).unwrap()).collect();
    run(scheduler, &ids)
}

/// What becomes of some replies.
fn run(mut scheduler: Scheduler, ids: &[SequenceId]) -> Vec<Reply> {
    let mut replies = vec![(Vec::new(), String::new(), FinishReason::Cancelled); ids.len()];
    while !scheduler.is_idle() {
        for (id, event) in scheduler.step() {
            let reply = &mut replies[ids.iter().position(|known| *known == id).unwrap()];
            match event {
                SequenceEvent::Waiting { .. } | SequenceEvent::Prefill { .. } => (),
                SequenceEvent::Step(step) => {
                    reply.0.extend(step.token_ids());
                    reply.1.push_str(&step.text());
                }
                SequenceEvent::Finished { reason, text_tail } => {
                    reply.1.push_str(&text_tail);
                    reply.2 = reason;
                }
                SequenceEvent::Failed(error) => panic!("{error}"),
            }
        }
    }
    replies
}

/// Guesses three tokens of a text that it knows, each among wrong ones that go on, too.
struct Branches(Vec<u32>);

impl Drafter for Branches {
    fn draft(&mut self, context: &[u32], limits: Limits) -> Draft {
        let ahead = self.0[context.len().min(self.0.len())..].iter().take(3.min(limits.depth));
        let mut nodes = Vec::new();
        let mut parent = None;
        for token in ahead {
            nodes.push(Node { token: token + 1, parent });
            nodes.push(Node { token: token + 2, parent: Some(nodes.len() - 1) });
            nodes.push(Node { token: *token, parent });
            parent = Some(nodes.len() - 1);
        }
        Draft::tree(nodes)
    }
}

/// The replies without speculation, which two tests want.
fn plain_replies() -> &'static [Reply] {
    static REPLIES: OnceLock<Vec<Reply>> = OnceLock::new();
    REPLIES.get_or_init(|| replies(&Speculative::None))
}

#[test]
fn conversations_become_llama_cpp_s_token_ids() {
    for prompt in fixture() {
        let ids = default_model().prompt(&prompt.messages).unwrap();
        assert_eq!(ids, prompt.prompt_ids, "{}", prompt.name);
    }
}

#[test]
fn greedy_replies_are_llama_cpp_s() {
    let mut differing = Vec::new();
    for (prompt, (ids, text, reason)) in fixture().iter().zip(plain_replies()) {
        let expected =
            if prompt.finish_reason == "stop" { FinishReason::Stop } else { FinishReason::Length };
        if (ids, *reason) != (&prompt.ids, expected) {
            let common = ids.iter().zip(&prompt.ids).take_while(|(a, b)| a == b).count();
            differing.push(format!("{} from token {common} on: {text:?}", prompt.name));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn n_gram_lookup_changes_no_word() {
    for speculative in [Speculative::NGRAM, Speculative::PLD, Speculative::SUFFIX] {
        assert_eq!(replies(&speculative), plain_replies());
    }
}

#[test]
fn trees_of_drafts_change_no_word() {
    let mut scheduler = Scheduler::default();
    let ids = fixture().into_iter().map(|prompt| {
        let text = [&prompt.prompt_ids[..], &prompt.ids].concat();
        let request = greedy(&prompt, Speculative::None);
        scheduler.add_with_drafter(request, Some(Box::new(Branches(text)))).unwrap()
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(run(scheduler, &ids), plain_replies());
}

#[test]
fn words_become_the_ids_of_the_reference_tokenizer() {
    // By Hugging Face's `tokenizers` from the same vocabulary.
    let model = default_model();
    let check = |text: &str, expected: &[u32]| {
        let prompt = model.prompt(&[Message::system(text)]).unwrap();
        // <|im_start|> "system" newline … <|im_end|> newline <|im_start|> "assistant" newline
        assert_eq!(&prompt[3..prompt.len() - 6], expected, "{text:?}");
        assert_eq!(model.count_tokens(text), expected.len());
        assert_eq!(model.text(expected), text);
    };
    check("Hello world", &[19556, 905]);
    check(
        "Hello, world! 12345\n\n  It's",
        &[19556, 28, 905, 17, 216, 33, 34, 35, 36, 37, 8866, 657, 506],
    );
    check("naïve café — ✓", &[3546, 46494, 37366, 1841, 4636, 246, 237]);
    check(
        "Shall I compare thee to a summer's day?\n",
        &[4370, 449, 339, 6811, 20322, 288, 253, 4018, 506, 1194, 47, 198],
    );
}

#[test]
fn without_a_system_message_the_template_brings_its_own() {
    let expected = [
        1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411,
        407, 19712, 8182, 2, 198, 1, 4093, 198, 26843, 2, 198, 1, 520, 9531, 198,
    ];
    assert_eq!(default_model().prompt(&[Message::user("Hi")]).unwrap(), expected);
}

#[test]
fn a_stop_ends_a_reply_whose_prompt_is_being_read() {
    let prompt: Vec<u32> = (0..2000).map(|i| 1000 + i * 7 % 3000).collect();
    let mut scheduler = Scheduler::default();
    let request = SequenceRequest {
        model: default_model(),
        adapters: AdapterSet::default(),
        prompt,
        sampling: Sampling::default(),
        max_tokens: 8,
        speculative: Speculative::None,
        top_logprobs: 0,
    };
    let id = scheduler.add(request).unwrap();
    for _ in 0..3 {
        scheduler.step();
    }
    scheduler.cancel(id);
    let events = scheduler.step();
    assert!(matches!(
        events[..],
        [(_, SequenceEvent::Finished { reason: FinishReason::Cancelled, .. })]
    ));
    assert!(scheduler.is_idle());
}

#[test]
fn four_thousand_tokens_are_read_once_and_continued_the_same_way_with_drafts() {
    let model = default_model();
    let mut text = String::from("Here is the log of a lighthouse. Repeat its last lines.\n");
    let mut n_tokens = 0;
    for line in 1.. {
        let line = format!("Line {line}: the keeper counted {} ships.\n", line * 7 % 31);
        n_tokens += model.count_tokens(&line);
        text += &line;
        if n_tokens >= 4000 {
            break;
        }
    }
    let prompt = model.prompt(&[Message::user(text)]).unwrap();
    let mut scheduler = Scheduler::default();
    let mut reply = |drafter| {
        let request = SequenceRequest {
            model: Arc::clone(&model),
            adapters: AdapterSet::default(),
            prompt: prompt.clone(),
            sampling: Sampling::default(),
            max_tokens: 24,
            speculative: Speculative::None,
            top_logprobs: 0,
        };
        scheduler.add_with_drafter(request, drafter).unwrap();
        let (mut ids, mut known, mut accepted) = (Vec::new(), 0, 0);
        while !scheduler.is_idle() {
            for (_, event) in scheduler.step() {
                match event {
                    SequenceEvent::Prefill { reused, .. } => known = reused,
                    SequenceEvent::Step(step) => {
                        accepted += step.accepted;
                        ids.extend(step.token_ids());
                    }
                    SequenceEvent::Failed(error) => panic!("{error}"),
                    SequenceEvent::Waiting { .. } | SequenceEvent::Finished { .. } => (),
                }
            }
        }
        // Keys and values in half precision: 30 layers, 3 heads of 64 dimensions.
        let bytes_per_token = 2 * 30 * 3 * 64 * 2;
        let most = (prompt.len() + 24 + 64).next_multiple_of(256) as u64 * bytes_per_token;
        assert!(scheduler.kv_bytes() <= most, "{} bytes", scheduler.kv_bytes());
        (ids, known, accepted)
    };
    let (plain, known, _) = reply(None);
    assert_eq!(known, 0);
    let text = [&prompt[..], &plain].concat();
    let (drafted, known, accepted) = reply(Some(Box::new(Branches(text))));
    assert_eq!(known, prompt.len() - 1, "all but the last token are in the cache");
    assert_eq!(drafted, plain);
    assert!(2 * accepted > plain.len(), "{accepted} of {} were drafted", plain.len());
}
