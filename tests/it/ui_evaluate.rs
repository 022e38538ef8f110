//! The Evaluate page as a user meets it: found by its labels, driven by pointer and keys.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eframe::egui::{self, Key, Modifiers, accesskit::Role};
use egui_kittest::{Harness, kittest::Queryable as _};
use formant::{
    domain::{
        Evaluation, Figure, Measure, Progress, ScoredSentence, SpeechSystem, Stage, TestSentence,
    },
    engine::EvaluateEvent,
    library::Folders,
    settings::Settings,
    ui::{Action, App, AppParts, Context, EvaluatePage, Page, evaluate::Phase},
};

use crate::support::root;

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// A page and what it asked of its window.
struct World {
    page: EvaluatePage,
    parts: AppParts,
    models: Vec<formant::domain::ModelInfo>,
    actions: Vec<Action>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders {
            data: folder.path().join("data"),
            config: folder.path().join("config"),
            bundled: root().join("models"),
        };
        let parts = AppParts::open(folders, Settings::default(), Arc::new(|| ())).unwrap();
        let models = parts.library.models();
        Self {
            page: EvaluatePage::new(Arc::new(|| ())),
            parts,
            models,
            actions: Vec::new(),
            folder,
        }
    }

    /// What the window does in a frame: keys, news, drawing.
    fn frame(&mut self, ui: &mut egui::Ui) {
        let Self { page, parts, models, actions, .. } = self;
        let mut context = Context {
            status: parts.engine.status(),
            engine: &parts.engine,
            models,
            downloads: &parts.downloads,
            player: &mut parts.player,
            settings: &mut parts.settings,
            actions,
        };
        for command in page.commands() {
            if let Some(shortcut) = command.shortcut
                && command.disabled.is_none()
                && ui.input_mut(|input| input.consume_shortcut(&shortcut))
            {
                page.run(command.id, &mut context);
            }
        }
        page.logic(&mut context);
        page.ui(ui, &mut context);
    }
}

type Window = Harness<'static, World>;

fn window(world: World) -> Window {
    let mut window = Harness::builder()
        .with_size([1300.0, 900.0])
        .build_ui_state(|ui, world: &mut World| world.frame(ui), world);
    window.run_steps(3);
    window
}

#[track_caller]
fn wait_for(window: &mut Window, what: &str, holds: impl Fn(&World) -> bool) {
    let begun = Instant::now();
    while !holds(window.state()) {
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        std::thread::yield_now();
        window.step();
    }
    window.run_steps(2);
}

fn shows(window: &Window, part: &str) -> bool {
    window.query_all_by_label_contains(part).next().is_some()
}

/// An evaluation that stands already.
fn measured() -> Evaluation {
    let score = |system_idx, sentence_idx, rtf| ScoredSentence {
        system_idx,
        sentence_idx,
        duration_secs: 2.0,
        figures: [(Figure::Rtf, rtf), (Figure::DnsmosOvrl, 3.0 + rtf)].into(),
        heard: Some("won sentence".into()),
        word_errors: Some((1, 2)),
        ..ScoredSentence::default()
    };
    Evaluation {
        systems: vec![
            SpeechSystem::of_voice("joe-fastspeech2"),
            SpeechSystem::parse("joe-matcha:steps=2").unwrap(),
        ],
        sentences: TestSentence::lines("One sentence.\nTwo."),
        scores: vec![score(0, 0, 0.1), score(1, 0, 0.2), score(0, 1, 0.12)],
        not_measured: [(Measure::Wer, "not measured: fetch whisper-tiny.en".to_owned())].into(),
        ..Evaluation::default()
    }
}

#[test]
fn at_first_the_page_says_what_it_is_for_and_two_voices_stand_ready() {
    let window = window(World::new());
    assert!(shows(&window, "Compare voices in figures"));
    let state = &window.state().page.state;
    assert_eq!(state.chosen.len(), 2);
    assert_eq!(state.blocked(&window.state().models), None);
    // What Whisper needs is said where it is wanted.
    assert!(shows(&window, "Whisper tiny.en"));
}

#[test]
fn a_run_by_the_keyboard_fills_the_table() {
    let mut world = World::new();
    world.page.state.own = "Hello there.".into();
    world.page.state.measures = [Measure::Speed, Measure::Attention].into();
    let mut window = window(world);
    window.get_by_role_and_label(Role::RadioButton, "Your own, a line each").click();
    window.run_steps(2);
    let options = window.get_by_role_and_label(Role::TextInput, "Options of joe-matcha");
    options.focus();
    options.type_text("steps=2");
    window.run_steps(2);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.run_steps(2);
    wait_for(&mut window, "the end", |world| world.page.state.phase != Phase::Running);
    let state = &window.state().page.state;
    assert_eq!(state.phase, Phase::Idle);
    let evaluation = state.evaluation.as_ref().unwrap();
    assert_eq!(evaluation.scores.len(), evaluation.systems.len());
    assert!(evaluation.systems.iter().any(|system| system.to_string() == "joe-matcha:steps=2"));
    assert!(shows(&window, "RTF acoustic") && shows(&window, "Plot of RTF"));
}

#[test]
fn a_wrong_option_is_told_beside_it_and_nothing_runs() {
    let mut window = window(World::new());
    window.get_by_role_and_label(Role::TextInput, "Options of joe-fastspeech2").focus();
    window
        .get_by_role_and_label(Role::TextInput, "Options of joe-fastspeech2")
        .type_text("steps=2");
    window.run_steps(2);
    assert!(shows(&window, "does not heed steps"));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.run_steps(2);
    assert_eq!(window.state().page.state.phase, Phase::Idle);
}

#[test]
fn recordings_that_are_not_there_are_told_so() {
    let mut world = World::new();
    world.page.state.recordings = world.folder.path().display().to_string();
    let mut window = window(world);
    window.get_by_role_and_label(Role::Button, "Run").click();
    window.run_steps(2);
    wait_for(&mut window, "the answer", |world| matches!(world.page.state.phase, Phase::Failed(_)));
    assert!(shows(&window, "000.wav"));
}

#[test]
fn results_are_shown_as_they_come_and_leave_as_files() {
    let mut world = World::new();
    let whole = measured();
    let state = &mut world.page.state;
    let begun = Evaluation { scores: Vec::new(), ..whole.clone() };
    state.apply(EvaluateEvent::Begun(Arc::new(begun)));
    state.apply(EvaluateEvent::Progress(Progress {
        stage: Stage::Measure,
        subject: "joe".into(),
        done: 0,
        total: 4,
    }));
    for score in &whole.scores {
        let score = Arc::new(score.clone());
        state.apply(EvaluateEvent::Scored { score, sound: None });
    }
    let target = world.folder.path().join("figures");
    state.export_to = target.display().to_string();
    let mut window = window(world);
    assert!(shows(&window, "joe-matcha:steps=2") && shows(&window, "fetch whisper-tiny.en"));
    assert!(shows(&window, "0.110 ± "), "the mean of two with its interval");
    window.get_by_role_and_label(Role::DisclosureTriangle, "Sentence by sentence").click();
    window.run_steps(10);
    assert!(shows(&window, "won sentence") && shows(&window, "1 of 2 words wrong"));
    for format in ["CSV", "JSON", "PNG"] {
        window.get_by_role_and_label(Role::Button, format).click();
        window.run_steps(2);
    }
    wait_for(&mut window, "three files", |world| world.actions.len() == 3);
    for action in &window.state().actions {
        let Action::WriteFile { path, bytes } = action else { panic!("{action:?}") };
        assert_eq!(path.with_extension(""), target);
        match path.extension().and_then(|ext| ext.to_str()) {
            Some("csv") => assert!(bytes.starts_with(b"system,sentence")),
            Some("json") => assert!(bytes.starts_with(b"{")),
            Some("png") => assert!(image::load_from_memory(bytes).unwrap().width() > 300),
            other => panic!("{other:?}"),
        }
    }
    // A file that is there is not replaced.
    std::fs::write(target.with_extension("csv"), "mine").unwrap();
    window.get_by_role_and_label(Role::Button, "CSV").click();
    window.run_steps(2);
    wait_for(&mut window, "the refusal", |world| world.actions.len() == 4);
    let Action::Toast(toast) = &window.state().actions[3] else { panic!("no word of it") };
    assert!(toast.is_error && toast.text.contains("file of that name"), "{}", toast.text);
}

#[test]
fn the_rail_has_the_page_and_a_key_leads_to_it() {
    let home = tempfile::tempdir().unwrap();
    let folders = Folders {
        data: home.path().join("data"),
        config: home.path().join("config"),
        bundled: home.path().join("bundled"),
    };
    let parts = AppParts::open(folders, Settings::default(), Arc::new(|| ())).unwrap();
    let mut harness = Harness::builder().with_size([1200.0, 800.0]).build_ui_state(
        |ui, app: &mut Option<App>| {
            if let Some(app) = app {
                app.logic(&ui.ctx().clone());
                app.ui(ui);
            }
        },
        None,
    );
    *harness.state_mut() = Some(App::new(&harness.ctx, parts));
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(3);
    assert_eq!(harness.state().as_ref().unwrap().current_title(), "Evaluate");
    // Without a voice nothing can run, and the page says so.
    assert!(harness.query_all_by_label_contains("Choose a system first").next().is_some());
}
