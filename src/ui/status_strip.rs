//! The strip at the bottom: what runs, on what, and how much memory it takes.

use eframe::egui::{self, Align, Layout, Margin, Panel, RichText, Stroke};

use super::{
    Activity,
    theme::{self, Hue},
    units, widgets,
};
use crate::engine::Status;

/// Height of the strip.
const HEIGHT: f32 = 30.0;
/// Width of a progress bar in it.
const BAR: f32 = 120.0;

/// An activity and whose it is: an index that the window understands.
pub(super) struct Running {
    /// Handed back when its stop is pressed.
    pub(super) owner: super::palette::Owner,
    /// What goes on.
    pub(super) activity: Activity,
}

/// What the strip shows.
pub(super) struct Strip<'a> {
    /// What the engine holds.
    pub(super) status: &'a Status,
    /// What runs, the one that Esc stops first.
    pub(super) running: &'a [Running],
    /// Why nothing can be heard.
    pub(super) sound_problem: Option<String>,
}

/// What was pressed.
pub(super) enum Pressed {
    /// The stop of the activity at this index.
    Stop(usize),
    /// The way to the Models page.
    Models,
    /// The way to the sound settings.
    Sound,
    /// The way to the choice of a processor.
    Processor,
    /// The palette.
    Palette,
}

impl Strip<'_> {
    /// Draws the strip along the lower edge.
    pub(super) fn ui(&self, ui: &mut egui::Ui) -> Option<Pressed> {
        let frame = egui::Frame::new()
            .fill(theme::color(Hue::Raised, ui.visuals()))
            .inner_margin(Margin::symmetric(theme::PAD as i8, 0));
        let panel = Panel::bottom("status strip").exact_size(HEIGHT).resizable(false).frame(frame);
        panel
            .show(ui, |ui| {
                let mut pressed = None;
                ui.horizontal_centered(|ui| {
                    let on_badge = self.device_ui(ui);
                    pressed = on_badge.or(self.memory_ui(ui));
                    ui.separator();
                    let right = Layout::right_to_left(Align::Center);
                    ui.with_layout(right, |ui| {
                        let at_right = self.right_ui(ui);
                        let left = Layout::left_to_right(Align::Center);
                        let running = ui.with_layout(left, |ui| self.running_ui(ui)).inner;
                        pressed = pressed.take().or(at_right).or(running);
                    });
                });
                pressed
            })
            .inner
    }

    fn device_ui(&self, ui: &mut egui::Ui) -> Option<Pressed> {
        let device = if self.status.device.is_empty() {
            "Starting the engine"
        } else {
            self.status.device.as_str()
        };
        let label = ui.label(RichText::new(device).small());
        label.on_hover_text("What language models run on; speech runs on the CPU");
        let problem = self.status.device_problem.as_ref()?;
        let ink = theme::color(Hue::Warn, ui.visuals());
        let text = RichText::new("Not the chosen processor").small().color(ink);
        let badge = ui.add(egui::Button::new(text).small());
        let tooltip = format!("{problem}\nPress to open the settings.");
        badge.on_hover_text(tooltip).clicked().then_some(Pressed::Processor)
    }

    fn memory_ui(&self, ui: &mut egui::Ui) -> Option<Pressed> {
        let status = self.status;
        let n_loaded = status.loaded.len();
        let text = if n_loaded == 0 {
            "No model in memory".to_owned()
        } else {
            let total = units::bytes(status.total_bytes());
            format!("{} in memory, {total}", units::count(n_loaded, "model"))
        };
        let button = egui::Button::new(RichText::new(text).small()).frame(false);
        let response = ui.add(button).on_hover_ui(|ui| memory_tooltip(ui, status));
        response.clicked().then_some(Pressed::Models)
    }

    /// From the right edge inwards.
    fn right_ui(&self, ui: &mut egui::Ui) -> Option<Pressed> {
        let mut pressed = None;
        let palette = egui::Button::new(RichText::new("Commands  Ctrl+K").small()).frame(false);
        let palette = ui.add(palette).on_hover_text("Find and run any command (Ctrl+K)");
        if palette.accessible_name("Open the command palette").clicked() {
            pressed = Some(Pressed::Palette);
        }
        if let Some(problem) = &self.sound_problem {
            let ink = theme::color(Hue::Warn, ui.visuals());
            let badge = egui::Button::new(RichText::new("No sound").small().color(ink)).small();
            let tooltip = format!("{problem}\nPress to open the sound settings.");
            if ui.add(badge).on_hover_text(tooltip).clicked() {
                pressed = Some(Pressed::Sound);
            }
        }
        if self.status.waiting > 0 {
            let text = format!("{} in line", units::count(self.status.waiting, "job"));
            let label = ui.label(theme::caption(text, ui.visuals()));
            label.on_hover_text("Jobs that wait until the engine has finished the one at hand");
        }
        pressed
    }

    fn running_ui(&self, ui: &mut egui::Ui) -> Option<Pressed> {
        let mut pressed = None;
        if self.running.is_empty() {
            ui.label(theme::caption("Ready", ui.visuals()));
        }
        for (running_idx, running) in self.running.iter().enumerate() {
            let id = (running_idx, &running.activity.label);
            if ui.push_id(id, |ui| activity_ui(ui, &running.activity, running_idx)).inner {
                pressed = Some(Pressed::Stop(running_idx));
            }
        }
        pressed
    }
}

/// One activity; returns whether its stop was pressed.
fn activity_ui(ui: &mut egui::Ui, activity: &Activity, running_idx: usize) -> bool {
    let ink = theme::color(Hue::Accent, ui.visuals());
    ui.label(RichText::new(&activity.label).small().color(ink));
    if let Some(fraction) = activity.fraction {
        widgets::progress_ui(ui, &activity.label, BAR, Some(fraction));
        let percent = format!("{:.0} %", (fraction * 100.0).floor());
        ui.label(RichText::new(percent).small());
    }
    for (name, value) in &activity.figures {
        ui.label(theme::caption(*name, ui.visuals()));
        ui.label(RichText::new(value).monospace().size(11.5));
    }
    let Some(_) = activity.stop else { return false };
    // Esc stops the first one only.
    let (text, tooltip) = match running_idx {
        0 => ("Stop  Esc", "Stop this (Esc)"),
        _ => ("Stop", "Stop this"),
    };
    let button = egui::Button::new(RichText::new(text).small()).small();
    let stop = ui.add(button.stroke(Stroke::NONE)).on_hover_text(tooltip);
    stop.accessible_name(format!("Stop: {}", activity.label)).clicked()
}

fn memory_tooltip(ui: &mut egui::Ui, status: &Status) {
    let mut lines: Vec<_> = status
        .loaded
        .iter()
        .map(|model| format!("{}: weights {}", model.id, units::bytes(model.bytes)))
        .collect();
    let replies = &status.replies;
    if replies.kv_bytes > 0 {
        let (kv, most) = (units::bytes(replies.kv_bytes), units::bytes(replies.kv_budget_bytes));
        lines.push(format!("key-value caches: {kv} of {most} that they may take"));
    }
    if replies.scratch_bytes > 0 {
        lines.push(format!("buffers: {}", units::bytes(replies.scratch_bytes)));
    }
    if lines.is_empty() {
        lines.push("A model is loaded when it is first used.".to_owned());
    }
    lines.push("Press to see all models.".to_owned());
    ui.label(lines.join("\n"));
}
