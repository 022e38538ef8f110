//! The Speak page as a user meets it: found by its labels, driven by pointer and keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use eframe::egui::{self, Key, Modifiers, accesskit::Role};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};
use formant::{
    audio::{self, Loops, Player},
    domain::{Attention, Glimpse, ModelInfo, ModelKind, ModelOrigin, ModelState},
    engine::Client,
    library::{Downloads, Folders, Library, catalog},
    settings::Settings,
    ui::{
        Action, Context, Page as _, Toast, speak,
        speak::{Difference, Lane, Phase, SpeakPage, example},
        theme,
    },
};

/// How long another thread may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page and all that a window would lend it.
struct World {
    page: SpeakPage,
    engine: Client,
    downloads: Downloads,
    player: Player,
    settings: Settings,
    models: Vec<ModelInfo>,
    actions: Vec<Action>,
    folder: tempfile::TempDir,
}

impl World {
    fn new(page: SpeakPage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders {
            data: folder.path().join("data"),
            config: folder.path().join("config"),
            bundled: folder.path().join("models"),
        };
        let library = Library::new(folders);
        let waker: formant::job::Waker = Arc::new(|| ());
        Self {
            page,
            engine: Client::start(library.clone(), waker.clone()).unwrap(),
            downloads: Downloads::new(library, waker.clone()),
            player: Player::new("", waker),
            settings: Settings::default(),
            models: [
                (catalog::VOICE, ModelKind::FastSpeech2),
                (catalog::VOCODER, ModelKind::HifiGan),
                (catalog::G2P, ModelKind::G2p),
            ]
            .map(|(id, kind)| model(id, kind))
            .into(),
            actions: Vec::new(),
            folder,
        }
    }

    /// What the window does in a frame: keys, news, drawing.
    fn frame(&mut self, ui: &mut egui::Ui) {
        let Self { page, engine, downloads, player, settings, models, actions, .. } = self;
        let mut context = Context {
            status: engine.status(),
            engine,
            models,
            downloads,
            player,
            settings,
            actions,
        };
        for command in page.commands() {
            let is_left_to_text =
                ui.text_edit_focused() && command.shortcut.is_some_and(|s| s.modifiers.is_none());
            if let Some(shortcut) = command.shortcut.filter(|_| !is_left_to_text)
                && command.disabled.is_none()
                && ui.input_mut(|input| input.consume_shortcut(&shortcut))
            {
                page.run(command.id, &mut context);
            }
        }
        page.logic(&mut context);
        page.ui(ui, &mut context);
    }

    fn toasts(&self) -> Vec<&Toast> {
        let mut toasts = Vec::new();
        for action in &self.actions {
            if let Action::Toast(toast) = action {
                toasts.push(toast);
            }
        }
        toasts
    }
}

fn model(id: &str, kind: ModelKind) -> ModelInfo {
    ModelInfo {
        id: id.into(),
        name: "Joe".into(),
        kind,
        licence: "MIT".into(),
        source: String::new(),
        sha256: "ab".into(),
        bytes: 0,
        state: ModelState::Ready { path: PathBuf::from(id), bytes: 0 },
        quality: Vec::new(),
        origin: ModelOrigin::Bundled,
        language_model: None,
        speech_model: None,
        lora_adapter: None,
    }
}

type Window = Harness<'static, World>;

fn window(page: SpeakPage) -> Window {
    let size = egui::vec2(1240.0, 860.0);
    let mut window = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(1.0)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, world: &mut World| world.frame(ui), World::new(page));
    window.run();
    window
}

fn first_start() -> Window {
    window(SpeakPage::new(&Settings::default(), PathBuf::new()))
}

fn with_take(duration_secs: f64) -> Window {
    window(example::page(duration_secs))
}

/// Steps until another thread has done its part.
#[track_caller]
fn wait_until(window: &mut Window, what: &str, is_done: impl Fn(&World) -> bool) {
    let begun = Instant::now();
    while !is_done(window.state()) {
        assert!(begun.elapsed() < PATIENCE, "{what} never happened");
        window.step();
        std::thread::yield_now();
    }
    window.run();
}

fn mel_label(window: &Window) -> String {
    let take = window.state().page.state.selected_take().unwrap();
    format!("Mel spectrogram, {:.1} s, {} frames", take.duration_secs(), take.n_frames())
}

#[test]
fn a_failure_is_told_and_the_text_is_kept() {
    let mut window = first_start();
    let text = window.state().page.state.text.clone();
    assert!(!text.is_empty(), "the first start has nothing to say");
    window.get_by_label("Speak").click();
    wait_until(&mut window, "the refusal", |world| !world.toasts().is_empty());
    let toasts = window.state().toasts();
    assert!(toasts[0].is_error);
    assert_eq!(toasts[0].text.lines().count(), 3, "{}", toasts[0].text);
    assert_eq!(window.state().page.state.text, text);
    assert!(window.state().page.state.takes.is_empty());
    assert!(window.query_by_label("Speak").is_some(), "the button did not come back");
}

#[test]
fn ctrl_enter_speaks_from_within_the_text() {
    let mut window = first_start();
    window.get_by_role_and_label(Role::MultilineTextInput, "Text").focus();
    window.run();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::Enter]);
    wait_until(&mut window, "the refusal", |world| !world.toasts().is_empty());
}

#[test]
fn without_a_voice_the_page_says_what_to_do() {
    let mut window = first_start();
    window.state_mut().models.clear();
    window.run();
    assert!(window.get_by_label("Speak").accesskit_node().is_disabled());
    window.get_by_label("Open Models").click();
    window.run();
    assert!(matches!(window.state().actions.last(), Some(Action::Show("Models"))));
}

#[test]
fn the_read_out_tells_what_is_under_the_pointer() {
    let mut window = with_take(6.0);
    let label = mel_label(&window);
    let centre = window.get_by_label(&label).rect().center();
    window.hover_at(centre);
    window.run();
    let take = window.state().page.state.selected_take().unwrap();
    let secs = take.duration_secs() / 2.0;
    let readout = speak::Readout::new(take, secs, Some(40.0));
    let [time, frame, _, _, f0, ..] = readout.fields();
    for (name, value) in [time, frame, f0] {
        let field = format!("{name} {value}");
        assert!(window.query_by_label(&field).is_some(), "{field} is not shown");
    }
    assert!(window.query_by_label_contains("dB, ln").is_some());
}

#[test]
fn dragging_selects_and_keys_play_fit_and_loop() {
    let mut window = with_take(6.0);
    let label = mel_label(&window);
    let rect = window.get_by_label(&label).rect();
    let at = |share: f32| egui::pos2(rect.left() + share * rect.width(), rect.center().y);
    window.hover_at(at(0.25));
    window.run();
    window.drag_at(at(0.25));
    window.run();
    window.hover_at(at(0.5));
    window.run();
    window.drop_at(at(0.5));
    window.run();
    let selection = window.state().page.state.selection.unwrap();
    let secs = window.state().page.state.limits().full;
    assert!((selection.start_secs - 0.25 * secs).abs() < 0.02, "{selection:?}");
    assert!((selection.end_secs - 0.5 * secs).abs() < 0.02, "{selection:?}");

    window.key_press(Key::N);
    window.run();
    let seen = window.state().page.state.view.time;
    assert!((seen.start - selection.start_secs).abs() < 1e-6);
    assert!((seen.end - selection.end_secs).abs() < 1e-6);
    window.key_press(Key::L);
    window.run();
    assert_eq!(window.state().page.state.loops, Loops::Forever);
    window.key_press(Key::F);
    window.run();
    assert!((window.state().page.state.view.time.span() - secs).abs() < 1e-6);
    window.key_press(Key::End);
    window.run();
    assert!((window.state().page.state.cursor_secs - secs).abs() < 1e-6);
}

#[test]
fn ctrl_and_wheel_zoom_at_the_pointer() {
    let mut window = with_take(6.0);
    let label = mel_label(&window);
    let rect = window.get_by_label(&label).rect();
    let x = rect.left() + 0.3 * rect.width();
    window.hover_at(egui::pos2(x, rect.center().y));
    window.run();
    let secs = |window: &Window| window.state().page.state.view.time.at_screen(x, rect.x_range());
    let before = secs(&window);
    let wheel = |modifiers| egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, 120.0),
        phase: egui::TouchPhase::Move,
        modifiers,
        source: egui::MouseWheelSource::Wheel,
    };
    window.event_modifiers(wheel(Modifiers::COMMAND), Modifiers::COMMAND);
    window.run();
    let view = window.state().page.state.view;
    assert!(view.time.span() < 5.0, "{view:?}");
    assert!((secs(&window) - before).abs() < 0.01, "{} is not {before}", secs(&window));
    window.event(egui::Event::ModifiersChanged(Modifiers::ALT));
    window.event(wheel(Modifiers::ALT));
    window.run();
    window.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    window.run();
    assert!(window.state().page.state.view.bands.span() < 79.0);
    assert_eq!(window.state().page.state.view.time, view.time);
}

#[test]
fn a_take_is_renamed_deleted_and_brought_back() {
    let mut window = with_take(1.0);
    let field = window.get_by_role_and_label(Role::TextInput, "Name");
    field.focus();
    window.run();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run();
    window.get_by_role_and_label(Role::TextInput, "Name").type_text("Calm");
    window.run();
    assert_eq!(window.state().page.state.takes[0].name, "Calm");
    window.get_by_label("Delete").click();
    window.run();
    assert!(window.state().page.state.takes.is_empty());
    window.get_by_label("Undo delete of Calm").click();
    window.run();
    assert_eq!(window.state().page.state.takes[0].name, "Calm");
}

#[test]
fn the_settings_of_a_take_come_back() {
    let mut window = with_take(1.0);
    window.state_mut().page.state.text = "Something else".into();
    window.state_mut().settings.speak.seed = 99;
    window.run();
    window.get_by_label("Use these settings").click();
    window.run();
    let request = example::request();
    assert_eq!(window.state().page.state.text, request.text);
    assert_eq!(window.state().settings.speak.seed, request.seed, "the window would not save it");
}

#[test]
fn sliders_and_chips_change_what_will_be_asked_for() {
    let mut window = first_start();
    window.get_by_role_and_label(Role::Slider, "Pace").set_value_accesskit(2.0);
    window.run();
    window.get_by_label("Griffin-Lim").click();
    window.run();
    let asked = window.state().settings.speak.clone();
    assert!((asked.controls.pace - 2.0).abs() < 1e-3, "{}", asked.controls.pace);
    assert_eq!(asked.vocoder, formant::domain::VocoderChoice::GriffinLim);
    window.get_by_label("As predicted").click();
    window.run();
    assert!((window.state().settings.speak.controls.pace - 1.0).abs() < 1e-6);
}

#[test]
fn a_slow_vocoder_is_offered_and_said_to_be_slow() {
    let mut window = first_start();
    let wavenet = model("joe-wavenet", ModelKind::WaveNet);
    window.state_mut().models.push(wavenet);
    window.run();
    assert!(window.query_by_label_contains("slow").is_none());
    window.get_by_label("Other vocoders").click();
    window.run();
    window.get_by_label("Joe (WaveNet)").click();
    window.run();
    let asked = window.state().settings.speak.vocoder.clone();
    assert_eq!(asked, formant::domain::VocoderChoice::Model("joe-wavenet".into()));
    assert!(window.query_by_label_contains("slow").is_some());
}

/// Types into a field of the window that is open.
fn fill(window: &mut Window, field: &str, text: &str) {
    window.get_by_role_and_label(Role::TextInput, field).focus();
    window.run();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run();
    window.get_by_role_and_label(Role::TextInput, field).type_text(text);
    window.run();
}

#[test]
fn a_pronunciation_is_heard_kept_marked_in_the_text_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dictionary.txt");
    std::fs::write(&path, "# mine\nzebra Z EH1 B R AH0\n").unwrap();
    let mut window = window(SpeakPage::new(&Settings::default(), path.clone()));
    window.get_by_label("Pronunciations…").click();
    wait_until(&mut window, "the dictionary", |world| {
        world.page.state.dictionary.words().is_some()
    });
    assert!(window.query_by_label("Edit zebra").is_some());
    fill(&mut window, "Word", "Canoe");
    fill(&mut window, "Phonemes", "k uw n uw0");
    assert!(window.query_by_label_contains("UW needs its stress").is_some());
    fill(&mut window, "Phonemes", "k uw1 n uw0");
    window.get_by_label("Listen").click();
    window.run();
    let heard = window
        .state()
        .actions
        .iter()
        .any(|action| matches!(action, Action::ReadAloud(text) if text == "{K UW1 N UW0}."));
    assert!(heard, "{:?}", window.state().actions);
    assert!(window.query_by_label("yours: canoe").is_none());

    window.get_by_label("Keep").click();
    let written = || std::fs::read_to_string(&path).unwrap();
    wait_until(&mut window, "the file", |_| written().contains("canoe K UW1 N UW0"));
    assert!(written().starts_with("# mine\nzebra "));
    assert!(window.query_by_label("yours: canoe").is_some(), "the text does not show it");
    window.get_by_label("Undo").click();
    wait_until(&mut window, "the file", |_| !written().contains("canoe"));
    assert!(window.query_by_label("yours: canoe").is_none());
    window.get_by_label("Remove zebra").click();
    wait_until(&mut window, "the file", |_| !written().contains("zebra"));
    assert!(window.query_by_label("Edit zebra").is_none());
}

#[test]
fn the_word_at_the_cursor_is_offered_with_its_phonemes() {
    let mut window = with_take(1.0);
    window.key_combination_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, &[Key::D]);
    window.run();
    let state = &window.state().page.state.dictionary;
    assert_eq!((state.word.as_str(), state.phonemes.as_str()), ("the", "DH AH0"));
    let end = window.state().page.state.selected_take().unwrap().words[1].end_secs;
    window.state_mut().page.state.cursor_secs = end - 0.01;
    window.run();
    window.get_by_label("Take “birch”").click();
    window.run();
    let state = &window.state().page.state.dictionary;
    assert_eq!((state.word.as_str(), state.phonemes.as_str()), ("birch", "B ER1 CH"));
}

#[test]
fn a_dictionary_that_is_broken_says_so_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dictionary.txt");
    std::fs::write(&path, "gif JIF\n").unwrap();
    let mut window = window(SpeakPage::new(&Settings::default(), path.clone()));
    window.get_by_label("Pronunciations…").click();
    wait_until(&mut window, "the dictionary", |world| {
        matches!(world.page.state.dictionary.file, speak::DictionaryFile::Broken(_))
    });
    assert!(window.query_by_label_contains("line 1 of the dictionary").is_some());
    assert!(window.query_by_label("Keep").is_none());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "gif JIF\n");
}

#[test]
fn an_exported_wav_that_is_dropped_is_the_take_again() {
    let mut window = with_take(1.0);
    let request = example::request();
    let record = formant::domain::SpeechRecord {
        text: request.text.clone(),
        voice: request.voice,
        voice_sha256: "ab".into(),
        vocoder: request.vocoder.clone(),
        vocoder_sha256: String::new(),
        controls: request.controls,
        options: request.options,
        given: Vec::new(),
        seed: request.seed,
        version: "0".into(),
        pronunciations: formant::domain::Pronunciations::default(),
        device: "CPU".into(),
    };
    window.state_mut().page.state.takes[0].record = Some(record);
    let path = window.state().folder.path().join("sub/Take 1.wav");
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::E]);
    window.run();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run();
    window.get_by_role_and_label(Role::TextInput, "File").type_text(&path.display().to_string());
    window.run();
    window.get_by_label("Export").click();
    wait_until(&mut window, "the export", |world| !world.toasts().is_empty());
    assert!(!window.state().toasts()[0].is_error, "{:?}", window.state().toasts());
    let (waveform, _) = audio::read_wav(&path).unwrap();
    let n_samples = window.state().page.state.takes[0].waveform.samples.len();
    assert_eq!(waveform.samples.len(), n_samples);

    window.state_mut().page.state.text = "Another text".into();
    window.state_mut().settings.speak.seed = 0;
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    wait_until(&mut window, "the restored take", |world| world.page.state.takes.len() == 2);
    let state = &window.state().page.state;
    assert_eq!(state.text, request.text);
    assert_eq!(window.state().settings.speak.seed, request.seed);
    assert_eq!(state.selected_take().unwrap().phase, Phase::Restored);
    assert_eq!(state.selected_take().unwrap().name, "Take 1");
}

/// A file that somebody lets fall on a window.
#[derive(Debug)]
pub struct Dropped(pub PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

#[test]
fn a_dropped_file_that_is_no_wav_is_refused() {
    let mut window = first_start();
    let path = window.state().folder.path().join("notes.wav");
    std::fs::write(&path, "no sound").unwrap();
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    wait_until(&mut window, "the refusal", |world| !world.toasts().is_empty());
    assert!(window.state().toasts()[0].text.contains("notes.wav"));
    assert!(window.state().page.state.takes.is_empty());
}

#[test]
fn panels_are_put_away_and_come_back() {
    let mut window = with_take(2.0);
    assert!(window.query_by_label_contains("F0 curve").is_some());
    window.get_by_label("F0").click();
    window.run();
    assert!(!window.state().page.state.lanes.shows(Lane::Pitch));
    assert!(window.query_by_label_contains("F0 curve").is_none());
    window.get_by_label("Alignment").click();
    window.run();
    assert!(window.query_by_label_contains("Alignment of").is_some());
}

#[test]
fn minutes_of_speech_are_shown_in_textures_that_every_card_takes() {
    // kittest's card takes 2,048 pixels; egui checks each texture against it.
    let mut window = with_take(120.0);
    let label = mel_label(&window);
    assert!(window.query_by_label(&label).is_some());
    window.run();
}

#[test]
fn the_composer_keeps_its_height_from_frame_to_frame() {
    let mut window = with_take(2.0);
    let before = window.get_by_label("Speak").rect();
    window.run_steps(5);
    assert_eq!(window.get_by_label("Speak").rect(), before);
}

#[test]
fn several_systems_are_picked_by_chips_and_each_is_asked() {
    let mut window = first_start();
    let mut matcha = model("joe-matcha", ModelKind::Matcha);
    matcha.name = "Joe, too".into();
    window.state_mut().models.push(matcha);
    window.run();
    assert!(window.query_by_label("heeded by Matcha-TTS").is_none());
    window.get_by_label("Joe, too (Matcha-TTS)").click();
    window.run();
    assert_eq!(
        window.state().settings.speak.beside,
        ["joe-matcha"],
        "the window would not save it"
    );
    assert!(window.query_by_label("heeded by Matcha-TTS").is_some());
    window.get_by_label("Speak").click();
    // Neither has weights here; each says so, since the first one's trouble does not stop the other.
    wait_until(&mut window, "both refusals", |world| world.toasts().len() == 2);
    assert!(window.state().page.state.takes.is_empty());
    window.get_by_label("Joe (FastSpeech 2)").click();
    window.run();
    let speak = &window.state().settings.speak;
    assert_eq!((speak.voice.as_str(), speak.beside.len()), ("joe-matcha", 0));
}

#[test]
fn ticked_takes_are_shown_under_each_other_on_one_time_base() {
    let mut window = window(example::page_with(&[1.0, 3.0]));
    let longest = window.state().page.state.limits().full;
    window.get_by_role_and_label(Role::CheckBox, "Compare Take 1").click();
    window.run();
    let labels = ["Take 1: Mel spectrogram", "Take 2: Mel spectrogram"];
    let [first, second] = labels.map(|label| window.get_by_label_contains(label).rect());
    assert!(first.bottom() < second.top(), "they lie over each other");
    assert_eq!(first.x_range(), second.x_range());
    assert_eq!(window.state().page.state.limits().full, longest);

    // One pointer, two read-outs.
    let secs = 0.5;
    let state = &window.state().page.state;
    let x = state.view.time.to_screen(secs, first.x_range());
    window.hover_at(egui::pos2(x, first.center().y));
    window.run();
    let time = format!("Time {secs:.3} s");
    assert_eq!(window.get_all_by_label(&time).count(), 2);

    window.key_press(Key::X);
    window.run();
    let ids: Vec<_> = window.state().page.state.takes.iter().map(|take| take.id).collect();
    assert_eq!(window.state().page.state.selected, Some(ids[0]));
    window.key_press(Key::A);
    window.run();
    assert_eq!(window.state().page.state.shown(), [ids[0]]);
    assert!(window.query_by_label_contains("Take 1: Mel").is_none());
}

#[test]
fn a_click_with_ctrl_adds_a_take_and_a_click_alone_shows_it_alone() {
    let mut window = window(example::page_with(&[1.0, 2.0]));
    window.get_by_label_contains("Take 1, ").click_modifiers(Modifiers::COMMAND);
    window.run();
    assert_eq!(window.state().page.state.shown().len(), 2);
    window.get_by_label_contains("Take 1, ").click();
    window.run();
    let state = &window.state().page.state;
    assert_eq!(state.shown(), [state.takes[0].id]);
    window.key_press(Key::PageDown);
    window.run();
    window.key_press(Key::C);
    window.run();
    assert_eq!(window.state().page.state.shown().len(), 2, "the keyboard cannot compare");
}

#[test]
fn attention_that_skips_is_told_in_words() {
    let mut window = with_take(1.0);
    let state = &mut window.state_mut().page.state;
    state.lanes.toggle(Lane::Alignment);
    let take = &mut state.takes[0];
    let mut spoken = take.pieces[0].spoken.as_ref().clone();
    let n_phonemes = spoken.phonemes.phonemes.len();
    // Each step looks at the next phoneme, but none at the fourth.
    let looks: Vec<usize> = (0..n_phonemes).filter(|at| *at != 3).collect();
    let mut weights = vec![0.0; looks.len() * n_phonemes];
    for (row, at) in weights.chunks_exact_mut(n_phonemes).zip(looks) {
        row[at] = 1.0;
    }
    let frames_per_step = spoken.mel.n_frames().div_ceil(n_phonemes - 1);
    spoken.attention = Some(Attention { weights, n_phonemes, frames_per_step });
    take.push_sentence(Arc::new(spoken));
    window.run();
    let words = "skips ER1 of “birch” (symbol 4)";
    assert!(window.query_by_label(&format!("Attention: {words}")).is_some());
    let plot = format!("Attention to {n_phonemes} phonemes: {words}");
    assert!(window.query_by_label(&plot).is_some());
}

#[test]
fn the_difference_of_two_takes_is_a_number_and_a_picture() {
    let mut window = window(example::page_with(&[2.0, 2.0]));
    window.key_press(Key::D);
    window.run();
    assert_eq!(window.state().page.state.difference, Difference::Off, "there is nothing beside it");
    window.key_press(Key::C);
    window.run();
    window.key_press(Key::D);
    wait_until(&mut window, "the difference", |world| {
        matches!(world.page.state.difference, Difference::Done(..))
    });
    // Both takes of the example are the same sound.
    let words = "Take 2 less Take 1: mean |Δ| 0.0 dB, mean Δ 0.0 dB, aligned by phoneme";
    let plot = window.get_by_label(words).rect();
    assert!(plot.height() > 50.0, "{plot:?}");
    window.get_by_label("Difference").click();
    window.run();
    assert!(window.query_by_label(words).is_none());
}

#[test]
fn an_exported_text_grid_that_is_dropped_gives_the_next_takes_its_durations() {
    let mut window = with_take(6.0);
    let path = window.state().folder.path().join("edited.TextGrid");
    window.key_combination_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, &[Key::T]);
    window.run();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run();
    window.get_by_role_and_label(Role::TextInput, "File").type_text(&path.display().to_string());
    window.run();
    window.get_by_label("Export").click();
    wait_until(&mut window, "the export", |world| !world.toasts().is_empty());
    assert!(!window.state().toasts()[0].is_error, "{:?}", window.state().toasts());

    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    wait_until(&mut window, "the durations", |world| world.page.state.given.is_some());
    let state = &window.state().page.state;
    let phones = state.request().timing.unwrap().phones;
    let spoken: Vec<&str> = phones.iter().map(|phone| phone.label.as_str()).take(3).collect();
    assert_eq!(spoken, ["DH", "AH0", "B"]);
    assert!(window.query_by_label("Prosody of edited.TextGrid").is_some());
    window.get_by_label("Predict again").click();
    window.run();
    assert_eq!(window.state().page.state.request().timing, None);
}

#[test]
fn a_damaged_text_grid_is_refused_with_what_is_wrong() {
    let mut window = first_start();
    let path = window.state().folder.path().join("broken.textgrid");
    std::fs::write(&path, "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n0\n").unwrap();
    window.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    wait_until(&mut window, "the refusal", |world| !world.toasts().is_empty());
    let text = &window.state().toasts()[0].text;
    assert!(text.contains("ends where") && text.contains("broken.textgrid"), "{text}");
    assert_eq!(window.state().page.state.given, None);
}

#[test]
fn a_phoneme_that_is_dragged_has_another_pitch_and_undo_takes_it_back() {
    let mut window = with_take(1.0);
    window.key_press(Key::E);
    window.run();
    let rect = window.get_by_label_contains("F0 curve").rect();
    let state = &window.state().page.state;
    let step = state.takes[0].f0_steps[1];
    let x =
        state.view.time.to_screen(f64::midpoint(step.start_secs, step.end_secs), rect.x_range());
    let at = |share: f32| egui::pos2(x, rect.top() + share * rect.height());
    for (share, press) in [(0.5, true), (0.3, false), (0.2, false)] {
        window.hover_at(at(share));
        window.run();
        if press {
            window.drag_at(at(share));
            window.run();
        }
    }
    window.drop_at(at(0.2));
    window.run();
    let take = |window: &Window| window.state().page.state.takes[0].clone();
    let edited = take(&window).value(1, speak::Quality::Pitch).unwrap();
    assert!(edited > step.value + 5.0, "{edited} Hz after {} Hz", step.value);
    assert!(window.state().page.state.selection.is_none(), "the drag selected, too");

    // Longer, by the keyboard, at the cursor.
    window.key_press(Key::Home);
    window.run();
    window.key_combination_modifiers(Modifiers::ALT, &[Key::ArrowRight]);
    window.run();
    let frames = take(&window).pieces[0].spoken.alignment.durations[0];
    let request = window.state().page.state.edited_request().unwrap();
    assert_eq!(request.given[0].durations.as_ref().unwrap()[0], frames + 1);
    assert!(window.query_by_label("Speak edit").is_some());
    for _ in 0..2 {
        window.key_combination_modifiers(Modifiers::COMMAND, &[Key::Z]);
        window.run();
    }
    assert_eq!(window.state().page.state.edited_request(), None);
    assert!(window.query_by_label("Speak edit").is_none());
}

#[test]
fn the_steps_of_a_flow_are_a_strip_of_pictures() {
    let mut window = with_take(1.0);
    window.get_by_label("Inside").click();
    window.run();
    assert!(window.query_by_label_contains("Inside: Matcha-TTS shows").is_some(), "no reason");
    let take = &mut window.state_mut().page.state.takes[0];
    let mut spoken = take.pieces[0].spoken.as_ref().clone();
    let n_mels = spoken.mel.config.n_mels;
    let step = |time| Glimpse::flow_step(time, &spoken.mel.frames, n_mels);
    spoken.glimpses = Arc::new([0.0, 0.5, 1.0].map(step));
    take.push_sentence(Arc::new(spoken));
    window.run();
    assert!(window.query_by_label("Inside: t = 0, noise; t = 0.50; t = 1, mel").is_some());
}
