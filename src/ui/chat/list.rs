//! The conversations at the left: search, choose, rename, delete, and take a deletion back.

use eframe::egui::{
    Align, Button, Key, Label, Layout, Panel, RichText, ScrollArea, Sides, TextEdit, Ui, vec2,
};

use super::{
    conversation::{Conversation, ConversationId},
    icons::{Icon, icon_button},
    parts::{muted, small},
    state::{State, Undo},
    view::{Intent, Renaming, View},
};
use crate::ui::theme::{self, Hue};

/// Draws the list.
pub fn list_ui(ui: &mut Ui, state: &State, view: &mut View, intents: &mut Vec<Intent>) {
    ui.horizontal(|ui| {
        let new = ui.button("New").on_hover_text("New conversation (Ctrl+N)");
        if new.clicked() {
            intents.push(Intent::Begin);
        }
        let width = ui.available_width();
        let field = TextEdit::singleline(&mut view.search).hint_text("Search").desired_width(width);
        ui.add(field).accessible_name("Search conversations");
    });
    ui.add_space(theme::TIGHT);
    if let Some(undo) = state.undoable() {
        Panel::bottom("chat undo").show_separator_line(false).show(ui, |ui| {
            undo_ui(ui, state, undo, intents);
        });
    }
    find(state, view);
    let found = view.found.as_ref().map(|(_, _, found)| found.clone());
    let shown: Vec<&Conversation> = state
        .listed()
        .filter(|c| found.as_ref().is_none_or(|found| found.contains(&c.id)))
        .collect();
    if !state.is_read() {
        ui.label(muted(ui, "Reading conversations…"));
    } else if shown.is_empty() {
        ui.label(muted(ui, "No conversation mentions this."));
    }
    let height = ui.spacing().interact_size.y;
    ScrollArea::vertical().auto_shrink(false).show_rows(ui, height, shown.len(), |ui, rows| {
        for conversation in &shown[rows] {
            ui.push_id(&conversation.id, |ui| {
                let renaming = view.renaming.as_mut().filter(|r| r.conversation == conversation.id);
                match renaming {
                    Some(renaming) => rename_ui(ui, renaming, intents),
                    None => entry_ui(ui, state, conversation, intents),
                }
            });
        }
    });
}

/// Searches again when the needle or the conversations have changed.
fn find(state: &State, view: &mut View) {
    let needle = view.search.trim().to_lowercase();
    if needle.is_empty() {
        view.found = None;
        return;
    }
    let is_fresh = |(revision, old, _): &(u64, String, Vec<ConversationId>)| {
        *revision == state.revision() && *old == needle
    };
    if !view.found.as_ref().is_some_and(is_fresh) {
        let found = state.listed().filter(|c| c.mentions(&needle));
        let found = found.map(|c| c.id.clone()).collect();
        view.found = Some((state.revision(), needle, found));
    }
}

fn entry_ui(ui: &mut Ui, state: &State, conversation: &Conversation, intents: &mut Vec<Intent>) {
    let id = &conversation.id;
    let is_shown = state.shown().id == *id;
    let title = conversation.title();
    let is_writing = state.writing(id).is_some();
    let is_draft = conversation.tree.is_empty() && !conversation.draft.trim().is_empty();
    let mut text = RichText::new(&title);
    if is_draft {
        text = text.italics();
    }
    let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        if is_shown {
            if icon_button(ui, Icon::Delete, "Delete conversation").clicked() {
                intents.push(Intent::Delete(id.clone()));
            }
            if icon_button(ui, Icon::Edit, "Rename conversation").clicked() {
                intents.push(Intent::BeginRename(id.clone()));
            }
        }
        if is_writing {
            let dot = RichText::new("●").color(theme::color(Hue::Accent, ui.visuals()));
            ui.label(dot).on_hover_text("A reply is being written here");
        }
        ui.with_layout(Layout::left_to_right(Align::Center).with_main_justify(true), |ui| {
            // An empty text at the right keeps the title at the left.
            let button = Button::selectable(is_shown, text).right_text("").truncate();
            let response = ui.add(button).accessible_name(&title);
            let response = response.on_hover_text(about(conversation, is_draft));
            if response.clicked() {
                intents.push(Intent::Show(id.clone()));
            }
            if response.double_clicked() {
                intents.push(Intent::BeginRename(id.clone()));
            }
            response.context_menu(|ui| {
                if ui.button("Rename").clicked() {
                    intents.push(Intent::BeginRename(id.clone()));
                }
                if ui.button("Delete").clicked() {
                    intents.push(Intent::Delete(id.clone()));
                }
            });
        });
    });
}

fn about(conversation: &Conversation, is_draft: bool) -> String {
    let n_messages = conversation.tree.nodes().len();
    let what = match (is_draft, n_messages) {
        (true, _) => "not sent yet".to_owned(),
        (false, 1) => "1 message".to_owned(),
        (false, n) => format!("{n} messages, all versions counted"),
    };
    format!("{}\n{what}", conversation.title())
}

fn rename_ui(ui: &mut Ui, renaming: &mut Renaming, intents: &mut Vec<Intent>) {
    let field = TextEdit::singleline(&mut renaming.title)
        .hint_text("The first words")
        .desired_width(f32::INFINITY);
    let field = ui.add(field).accessible_name("Title");
    if std::mem::take(&mut renaming.focus) {
        field.request_focus();
    }
    if field.lost_focus() {
        let title = if ui.input(|input| input.key_pressed(Key::Escape)) {
            None
        } else {
            Some(renaming.title.clone())
        };
        let id = renaming.conversation.clone();
        intents.push(title.map_or(Intent::CancelEdit, |title| Intent::Rename(id, title)));
    }
}

fn undo_ui(ui: &mut Ui, state: &State, undo: &Undo, intents: &mut Vec<Intent>) {
    let what = match undo {
        Undo::Conversation(conversation, ..) => format!("“{}” deleted", conversation.title()),
        Undo::Branch(_, branch) if branch.n_messages() == 1 => "1 message deleted".to_owned(),
        Undo::Branch(_, branch) => format!("{} messages deleted", branch.n_messages()),
    };
    let is_elsewhere = matches!(undo, Undo::Branch(id, _) if state.conversation(id).is_none());
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let what = small(ui, what);
            ui.add(Label::new(what).truncate())
        },
        |ui| {
            if icon_button(ui, Icon::Close, "Dismiss").clicked() {
                intents.push(Intent::ForgetUndo);
            }
            if ui.add_enabled(!is_elsewhere, Button::new("Undo")).clicked() {
                intents.push(Intent::Undo);
            }
        },
    );
}
