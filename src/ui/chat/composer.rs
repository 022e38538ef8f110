//! Where the next message is written, and what the page does while a reply is written.

use eframe::egui::{
    Align, Button, EventFilter, Id, Key, KeyboardShortcut, Layout, Modifiers, ScrollArea, TextEdit,
    Ui,
};

use super::{
    figures::context_meter_ui,
    parts::take_plain_key,
    state::State,
    view::{Intent, View},
};
use crate::{settings, ui::theme};

/// Rows that the composer grows to before it scrolls.
const MAX_ROWS: f32 = 8.0;

/// Draws the composer; returns the draft if it changed.
pub fn composer_ui(
    ui: &mut Ui,
    state: &State,
    view: &mut View,
    options: &mut settings::Chat,
    intents: &mut Vec<Intent>,
) -> Option<String> {
    let conversation = state.shown();
    let mut draft = conversation.draft.clone();
    let id = Id::unique(("chat composer", &conversation.id));
    // Before the field sees it: Enter sends, and only with Shift it breaks the line.
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    if has_focus && take_plain_key(ui, Key::Enter) {
        intents.push(Intent::Send);
    }
    let row = ui.text_style_height(&eframe::egui::TextStyle::Body);
    ui.add_space(ui.spacing().item_spacing.y);
    let field = ScrollArea::vertical()
        .id_salt("composer scroll")
        .max_height(MAX_ROWS * row)
        .show(ui, |ui| {
            let field = TextEdit::multiline(&mut draft)
                .id(id)
                .hint_text("Write a message; Enter sends, Shift+Enter breaks the line")
                .desired_rows(2)
                .desired_width(f32::INFINITY)
                .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter))
                // Esc stops the reply; the composer keeps the keyboard.
                .event_filter(EventFilter {
                    tab: false,
                    horizontal_arrows: true,
                    vertical_arrows: true,
                    escape: true,
                });
            ui.add(field).accessible_name("Message")
        })
        .inner;
    if std::mem::take(&mut view.focus_composer) {
        field.request_focus();
    }
    ui.horizontal(|ui| {
        let read = ui
            .checkbox(&mut options.read_aloud, "Read aloud")
            .on_hover_text("Speak each sentence of a reply as soon as it is complete");
        if read.changed() && !options.read_aloud {
            intents.push(Intent::Hush);
        }
        let colors = ui
            .checkbox(&mut view.habits.colors, "Colour tokens")
            .on_hover_text("Colour tokens by origin: drafted by one of the methods and accepted, or written by the model (Ctrl+Shift+T)");
        if colors.changed() {
            view.transcript.forget();
            view.beside.forget();
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button_ui(ui, state, intents);
            context_meter_ui(ui, conversation);
        });
    });
    field.changed().then_some(draft)
}

/// Send, or Stop while a reply is written.
fn button_ui(ui: &mut Ui, state: &State, intents: &mut Vec<Intent>) {
    match state.writing(&state.shown().id) {
        Some(writing) if writing.is_stopping => {
            ui.add_enabled(false, Button::new("Stopping…"))
                .on_disabled_hover_text("It stops after the step that is under way");
        }
        Some(_) => {
            if ui.button("Stop").on_hover_text("Stop writing, keep what is there (Esc)").clicked() {
                intents.push(Intent::Stop);
            }
        }
        None => {
            let why_not = state.cannot_send();
            let button = match why_not {
                None => theme::primary_button("Send", ui.visuals()),
                Some(_) => Button::new("Send"),
            };
            let send = ui.add_enabled(why_not.is_none(), button).on_hover_text("Send (Enter)");
            if send.on_disabled_hover_text(sentence(why_not.unwrap_or_default())).clicked() {
                intents.push(Intent::Send);
            }
        }
    }
}

/// With a capital, as it stands alone.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
