//! Replies with adapters, several at once: each as if it were alone, and none with another's keys.

use std::sync::Arc;

use super::{
    tests::{Reply, WARM, alone, request, run},
    *,
};
use crate::{
    domain::{Sampling, Speculative},
    lm::{
        Adapter, AdapterSet,
        adapters::tiny::TinyAdapter,
        tiny::{self, TinyFile},
    },
};

fn with(parts: &[(&Arc<Adapter>, f32)]) -> AdapterSet {
    AdapterSet::new(parts.iter().map(|(adapter, scale)| (Arc::clone(adapter), *scale)).collect())
        .unwrap()
}

struct Setting {
    model: Arc<LanguageModel>,
    a: Arc<Adapter>,
    b: Arc<Adapter>,
}

fn setting() -> Setting {
    let model = tiny::model(2);
    let a = TinyAdapter::new(1, 8).load(&model).unwrap();
    let b = TinyAdapter::new(2, 3).load(&model).unwrap();
    Setting { model, a, b }
}

fn asked(setting: &Setting, adapters: AdapterSet, sampling: Sampling) -> SequenceRequest {
    let prompt: Vec<u32> = (0..40).map(|i| (i * 7) % 13 + 60).collect();
    SequenceRequest { adapters, max_tokens: 30, ..request(&setting.model, &prompt, sampling) }
}

fn reply(scheduler: &mut Scheduler, request: SequenceRequest) -> Reply {
    let id = scheduler.add(request).unwrap();
    run(scheduler).remove(&id).unwrap()
}

#[test]
fn replies_of_a_batch_are_those_that_each_set_gives_alone() {
    let setting = setting();
    let Setting { a, b, .. } = &setting;
    let sets = [
        with(&[]),
        with(&[(a, 1.0)]),
        with(&[(b, 1.0)]),
        with(&[(a, 0.5), (b, 0.5)]),
        with(&[(a, 0.5)]),
    ];
    for sampling in [Sampling::default(), WARM] {
        for speculative in [Speculative::None, Speculative::NGRAM] {
            let mut scheduler = Scheduler::default();
            let ids: Vec<SequenceId> = sets
                .iter()
                .map(|set| {
                    let request = asked(&setting, set.clone(), sampling);
                    scheduler
                        .add(SequenceRequest { speculative: speculative.clone(), ..request })
                        .unwrap()
                })
                .collect();
            let mut replies = run(&mut scheduler);
            let found: Vec<Vec<u32>> =
                ids.iter().map(|id| replies.remove(id).unwrap().ids).collect();
            for (set, found) in sets.iter().zip(&found) {
                let plain = alone(asked(&setting, set.clone(), sampling), None);
                assert_eq!(*found, plain.ids);
            }
            let distinct: std::collections::HashSet<_> = found.iter().collect();
            assert!(distinct.len() > 3, "the adapters do next to nothing");
        }
    }
}

#[test]
fn no_adapter_and_a_scale_of_zero_write_what_the_base_writes() {
    let setting = setting();
    let base = alone(asked(&setting, with(&[]), WARM), None);
    let nothing = alone(asked(&setting, with(&[(&setting.a, 0.0)]), WARM), None);
    assert_eq!(nothing, base);
}

#[test]
fn a_later_turn_reuses_only_what_was_written_with_the_same_set() {
    let setting = setting();
    let Setting { a, .. } = &setting;
    let expected = |set: AdapterSet| alone(asked(&setting, set, WARM), None).ids;
    let (of_base, of_a) = (expected(with(&[])), expected(with(&[(a, 1.0)])));
    let of_half = expected(with(&[(a, 0.5)]));
    let mut scheduler = Scheduler::default();
    let mut turn = |set: AdapterSet| {
        let reply = reply(&mut scheduler, asked(&setting, set, WARM));
        (reply.ids.clone(), reply.reused())
    };
    assert_eq!(turn(with(&[])), (of_base.clone(), 0));
    assert_eq!(turn(with(&[(a, 1.0)])), (of_a.clone(), 0));
    assert_eq!(turn(with(&[(a, 0.5)])), (of_half, 0));
    assert_eq!(turn(with(&[(a, 1.0)])), (of_a, 39));
    assert_eq!(turn(with(&[(a, 0.0)])), (of_base, 39));
}

#[test]
fn an_adapter_that_was_loaded_again_reuses_nothing() {
    let setting = setting();
    let again = TinyAdapter::new(1, 8).load(&setting.model).unwrap();
    let mut scheduler = Scheduler::default();
    let first = reply(&mut scheduler, asked(&setting, with(&[(&setting.a, 1.0)]), WARM));
    let second = reply(&mut scheduler, asked(&setting, with(&[(&again, 1.0)]), WARM));
    assert_eq!((first.ids.clone(), second.reused()), (second.ids.clone(), 0));
}

#[test]
fn replies_under_way_copy_no_prompt_of_another_set() {
    let setting = setting();
    let mut scheduler = Scheduler::default();
    let of_a = with(&[(&setting.a, 1.0)]);
    let add = |scheduler: &mut Scheduler, set: &AdapterSet| {
        scheduler.add(asked(&setting, set.clone(), WARM)).unwrap()
    };
    let expected = alone(asked(&setting, of_a.clone(), WARM), None).ids;
    add(&mut scheduler, &with(&[]));
    // The base's reply has read the prompt before the other comes.
    scheduler.step();
    let second = add(&mut scheduler, &of_a);
    let second = run(&mut scheduler).remove(&second).unwrap();
    assert_eq!((second.ids.clone(), second.reused()), (expected, 0));
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let setting = setting();
    let mut file = TinyFile::new(2);
    file.set_value(
        "llama.context_length",
        candle_core::quantized::gguf_file::Value::U32(tiny::CONTEXT as u32 - 1),
    );
    let other = file.load().unwrap();
    let foreign = TinyAdapter::new(1, 8).load(&other).unwrap();
    let refused = Scheduler::default().add(asked(&setting, with(&[(&foreign, 1.0)]), WARM));
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("tiny-1 was loaded for a model of other sizes"), "{error}");
}

#[test]
fn a_graphics_processor_refuses_adapters_and_says_what_to_do() {
    let setting = setting();
    let device = crate::lm::Backend::Tensors(crate::nn::TensorDevice::cpu());
    let model = Arc::new(TinyFile::new(2).load_on(&device).unwrap());
    let request = SequenceRequest { model, ..asked(&setting, with(&[(&setting.a, 1.0)]), WARM) };
    let error = Scheduler::default().add(request).unwrap_err().to_string();
    assert!(error.contains("adapters run on the CPU only"), "{error}");
}
