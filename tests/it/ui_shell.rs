//! The window as its user meets it: by the names of things, without a display.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use eframe::egui::{self, Key, Modifiers, accesskit::Role};
use egui_kittest::{Harness, kittest::Queryable as _};
use formant::{
    domain::{DeviceChoice, ModelState},
    library::Folders,
    settings::{Settings, Theme},
    ui::{Action, Activity, App, AppParts, Context, Page, PageCommand, Toast},
};

/// Far longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A window over an installation of its own.
struct Window {
    harness: Harness<'static, Option<App>>,
    folders: Folders,
    _home: Arc<tempfile::TempDir>,
}

impl Window {
    /// The studio as it is at the first start.
    fn new() -> Self {
        Self::open(&Arc::new(tempfile::tempdir().unwrap()), App::new)
    }

    /// A window with one page of the test's own beside the studio's last one.
    fn with_page(page: impl Page + 'static) -> Self {
        let open = |ctx: &egui::Context, parts: AppParts| {
            App::with_pages(ctx, parts, vec![Box::new(page)])
        };
        Self::open(&Arc::new(tempfile::tempdir().unwrap()), open)
    }

    fn open(
        home: &Arc<tempfile::TempDir>,
        open: impl FnOnce(&egui::Context, AppParts) -> App,
    ) -> Self {
        let folders = Folders {
            data: home.path().join("data"),
            config: home.path().join("config"),
            bundled: home.path().join("bundled"),
        };
        let settings = Settings::load(&folders.settings()).unwrap();
        let parts = AppParts::open(folders.clone(), settings, Arc::new(|| ())).unwrap();
        let mut harness = Harness::builder().with_size([1200.0, 800.0]).build_ui_state(
            |ui, app: &mut Option<App>| {
                if let Some(app) = app {
                    app.logic(&ui.ctx().clone());
                    app.ui(ui);
                }
            },
            None,
        );
        *harness.state_mut() = Some(open(&harness.ctx, parts));
        harness.run_steps(2);
        Self { harness, folders, _home: Arc::clone(home) }
    }

    fn app(&self) -> &App {
        self.harness.state().as_ref().unwrap()
    }

    /// Frames, until something holds that other threads bring about.
    #[track_caller]
    fn wait_for(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < PATIENCE, "{what} never came");
            std::thread::yield_now();
            self.harness.step();
        }
    }

    fn press(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.run_steps(3);
    }

    fn click(&mut self, role: Role, name: &str) {
        self.harness.get_by_role_and_label(role, name).click();
        self.harness.run_steps(3);
    }

    fn drop_in(&mut self, path: &std::path::Path) {
        let file = crate::ui_speak::Dropped(path.to_owned());
        self.harness.input_mut().dropped_files.push(Arc::new(file));
        self.harness.run_steps(2);
    }

    fn act(&mut self, action: Action) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().as_mut().unwrap().act(&ctx, action);
        self.harness.run_steps(2);
    }

    fn shows(&self, name: &str) -> bool {
        self.harness.query_all_by_label(name).next().is_some()
    }

    fn shows_part(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }
}

#[test]
fn the_rail_and_its_keys_switch_pages() {
    let mut window = Window::new();
    window.click(Role::Tab, "Settings");
    assert_eq!(window.app().current_title(), "Settings");
    window.press(Modifiers::COMMAND, Key::Num4);
    assert_eq!(window.app().current_title(), "Models");
    window.press(Modifiers::COMMAND, Key::Num1);
    assert_eq!(window.app().current_title(), "Speak");
}

#[test]
fn the_palette_finds_a_command_and_runs_it() {
    let mut window = Window::new();
    window.press(Modifiers::COMMAND, Key::Num5);
    window.press(Modifiers::COMMAND, Key::K);
    let field = window.harness.get_by_role_and_label(Role::TextInput, "Find a command");
    assert!(field.is_focused(), "the field must have the keyboard at once");
    field.type_text("dark light");
    window.harness.run_steps(2);
    assert!(!window.shows("Quit"), "what does not match must go");
    window.press(Modifiers::NONE, Key::Enter);
    assert_eq!(window.app().settings().appearance.theme, Theme::Light);
    assert!(!window.shows("Find a command"));
    assert_eq!(window.harness.ctx.theme(), egui::Theme::Light);
}

#[test]
fn arrows_choose_in_the_palette() {
    let mut window = Window::new();
    window.press(Modifiers::COMMAND, Key::K);
    let field = window.harness.get_by_role_and_label(Role::TextInput, "Find a command");
    field.type_text("text and controls");
    window.harness.run_steps(2);
    // Larger, smaller, normal: the second one.
    window.press(Modifiers::NONE, Key::ArrowDown);
    window.press(Modifiers::NONE, Key::Enter);
    assert!((window.app().settings().appearance.zoom - 0.9).abs() < 1e-6);
}

#[test]
fn the_list_of_keys_opens_and_closes() {
    let mut window = Window::new();
    window.press(Modifiers::COMMAND, Key::Slash);
    assert!(window.shows("Keys") && window.shows("Ctrl+K"));
    window.press(Modifiers::NONE, Key::Escape);
    assert!(!window.shows("Keys"));
}

#[test]
fn keys_scale_the_window() {
    let mut window = Window::new();
    window.press(Modifiers::COMMAND, Key::Plus);
    window.press(Modifiers::COMMAND, Key::Equals);
    assert!((window.app().settings().appearance.zoom - 1.2).abs() < 1e-6);
    assert!((window.harness.ctx.zoom_factor() - 1.2).abs() < 1e-6);
    window.press(Modifiers::COMMAND, Key::Num0);
    assert!((window.harness.ctx.zoom_factor() - 1.0).abs() < 1e-6);
}

#[test]
fn a_model_that_is_not_here_can_be_fetched() {
    let mut window = Window::new();
    window.click(Role::Tab, "Models");
    window.wait_for("the list of models", |window| !window.app().models().is_empty());
    window.harness.run_steps(2);
    assert!(window.app().models().iter().all(|model| model.state == ModelState::Missing));
    assert!(window.shows("Not fetched"));
    assert!(window.shows("Fetch SmolLM2 135M Instruct"));
    // Without the bundled folder the page says what to do.
    assert!(window.shows_part("FORMANT_MODELS"));
}

#[test]
fn a_model_that_arrives_is_seen_after_a_refresh() {
    let mut window = Window::new();
    window.click(Role::Tab, "Models");
    window.wait_for("the list of models", |window| !window.app().models().is_empty());
    let n_known = window.app().models().len();
    let folder = window.folders.bundled.join("tiny");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("weights"), "abc").unwrap();
    let manifest = r#"
        id = "tiny"
        name = "Tiny letters"
        kind = "g2p"
        licence = "CC0-1.0"
        source = "a test"
        file = "weights"
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        [quality]
        per_percent = 4.5
    "#;
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
    window.press(Modifiers::NONE, Key::F5);
    window.wait_for("the new model", |window| window.app().models().len() == n_known + 1);
    window.harness.run_steps(2);
    assert!(window.shows("Tiny letters") && window.shows("PER") && window.shows("4.5"));
    // The hash above is that of "abc".
    window.click(Role::Button, "Verify Tiny letters");
    window.wait_for("the verdict", |window| window.shows_part("verified"));
    std::fs::write(folder.join("weights"), "xyz").unwrap();
    window.click(Role::Button, "Verify Tiny letters");
    window.wait_for("the verdict", |window| window.shows_part("Tiny letters: tiny cannot be used"));
}

#[test]
fn a_model_of_the_user_s_own_is_looked_into_taken_in_and_removed() {
    let mut window = Window::new();
    window.click(Role::Tab, "Models");
    window.wait_for("the list of models", |window| !window.app().models().is_empty());
    let original = crate::support::root().join("tests/fixtures/lm/tiny-llama3");
    let look = |window: &mut Window, path: &str| {
        let field = window.harness.get_by_role_and_label(Role::TextInput, "Path");
        field.focus();
        field.type_text(path);
        window.harness.run_steps(2);
        window.press(Modifiers::NONE, Key::Enter);
    };
    look(&mut window, &original.display().to_string());
    window.wait_for("what it is", |window| window.shows("Copy into the library"));
    assert!(window.shows_part("Llama in safetensors") && window.shows_part("context 512"));
    window.click(Role::Button, "Copy into the library");
    let is_here = |window: &Window| window.app().models().iter().any(|it| it.id == "tiny-llama3");
    window.wait_for("the model", is_here);
    window.harness.run_steps(2);
    assert!(window.folders.models().join("tiny-llama3/config.json").is_file());

    window.click(Role::Button, "Remove tiny-llama3");
    window.click(Role::Button, "Keep tiny-llama3");
    assert!(is_here(&window));
    window.click(Role::Button, "Remove tiny-llama3");
    window.click(Role::Button, "Remove tiny-llama3 for good");
    window.wait_for("its end", |window| !is_here(window));
    assert!(!window.folders.models().join("tiny-llama3").exists());
    assert!(original.join("config.json").is_file());
}

#[test]
fn what_is_dropped_and_is_no_model_is_refused_with_the_reason() {
    let mut window = Window::new();
    window.click(Role::Tab, "Models");
    window.wait_for("the list of models", |window| !window.app().models().is_empty());
    let path = window.folders.data.join("text.gguf");
    std::fs::create_dir_all(&window.folders.data).unwrap();
    std::fs::write(&path, "not a model").unwrap();
    window.drop_in(&path);
    window.wait_for("the reason", |window| window.shows_part("neither a GGUF file"));
    assert!(!window.shows("Copy into the library"));
}

#[test]
fn settings_survive_a_restart() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let mut window = Window::open(&home, App::new);
    window.click(Role::Tab, "Settings");
    window.click(Role::Button, "Light");
    window.click(Role::RadioButton, "Viridis");
    // Closing writes what was not written yet.
    drop(window);
    let mut window = Window::open(&home, App::new);
    assert_eq!(window.app().settings().appearance.theme, Theme::Light);
    window.click(Role::Tab, "Settings");
    window.click(Role::Button, "Restore defaults");
    assert_eq!(*window.app().settings(), Settings::default());
    window.click(Role::Button, "Undo");
    assert_eq!(window.app().settings().appearance.theme, Theme::Light);
}

#[test]
fn settings_are_written_soon_after_a_change() {
    let mut window = Window::new();
    window.press(Modifiers::COMMAND, Key::Plus);
    let path = window.folders.settings();
    window.wait_for("the settings file", |_| path.is_file());
    assert!((Settings::load(&path).unwrap().appearance.zoom - 1.1).abs() < 1e-6);
}

#[test]
fn a_processor_that_cannot_be_had_is_told_and_another_can_be_chosen() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let missing = DeviceChoice::ALL.into_iter().find(|choice| !choice.is_built_in()).unwrap();
    let mut settings = Settings::default();
    settings.engine.device = missing;
    settings.save(&Window::open(&home, App::new).folders.settings()).unwrap();

    let mut window = Window::open(&home, App::new);
    let badge = "Not the chosen processor";
    window.wait_for("the badge", |window| window.shows(badge));
    window.click(Role::Button, badge);
    assert_eq!(window.app().current_title(), "Settings");
    assert!(window.shows_part(&format!("this build of Formant has no {}", missing.label())));
    window.click(Role::Button, "CPU");
    assert_eq!(window.app().settings().engine.device, DeviceChoice::Cpu);
    window.wait_for("the end of the badge", |window| !window.shows(badge));
}

#[test]
fn good_news_goes_by_itself_and_bad_news_stays() {
    let mut window = Window::new();
    window.act(Action::Toast(Toast::info("All is well")));
    window.act(Action::Toast(Toast::error("Something broke")));
    assert!(window.shows("All is well") && window.shows("Something broke"));
    // egui's clock goes by steps here; seven seconds of it take no time.
    let secs_per_step = window.harness.input().predicted_dt.max(0.05);
    window.harness.run_steps((7.0 / secs_per_step) as usize);
    assert!(!window.shows("All is well") && window.shows("Something broke"));
    window.click(Role::Button, "Close");
    assert!(!window.shows("Something broke"));
}

#[test]
fn what_could_not_be_written_is_offered_again() {
    let mut window = Window::new();
    std::fs::create_dir_all(&window.folders.data).unwrap();
    let in_the_way = window.folders.data.join("chats");
    std::fs::write(&in_the_way, "a file where a folder should be").unwrap();
    let path = in_the_way.join("mine.txt");
    window.act(Action::WriteFile { path: path.clone(), bytes: Arc::from(*b"my words") });
    window.wait_for("the failure", |window| window.shows_part("Cannot write the file"));
    std::fs::remove_file(&in_the_way).unwrap();
    window.click(Role::Button, "Try again");
    window.wait_for("the file", |_| path.is_file());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "my words");
}

#[test]
fn an_idle_window_asks_for_no_frame() {
    let mut window = Window::new();
    window.click(Role::Tab, "Models");
    window.wait_for("the list of models", |window| !window.app().models().is_empty());
    window.wait_for("the engine's first status", |window| !window.shows("Starting the engine"));
    window.harness.run_steps(60);
    let viewport = &window.harness.output().viewport_output[&egui::ViewportId::ROOT];
    assert_eq!(viewport.repaint_delay, Duration::MAX, "{:?}", window.harness.ctx.repaint_causes());
}

/// A page that counts what it is told to do.
#[derive(Clone, Default)]
struct Probe {
    stopped: Arc<AtomicUsize>,
    played: Arc<AtomicUsize>,
    text: Arc<Mutex<String>>,
}

impl Page for Probe {
    fn title(&self) -> &'static str {
        "Probe"
    }

    fn logic(&mut self, _ctx: &mut Context<'_>) {}

    fn ui(&mut self, ui: &mut egui::Ui, _ctx: &mut Context<'_>) {
        let mut text = self.text.lock().unwrap();
        ui.text_edit_singleline(&mut *text).accessible_name("Words");
        let choice = egui::ComboBox::from_id_salt("choice").selected_text("One");
        choice.show_ui(ui, |ui| ui.label("Two")).response.accessible_name("Choice");
    }

    fn commands(&self) -> Vec<PageCommand> {
        let plain = |key| Some(egui::KeyboardShortcut::new(Modifiers::NONE, key));
        vec![
            PageCommand { id: "stop", name: "Stop it", shortcut: None, disabled: None },
            PageCommand {
                id: "play",
                name: "Play it",
                shortcut: plain(Key::Space),
                disabled: None,
            },
            PageCommand {
                id: "never",
                name: "Never",
                shortcut: plain(Key::N),
                disabled: Some("there is no reason"),
            },
        ]
    }

    fn run(&mut self, command: &'static str, _ctx: &mut Context<'_>) {
        match command {
            "stop" => self.stopped.fetch_add(1, Ordering::Relaxed),
            "play" => self.played.fetch_add(1, Ordering::Relaxed),
            other => panic!("{other} cannot be done"),
        };
    }

    fn activity(&self) -> Option<Activity> {
        Some(Activity {
            label: "Probing".to_owned(),
            fraction: Some(0.25),
            figures: vec![("RTF", "0.12".to_owned())],
            stop: Some("stop"),
        })
    }
}

#[test]
fn escape_closes_what_is_in_front_before_it_stops_work() {
    let probe = Probe::default();
    let stopped = Arc::clone(&probe.stopped);
    let mut window = Window::with_page(probe);
    let escape = |window: &mut Window| {
        window.press(Modifiers::NONE, Key::Escape);
        stopped.load(Ordering::Relaxed)
    };
    window.press(Modifiers::COMMAND, Key::K);
    assert_eq!(escape(&mut window), 0, "the palette comes first");
    assert!(!window.shows("Find a command"));
    window.click(Role::ComboBox, "Choice");
    assert!(window.shows("Two"));
    assert_eq!(escape(&mut window), 0, "an open list comes first");
    assert!(!window.shows("Two"));
    assert_eq!(escape(&mut window), 1);
}

#[test]
fn the_strip_shows_what_runs_and_stops_it() {
    let probe = Probe::default();
    let stopped = Arc::clone(&probe.stopped);
    let mut window = Window::with_page(probe);
    assert!(window.shows("25 %") && window.shows("0.12"));
    window.click(Role::Button, "Stop: Probing");
    assert_eq!(stopped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_plain_key_types_in_a_field_and_commands_elsewhere() {
    let probe = Probe::default();
    let played = Arc::clone(&probe.played);
    let text = Arc::clone(&probe.text);
    let mut window = Window::with_page(probe);
    window.press(Modifiers::NONE, Key::Space);
    assert_eq!(played.load(Ordering::Relaxed), 1);
    window.harness.get_by_role_and_label(Role::TextInput, "Words").focus();
    window.harness.run_steps(2);
    window.press(Modifiers::NONE, Key::Space);
    window.harness.get_by_role_and_label(Role::TextInput, "Words").type_text("a b");
    window.harness.run_steps(2);
    assert_eq!(played.load(Ordering::Relaxed), 1);
    assert_eq!(*text.lock().unwrap(), "a b");
}

#[test]
fn a_disabled_command_says_why_and_does_nothing() {
    let mut window = Window::with_page(Probe::default());
    // The probe panics if it is run.
    window.press(Modifiers::NONE, Key::N);
    window.press(Modifiers::COMMAND, Key::K);
    let field = window.harness.get_by_role_and_label(Role::TextInput, "Find a command");
    field.type_text("never");
    window.harness.run_steps(2);
    window.press(Modifiers::NONE, Key::Enter);
    assert!(window.shows("Find a command"), "it stays open, and shows why");
}
