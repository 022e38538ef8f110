//! The candle path on the CPU, against our kernels and against itself.

use std::sync::Arc;

use super::{KvCache, Transformer, replay::Io};
use crate::{
    domain::{Sampling, Speculative},
    job::Cancelled,
    lm::{
        AdapterSet, Backend, LanguageModel, Scheduler, SequenceEvent, SequenceRequest,
        kv_cache::KvCache as KernelCache,
        network::{Network, PassError},
        tiny::{N_EMBD, N_VOCAB, Shape, TinyFile},
        transformer::{Order, Scratch, Span, Taps},
    },
    nn::TensorDevice,
};

/// How far two passes of the same weights may lie apart that sum in another order, in parts of the
/// logits' length.
const ROUNDING: f64 = 1e-4;

/// How far the candle path may lie from our kernels on plain weights: these keep keys and values in
/// half precision, it keeps them as they are.
const HALF_PRECISION: f64 = 5e-3;

/// How far on quantized weights: our kernels round activations to eight bits as well.
const EIGHT_BITS: f64 = 5e-2;

fn on_tensors(file: &TinyFile) -> LanguageModel {
    file.load_on(&Backend::Tensors(TensorDevice::cpu())).unwrap()
}

fn transformer(model: &LanguageModel) -> &Transformer {
    match model.network() {
        Network::Tensors(transformer) => transformer,
        Network::Kernels(_) => panic!("the model was loaded for the CPU"),
    }
}

fn tokens(n: usize, seed: u32) -> Vec<u32> {
    (0..n as u32).map(|i| (i * 37 + seed * 101) % 256).collect()
}

fn pass(model: &Transformer, cache: &mut KvCache, tokens: &[u32], n_logits: usize) -> Vec<f32> {
    model.forward(&mut [Span::chain(tokens, cache, n_logits)], &mut || Ok(())).unwrap()
}

/// The logits of every token of a text.
fn logits(model: &Transformer, text: &[u32]) -> Vec<f32> {
    let mut cache = KvCache::new(model.config(), model.device());
    pass(model, &mut cache, text, text.len())
}

/// The same by our kernels.
fn by_kernels(model: &LanguageModel, text: &[u32]) -> Vec<f32> {
    let model = model.transformer();
    let mut cache = KernelCache::new(model.config());
    let mut scratch = Scratch::default();
    let span = Span::chain(text, &mut cache, text.len());
    model.forward(&mut [span], &mut scratch, &mut || Ok(())).unwrap().to_vec()
}

/// How far two rows of numbers lie apart, in parts of the second one's length.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |value: f32| f64::from(value).powi(2);
    let apart: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let length: f64 = expected.iter().map(|value| square(*value)).sum();
    (apart / length).sqrt()
}

#[track_caller]
fn check(found: &[f32], expected: &[f32], most: f64, what: &str) {
    let distance = distance(found, expected);
    assert!(distance < most, "{what}: {distance:.2e} apart, at most {most:.0e} expected");
}

#[test]
fn logits_are_those_of_our_kernels_on_plain_weights() {
    for (seed, shape) in [
        (1, Shape { n_embd: 64, n_ff: 96, n_heads: 4, n_kv_heads: 2 }),
        (2, Shape { n_embd: 96, n_ff: 64, n_heads: 3, n_kv_heads: 3 }),
        (3, Shape { n_embd: 128, n_ff: 160, n_heads: 4, n_kv_heads: 1 }),
    ] {
        let file = TinyFile::shaped(seed, shape).plain();
        let text = tokens(50, seed);
        let found = logits(transformer(&on_tensors(&file)), &text);
        let expected = by_kernels(&file.load().unwrap(), &text);
        check(&found, &expected, HALF_PRECISION, &format!("{shape:?}"));
    }
}

#[test]
fn quantized_weights_are_read_as_what_they_stand_for() {
    let file = TinyFile::new(4);
    let text = tokens(50, 4);
    let found = logits(transformer(&on_tensors(&file)), &text);
    check(&found, &by_kernels(&file.load().unwrap(), &text), EIGHT_BITS, "blocks");
}

#[test]
fn how_a_prompt_is_cut_changes_rounding_only() {
    let model = on_tensors(&TinyFile::new(1));
    let model = transformer(&model);
    let text = tokens(140, 5);
    let expected = logits(model, &text);
    for chunk in [1, 7, 64] {
        let mut cache = KvCache::new(model.config(), model.device());
        let found: Vec<f32> = text
            .chunks(chunk)
            .flat_map(|tokens| pass(model, &mut cache, tokens, tokens.len()))
            .collect();
        check(&found, &expected, ROUNDING, &format!("in chunks of {chunk}"));
        assert_eq!(cache.len(), text.len());
    }
}

#[test]
fn only_wanted_rows_have_logits_in_the_order_of_the_spans() {
    let model = on_tensors(&TinyFile::new(2));
    let model = transformer(&model);
    let (a, b, c) = (tokens(13, 1), tokens(21, 2), tokens(1, 3));
    let [mut cache_a, mut cache_b, mut cache_c] =
        [(); 3].map(|()| KvCache::new(model.config(), model.device()));
    let mut spans = [
        Span::chain(&a, &mut cache_a, 3),
        Span::chain(&b, &mut cache_b, 0),
        Span::chain(&c, &mut cache_c, 1),
    ];
    let together = model.forward(&mut spans, &mut || Ok(())).unwrap();
    let (of_a, of_c) = together.split_at(3 * N_VOCAB);
    check(of_a, &logits(model, &a)[10 * N_VOCAB..], ROUNDING, "the first");
    check(of_c, &logits(model, &c), ROUNDING, "the last");
    // The one whose logits nobody wanted was read all the same.
    let next = pass(model, &mut cache_b, &[9], 1);
    let text = [&b[..], &[9]].concat();
    check(&next, &logits(model, &text)[21 * N_VOCAB..], ROUNDING, "what follows the second");
}

/// The rows from the root of a tree to row `i`.
fn path_to(parents: &[usize], i: usize) -> Vec<usize> {
    let mut path = vec![i];
    while path[0] > 0 {
        path.insert(0, parents[path[0] - 1]);
    }
    path
}

#[test]
fn each_row_of_a_tree_sees_what_its_path_alone_would_show() {
    let model = on_tensors(&TinyFile::new(4));
    let model = transformer(&model);
    let parents = [0, 0, 1, 1, 2, 4, 4, 0];
    for n_prompt in [0, 1, 29] {
        let (prompt, nodes) = (tokens(n_prompt, 3), tokens(parents.len() + 1, 23));
        let mut cache = KvCache::new(model.config(), model.device());
        let mut of_neighbour = KvCache::new(model.config(), model.device());
        if n_prompt > 0 {
            pass(model, &mut cache, &prompt, 0);
        }
        let neighbour = tokens(7, 6);
        let mut hidden = Vec::new();
        let mut spans = [
            Span::chain(&neighbour, &mut of_neighbour, 0),
            Span {
                tokens: &nodes,
                order: Order::Tree(&parents),
                cache: &mut cache,
                adapters: AdapterSet::NONE,
                wanted: 0..nodes.len(),
                taps: Some(Taps { layers: &[2, 0], hidden: &mut hidden }),
            },
        ];
        let of_tree = model.forward(&mut spans, &mut || Ok(())).unwrap();
        let text_of = |path: &[usize]| -> Vec<u32> {
            prompt.iter().copied().chain(path.iter().map(|row| nodes[*row])).collect()
        };
        for row in 0..nodes.len() {
            let text = text_of(&path_to(&parents, row));
            let mut alone_hidden = Vec::new();
            let mut alone_cache = KvCache::new(model.config(), model.device());
            let taps = Some(Taps { layers: &[2, 0], hidden: &mut alone_hidden });
            let span = Span { taps, ..Span::chain(&text, &mut alone_cache, 1) };
            let alone = model.forward(&mut [span], &mut || Ok(())).unwrap();
            let what = format!("row {row} behind {n_prompt}");
            check(&of_tree[row * N_VOCAB..][..N_VOCAB], &alone, ROUNDING, &what);
            let of_row = &hidden[row * 2 * N_EMBD..][..2 * N_EMBD];
            check(of_row, &alone_hidden[(text.len() - 1) * 2 * N_EMBD..], ROUNDING, &what);
        }

        // The path to one of the rows is kept, as if nothing else had been there.
        let path = path_to(&parents, 6);
        assert_eq!(path, [0, 1, 4, 6]);
        cache.compact(n_prompt, &path);
        let mut fresh = KvCache::new(model.config(), model.device());
        pass(model, &mut fresh, &text_of(&path), 0);
        assert_eq!(cache.len(), fresh.len());
        for layer_idx in 0..model.config().n_layers {
            let (found, expected) = (cache.held(layer_idx), fresh.held(layer_idx));
            check(&found, &expected, ROUNDING, &format!("layer {layer_idx} behind {n_prompt}"));
        }
    }
}

#[test]
fn what_is_recorded_is_the_pass_itself() {
    let model = on_tensors(&TinyFile::new(7));
    let model = transformer(&model);
    let text = tokens(90, 2);
    for (n_before, n_rows) in [(0, 1), (1, 4), (60, 1), (80, 8)] {
        let mut cache = KvCache::new(model.config(), model.device());
        if n_before > 0 {
            pass(model, &mut cache, &text[..n_before], 0);
        }
        cache.reserve(n_rows);
        let io = Io::new(model, &cache, n_rows).unwrap();
        let mut span = Span::chain(&text[n_before..][..n_rows], &mut cache, n_rows);
        // Recording runs the pass more than once; what was written before is written over.
        for _ in 0..2 {
            io.set(&span).unwrap();
            model.fixed_pass(&mut span, &io).unwrap();
        }
        let whole = logits(model, &text[..n_before + n_rows]);
        let what = format!("{n_rows} rows behind {n_before}");
        check(&io.logits().unwrap(), &whole[n_before * N_VOCAB..], ROUNDING, &what);
    }
}

#[test]
fn a_forgotten_draft_leaves_no_trace() {
    let model = on_tensors(&TinyFile::new(3));
    let model = transformer(&model);
    let mut cache = KvCache::new(model.config(), model.device());
    pass(model, &mut cache, &[1, 2, 3], 1);
    pass(model, &mut cache, &[4, 99, 98, 97], 1);
    cache.truncate(4);
    let mut copied = cache.copy_prefix(4);
    let expected = logits(model, &[1, 2, 3, 4, 5])[4 * N_VOCAB..].to_vec();
    check(&pass(model, &mut cache, &[5], 1), &expected, ROUNDING, "the cache");
    check(&pass(model, &mut copied, &[5], 1), &expected, ROUNDING, "its copy");
}

#[test]
fn a_cache_goes_on_from_one_that_knows_more() {
    let model = on_tensors(&TinyFile::new(3));
    let model = transformer(&model);
    let text = tokens(30, 1);
    let prefilled = |n_tokens: usize| {
        let mut cache = KvCache::new(model.config(), model.device());
        if n_tokens > 0 {
            pass(model, &mut cache, &text[..n_tokens], 0);
        }
        cache
    };
    for (own, other, n) in [(0, 30, 13), (5, 30, 30), (8, 16, 99), (17, 9, 9)] {
        let mut cache = prefilled(own);
        cache.copy_on(&prefilled(other), n);
        let expected = prefilled(own.max(other.min(n)));
        assert_eq!(cache.len(), expected.len());
        for layer_idx in 0..model.config().n_layers {
            let (found, expected) = (cache.held(layer_idx), expected.held(layer_idx));
            check(&found, &expected, ROUNDING, &format!("{own} and {other}"));
        }
    }
}

#[test]
fn a_cache_grows_without_losing_what_it_holds() {
    let file = TinyFile::new(5);
    let model = on_tensors(&file);
    let model = transformer(&model);
    let text = tokens(100, 1);
    let mut cache = KvCache::new(model.config(), model.device());
    pass(model, &mut cache, &text, 0);
    let (before, n_bytes) = (cache.held(1), cache.n_bytes());
    cache.reserve(300);
    assert_eq!(cache.held(1), before);
    assert!(cache.n_bytes() > n_bytes);
    let (config, device) = (model.config(), model.device());
    assert_eq!(cache.n_bytes(), KvCache::bytes_for(config, device, 400));
}

#[test]
fn a_cancelled_pass_changes_no_cache() {
    let model = on_tensors(&TinyFile::new(3));
    let model = transformer(&model);
    let mut cache = KvCache::new(model.config(), model.device());
    let outcome = model.forward(&mut [Span::chain(&[1, 2], &mut cache, 1)], &mut || Err(Cancelled));
    assert_eq!(outcome, Err(PassError::Cancelled(Cancelled)));
    assert_eq!(cache.len(), 0);
}

/// Greedy replies to three prompts, written at once, with what was second best.
fn replies(model: LanguageModel, speculative: &Speculative) -> Vec<Vec<crate::domain::Token>> {
    let model = Arc::new(model);
    let mut scheduler = Scheduler::default();
    let ids: Vec<_> = [9, 40, 3]
        .into_iter()
        .map(|n_prompt| {
            let request = SequenceRequest {
                model: Arc::clone(&model),
                adapters: AdapterSet::default(),
                prompt: tokens(n_prompt, 8),
                sampling: Sampling::default(),
                max_tokens: 50,
                speculative: speculative.clone(),
                top_logprobs: 2,
            };
            scheduler.add(request).unwrap()
        })
        .collect();
    let mut replies = vec![Vec::new(); ids.len()];
    while !scheduler.is_idle() {
        for (id, event) in scheduler.step() {
            match event {
                SequenceEvent::Step(step) => {
                    replies[ids.iter().position(|known| *known == id).unwrap()].extend(step.tokens);
                }
                SequenceEvent::Failed(error) => panic!("{error}"),
                _ => (),
            }
        }
    }
    replies
}

/// Two replies are the same, or part where the likeliest two tokens lie this close.
const NEAR_TIE: f32 = 0.05;

#[track_caller]
fn check_replies(found: &[Vec<crate::domain::Token>], expected: &[Vec<crate::domain::Token>]) {
    let n_tokens: usize = expected.iter().map(Vec::len).sum();
    assert!(n_tokens > 20, "{n_tokens} tokens are not enough to tell");
    for (found, expected) in found.iter().zip(expected) {
        let Some(at) = found.iter().zip(expected).position(|(a, b)| a.id != b.id) else {
            assert_eq!(found.len(), expected.len());
            continue;
        };
        let top = &expected[at].top_logprobs;
        let apart = top[0].logprob - top[1].logprob;
        assert!(apart < NEAR_TIE, "token {at} differs, where the best two are {apart} apart");
    }
}

#[test]
fn the_scheduler_writes_with_it_what_it_writes_with_our_kernels() {
    let file = TinyFile::new(6).plain();
    let plain = replies(on_tensors(&file), &Speculative::None);
    check_replies(&plain, &replies(file.load().unwrap(), &Speculative::None));
    check_replies(&replies(on_tensors(&file), &Speculative::NGRAM), &plain);
}

#[test]
fn made_up_weights_make_a_model_of_the_asked_for_sizes() {
    let config = on_tensors(&TinyFile::new(1)).network().config().clone();
    let model = Transformer::random(config.clone(), &TensorDevice::cpu()).unwrap();
    assert_eq!(model.n_bytes(), config.n_parameters() * size_of::<f32>() as u64);
    let logits = logits(&model, &tokens(20, 1));
    assert!(logits.iter().all(|logit| logit.is_finite()));
    assert!(logits.windows(2).any(|pair| pair[0] != pair[1]));
}
