//! The takes: a list of all, and the selected one in full.

use eframe::egui::{
    self, Align2, Button, Checkbox, Color32, CornerRadius, FontId, Grid, Id, Painter, Panel, Pos2,
    Rect, Response, RichText, Role, ScrollArea, Sense, TextEdit, TextStyle, Ui, UiBuilder,
    WidgetInfo, pos2,
    text::{LayoutJob, TextWrapping},
    vec2,
};

use super::{
    commands,
    page::Request,
    stage::{DOT, system_color},
    state::{MAX_SHOWN, SpeakState},
    take::{Phase, Take},
    transport::command_button,
};
use crate::ui::{
    PageCommand,
    theme::{self, Hue},
};

/// Height of a take in the list: name, snippet, facts.
const ROW_HEIGHT: f32 = 54.0;

/// Width of the mark of the selected take.
const MARK: f32 = 3.0;

/// Width and height of the box that shows a take beside the others.
const CHECK: f32 = 18.0;

/// Height of the selected take's text; a longer one scrolls.
const TEXT_HEIGHT: f32 = 48.0;

/// Height of a row of figures.
const FIGURE_HEIGHT: f32 = 17.0;

/// Draws the list and the selected take; what was pressed goes to `requests`.
pub fn takes_ui(
    ui: &mut Ui,
    state: &mut SpeakState,
    commands: &[PageCommand],
    requests: &mut Vec<Request>,
) {
    if state.selected_take().is_some() {
        Panel::bottom("speak-take").resizable(true).default_size(330.0).min_size(120.0).show(
            ui,
            |ui| {
                ScrollArea::vertical().id_salt("speak-take-scroll").auto_shrink(false).show(
                    ui,
                    |ui| {
                        details_ui(ui, state, commands, requests);
                    },
                );
            },
        );
    }
    ui.horizontal(|ui| {
        theme::section(ui, "Takes");
        if let Some((_, take)) = state.removed.last() {
            let label = format!("Undo delete of {}", take.name);
            if ui.add(Button::new(label).small().truncate()).clicked() {
                requests.push(Request::Run(commands::UNDO_DELETE));
            }
        }
    });
    if state.takes.is_empty() {
        let words =
            "Each press of Speak makes a take. Drop a WAV that Formant wrote to get its take back.";
        ui.label(theme::muted(words, ui.visuals()));
        return;
    }
    if state.takes.len() > 1 {
        ui.horizontal(|ui| {
            let is_on = state.difference.is_on();
            for (id, button) in [
                (commands::SWITCH, Button::new("Switch").small()),
                (commands::END_COMPARISON, Button::new("Alone").small()),
                (commands::DIFFERENCE, Button::selectable(is_on, "Difference").small()),
            ] {
                let button = command_button(ui, commands, id, button);
                if button.is_some_and(|button| button.clicked()) {
                    requests.push(Request::Run(id));
                }
            }
        });
    }
    list_ui(ui, state, requests);
}

/// The newest take on top.
fn list_ui(ui: &mut Ui, state: &SpeakState, requests: &mut Vec<Request>) {
    let n_takes = state.takes.len();
    ScrollArea::vertical().id_salt("speak-takes").auto_shrink(false).show_rows(
        ui,
        ROW_HEIGHT,
        n_takes,
        |ui, rows| {
            for row in rows {
                let take = &state.takes[n_takes - 1 - row];
                let row = row_ui(ui, state, take);
                if row.clicked() {
                    let adds = ui.input(|input| input.modifiers.command);
                    requests.push(if adds {
                        Request::Compare(take.id)
                    } else {
                        Request::Select(take.id)
                    });
                }
                if compare_ui(ui, state, take, row.rect) {
                    requests.push(Request::Compare(take.id));
                }
            }
        },
    );
}

/// Says whether the take of a row should be shown beside the others, or no longer.
fn compare_ui(ui: &mut Ui, state: &SpeakState, take: &Take, row: Rect) -> bool {
    if state.takes.len() < 2 {
        return false;
    }
    let at = pos2(row.right() - CHECK - 4.0, row.bottom() - CHECK - 4.0);
    let rect = Rect::from_min_size(at, vec2(CHECK, CHECK));
    let is_shown = state.shows(take.id);
    let is_alone = state.selected == Some(take.id) && state.compared.is_empty();
    let is_full = !is_shown && state.compared.len() + 1 >= MAX_SHOWN;
    let mut ticked = is_shown;
    let builder = UiBuilder::new().id_salt(("speak-compare", take.id)).max_rect(rect);
    let response = ui
        .scope_builder(builder, |ui| {
            ui.spacing_mut().interact_size = vec2(CHECK, CHECK);
            ui.add_enabled(!is_alone && !is_full, Checkbox::without_text(&mut ticked))
        })
        .inner;
    let why = if is_full {
        "As many takes are shown as there is room for"
    } else {
        "This take is the one that is shown; tick another one to compare them"
    };
    let hint = "Show this take beside the others (Ctrl+click on the take)";
    let response = response.on_hover_text(hint).on_disabled_hover_text(why);
    let is_toggled = response.clicked();
    response.accessible_name(format!("Compare {}", take.name));
    is_toggled
}

fn row_ui(ui: &mut Ui, state: &SpeakState, take: &Take) -> Response {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::hover());
    let response = ui.interact(rect, Id::unique(("speak-take", take.id)), Sense::click());
    let is_selected = state.selected == Some(take.id);
    response.widget_info(|| {
        let label = format!("{}, {:.2} s", take.name, take.duration_secs());
        WidgetInfo::selected(Role::Button, true, is_selected, label)
    });
    let visuals = ui.visuals();
    let ink = [Hue::Text, Hue::Muted].map(|hue| theme::color(hue, visuals));
    let body = TextStyle::Body.resolve(ui.style());
    let small = TextStyle::Small.resolve(ui.style());
    if is_selected || response.hovered() {
        let raised = theme::color(Hue::Raised, visuals);
        ui.painter().rect_filled(rect, CornerRadius::same(3), raised);
    }
    let system = system_color(state, take, visuals);
    if state.shows(take.id) {
        let mark = Rect::from_min_size(rect.min, vec2(MARK, rect.height()));
        ui.painter().rect_filled(mark, CornerRadius::ZERO, system);
    }
    if response.has_focus() {
        let stroke = visuals.selection.stroke;
        ui.painter().rect_stroke(rect, CornerRadius::same(3), stroke, egui::StrokeKind::Inside);
    }
    let inner = rect.shrink2(vec2(MARK + 6.0, 5.0));
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let at_right = match take.phase.label() {
        Some(phase) => format!("{phase}, {:.2} s", take.duration_secs()),
        None => format!("{:.2} s", take.duration_secs()),
    };
    let right = painter.text(inner.right_top(), Align2::RIGHT_TOP, at_right, small.clone(), ink[1]);
    let line = |at: Pos2, align: Align2, text: &str, font: &FontId, color, end: f32| {
        elided(&painter, at, align, text, font, color, end)
    };
    let end = right.left() - 4.0;
    let name = line(inner.min, Align2::LEFT_TOP, &take.name, &body, ink[0], end);
    if let Some(request) = &take.request {
        let dot = pos2(name.right() + 10.0, name.center().y + 1.0);
        painter.circle_filled(dot, DOT, system);
        let at = pos2(dot.x + 8.0, dot.y);
        line(at, Align2::LEFT_CENTER, &request.voice, &small, ink[1], end);
    }
    let snippet = if take.snippet.is_empty() { "No text" } else { &take.snippet };
    line(inner.left_center(), Align2::LEFT_CENTER, snippet, &small, ink[0], inner.right());
    let end = inner.right() - CHECK - 2.0;
    line(inner.left_bottom(), Align2::LEFT_BOTTOM, &facts(take), &small, ink[1], end);
    response
}

/// Text on one line that ends before `end`, with an ellipsis where some of it is left out; returns
/// where it stands.
fn elided(
    painter: &Painter,
    at: Pos2,
    align: Align2,
    text: &str,
    font: &FontId,
    color: Color32,
    end: f32,
) -> Rect {
    let mut job = LayoutJob::simple_singleline(text.to_owned(), font.clone(), color);
    job.wrap = TextWrapping::truncate_at_width((end - at.x).max(0.0));
    let galley = painter.layout_job(job);
    let rect = align.anchor_size(at, galley.size());
    painter.galley(rect.min, galley, color);
    rect
}

/// The options and the figures of a take, in one line.
fn facts(take: &Take) -> String {
    let mut facts = Vec::with_capacity(4);
    if let Some(request) = &take.request {
        facts.push(request.vocoder.label().to_owned());
        facts.push(format!("seed {}", request.seed));
    }
    if let Some(rtf) = take.rtf() {
        facts.push(format!("RTF {rtf:.3}"));
    }
    if !take.warnings.is_empty() {
        facts.push(format!("⚠ {}", take.warnings.len()));
    }
    if let Some(first_audio) = take.first_audio {
        facts.push(format!("first {} ms", first_audio.as_millis()));
    }
    facts.join(" · ")
}

fn details_ui(
    ui: &mut Ui,
    state: &mut SpeakState,
    commands: &[PageCommand],
    requests: &mut Vec<Request>,
) {
    let edited = state.edited_in_words().filter(|_| state.editing);
    let Some(take) = state.selected_take_mut() else { return };
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        let label = ui.label("Name");
        let name = TextEdit::singleline(&mut take.name).desired_width(f32::INFINITY);
        ui.add(name).labelled_by(label.id);
    });
    if let Some(request) = &take.request {
        ScrollArea::vertical().id_salt("speak-take-text").max_height(TEXT_HEIGHT).show(ui, |ui| {
            ui.label(RichText::new(&request.text).small());
        });
        let made_by = format!("{}, {}", request.voice, request.vocoder.label());
        ui.label(theme::caption(made_by, ui.visuals())).on_hover_text("Voice and vocoder");
    }
    if let Some(words) = edited {
        let hint = "The phoneme at the cursor: Alt with the arrow keys changes its duration and pitch, \
                    with Shift its energy; or drag it";
        ui.label(RichText::new(format!("Edit {words}")).small()).on_hover_text(hint);
    }
    figures_ui(ui, take);
    for warning in &take.warnings {
        let words = RichText::new(format!("⚠ {warning}")).small();
        ui.label(words.color(theme::color(Hue::Warn, ui.visuals())));
    }
    if let Some(faults) = &take.faults {
        let hue = if faults.marks.is_empty() { Hue::Muted } else { Hue::Bad };
        let words = RichText::new(format!("Attention: {}", faults.words)).small();
        let words = words.color(theme::color(hue, ui.visuals()));
        let hint = "Where the decoder looked at the phonemes; the Alignment panel shows it";
        ui.label(words).on_hover_text(hint);
    }
    ui.horizontal_wrapped(|ui| {
        for (id, label) in [
            (commands::PLAY, "Replay"),
            (commands::USE_SETTINGS, "Use these settings"),
            (commands::EXPORT_WAV, "Export WAV…"),
            (commands::EXPORT_MEL, "Export PNG…"),
            (commands::EXPORT_TEXT_GRID, "Export TextGrid…"),
            (commands::COPY_PHONEMES, "Copy phonemes"),
            (commands::DELETE, "Delete"),
        ] {
            let button = command_button(ui, commands, id, Button::new(label));
            if button.is_some_and(|button| button.clicked()) {
                requests.push(if id == commands::PLAY {
                    Request::Replay
                } else {
                    Request::Run(id)
                });
            }
        }
    });
}

fn figures_ui(ui: &mut Ui, take: &Take) {
    let grid = Grid::new("speak-take-figures").num_columns(4).spacing(vec2(10.0, 2.0));
    grid.min_row_height(FIGURE_HEIGHT).show(ui, |ui| {
        let mut column = 0;
        let mut figure = |ui: &mut Ui, name: &str, value: String, hint: &str| {
            ui.label(theme::caption(name, ui.visuals())).on_hover_text(hint);
            ui.label(RichText::new(value).small()).on_hover_text(hint);
            column += 1;
            if column % 2 == 0 {
                ui.end_row();
            }
        };
        figure(ui, "Duration", format!("{:.2} s", take.duration_secs()), "Length of the sound");
        let sentences = match (take.pieces.len(), take.n_sentences) {
            _ if take.phase == Phase::Restored => "–".to_owned(),
            (0, 0) => "–".to_owned(),
            (made, all) if made == all => format!("{all}"),
            (made, all) => format!("{made} of {all}"),
        };
        figure(ui, "Sentences", sentences, "Sentences made");
        let rtf = take.rtf().map_or_else(|| "–".to_owned(), |rtf| format!("{rtf:.3}"));
        figure(ui, "RTF", rtf, "Real-time factor: time of synthesis / duration of the sound");
        let first = take.first_audio;
        let first =
            first.map_or_else(|| "–".to_owned(), |first| format!("{} ms", first.as_millis()));
        figure(
            ui,
            "First audio",
            first,
            "From the start of synthesis (models loaded) to the first samples",
        );
        figure(ui, "Frames", format!("{}", take.n_frames()), "Mel frames");
        figure(
            ui,
            "Phonemes",
            format!("{}", take.phonemes.len()),
            "Symbols, pauses and marks included",
        );
        let Some(request) = &take.request else { return };
        let controls = &request.controls;
        figure(ui, "Pace", format!("{:.2} ×", controls.pace), "Factor on the speaking rate");
        figure(ui, "Pitch", format!("{:.2} ×", controls.pitch), "Factor on the predicted pitch");
        figure(ui, "Energy", format!("{:.2} ×", controls.energy), "Factor on the predicted energy");
        figure(ui, "Seed", format!("{}", request.seed), "Seed of everything random");
    });
}
