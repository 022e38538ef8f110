//! The conversation in the centre: only messages in sight are drawn, the others keep their height.

use eframe::egui::{Button, Rect, RichText, ScrollArea, Ui, UiBuilder, pos2, vec2};

use super::{
    conversation::{Conversation, ConversationId},
    message::{MessageView, Scene, message_ui},
    parts::{muted, small},
    state::State,
    view::{Editing, Intent, PerMessage, View},
};
use crate::{domain::ModelInfo, ui::theme};

/// Width of the text; longer lines are hard to follow.
const READING_WIDTH: f32 = 780.0;

/// Messages this far out of sight are drawn, too, so that scrolling never shows a gap.
const MARGIN: f32 = 200.0;

/// What can be asked of a model that has never heard of the user; the third shows n-gram
/// speculation, because its answer repeats its question.
const EXAMPLES: [(&str, &str); 4] = [
    ("Explain something", "What does a mel spectrogram show? Answer in three sentences."),
    ("Write something", "Write a short poem about the sea at night."),
    (
        "Edit a text (shows n-gram speculation: most tokens are drafted from your text)",
        "Repeat this text word for word, but write \"dog\" in place of \"cat\":\n\nThe cat sat by the window and watched the rain. When the rain had stopped, the cat went out, and the neighbours said that no cat had ever looked so pleased with a wet garden.",
    ),
    ("List something", "List five tongue twisters that are good for testing a speech synthesizer."),
];

/// What messages look like, as far as they were in sight.
#[derive(Default)]
pub struct Transcript {
    conversation: Option<ConversationId>,
    messages: PerMessage<MessageView>,
    heights: PerMessage<f32>,
}

impl Transcript {
    /// Measures everything again.
    pub fn forget(&mut self) {
        self.heights.clear();
    }

    fn begin(&mut self, conversation: &ConversationId) {
        if self.conversation.as_ref() != Some(conversation) {
            *self = Self { conversation: Some(conversation.clone()), ..Self::default() };
        }
    }
}

/// Draws a conversation.
pub fn transcript_ui(
    ui: &mut Ui,
    state: &State,
    conversation: &Conversation,
    models: &[ModelInfo],
    view: &mut View,
    intents: &mut Vec<Intent>,
) {
    let is_beside = conversation.beside.is_some();
    if conversation.tree.is_empty() {
        if is_beside {
            ui.label(muted(ui, "Replies without adapters come here, to what is said from now on."));
        } else {
            empty_ui(ui, intents);
        }
        return;
    }
    let mut transcript =
        std::mem::take(if is_beside { &mut view.beside } else { &mut view.transcript });
    transcript.begin(&conversation.id);
    let path = conversation.tree.path();
    let scene = Scene {
        conversation,
        writing: state.writing(&conversation.id),
        colors: view.habits.colors,
        models,
    };
    ScrollArea::vertical()
        .id_salt(("chat transcript", &conversation.id))
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show_viewport(ui, |ui, viewport| {
            let origin = ui.min_rect().top();
            let sight = viewport.y_range().expand(MARGIN);
            column(ui, |ui| {
                for &node in &path {
                    let top = ui.cursor().top();
                    let y = top - origin;
                    let is_edited = |editing: &&mut Editing| {
                        editing.conversation == conversation.id && editing.node == node
                    };
                    let editing = view.editing.as_mut().filter(is_edited);
                    let height = transcript.heights.get(&node).filter(|_| editing.is_none());
                    if let Some(height) = height
                        && (y + height < sight.min || y > sight.max)
                    {
                        ui.add_space(*height);
                        // What follows keeps its identity, whatever is skipped before it.
                        ui.skip_ahead_auto_ids(1);
                        continue;
                    }
                    let message = transcript.messages.entry(node).or_default();
                    ui.push_id(node, |ui| message_ui(ui, &scene, node, message, editing, intents));
                    ui.add_space(theme::GAP);
                    transcript.heights.insert(node, ui.cursor().top() - top);
                }
            });
        });
    *(if is_beside { &mut view.beside } else { &mut view.transcript }) = transcript;
}

/// A column of reading width in the middle.
fn column(ui: &mut Ui, add_contents: impl FnOnce(&mut Ui)) {
    let all = ui.available_rect_before_wrap();
    let width = READING_WIDTH.min(all.width() - 2.0 * theme::GAP);
    let left = all.left() + (all.width() - width) / 2.0;
    let rect = Rect::from_min_size(pos2(left, all.top()), vec2(width, all.height()));
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_width(width);
        add_contents(ui);
    });
}

/// What to do with an empty conversation.
fn empty_ui(ui: &mut Ui, intents: &mut Vec<Intent>) {
    let spare = ui.available_height();
    column(ui, |ui| {
        ui.add_space(spare / 5.0);
        ui.heading("Ask a language model that runs on this machine");
        ui.label(muted(ui, "Write a message below, or begin with one of these:"));
        ui.add_space(theme::WIDE);
        for (name, prompt) in EXAMPLES {
            let line = prompt.replace("\n\n", " ");
            ui.label(small(ui, name));
            let button =
                Button::new(RichText::new(line)).wrap_mode(eframe::egui::TextWrapMode::Truncate);
            let button = button.min_size(vec2(ui.available_width(), 0.0));
            if ui.add(button).on_hover_text("Put this into the composer; Enter sends it").clicked()
            {
                intents.push(Intent::Compose(prompt));
            }
            ui.add_space(theme::TIGHT);
        }
    });
}
