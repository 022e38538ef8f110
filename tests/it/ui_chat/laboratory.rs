//! Adapters, the base beside them, and ways to speculate compared, with a small Llama.

use super::*;
use crate::{
    adapters::{N_FF, Setting, setting, write_adapter},
    ui_speak::Dropped,
};

/// The page over the small Llama, and the folder of an adapter for it.
fn laboratory() -> (Harness<'static, Host>, PathBuf) {
    let Setting { data, adapter } = setting();
    let at = |name: &str| data.path().join(name);
    let folders =
        Folders { data: data.path().to_owned(), config: at("config"), bundled: at("bundled") };
    let mut host = Host::with(Library::new(folders), data);
    let chat = &mut host.settings.chat;
    chat.model = "tiny-llama3".into();
    (chat.max_tokens, chat.sampling.temperature) = (12, 0.0);
    let mut harness = harness(host);
    // What a small model with made-up weights writes is in every script there is.
    harness.ctx.set_missing_glyph_policy(egui::MissingGlyphPolicy::Tofu);
    harness.run_steps(1);
    (harness, adapter)
}

fn drop_on(harness: &mut Harness<'static, Host>, path: PathBuf) {
    harness.input_mut().dropped_files.push(Arc::new(Dropped(path)));
    harness.step();
}

/// Steps until something of that label is there.
#[track_caller]
fn wait_for_label(harness: &mut Harness<'static, Host>, label: &str) {
    let begun = Instant::now();
    while harness.query_all_by_label_contains(label).next().is_none() {
        assert!(begun.elapsed() < PATIENCE, "no {label}");
        harness.step();
        std::thread::yield_now();
    }
}

fn replies(harness: &Harness<'static, Host>) -> [String; 2] {
    let page = &harness.state().page;
    [page.messages(), page.messages_beside()].map(|messages| messages.last().unwrap().clone())
}

#[test]
fn a_dropped_adapter_is_put_on_and_stamps_what_it_wrote() {
    let (mut harness, adapter) = laboratory();
    send(&mut harness, "the sea");
    drop_on(&mut harness, adapter);
    wait_for_label(&mut harness, "Scale of sea-shanties");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::R);
    settle(&mut harness);
    harness.get_by_label("tiny-llama3 + sea-shanties");
    harness.get_by_role_and_label(Role::Slider, "Scale of sea-shanties").set_value_accesskit(0.5);
    harness.run_steps(2);
    assert_eq!(harness.state().settings.chat.adapters[0].scale.to_string(), "0.5");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::R);
    settle(&mut harness);
    harness.get_by_label("tiny-llama3 + sea-shanties × 0.5");
    harness.get_by_role_and_label(Role::CheckBox, "sea-shanties").click();
    harness.run_steps(2);
    assert!(harness.state().settings.chat.adapters_on().is_empty());
}

#[test]
fn an_adapter_of_other_sizes_says_why_it_cannot_be_put_on() {
    let (mut harness, adapter) = laboratory();
    let wide = adapter.with_file_name("wide");
    write_adapter(&wide, 2 * N_FF);
    drop_on(&mut harness, wide);
    wait_for_label(&mut harness, "from 192 inputs to 64 outputs");
    assert!(harness.state().settings.chat.adapters.is_empty());
    assert!(harness.get_by_role_and_label(Role::CheckBox, "wide").accesskit_node().is_disabled());
}

#[test]
fn the_base_answers_beside_the_adapter_in_a_history_of_its_own() {
    let (mut harness, adapter) = laboratory();
    drop_on(&mut harness, adapter);
    wait_for_label(&mut harness, "Scale of sea-shanties");
    harness.get_by_label("Base beside").click();
    harness.run_steps(3);
    send(&mut harness, "the sea");
    let [with, base] = replies(&harness);
    assert_ne!(with, base, "the adapter changes what is written");
    harness.get_by_label("tiny-llama3 + sea-shanties");
    harness.get_by_label("tiny-llama3");
    assert_eq!(harness.state().page.conversations().len(), 1, "one place in the list for both");

    harness.get_by_role_and_label(Role::Slider, "Scale of sea-shanties").set_value_accesskit(0.0);
    harness.run_steps(2);
    harness.state_mut().run("chat.new");
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::B);
    harness.run_steps(3);
    send(&mut harness, "the sea");
    let [none, beside] = replies(&harness);
    assert_eq!((&none, &beside), (&base, &base), "an adapter at scale 0 is the base");

    harness.get_by_label("Base beside").click();
    harness.run_steps(3);
    let titles: Vec<_> = harness.state().page.conversations().into_iter().map(|c| c.0).collect();
    assert_eq!(titles, ["the sea", "the sea", "the sea (base)"], "nothing is lost");
}

#[test]
fn ways_to_speculate_are_compared_and_the_figures_saved() {
    let (mut harness, adapter) = laboratory();
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::M);
    harness.run_steps(3);
    harness.get_by_role_and_label(Role::SpinButton, "Repeats").set_value_accesskit(1.0);
    harness.get_by_role_and_label(Role::SpinButton, "Tokens").set_value_accesskit(16.0);
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Run").click();
    harness.run_steps(2);
    settle(&mut harness);
    let verdicts = harness.get_all_by_label_contains("identical").count();
    assert_eq!(verdicts, 3, "n-gram, suffix and adaptive write what plain decoding writes");
    harness.get_by_label("the measure");

    let to = adapter.with_file_name("figures");
    harness.get_by_role_and_label(Role::TextInput, "Export to").focus();
    harness.run_steps(1);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(1);
    let field = harness.get_by_role_and_label(Role::TextInput, "Export to");
    field.type_text(&to.display().to_string());
    harness.run_steps(2);
    harness.get_by_label("CSV").click();
    let begun = Instant::now();
    while harness.state().written().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "nothing was saved");
        harness.step();
        std::thread::yield_now();
    }
    assert_eq!(harness.state().written(), [to.with_extension("csv")]);
}

#[test]
fn what_suffix_decoding_learnt_is_shown_and_forgotten() {
    let (mut harness, _) = laboratory();
    harness.get_by_label("Suffix").click();
    harness.run_steps(3);
    send(&mut harness, "the sea");
    wait_for_label(&mut harness, "Learnt from 1 text: ");
    harness.get_by_label("Forget all").click();
    wait_for_label(&mut harness, "Nothing learnt from replies yet");
}
