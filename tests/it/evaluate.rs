//! Speech systems put to the test: by command, and through the engine's front door.

use std::{fs, path::Path, sync::Arc};

use formant::{
    domain::{Figure, Measure, SpeechSystem, TestSentence},
    engine::{Client, ErrorKind, EvaluateEvent, EvaluateRequest, Trial},
    job::Update,
};
use serde_json::Value;

use crate::support::{complaint, data, formant, formant_in, library, output};

/// A run of `formant eval` that prints its figures as JSON.
#[track_caller]
fn evaluate(folder: &Path, arguments: &[&str]) -> Value {
    let arguments = [&["eval", "--json", "-"], arguments].concat();
    let output = output(formant_in(folder, &arguments));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn mean(report: &Value, system: usize, figure: Figure) -> f64 {
    let value = &report["table"][system]["figures"][figure.key()]["mean"];
    value.as_f64().unwrap_or_else(|| panic!("{} was not measured: {report}", figure.key()))
}

#[test]
fn voices_are_measured_by_what_there_is_and_the_rest_says_why_not() {
    let nowhere = tempfile::tempdir().unwrap();
    let report = evaluate(
        nowhere.path(),
        &["--systems", "joe-fastspeech2,joe-tacotron2:gate-threshold=0.4", "--heldout", "1"],
    );
    assert_eq!(report["table"][1]["system"], "joe-tacotron2:gate-threshold=0.4");
    for system in 0..2 {
        let parts =
            mean(&report, system, Figure::RtfAcoustic) + mean(&report, system, Figure::RtfVocoder);
        assert!(parts <= mean(&report, system, Figure::Rtf) + 1e-6);
        assert!(mean(&report, system, Figure::FirstAudioMs) > 0.0);
        let overall = mean(&report, system, Figure::DnsmosOvrl);
        assert!((2.5..4.0).contains(&overall), "clean speech has an OVRL of {overall}");
    }
    assert!(mean(&report, 1, Figure::FocusRate) > 0.3);
    assert!(report["table"][0]["figures"].get(Figure::FocusRate.key()).is_none());
    let reasons = &report["evaluation"]["not_measured"];
    let why = |measure: Measure| reasons[measure.key()].as_str().unwrap().to_owned();
    assert!(why(Measure::Wer).contains("formant models fetch whisper-tiny.en"), "{reasons}");
    assert!(why(Measure::Reference).contains("recordings"), "{reasons}");
}

#[test]
fn a_voice_is_no_way_from_a_recording_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let spoken = ["--systems", "joe-fastspeech2", "--heldout", "2", "--metrics", "reference,speed"];
    evaluate(folder.path(), &[&spoken[..], &["--keep", &at("kept")]].concat());
    let recordings = at("kept/joe-fastspeech2");
    let arguments = ["--references", &recordings, "--csv", &at("a.csv"), "--png", &at("a.png")];
    // A table, since no JSON is asked for.
    let printed = output(formant(&[&["eval"], &spoken[..], &arguments].concat()));
    let table = String::from_utf8(printed.stdout).unwrap();
    assert!(table.contains("Mel L1 aligned (dB)") && table.contains("2 sentences"), "{table}");
    let csv = fs::read_to_string(at("a.csv")).unwrap();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let column = header.iter().position(|name| *name == Figure::McdDb.key()).unwrap();
    assert_eq!(csv.lines().count(), 3);
    // Sixteen bits are all that lies between; text with commas stands in quotes before it.
    let row: Vec<&str> = csv.lines().nth(1).unwrap().rsplit(',').collect();
    let mcd: f64 = row[header.len() - 1 - column].parse().unwrap();
    assert!(mcd < 0.5, "{mcd} dB from itself");
    let picture = image::open(at("a.png")).unwrap();
    assert!(picture.width() > 400 && picture.height() > 200);
}

#[test]
fn copies_come_through_and_griffin_lim_less_than_the_neural_vocoder() {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("any-name.wav");
    let wav = wav.display().to_string();
    assert!(
        output(formant(&["speak", "A copy of this sentence is made.", "-o", &wav]))
            .status
            .success()
    );
    let recordings = folder.path().display().to_string();
    let report =
        evaluate(folder.path(), &["--copy-synthesis", &recordings, "--metrics", "reference,wer"]);
    assert_eq!(report["table"][0]["system"], "copy:hifigan");
    assert_eq!(report["table"][1]["system"], "copy:griffin-lim");
    assert!(mean(&report, 0, Figure::Stoi) > 0.9, "{report}");
    for figure in [Figure::PesqWb, Figure::PesqNb] {
        let scores = [0, 1].map(|system| mean(&report, system, figure));
        assert!(scores.iter().all(|score| (1.5..4.6).contains(score)), "{figure:?}: {scores:?}");
    }
    assert!(mean(&report, 0, Figure::McdDb) < mean(&report, 1, Figure::McdDb), "{report}");
    let why = report["evaluation"]["not_measured"]["wer"].as_str().unwrap();
    assert!(why.contains("text of the recordings"), "{why}");
}

#[test]
fn what_cannot_be_evaluated_is_refused_before_anything_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    for (arguments, part) in [
        (&["--systems", "joe-fastspeech2:steps=2"][..], "does not heed steps"),
        (&["--systems", "joe-matcha:steps=0"], "1 to 100"),
        (&["--systems", "nobody"], "nobody"),
        (&["--references", &here], "000.wav"),
        (&["--copy-synthesis", &here], "no WAV file"),
        (&["--sentences", "/nowhere/at/all.txt"], "/nowhere/at/all.txt"),
    ] {
        let said = complaint(formant(&[&["eval"], arguments].concat()), 1);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[test]
fn a_stop_keeps_what_was_measured() {
    data();
    let engine = Client::start(library(), Arc::new(|| ())).unwrap();
    let trial = |n: usize| Trial {
        sentence: TestSentence { name: n.to_string(), text: format!("Sentence number {n}.") },
        reference: None,
    };
    let job = engine.evaluate(EvaluateRequest {
        systems: vec![SpeechSystem::of_voice("joe-fastspeech2")],
        trials: (0..200).map(trial).collect(),
        measures: vec![Measure::Speed],
        seed: 0,
    });
    let mut scores = Vec::new();
    let outcome = loop {
        match job.poll() {
            Some(Update::Event(EvaluateEvent::Scored { score, sound })) => {
                assert!(sound.unwrap().duration_secs() > 0.2);
                scores.push(score);
                job.cancel();
            }
            Some(Update::Event(_)) => (),
            Some(Update::Done(outcome)) => break outcome,
            Some(Update::Lost) => panic!("the engine is gone"),
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!((1..100).contains(&scores.len()), "{} scores", scores.len());
    assert!(scores[0].figures[&Figure::Rtf] > 0.0);
}
