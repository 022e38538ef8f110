use std::time::Duration;

use super::*;
use crate::{
    domain::{Pronunciations, SpeechRecord, SpeechTiming, SpeechWarning},
    engine::{Error, Speech},
    job::Cancelled,
    ui::speak::{example, files::Restored, take::Phase},
};

fn record() -> SpeechRecord {
    let request = example::request();
    SpeechRecord {
        text: request.text,
        voice: request.voice,
        voice_sha256: String::new(),
        vocoder: request.vocoder.clone(),
        vocoder_sha256: String::new(),
        controls: request.controls,
        options: request.options,
        given: request.given,
        seed: request.seed,
        version: "0".into(),
        pronunciations: Pronunciations::default(),
        device: "CPU".into(),
    }
}

fn state() -> SpeakState {
    SpeakState::new(settings::Speak::default())
}

/// A state that has heard all events of a take of so many seconds, but not its end.
fn spoken(duration_secs: f64) -> SpeakState {
    let mut state = state();
    state.begin(example::request(), record(), Instant::now());
    for event in example::events(duration_secs) {
        state.apply(event, Instant::now());
    }
    state
}

fn three_takes() -> SpeakState {
    let mut state = state();
    for _ in 0..3 {
        state.begin(example::request(), record(), Instant::now());
        for event in example::events(0.5) {
            state.apply(event, Instant::now());
        }
        state.stop_speaking();
    }
    state
}

fn names(state: &SpeakState) -> Vec<&str> {
    state.takes.iter().map(|take| take.name.as_str()).collect()
}

#[test]
fn a_take_grows_as_events_come() {
    let state = spoken(12.0);
    let take = state.selected_take().unwrap();
    assert_eq!(take.pieces.len(), 3);
    assert!((take.duration_secs() - 12.0).abs() < 0.1, "{}", take.duration_secs());
    assert!(take.pieces[1].start_secs > 3.9 && take.pieces[2].start_secs > 7.9);
    assert_eq!(take.n_frames() * 256, take.waveform.samples.len());
    assert!(take.phonemes.is_sorted_by(|a, b| a.end_secs <= b.start_secs + 1e-9));
    assert!((state.view.time.end - take.duration_secs()).abs() < 1e-9, "the view did not grow");
}

#[test]
fn a_view_that_was_zoomed_stays_while_the_take_grows() {
    let mut state = state();
    state.begin(example::request(), record(), Instant::now());
    let mut events = example::events(12.0).into_iter();
    for event in events.by_ref().take(4) {
        state.apply(event, Instant::now());
    }
    state.zoom_time(2.0, 1.0);
    let view = state.view;
    events.for_each(|event| state.apply(event, Instant::now()));
    assert_eq!(state.view, view);
}

#[test]
fn the_end_brings_the_figures() {
    let mut state = spoken(2.0);
    let waveform = state.selected_take().unwrap().waveform.clone();
    let timing = SpeechTiming {
        total: Duration::from_secs_f64(waveform.duration_secs() / 4.0),
        first_audio: Duration::from_millis(80),
        ..SpeechTiming::default()
    };
    let speech = Speech {
        waveform,
        timing,
        record: record(),
        n_sentences: 1,
        n_phonemes: 9,
        warnings: vec![SpeechWarning::NotNumbers { n_samples: 3 }],
    };
    assert_eq!(state.finish(Ok(speech), Instant::now()), None);
    let take = state.selected_take().unwrap();
    assert_eq!(take.warnings, [SpeechWarning::NotNumbers { n_samples: 3 }]);
    assert!((take.rtf().unwrap() - 0.25).abs() < 1e-6);
    assert_eq!(take.first_audio, Some(Duration::from_millis(80)));
    assert_eq!(take.phase, Phase::Done);
    assert_eq!(state.speaking, None);
}

#[test]
fn a_stopped_take_keeps_what_was_made() {
    let mut state = spoken(2.0);
    let toast = state.finish(Err(Error::Cancelled(Cancelled)), Instant::now());
    assert_eq!(toast, None);
    assert_eq!(state.takes[0].phase, Phase::Stopped);
    assert!(!state.takes[0].is_empty());
}

#[test]
fn an_error_is_told_and_the_text_stays() {
    let mut state = state();
    state.text = "Keep me".to_owned();
    state.begin(example::request(), record(), Instant::now());
    let toast =
        state.finish(Err(Error::BadRequest("pace is 9".to_owned())), Instant::now()).unwrap();
    assert!(toast.is_error);
    assert_eq!(toast.text.lines().count(), 3, "{}", toast.text);
    assert!(toast.text.contains("pace is 9"));
    assert_eq!(state.text, "Keep me");
    assert!(state.takes.is_empty(), "a take without anything is of no use");
    assert_eq!(state.selected, None);
}

#[test]
fn a_deleted_take_comes_back_where_it_stood() {
    let mut state = three_takes();
    state.takes[1].name = "The good one".to_owned();
    let id = state.takes[1].id;
    state.delete(id);
    assert_eq!(names(&state), ["Take 1", "Take 3"]);
    state.undo_delete();
    assert_eq!(names(&state), ["Take 1", "The good one", "Take 3"]);
    assert_eq!(state.selected, Some(id));
    state.undo_delete();
    assert_eq!(state.takes.len(), 3, "there was nothing more to undo");
}

#[test]
fn deleting_the_selected_take_selects_its_neighbour() {
    let mut state = three_takes();
    let ids: Vec<_> = state.takes.iter().map(|take| take.id).collect();
    state.select(ids[2]);
    state.delete(ids[2]);
    assert_eq!(state.selected, Some(ids[1]));
    state.delete(ids[1]);
    state.delete(ids[0]);
    assert_eq!(state.selected, None);
}

#[test]
fn the_settings_of_a_take_make_it_again() {
    let mut state = three_takes();
    state.text = "Something else".to_owned();
    state.options.seed = 99;
    state.options.controls.pace = 2.0;
    state.use_settings(state.takes[0].id);
    assert_eq!(state.request(), example::request());
}

#[test]
fn a_restored_take_brings_its_text_and_options() {
    let mut state = state();
    let spoken = spoken(1.0);
    let take = spoken.selected_take().unwrap();
    let mut restored = Restored {
        waveform: take.waveform.as_ref().clone(),
        record: Some(record()),
        heard: take.pieces[0].spoken.as_ref().clone(),
        f0_hz: take.pieces[0].f0_hz.clone(),
    };
    state.restore("from disk".to_owned(), restored.clone());
    assert_eq!(state.request(), example::request());
    let take = state.selected_take().unwrap();
    assert_eq!((take.name.as_str(), take.phase), ("from disk", Phase::Restored));
    assert!((take.duration_secs() - 1.0).abs() < 0.02);
    assert!(take.pieces[0].start_secs < 1e-9, "mel and sound do not begin together");

    state.text = "Mine".to_owned();
    restored.record = None;
    state.restore("foreign".to_owned(), restored);
    assert_eq!(state.text, "Mine", "a sound without a record changes nothing");
}

#[test]
fn progress_goes_by_what_has_sounded() {
    let mut state = state();
    state.begin(example::request(), record(), Instant::now());
    assert_eq!(state.fraction(), None);
    let mut last = 0.0;
    for event in example::events(12.0) {
        state.apply(event, Instant::now());
        let fraction = state.fraction().unwrap();
        assert!(fraction >= last - 1e-6, "{fraction} after {last}");
        last = fraction;
    }
    assert!((last - 1.0).abs() < 1e-3, "{last}");
}

/// Two systems were asked at once.
fn two_asked() -> (SpeakState, [TakeId; 2]) {
    let mut state = state();
    state.options.beside = vec!["joe-matcha".to_owned()];
    let now = Instant::now();
    let requests = state.requests();
    assert_eq!(requests.len(), 2);
    let ids: Vec<_> =
        requests.into_iter().map(|request| state.begin(request, record(), now)).collect();
    (state, [ids[0], ids[1]])
}

fn speak(state: &mut SpeakState, duration_secs: f64) {
    for event in example::events(duration_secs) {
        state.apply(event, Instant::now());
    }
}

fn end(state: &mut SpeakState) {
    let id = state.speaking.as_ref().unwrap().take;
    let waveform = state.takes[state.idx_of(id).unwrap()].waveform.clone();
    let timing = SpeechTiming::default();
    let speech = Speech {
        waveform,
        timing,
        record: record(),
        n_sentences: 1,
        n_phonemes: 9,
        warnings: Vec::new(),
    };
    assert_eq!(state.finish(Ok(speech), Instant::now()), None);
}

#[test]
fn several_systems_make_a_take_each_one_after_the_other() {
    let (mut state, [a, b]) = two_asked();
    assert_eq!(state.shown(), [a, b], "both are to be seen");
    assert_eq!(state.selected, Some(a), "the first is heard at once");
    assert_eq!(state.takes[1].phase, Phase::Waiting);
    speak(&mut state, 1.0);
    assert!(state.takes[1].is_empty(), "the second take heard the first one's events");
    end(&mut state);
    assert_eq!([state.takes[0].phase, state.takes[1].phase], [Phase::Done, Phase::Speaking]);
    speak(&mut state, 2.0);
    end(&mut state);
    assert_eq!(state.speaking, None);
    assert!((state.limits().full - 2.0).abs() < 0.05, "the time base is that of the longest");
    assert!((state.view.time.end - state.limits().full).abs() < 1e-9);
}

#[test]
fn a_system_that_fails_leaves_the_others() {
    let (mut state, [_, b]) = two_asked();
    let error = Error::BadRequest("no such voice".to_owned());
    assert!(state.finish(Err(error), Instant::now()).is_some());
    assert_eq!(state.shown(), [b]);
    assert_eq!(state.selected, Some(b));
    assert_eq!(state.speaking.as_ref().unwrap().take, b);
}

#[test]
fn stop_leaves_nothing_that_waits() {
    let (mut state, [a, _]) = two_asked();
    speak(&mut state, 1.0);
    state.stop_speaking();
    assert_eq!(state.shown(), [a]);
    assert!(state.waiting.is_empty() && state.speaking.is_none());
    assert_eq!(state.takes[0].phase, Phase::Stopped);
}

#[test]
fn a_take_that_is_deleted_while_it_is_made_lets_the_next_begin() {
    let (mut state, [a, b]) = two_asked();
    speak(&mut state, 1.0);
    state.leave_unmade(a, Instant::now());
    state.delete(a);
    assert_eq!(state.speaking.as_ref().unwrap().take, b);
    assert_eq!(state.selected, Some(b));
    state.undo_delete();
    assert_eq!(state.takes[0].phase, Phase::Stopped, "nothing makes it any more");
}

#[test]
fn switching_among_compared_takes_keeps_cursor_view_and_selection() {
    let mut state = three_takes();
    let ids: Vec<_> = state.takes.iter().map(|take| take.id).collect();
    state.compare(ids[0]);
    state.zoom_time(2.0, 0.1);
    state.selection = Some(Selection::between(0.1, 0.2));
    state.cursor_secs = 0.15;
    let before = (state.view, state.selection, state.shown());
    state.switch_to_next();
    assert_eq!(state.selected, Some(ids[0]));
    assert_eq!((state.view, state.selection, state.shown()), before);
    assert!((state.cursor_secs - 0.15).abs() < 1e-9);
    state.switch_to_next();
    assert_eq!(state.selected, Some(ids[2]));
    state.switch_to(ids[1]);
    assert_eq!(state.selected, Some(ids[2]), "that take is not shown");
}

#[test]
fn the_cursor_ends_where_a_shorter_take_does() {
    let mut state = spoken(2.0);
    end(&mut state);
    let long = state.takes[0].id;
    state.begin(example::request(), record(), Instant::now());
    speak(&mut state, 0.5);
    end(&mut state);
    let short = state.selected.unwrap();
    state.select(long);
    state.cursor_secs = 0.3;
    state.paused_secs = Some(1.5);
    state.select(short);
    let end = state.selected_take().unwrap().duration_secs();
    assert_eq!((state.cursor_secs, state.paused_secs), (0.3, Some(end)));
}

#[test]
fn takes_join_a_comparison_until_it_is_full_and_leave_it_until_one_is_left() {
    let mut state = state();
    for _ in 0..=MAX_SHOWN {
        state.begin(example::request(), record(), Instant::now());
        speak(&mut state, 0.5);
        state.stop_speaking();
    }
    let ids: Vec<_> = state.takes.iter().map(|take| take.id).collect();
    for _ in &ids {
        state.compare_previous();
    }
    assert_eq!(
        state.shown(),
        ids[1..],
        "the nearest come first, and no more than there is room for"
    );
    state.toggle_compared(ids[0]);
    assert_eq!(state.shown(), ids[1..]);
    for id in ids[1..].iter().rev() {
        state.toggle_compared(*id);
    }
    assert_eq!(state.shown().len(), 1);
    assert_eq!(state.selected, Some(state.shown()[0]));
}
