//! Draws the choices; each is in effect, and saved by the window, as soon as it is made.

use std::sync::Arc;

use eframe::egui::{self, Rect, Role, Sense, WidgetInfo, vec2};

use super::{
    about,
    devices::{Devices, test_tone},
};
use crate::{
    audio::Loops,
    domain::{DeviceChoice, ModelInfo, ModelKind, VocoderChoice},
    engine::Status,
    job::Waker,
    library::Folders,
    settings::{ColorMap, Engine, Settings, Theme},
    ui::{
        Action, Context, Page, PageCommand, Toast,
        theme::{self, Hue},
        units,
    },
};

/// All choices as they were when Formant was new.
const RESTORE: &str = "settings.restore";
/// Takes that back.
const UNDO: &str = "settings.undo";
/// Something to hear.
const TONE: &str = "settings.tone";
/// Looks again which outputs there are.
const OUTPUTS: &str = "settings.outputs";

/// Width of the names of choices.
const NAMES: f32 = 150.0;
/// No line of choices is longer than this, however wide the window.
const WIDEST: f32 = 780.0;
/// A swatch of a colour map.
const SWATCH: egui::Vec2 = vec2(96.0, 14.0);

/// See the module above.
pub struct SettingsPage {
    folders: Folders,
    waker: Waker,
    devices: Devices,
    /// What was chosen before the defaults were restored.
    before: Option<Box<Settings>>,
    /// The scale under the hand: in effect once it is let go, or the slider would run away.
    zoom_in_hand: Option<f32>,
}

impl SettingsPage {
    /// A page over these folders; `waker` is called when the list of outputs is there.
    pub fn new(folders: &Folders, waker: Waker) -> Self {
        let folders = folders.clone();
        Self { folders, waker, devices: Devices::Unasked, before: None, zoom_in_hand: None }
    }

    fn restore(&mut self, ctx: &mut Context<'_>) {
        let before = std::mem::take(ctx.settings);
        if before == *ctx.settings {
            let text = "Every setting has its default already";
            ctx.actions.push(Action::Toast(Toast::info(text)));
        } else {
            self.before = Some(Box::new(before));
        }
    }

    fn undo(&mut self, ctx: &mut Context<'_>) {
        if let Some(before) = self.before.take() {
            *ctx.settings = *before;
        }
    }
}

impl Page for SettingsPage {
    fn title(&self) -> &'static str {
        "Settings"
    }

    fn logic(&mut self, _ctx: &mut Context<'_>) {
        self.devices.poll();
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        self.groups_ui(ui, ctx);
    }

    fn commands(&self) -> Vec<PageCommand> {
        let command = |id, name| PageCommand { id, name, shortcut: None, disabled: None };
        let nothing = "no defaults were restored";
        vec![
            command(TONE, "Play a test tone"),
            command(OUTPUTS, "Look again which sound outputs there are"),
            command(RESTORE, "Restore default settings"),
            PageCommand {
                disabled: self.before.is_none().then_some(nothing),
                ..command(UNDO, "Undo restoring default settings")
            },
        ]
    }

    fn run(&mut self, command: &'static str, ctx: &mut Context<'_>) {
        match command {
            TONE => play_tone(ctx),
            OUTPUTS => self.devices = Devices::ask(&self.waker),
            RESTORE => self.restore(ctx),
            UNDO => self.undo(ctx),
            _ => (),
        }
    }
}

impl SettingsPage {
    fn groups_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        ui.horizontal(|ui| {
            ui.set_max_width(WIDEST);
            ui.heading("Settings");
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let restore = ui.button("Restore defaults");
                if restore.on_hover_text("Set everything back; can be undone").clicked() {
                    self.restore(ctx);
                }
            });
        });
        ui.add_space(theme::GAP);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(WIDEST);
            if self.before.is_some() {
                self.undo_ui(ui, ctx);
            }
            group_ui(ui, "Look", |ui| self.look_ui(ui, ctx));
            group_ui(ui, "Sound", |ui| self.sound_ui(ui, ctx));
            group_ui(ui, "Speech", |ui| speech_ui(ui, ctx));
            group_ui(ui, "Chat", |ui| chat_ui(ui, ctx));
            group_ui(ui, "Memory", |ui| memory_ui(ui, ctx));
            group_ui(ui, "Files", |ui| about::folders_ui(ui, &self.folders));
            group_ui(ui, "About", about::about_ui);
        });
    }

    fn undo_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        theme::card(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label("Every setting has its default again.");
                if ui.button("Undo").on_hover_text("Bring your settings back").clicked() {
                    self.undo(ctx);
                }
                if ui.button("Keep").on_hover_text("Keep the defaults").clicked() {
                    self.before = None;
                }
            });
        });
        ui.add_space(theme::GAP);
    }

    fn look_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        let appearance = &mut ctx.settings.appearance;
        choice_ui(ui, "Theme", |ui, _| {
            for (theme, name, tooltip) in [
                (Theme::Dark, "Dark", "Light text on dark"),
                (Theme::Light, "Light", "Dark text on light"),
                (Theme::System, "System", "As the system has it"),
            ] {
                ui.selectable_value(&mut appearance.theme, theme, name).on_hover_text(tooltip);
            }
        });
        choice_ui(ui, "Size", |ui, label| {
            let mut percent = 100.0 * self.zoom_in_hand.unwrap_or(appearance.zoom);
            let range = 100.0 * theme::MIN_ZOOM..=100.0 * theme::MAX_ZOOM;
            let slider = egui::Slider::new(&mut percent, range)
                .step_by(10.0)
                .suffix(" %")
                .fixed_decimals(0)
                .logarithmic(true);
            let slider = ui.add(slider).labelled_by(label);
            let slider = slider.on_hover_text("Size of text and controls (Ctrl+plus, Ctrl+minus)");
            if slider.changed() {
                self.zoom_in_hand = Some(percent / 100.0);
            }
            if !slider.dragged()
                && let Some(zoom) = self.zoom_in_hand.take()
            {
                appearance.zoom = zoom;
            }
            if ui.button("Reset").on_hover_text("The system's size (Ctrl+0)").clicked() {
                appearance.zoom = 1.0;
            }
        });
        choice_ui(ui, "Colour map", |ui, _| {
            for (map, name) in [
                (ColorMap::Magma, "Magma"),
                (ColorMap::Viridis, "Viridis"),
                (ColorMap::Greys, "Greys"),
            ] {
                ui.push_id(name, |ui| {
                    let is_chosen = appearance.color_map == map;
                    if swatch_ui(ui, map, name, is_chosen).clicked() {
                        appearance.color_map = map;
                    }
                });
            }
        });
    }

    fn sound_ui(&mut self, ui: &mut egui::Ui, ctx: &mut Context<'_>) {
        if matches!(self.devices, Devices::Unasked) {
            self.devices = Devices::ask(&self.waker);
        }
        let chosen = &mut ctx.settings.audio.device;
        let mut ask_again = false;
        choice_ui(ui, "Output", |ui, label| {
            let combo = egui::ComboBox::from_id_salt("output")
                .selected_text(self.devices.name_of(chosen))
                .width(320.0)
                .show_ui(ui, |ui| {
                    ui.selectable_value(chosen, String::new(), "System default");
                    let Devices::Known(devices) = &self.devices else {
                        ui.label(theme::muted("Looking for outputs", ui.visuals()));
                        return;
                    };
                    for device in devices {
                        let name = if device.is_default {
                            format!("{} (the system's default)", device.name)
                        } else {
                            device.name.clone()
                        };
                        ui.push_id(&device.id, |ui| {
                            ui.selectable_value(chosen, device.id.clone(), name)
                                .on_hover_text(&device.id);
                        });
                    }
                });
            combo.response.labelled_by(label).on_hover_text("Where sound goes");
            let again = ui.button("Look again");
            ask_again = again.on_hover_text("Look again which outputs there are").clicked();
        });
        if ask_again {
            self.devices = Devices::ask(&self.waker);
        }
        choice_ui(ui, "Test", |ui, _| {
            let tone = ui.button("Play a test tone");
            if tone.on_hover_text("0.8 seconds of 440 Hz, quietly").clicked() {
                play_tone(ctx);
            }
        });
        if let Some(problem) = ctx.player.problem() {
            let ink = theme::color(Hue::Warn, ui.visuals());
            let text = egui::RichText::new(format!("No sound: {problem}")).color(ink);
            ui.add(egui::Label::new(text).wrap());
        }
    }
}

fn play_tone(ctx: &mut Context<'_>) {
    let tone = Arc::new(test_tone());
    let whole = 0..tone.samples.len();
    ctx.player.play(&tone, whole, Loops::Once);
}

fn speech_ui(ui: &mut egui::Ui, ctx: &mut Context<'_>) {
    let Context { settings, models, .. } = ctx;
    choice_ui(ui, "Voice", |ui, label| {
        let tooltip = "Who speaks, unless another voice is chosen";
        model_ui(ui, label, &mut settings.speak.voice, models, ModelKind::is_voice, tooltip);
    });
    choice_ui(ui, "Vocoder", |ui, _| {
        for vocoder in VocoderChoice::ALWAYS {
            let tooltip = match vocoder {
                VocoderChoice::HifiGan => "The bundled voices' neural vocoder: natural",
                _ => "Needs no model: always there, sounds robotic",
            };
            let name = vocoder.label().to_owned();
            let choice = ui.selectable_value(&mut settings.speak.vocoder, vocoder, name);
            choice.on_hover_text(tooltip);
        }
    });
}

fn chat_ui(ui: &mut egui::Ui, ctx: &mut Context<'_>) {
    let Context { settings, models, status, .. } = ctx;
    let settings: &mut Settings = settings;
    let chat = &mut settings.chat;
    choice_ui(ui, "Language model", |ui, label| {
        let tooltip = "Who writes the replies, unless another model is chosen";
        let writes = |kind| kind == ModelKind::Llama;
        model_ui(ui, label, &mut chat.model, models, writes, tooltip);
    });
    choice_ui(ui, "Longest reply", |ui, label| {
        let field = egui::DragValue::new(&mut chat.max_tokens).range(1..=8192).suffix(" tokens");
        ui.add(field).labelled_by(label).on_hover_text("A reply ends after so many tokens");
    });
    device_ui(ui, &mut settings.engine.device, status);
    choice_ui(ui, "Threads", |ui, label| threads_ui(ui, label, &mut settings.engine.threads));
    choice_ui(ui, "System prompt", |ui, label| {
        let field = egui::TextEdit::multiline(&mut chat.system_prompt)
            .hint_text("The model's own")
            .desired_rows(3)
            .desired_width(f32::INFINITY);
        let tooltip = "Instructions above each new conversation; empty takes the model's own";
        ui.add(field).labelled_by(label).on_hover_text(tooltip);
    });
    choice_ui(ui, "Read aloud", |ui, _| {
        ui.checkbox(&mut chat.read_aloud, "Speak replies while they are written")
            .on_hover_text("Each sentence is spoken by the voice above as soon as it stands");
    });
}

/// A number of which zero is written as "automatic".
fn automatic<'a>(field: egui::DragValue<'a>, unit: &'static str) -> egui::DragValue<'a> {
    const AUTOMATIC: &str = "automatic";
    field
        .custom_formatter(
            move |n, _| {
                if n < 1.0 { AUTOMATIC.to_owned() } else { format!("{n:.0}{unit}") }
            },
        )
        .custom_parser(move |text| {
            let text = text.trim();
            if text.eq_ignore_ascii_case(AUTOMATIC) {
                Some(0.0)
            } else {
                text.strip_suffix(unit.trim()).unwrap_or(text).trim().parse().ok()
            }
        })
}

/// What language models run on, what that came to, and why it is not what was chosen.
fn device_ui(ui: &mut egui::Ui, chosen: &mut DeviceChoice, status: &Status) {
    choice_ui(ui, "Processor", |ui, _| {
        for choice in DeviceChoice::ALL {
            let button = egui::Button::selectable(*chosen == choice, choice.label());
            let tooltip = match choice {
                DeviceChoice::Auto => "A graphics processor if there is one, else the CPU",
                DeviceChoice::Cpu => "Our own kernels: drafts change no word of a reply",
                DeviceChoice::Cuda => "An NVIDIA graphics processor: fast, equal up to rounding",
                DeviceChoice::Metal => "An Apple graphics processor: fast, equal up to rounding",
            };
            let missing = format!(
                "Not in this build; make one with cargo build --release --features {}",
                choice.label().to_lowercase()
            );
            let response = ui.add_enabled(choice.is_built_in(), button);
            if response.on_hover_text(tooltip).on_disabled_hover_text(missing).clicked() {
                *chosen = choice;
            }
        }
    });
    choice_ui(ui, "In use", |ui, _| {
        let device = if status.device.is_empty() { "starting" } else { &status.device };
        ui.add(egui::Label::new(device).wrap());
    });
    if let Some(problem) = &status.device_problem {
        let ink = theme::color(Hue::Warn, ui.visuals());
        let text = format!("Language models run on the CPU: {problem}");
        ui.add(egui::Label::new(egui::RichText::new(text).color(ink)).wrap());
    }
}

/// How many threads language models may take.
fn threads_ui(ui: &mut egui::Ui, label: egui::Id, threads: &mut usize) {
    let most = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let field = egui::DragValue::new(threads).range(0..=most.min(Engine::MOST_THREADS)).speed(0.05);
    ui.add(automatic(field, "")).labelled_by(label).on_hover_text(
        "Threads that language models share their work among. Automatic takes one for each core, \
         up to four, and fewer while other programs want the cores.",
    );
}

fn memory_ui(ui: &mut egui::Ui, ctx: &mut Context<'_>) {
    choice_ui(ui, "Key-value caches", |ui, label| {
        let limit = &mut ctx.settings.engine.kv_cache_mb;
        let field = egui::DragValue::new(limit).range(0..=1_000_000).speed(10);
        let tooltip = "What all replies together may keep of what they have read and written; \
            a reply waits until it fits at its longest. Automatic takes an eighth of the memory of \
            this machine.";
        ui.add(automatic(field, " MB")).labelled_by(label).on_hover_text(tooltip);
        let replies = &ctx.status.replies;
        let (now, most) = (units::bytes(replies.kv_bytes), units::bytes(replies.kv_budget_bytes));
        ui.label(theme::muted(format!("{now} of {most} at the moment"), ui.visuals()));
    });
}

/// A group of choices under its title.
fn group_ui(ui: &mut egui::Ui, title: &str, choices: impl FnOnce(&mut egui::Ui)) {
    theme::section(ui, title);
    ui.push_id(title, |ui| theme::card(ui, choices));
    ui.add_space(theme::PAD);
}

/// A name on the left, what may be chosen on the right, which is given the id of the name.
fn choice_ui(ui: &mut egui::Ui, name: &str, choice: impl FnOnce(&mut egui::Ui, egui::Id)) {
    ui.horizontal(|ui| {
        let height = ui.spacing().interact_size.y;
        let layout = egui::Layout::left_to_right(egui::Align::Center);
        let label = ui
            .allocate_ui_with_layout(vec2(NAMES, height), layout, |ui| {
                ui.set_min_width(NAMES);
                ui.label(theme::muted(name, ui.visuals()))
            })
            .inner;
        ui.push_id(name, |ui| choice(ui, label.id));
    });
}

/// Chooses among the models of one kind; what is missing or damaged says so.
fn model_ui(
    ui: &mut egui::Ui,
    label: egui::Id,
    chosen: &mut String,
    models: &[ModelInfo],
    does: fn(ModelKind) -> bool,
    tooltip: &str,
) {
    let name = |model: &ModelInfo| {
        if model.is_ready() { model.name.clone() } else { format!("{} (not ready)", model.name) }
    };
    let current = models.iter().find(|model| model.id == *chosen);
    let current = current.map_or_else(|| format!("{chosen} (not found)"), name);
    let combo = egui::ComboBox::from_id_salt("model").selected_text(current).width(320.0).show_ui(
        ui,
        |ui| {
            for model in models.iter().filter(|model| does(model.kind)) {
                ui.push_id(&model.id, |ui| {
                    ui.selectable_value(chosen, model.id.clone(), name(model))
                        .on_hover_text(&model.source);
                });
            }
        },
    );
    combo.response.labelled_by(label).on_hover_text(tooltip);
}

/// A colour map as a strip that can be chosen.
fn swatch_ui(ui: &mut egui::Ui, map: ColorMap, name: &str, is_chosen: bool) -> egui::Response {
    let text_height = ui.text_style_height(&egui::TextStyle::Small);
    let size = SWATCH + vec2(2.0 * theme::TIGHT, text_height + 3.0 * theme::TIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, name));
    let look = ui.style().interact_selectable(&response, is_chosen);
    if is_chosen || response.hovered() || response.has_focus() {
        ui.painter().rect(
            rect,
            theme::RADIUS,
            look.bg_fill,
            look.bg_stroke,
            egui::StrokeKind::Inside,
        );
    }
    let strip = Rect::from_min_size(rect.min + vec2(theme::TIGHT, theme::TIGHT), SWATCH);
    let stops = theme::color_map_stops(map);
    let mut mesh = egui::Mesh::default();
    for (stop_idx, color) in stops.iter().enumerate() {
        let x = strip.left() + strip.width() * stop_idx as f32 / (stops.len() - 1) as f32;
        mesh.colored_vertex(egui::pos2(x, strip.top()), *color);
        mesh.colored_vertex(egui::pos2(x, strip.bottom()), *color);
        if stop_idx > 0 {
            let corner = 2 * stop_idx as u32;
            mesh.add_triangle(corner - 2, corner - 1, corner);
            mesh.add_triangle(corner - 1, corner, corner + 1);
        }
    }
    ui.painter().add(mesh);
    let at = egui::pos2(strip.center().x, strip.bottom() + theme::TIGHT);
    let font = egui::TextStyle::Small.resolve(ui.style());
    ui.painter().text(at, egui::Align2::CENTER_TOP, name, font, look.fg_stroke.color);
    response.on_hover_text(format!("Spectrograms in {}", name.to_lowercase()))
}
