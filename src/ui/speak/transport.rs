//! The row above the panels: play, loop, fit, and a chip for each panel; and the read-out below it.

use eframe::egui::{
    self, Button, Label, Layout, Rect, Response, Sense, TextStyle, Ui, UiBuilder, Widget as _,
    pos2,
    text::{LayoutJob, TextFormat},
    vec2,
};

use super::{
    commands::{self, toggle_lane},
    lanes::Lane,
    page::Request,
    readout::Readout,
    state::SpeakState,
};
use crate::{
    audio::Loops,
    ui::{
        PageCommand,
        theme::{self, Hue},
    },
};

/// Shares of the read-out's width, field by field: wide enough that nothing moves as values change.
const FIELD_SHARES: [f32; 8] = [80.0, 62.0, 94.0, 142.0, 72.0, 66.0, 82.0, 80.0];

/// A button for a command: its tooltip tells name and keys, or why it cannot be done now.
pub fn command_button(
    ui: &mut Ui,
    commands: &[PageCommand],
    id: &'static str,
    button: Button<'_>,
) -> Option<Response> {
    let command = commands.iter().find(|command| command.id == id)?;
    let response = ui.add_enabled(command.disabled.is_none(), button);
    let ctx = ui.ctx().clone();
    let keys = move || {
        let keys = command.shortcut.map(|keys| format!(" ({})", ctx.format_shortcut(&keys)));
        format!("{}{}", command.name, keys.unwrap_or_default())
    };
    Some(
        response
            .on_hover_ui(|ui| {
                ui.label(keys());
            })
            .on_disabled_hover_ui(|ui| {
                ui.label(command.disabled.unwrap_or_default());
            }),
    )
}

/// Draws the buttons and adds what was pressed to `requests`.
pub fn transport_ui(
    ui: &mut Ui,
    state: &mut SpeakState,
    commands: &[PageCommand],
    is_playing: bool,
    requests: &mut Vec<Request>,
) {
    ui.horizontal_wrapped(|ui| {
        let mut press = |ui: &mut Ui, id, button: Button<'_>| {
            if command_button(ui, commands, id, button).is_some_and(|button| button.clicked()) {
                requests.push(Request::Run(id));
            }
        };
        // As wide with either word, so that nothing beside it moves.
        let play = if is_playing { "Pause" } else { "Play" };
        press(ui, commands::PLAY, Button::new(play).min_size(vec2(56.0, 0.0)));
        press(ui, commands::PLAY_SELECTION, Button::new("Play selection"));
        press(ui, commands::LOOP, Button::selectable(state.loops == Loops::Forever, "Loop"));
        press(ui, commands::FIT, Button::new("Fit"));
        press(ui, commands::EDIT, Button::selectable(state.editing, "Edit"));
        if state.edited_request().is_some() {
            let speak = theme::primary_button("Speak edit", ui.visuals());
            press(ui, commands::SPEAK_EDIT, speak);
        }
        ui.separator();
        for lane in Lane::ALL {
            let shown = state.layout().shows(lane);
            let chip = ui.add(Button::selectable(shown, lane.label()));
            if chip.on_hover_text(lane.hint()).clicked() {
                requests.push(Request::Run(toggle_lane(lane).0));
            }
        }
    });
}

/// Draws what lies under the cursor into `rect`.
pub fn readout_ui(ui: &mut Ui, rect: Rect, readout: &Readout<'_>) {
    let layout = Layout::left_to_right(egui::Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| {
        let font = TextStyle::Small.resolve(ui.style());
        let muted = theme::color(Hue::Muted, ui.visuals());
        let text = theme::color(Hue::Text, ui.visuals());
        let total: f32 = FIELD_SHARES.iter().sum();
        let mut left = rect.left();
        for ((name, value), share) in readout.fields().into_iter().zip(FIELD_SHARES) {
            let width = rect.width() * share / total;
            let mut job = LayoutJob::default();
            job.append(name, 0.0, TextFormat::simple(font.clone(), muted));
            job.append(" ", 0.0, TextFormat::simple(font.clone(), muted));
            job.append(&value, 0.0, TextFormat::simple(font.clone(), text));
            let field = Rect::from_min_size(pos2(left, rect.top()), vec2(width, rect.height()));
            left += width;
            ui.scope_builder(UiBuilder::new().max_rect(field).layout(layout), |ui| {
                Label::new(job).truncate().sense(Sense::empty()).ui(ui);
            });
        }
    });
}
