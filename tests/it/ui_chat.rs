//! The Chat page, driven by its labels over an engine without models; no window is opened.

mod laboratory;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use eframe::egui::{self, Key, Modifiers, accesskit::Role};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};
use formant::{
    audio::Player,
    domain::ModelInfo,
    engine::Client,
    library::{Downloads, Folders, Library},
    settings::Settings,
    ui::{Action, Context, Page, chat::ChatPage, theme},
};
use tempfile::TempDir;

/// What the window is to the page, as far as the page can tell.
struct Host {
    page: ChatPage,
    engine: Client,
    models: Vec<ModelInfo>,
    downloads: Downloads,
    player: Player,
    settings: Settings,
    /// All that the page asked for.
    actions: Vec<Action>,
    folder: TempDir,
}

impl Host {
    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    fn over(folder: TempDir) -> Self {
        let at = |name: &str| folder.path().join(name);
        let folders = Folders { data: at("data"), config: at("config"), bundled: at("bundled") };
        Self::with(Library::new(folders), folder)
    }

    fn with(library: Library, folder: TempDir) -> Self {
        let silent: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
        let settings = Settings::default();
        Self {
            page: ChatPage::new(&settings, folder.path().join("conversations")),
            engine: Client::start(library.clone(), silent.clone()).unwrap(),
            models: library.models(),
            downloads: Downloads::new(library, silent.clone()),
            player: Player::new("", silent),
            settings,
            actions: Vec::new(),
            folder,
        }
    }

    /// The page, and what the window lends it.
    fn borrow(&mut self) -> (&mut ChatPage, Context<'_>) {
        let Self { page, engine, models, downloads, player, settings, actions, .. } = self;
        let status = engine.status();
        let ctx = Context { engine, status, models, downloads, player, settings, actions };
        (page, ctx)
    }

    fn frame(&mut self, ui: &mut egui::Ui) {
        let (page, mut ctx) = self.borrow();
        page.logic(&mut ctx);
        // The window looks for shortcuts before the page sees the keys.
        for command in page.commands() {
            let pressed = command
                .shortcut
                .is_some_and(|keys| ui.input_mut(|input| input.consume_shortcut(&keys)));
            if pressed && command.disabled.is_none() {
                page.run(command.id, &mut ctx);
            }
        }
        if let Some(stop) = page.activity().and_then(|activity| activity.stop)
            && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape))
        {
            page.run(stop, &mut ctx);
        }
        page.ui(ui, &mut ctx);
    }

    fn run(&mut self, command: &'static str) {
        let (page, mut ctx) = self.borrow();
        page.run(command, &mut ctx);
    }

    fn written(&self) -> Vec<PathBuf> {
        let path = |action: &Action| match action {
            Action::WriteFile { path, .. } => Some(path.clone()),
            _ => None,
        };
        self.actions.iter().filter_map(path).collect()
    }
}

fn harness(host: Host) -> Harness<'static, Host> {
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1280.0, 800.0))
        .with_pixels_per_point(1.0)
        .with_context_setup(theme::install)
        .build_ui_state(|ui, host: &mut Host| host.frame(ui), host);
    settle(&mut harness);
    harness
}

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Steps until `is_so`. Other threads answer in their own time, so this gives way to them.
#[track_caller]
fn wait_for(harness: &mut Harness<'static, Host>, is_so: impl Fn(&ChatPage) -> bool) {
    let begun = Instant::now();
    while !is_so(&harness.state().page) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", harness.state().page.messages());
        harness.step();
        std::thread::yield_now();
    }
}

/// Steps until the conversations are read and no reply is being written.
#[track_caller]
fn settle(harness: &mut Harness<'static, Host>) {
    harness.step();
    wait_for(harness, |page| page.is_ready() && page.activity().is_none());
    harness.run_steps(3);
}

fn type_message(harness: &mut Harness<'static, Host>, text: &str) {
    let composer = harness.get_by_role_and_label(Role::MultilineTextInput, "Message");
    composer.focus();
    composer.type_text(text);
    harness.run_steps(2);
}

fn send(harness: &mut Harness<'static, Host>, text: &str) {
    type_message(harness, text);
    harness.key_press(Key::Enter);
    settle(harness);
}

#[test]
fn without_a_model_the_error_stands_in_place_and_the_text_is_kept() {
    let mut harness = harness(Host::new());
    send(&mut harness, "Is anybody there?");
    assert_eq!(harness.state().page.messages(), ["Is anybody there?", ""]);
    assert_eq!(harness.state().page.draft(), "");
    harness.get_by_label_contains("No reply was written.");
    harness.get_by_label_contains("smollm2-135m-instruct is not on this machine yet");
    harness.get_all_by_label("Open Models").next_back().unwrap().click();
    harness.run_steps(2);
    let asked = &harness.state().actions;
    assert!(asked.iter().any(|action| matches!(action, Action::Show("Models"))), "{asked:?}");
}

#[test]
fn enter_sends_and_shift_enter_breaks_the_line() {
    let mut harness = harness(Host::new());
    type_message(&mut harness, "one");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Enter);
    harness.run_steps(2);
    assert_eq!(harness.state().page.draft(), "one\n");
    type_message(&mut harness, "two");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert_eq!(harness.state().page.messages()[0], "one\ntwo");
    let composer = harness.get_by_role_and_label(Role::MultilineTextInput, "Message");
    assert!(composer.is_focused(), "the composer keeps the keyboard");
}

#[test]
fn try_again_and_regenerate_keep_each_version() {
    let mut harness = harness(Host::new());
    send(&mut harness, "Hello?");
    harness.get_by_label("Try again").click();
    harness.run_steps(2);
    settle(&mut harness);
    harness.get_by_label("2/2");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::R);
    settle(&mut harness);
    harness.get_by_label("3/3");
    harness.get_by_label("Previous version").click();
    harness.run_steps(3);
    harness.get_by_label("2/3");
}

/// With the default language model.
#[test]
fn esc_stops_what_is_looked_at_and_keeps_what_was_written() {
    let host = Host::with(crate::support::library(), tempfile::tempdir().unwrap());
    let mut harness = harness(host);
    let prompt = "Tell me a long story about a lighthouse.";
    let begin = |harness: &mut Harness<'static, Host>| {
        type_message(harness, prompt);
        harness.key_press(Key::Enter);
        wait_for(harness, |page| page.messages().get(1).is_some_and(|reply| !reply.is_empty()));
    };
    begin(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::N);
    harness.run_steps(3);
    begin(&mut harness);
    let writing = |harness: &Harness<'static, Host>| -> Vec<bool> {
        harness.state().page.conversations().into_iter().map(|(_, is_writing)| is_writing).collect()
    };
    assert_eq!(writing(&harness), [true, true], "two at once");
    let activity = harness.state().page.activity().unwrap();
    assert_eq!(activity.label, "Writing 2 replies");
    assert!(activity.figures.iter().any(|(name, _)| *name == "TTFT"), "{activity:?}");

    harness.key_press(Key::Escape);
    wait_for(&mut harness, |page| !page.conversations()[0].1);
    harness.run_steps(3);
    assert_eq!(writing(&harness), [false, true], "the other goes on");
    assert!(!harness.state().page.messages()[1].is_empty());
    harness.get_by_label("Stopped");
    let composer = harness.get_by_role_and_label(Role::MultilineTextInput, "Message");
    assert!(composer.is_focused(), "the composer keeps the keyboard");
    harness.key_press(Key::Escape);
    settle(&mut harness);
    assert_eq!(writing(&harness), [false, false]);
}

#[test]
fn an_edited_message_makes_another_version() {
    let mut harness = harness(Host::new());
    send(&mut harness, "Old");
    harness.get_by_label("Edit message").click();
    harness.run_steps(3);
    let field = harness.get_by_role_and_label(Role::MultilineTextInput, "Edit message");
    assert!(field.is_focused());
    assert_eq!(field.value().as_deref(), Some("Old"));
    field.type_text(" and new");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert_eq!(harness.state().page.messages()[0], "Old and new");
    harness.get_by_label("2/2");
}

#[test]
fn two_conversations_stand_side_by_side_with_their_drafts() {
    let mut harness = harness(Host::new());
    send(&mut harness, "First question");
    type_message(&mut harness, "half a thought");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::N);
    harness.run_steps(4);
    assert!(harness.state().page.messages().is_empty());
    let composer = harness.get_by_role_and_label(Role::MultilineTextInput, "Message");
    assert!(composer.is_focused(), "a new conversation waits for words");
    send(&mut harness, "Second question");
    let titles: Vec<_> = harness.state().page.conversations();
    assert_eq!(titles, [("Second question".into(), false), ("First question".into(), false)]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::PageDown);
    harness.run_steps(3);
    assert_eq!(harness.state().page.messages()[0], "First question");
    assert_eq!(harness.state().page.draft(), "half a thought");
    assert!(harness.state().written().len() >= 2, "each has its file");
}

#[test]
fn a_deleted_conversation_comes_back_with_undo() {
    let mut harness = harness(Host::new());
    send(&mut harness, "Keep me");
    harness.get_by_label("Delete conversation").click();
    harness.run_steps(3);
    assert!(harness.state().page.messages().is_empty());
    harness.get_by_label("Undo").click();
    harness.run_steps(3);
    assert_eq!(harness.state().page.messages()[0], "Keep me");
}

#[test]
fn the_list_is_searched_through_every_message() {
    let mut harness = harness(Host::new());
    send(&mut harness, "About whales");
    harness.state_mut().run("chat.new");
    send(&mut harness, "About larks");
    let search = harness.get_by_role_and_label(Role::TextInput, "Search conversations");
    search.focus();
    search.type_text("WHALE");
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::Button, "About whales");
    assert!(harness.query_by_role_and_label(Role::Button, "About larks").is_none());
}

#[test]
fn a_conversation_is_renamed_in_the_list() {
    let mut harness = harness(Host::new());
    send(&mut harness, "A question");
    harness.get_by_label("Rename conversation").click();
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::TextInput, "Title").type_text("My own title");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().page.conversations()[0].0, "My own title");
}

#[test]
fn an_example_is_put_into_the_composer() {
    let mut harness = harness(Host::new());
    harness.get_by_label_contains("speech synthesizer").click();
    harness.run_steps(3);
    assert!(harness.state().page.draft().starts_with("List five tongue twisters"));
}

#[test]
fn tokens_are_coloured_by_checkbox_and_by_key() {
    let mut harness = harness(Host::new());
    harness.get_by_label("Colour tokens").click();
    harness.run_steps(2);
    assert!(harness.state().page.colors_tokens());
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::T);
    harness.run_steps(2);
    assert!(!harness.state().page.colors_tokens());
}

#[test]
fn options_reach_the_settings_and_can_be_restored() {
    let mut harness = harness(Host::new());
    harness.get_by_role_and_label(Role::Slider, "Temperature").set_value_accesskit(0.0);
    harness.run_steps(2);
    harness.get_by_label("Off").click();
    harness.run_steps(2);
    let chat = &harness.state().settings.chat;
    assert_eq!(chat.sampling.temperature, 0.0);
    assert_eq!(chat.speculative, formant::domain::Speculative::None);
    let slider = harness.get_by_role_and_label(Role::Slider, "Top-p");
    assert!(slider.accesskit_node().is_disabled(), "greedy needs no top-p");
    harness.get_by_label("Restore defaults").click_accesskit();
    harness.run_steps(2);
    assert_eq!(harness.state().settings.chat, Settings::default().chat);
}

#[test]
fn a_file_that_is_not_understood_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let conversations = folder.path().join("conversations");
    std::fs::create_dir_all(&conversations).unwrap();
    let newer = r#"{"format": "formant-conversation", "version": 7}"#;
    std::fs::write(conversations.join("future.json"), newer).unwrap();
    let mut harness = harness(Host::over(folder));
    send(&mut harness, "Hello");
    let host = harness.state();
    let toasts: Vec<_> = host
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Toast(toast) => Some(toast.text.as_str()),
            _ => None,
        })
        .collect();
    assert!(toasts[0].contains("future.json was written by a newer Formant"), "{toasts:?}");
    assert!(host.written().iter().all(|path| !path.ends_with("future.json")));
    let path = host.folder.path().join("conversations/future.json");
    assert_eq!(std::fs::read_to_string(path).unwrap(), newer);
}

#[test]
fn a_conversation_is_exported_to_a_path() {
    let mut harness = harness(Host::new());
    send(&mut harness, "Hello");
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::E);
    harness.run_steps(3);
    let target = harness.state().folder.path().join("out.md");
    let field = harness.get_by_role_and_label(Role::TextInput, "File");
    field.focus();
    harness.run_steps(1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(1);
    let field = harness.get_by_role_and_label(Role::TextInput, "File");
    field.type_text(&target.display().to_string());
    harness.run_steps(2);
    harness.get_by_label("Export").click();
    let begun = Instant::now();
    while !harness.state().written().contains(&target) {
        assert!(begun.elapsed() < PATIENCE, "nothing was exported");
        harness.step();
        std::thread::yield_now();
    }
}

#[test]
fn the_arrow_keys_go_from_token_to_token_and_each_tells_how_likely_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let conversations = folder.path().join("conversations");
    std::fs::create_dir_all(&conversations).unwrap();
    let kept = r#"{
        "format": "formant-conversation", "version": 1, "created": 1, "opening": 0, "messages": [
            {"id": 0, "answers": null, "followed_by": 1, "role": "user", "text": "Hello?"},
            {"id": 1, "answers": 0, "followed_by": null, "role": "assistant",
             "text": "Yes, dear.", "status": {"state": "finished"}, "figures": {"tokens": 3},
             "recipe": {"model": "m", "sampling": {}, "speculative": {"method": "none"}, "max_tokens": 9},
             "steps": [[3, 1, 0, 0, 0, 9000, 0], [7, 2, 3, 1, 20, 9000, 9100]],
             "tokens": [[3, "sampled", -0.5, [["Yes", -0.5], ["No", -1.2]]],
                        [1, "drafted", -0.1, []], [6, "sampled", -2.0, []]]}
        ]}"#;
    std::fs::write(conversations.join("kept.json"), kept).unwrap();
    let mut harness = harness(Host::over(folder));
    harness.get_by_role_and_label(Role::Button, "Hello").click();
    harness.run_steps(3);
    harness.get_by_label("Colour tokens").click();
    harness.run_steps(3);
    let told = |harness: &Harness<'static, Host>| {
        let tokens = harness.get_by_role_and_label(Role::Document, "Tokens, by the arrow keys");
        tokens.value().unwrap_or_default()
    };
    harness.get_by_role_and_label(Role::Document, "Tokens, by the arrow keys").focus();
    harness.run_steps(2);
    assert_eq!(
        told(&harness),
        "1 of 3: \"Yes\": 60.7 %, the model's own\n\
         Likeliest: \"Yes\" 60.7 %, \"No\" 30.1 %\n\
         Step 1: 1 token in 9.0 ms; nothing was drafted"
    );
    harness.key_press(Key::ArrowRight);
    harness.run_steps(2);
    assert!(told(&harness).starts_with("2 of 3: \",\": 90.5 %, drafted and accepted"));
    harness.key_press(Key::End);
    harness.run_steps(2);
    assert!(told(&harness).ends_with("Step 2: 2 tokens in 9.1 ms; 3 drafted, 1 accepted"));
}
