//! The window of pronunciations: a word and its phonemes to edit and to hear, and all there are.

use eframe::egui::{self, Button, Grid, Key, RichText, ScrollArea, TextEdit, Ui, pos2, vec2};

use super::{DictionaryFile, DictionaryState};
use crate::ui::{
    Action,
    theme::{self, Hue},
};

/// Width of the window at first.
const WIDTH: f32 = 460.0;

/// Where it opens first, of the height of everything.
const PLACE: f32 = 0.35;

/// The list is no higher than this.
const LIST_HEIGHT: f32 = 260.0;

/// Width of the field for a word.
const WORD_WIDTH: f32 = 120.0;

/// Draws the window if it is open. `at_cursor` is the word at the play cursor and how it is said
/// there; `path` is the file.
pub fn dictionary_ui(
    ctx: &egui::Context,
    state: &mut DictionaryState,
    at_cursor: Option<&(String, String)>,
    path: &str,
    actions: &mut Vec<Action>,
) {
    let mut is_open = state.is_open;
    // Over the plots, so that text and takes stay in sight.
    let area = ctx.content_rect();
    let place = pos2(area.center().x - WIDTH / 2.0, area.top() + PLACE * area.height());
    egui::Window::new("Pronunciations")
        .open(&mut is_open)
        .collapsible(false)
        .default_width(WIDTH)
        .default_pos(place)
        .show(ctx, |ui| {
            let words = "How words are said by every voice that speaks ARPAbet or the IPA. In the text \
                         alone, write {JH IH1 F}.";
            ui.label(theme::caption(words, ui.visuals()))
                .on_hover_text(format!("Kept in CMUdict's format in {path}"));
            ui.add_space(4.0);
            if let DictionaryFile::Broken(why) = &state.file {
                let bad = theme::color(Hue::Bad, ui.visuals());
                ui.label(RichText::new(format!("The dictionary cannot be used: {why}")).color(bad));
                ui.label("Mend the file, then open this window again. Nothing is written over it.");
                return;
            }
            fields_ui(ui, state, at_cursor, actions);
            ui.separator();
            list_ui(ui, state, actions);
        });
    state.is_open = is_open;
}

fn fields_ui(
    ui: &mut Ui,
    state: &mut DictionaryState,
    at_cursor: Option<&(String, String)>,
    actions: &mut Vec<Action>,
) {
    let mut wants_keep = false;
    ui.horizontal(|ui| {
        let label = ui.label("Word");
        let word = TextEdit::singleline(&mut state.word).desired_width(WORD_WIDTH);
        ui.add(word).labelled_by(label.id);
        let label = ui.label("Phonemes");
        let phonemes = TextEdit::singleline(&mut state.phonemes)
            .hint_text("JH IH1 F")
            .desired_width(f32::INFINITY);
        let field = ui.add(phonemes).labelled_by(label.id);
        wants_keep = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    });
    let why_not = state.why_not_keep();
    let typed = state.typed();
    let hint = match (&typed, state.phonemes.trim().is_empty()) {
        (Err(why), false) => why.to_string(),
        _ => "ARPAbet, a space apart; each vowel with its stress: 1 primary, 2 secondary, 0 none"
            .to_owned(),
    };
    let is_wrong = typed.is_err() && !state.phonemes.trim().is_empty();
    let hue = if is_wrong { Hue::Bad } else { Hue::Muted };
    let hint = RichText::new(hint).color(theme::color(hue, ui.visuals())).small();
    // Two lines at any time, so that nothing below moves as one types.
    let height = 2.0 * ui.text_style_height(&egui::TextStyle::Small);
    ui.allocate_ui(vec2(ui.available_width(), height), |ui| {
        ui.set_min_height(height);
        ui.label(hint);
    });
    ui.horizontal(|ui| {
        let listen = ui.add_enabled(typed.is_ok(), Button::new("Listen"));
        let listen = listen.on_hover_text("Speaks these phonemes with the chosen voice");
        if listen.on_disabled_hover_text("Type phonemes first").clicked()
            && let Ok(typed) = &typed
        {
            hear(typed, actions);
        }
        let keep = theme::primary_button("Keep", ui.visuals());
        let keep = ui.add_enabled(why_not.is_none(), keep);
        let keep = keep.on_hover_text("Every text says the word so from now on");
        let keep = keep.on_disabled_hover_text(why_not.unwrap_or_default());
        if keep.clicked() || wants_keep {
            state.keep();
        }
        let undo = ui.add_enabled(state.can_undo(), Button::new("Undo"));
        let undo = undo.on_hover_text("Takes the last change of the dictionary back");
        if undo.on_disabled_hover_text("Nothing was changed").clicked() {
            state.undo();
        }
        if let Ok(typed) = &typed {
            let copy = ui.button("Copy as {…}");
            let copy = copy.on_hover_text("To say it so in one place of the text alone");
            if copy.clicked() {
                ui.ctx().copy_text(format!("{{{}}}", typed.join(" ")));
            }
        }
        if let Some((word, phonemes)) = at_cursor.filter(|(word, _)| *word != state.word) {
            let take = ui.button(format!("Take “{word}”"));
            if take.on_hover_text("The word at the play cursor, as it is said there").clicked() {
                state.edit(word, phonemes);
            }
        }
    });
}

fn list_ui(ui: &mut Ui, state: &mut DictionaryState, actions: &mut Vec<Action>) {
    let Some(words) = state.words() else {
        ui.label("Reading the dictionary…");
        return;
    };
    if words.is_empty() {
        ui.label("No word is in your dictionary yet. Click a word of a take, or type one above.");
        return;
    }
    let n_words = words.len();
    let count = if n_words == 1 { "1 word".to_owned() } else { format!("{n_words} words") };
    ui.label(theme::caption(count, ui.visuals()));
    let rows: Vec<(String, Vec<String>)> =
        words.iter().map(|(word, said)| (word.to_owned(), said.to_vec())).collect();
    ScrollArea::vertical().max_height(LIST_HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("own-pronunciations").num_columns(3).striped(true).show(ui, |ui| {
            for (word, said) in rows {
                ui.label(&word);
                ui.label(RichText::new(said.join(" ")).monospace());
                ui.horizontal(|ui| {
                    let name = |action: &str| format!("{action} {word}");
                    let listen = ui.small_button("Listen");
                    let is_heard = listen.clicked();
                    listen.accessible_name(name("Listen to"));
                    let edit = ui.small_button("Edit");
                    let is_edited = edit.clicked();
                    edit.accessible_name(name("Edit"));
                    let remove = ui.small_button("Remove");
                    let is_removed = remove.clicked();
                    remove.accessible_name(name("Remove"));
                    if is_heard {
                        hear(&said, actions);
                    }
                    if is_edited {
                        state.edit(&word, &said.join(" "));
                    }
                    if is_removed {
                        state.remove(&word);
                    }
                });
                ui.end_row();
            }
        });
    });
}

/// Has phonemes spoken, in place of what is heard now.
fn hear(phonemes: &[String], actions: &mut Vec<Action>) {
    actions.push(Action::Hush);
    actions.push(Action::ReadAloud(format!("{{{}}}.", phonemes.join(" "))));
}
