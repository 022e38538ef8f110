use super::*;
use crate::{domain::SpeechTiming, job::Cancelled, ui::speak::example};

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
        seed: request.seed,
        version: "0".into(),
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
    let speech = Speech { waveform, timing, record: record(), n_sentences: 1, n_phonemes: 9 };
    assert_eq!(state.finish(Ok(speech)), None);
    let take = state.selected_take().unwrap();
    assert!((take.rtf().unwrap() - 0.25).abs() < 1e-6);
    assert_eq!(take.first_audio, Some(Duration::from_millis(80)));
    assert_eq!(take.phase, Phase::Done);
    assert_eq!(state.speaking, None);
}

#[test]
fn a_stopped_take_keeps_what_was_made() {
    let mut state = spoken(2.0);
    let toast = state.finish(Err(Error::Cancelled(Cancelled)));
    assert_eq!(toast, None);
    assert_eq!(state.takes[0].phase, Phase::Stopped);
    assert!(!state.takes[0].is_empty());
}

#[test]
fn an_error_is_told_and_the_text_stays() {
    let mut state = state();
    state.text = "Keep me".to_owned();
    state.begin(example::request(), record(), Instant::now());
    let toast = state.finish(Err(Error::BadRequest("pace is 9".to_owned()))).unwrap();
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
