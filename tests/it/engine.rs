//! The engine through its front door: many jobs on one thread, cancels, faults.

use std::{sync::Arc, thread};

use formant::{
    domain::{
        FinishReason, Message, Progress, ProsodyControls, Sampling, Speculative, Stage,
        VocoderChoice, VoiceOptions,
    },
    engine::{ChatEvent, ChatRequest, Client, ErrorKind, SpeakEvent, SpeakRequest},
    job::Update,
};

use crate::support::library;

fn engine() -> Client {
    Client::start(library(), Arc::new(|| ())).unwrap()
}

fn speech(text: &str) -> SpeakRequest {
    SpeakRequest {
        text: text.to_owned(),
        voice: "joe-fastspeech2".to_owned(),
        vocoder: VocoderChoice::HifiGan,
        controls: ProsodyControls::default(),
        options: VoiceOptions::default(),
        given: Vec::new(),
        timing: None,
        pronunciations: None,
        seed: 0,
    }
}

fn question(text: &str, max_tokens: usize) -> ChatRequest {
    ChatRequest {
        model: "smollm2-135m-instruct".to_owned(),
        adapters: Vec::new(),
        messages: vec![Message::user(text)],
        sampling: Sampling::default(),
        max_tokens,
        speculative: Speculative::None,
        top_logprobs: 0,
        opening: Vec::new(),
    }
}

#[test]
fn replies_go_on_being_written_while_the_engine_speaks() {
    let engine = engine();
    let chat = engine.chat(question("Tell me a long story about a lighthouse.", 48));
    // The reply is under way before the speech begins.
    let mut steps = 0;
    while steps == 0 {
        match chat.poll() {
            Some(Update::Event(ChatEvent::Step(_))) => steps += 1,
            Some(Update::Done(outcome)) => panic!("over before it began: {outcome:?}"),
            _ => std::thread::yield_now(),
        }
    }
    let speak = engine.speak(speech("While this is spoken, the other page goes on writing."));
    let mut during = 0;
    let spoken = speak.wait(|event| {
        if matches!(event, SpeakEvent::Samples { .. }) {
            while let Some(Update::Event(_)) = chat.poll() {
                during += 1;
            }
        }
    });
    assert!(spoken.unwrap().unwrap().waveform.duration_secs() > 1.0);
    assert!(during > 0, "no step of the reply came while the engine spoke");
    let reply = chat.wait(|_| ()).unwrap().unwrap();
    assert!(!reply.text.is_empty());
}

#[test]
fn several_chats_at_once_write_what_each_would_write_alone() {
    let engine = engine();
    let questions = ["Name three colours.", "What is two plus two?", "Who wrote Hamlet?"];
    let alone: Vec<Vec<u32>> = questions
        .iter()
        .map(|text| engine.chat(question(text, 12)).wait(|_| ()).unwrap().unwrap().token_ids)
        .collect();
    let jobs: Vec<_> = questions.iter().map(|text| engine.chat(question(text, 12))).collect();
    let together: Vec<Vec<u32>> =
        jobs.into_iter().map(|job| job.wait(|_| ()).unwrap().unwrap().token_ids).collect();
    assert_eq!(alone, together);
}

#[test]
fn a_stopped_reply_keeps_what_was_written() {
    let engine = engine();
    let job = engine.chat(question("Tell me a long story about a lighthouse.", 200));
    let mut written = 0;
    let summary = loop {
        match job.poll() {
            Some(Update::Event(ChatEvent::Step(step))) => {
                written += step.tokens.len();
                if written == 5 {
                    job.cancel();
                }
            }
            Some(Update::Done(outcome)) => break outcome.unwrap(),
            Some(Update::Lost) => panic!("the engine is gone"),
            _ => std::thread::yield_now(),
        }
    };
    assert_eq!(summary.finish_reason, FinishReason::Cancelled);
    // This thread may have been late to hear of the fifth, but not by most of the story.
    assert!((5..150).contains(&summary.token_ids.len()), "{} tokens", summary.token_ids.len());
    assert!(!summary.text.is_empty());
}

#[test]
fn a_stop_leaves_the_rest_of_a_long_prompt_unread() {
    let engine = engine();
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(200);
    for n_chunks in 0..4 {
        let job = engine.chat(question(&format!("{n_chunks} {text}"), 50));
        let (mut heard, mut read) = (0, 0);
        let summary = loop {
            match job.poll() {
                Some(Update::Event(ChatEvent::Progress(Progress {
                    stage: Stage::Prefill,
                    done,
                    total,
                    ..
                }))) => {
                    assert!(total >= 2_000, "a prompt of {total} tokens");
                    if heard == n_chunks {
                        job.cancel();
                    }
                    heard += 1;
                    read = done;
                }
                Some(Update::Done(outcome)) => break outcome.unwrap(),
                Some(Update::Lost) => panic!("the engine is gone"),
                _ => thread::yield_now(),
            }
        };
        assert_eq!(summary.finish_reason, FinishReason::Cancelled);
        assert!(read < 1_500, "{read} tokens were read, after a stop at the beginning");
    }
}

#[test]
fn a_megabyte_of_text_begins_at_once_and_stops_at_once() {
    let engine = engine();
    // Models first, so that only the text is on trial.
    engine.speak(speech("Ready.")).wait(|_| ()).unwrap().unwrap();
    let text = "The quick brown fox jumps over 13 lazy dogs. ".repeat(24_000);
    assert!(text.len() > 1_000_000);
    let job = engine.speak(speech(&text));
    let outcome = loop {
        match job.poll() {
            Some(Update::Event(SpeakEvent::Samples { .. })) => job.cancel(),
            Some(Update::Done(outcome)) => break outcome,
            Some(Update::Lost) => panic!("the engine is gone"),
            _ => std::thread::yield_now(),
        }
    };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    // The next job does not wait for the rest of the megabyte.
    engine.speak(speech("Still here.")).wait(|_| ()).unwrap().unwrap();
}

#[test]
fn a_request_that_makes_no_sense_is_refused_and_the_engine_goes_on() {
    let engine = engine();
    let mut request = speech("Hello.");
    request.controls.pace = f32::NAN;
    let error = engine.speak(request).wait(|_| ()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    let mut request = question("Hello", 4);
    request.sampling.top_p = 7.0;
    let error = engine.chat(request).wait(|_| ()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    let too_long = "word ".repeat(20_000);
    let error = engine.chat(question(&too_long, 4)).wait(|_| ()).unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest, "{error}");
    assert!(error.to_string().contains("8192"), "{error}");
    engine.chat(question("Hello", 2)).wait(|_| ()).unwrap().unwrap();
}

#[test]
fn the_status_tells_what_is_loaded_and_forgets_what_is_let_go() {
    let engine = engine();
    engine.load("joe-hifigan").wait(|_| ()).unwrap().unwrap();
    let loaded = |id: &str| engine.status().loaded.iter().any(|model| model.id == id);
    // The status follows the outcome within the same turn of the engine's loop.
    engine.load("joe-hifigan").wait(|_| ()).unwrap().unwrap();
    assert!(loaded("joe-hifigan"));
    assert!(engine.status().total_bytes() > 1_000_000);
    engine.unload("joe-hifigan").wait(|_| ()).unwrap().unwrap();
    engine.load("joe-fastspeech2").wait(|_| ()).unwrap().unwrap();
    assert!(!loaded("joe-hifigan"));
}
