//! Draws light markdown; what a block looks like is worked out once, not in each frame.

use std::{ops::Range, sync::Arc};

use eframe::egui::{
    self, Color32, CursorIcon, FontFamily, FontId, Label, RichText, Sense, Stroke, TextFormat,
    TextStyle, Ui, text::LayoutJob,
};

use super::markdown::{Block, Document, Kind, Span};
use crate::ui::theme::{self, Hue};

/// How much larger than the text headings of rank 1, 2 and 3 to 6 are.
const HEADING_SCALES: [f32; 3] = [1.35, 1.2, 1.08];

/// Room for a bullet or number beside its entry, in widths of a space.
const MARKER_WIDTH: f32 = 20.0;

/// A text and what it looks like.
#[derive(Debug, Default)]
pub struct MarkdownView {
    document: Document,
    drawn: Vec<Drawn>,
    look: Option<Look>,
}

/// What the jobs depend on beside the text.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    body: FontId,
    mono: FontId,
    strong: FontFamily,
    is_dark: bool,
}

#[derive(Debug)]
struct Drawn {
    job: LayoutJob,
    /// Characters that lead somewhere.
    links: Vec<(Range<usize>, String)>,
}

impl MarkdownView {
    /// Draws `text`, over the width there is.
    pub fn ui(&mut self, ui: &mut Ui, text: &str) {
        let look = Look {
            body: TextStyle::Body.resolve(ui.style()),
            mono: TextStyle::Monospace.resolve(ui.style()),
            // The one heavier face there is.
            strong: TextStyle::Heading.resolve(ui.style()).family,
            is_dark: ui.visuals().dark_mode,
        };
        let mut kept = self.document.update(text).unwrap_or(self.drawn.len());
        if self.look.as_ref() != Some(&look) {
            kept = 0;
            self.look = Some(look.clone());
        }
        self.drawn.truncate(kept);
        for block in &self.document.blocks()[self.drawn.len()..] {
            self.drawn.push(draw(block, &look, ui.visuals()));
        }
        let gap = theme::TIGHT;
        for (index, (block, drawn)) in self.document.blocks().iter().zip(&self.drawn).enumerate() {
            ui.push_id(index, |ui| block_ui(ui, block, drawn));
            let is_list = matches!(block.kind, Kind::Item { .. });
            ui.add_space(if is_list { 0.0 } else { gap });
        }
    }
}

fn block_ui(ui: &mut Ui, block: &Block, drawn: &Drawn) {
    match &block.kind {
        Kind::Paragraph | Kind::Heading(_) => text_ui(ui, drawn),
        Kind::Item { depth, marker } => {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                ui.add_space((*depth as f32 + 0.25) * MARKER_WIDTH);
                let marker = RichText::new(marker).color(theme::color(Hue::Muted, ui.visuals()));
                let begin = ui.cursor().left();
                let end = ui.label(marker).rect.right();
                ui.add_space((begin + MARKER_WIDTH - end).max(MARKER_WIDTH / 4.0));
                ui.vertical(|ui| text_ui(ui, drawn));
            });
        }
        Kind::Quote => {
            let left = ui.horizontal_top(|ui| {
                ui.add_space(MARKER_WIDTH);
                ui.vertical(|ui| text_ui(ui, drawn));
            });
            let rect = left.response.rect;
            let line = Stroke::new(2.0, theme::color(Hue::Line, ui.visuals()));
            ui.painter().vline(rect.left() + MARKER_WIDTH / 2.0, rect.y_range(), line);
        }
        Kind::Code(language) => code_ui(ui, drawn, language),
        Kind::Table => code_ui(ui, drawn, "table"),
        Kind::Rule => {
            ui.separator();
        }
    }
}

fn text_ui(ui: &mut Ui, drawn: &Drawn) {
    let mut job = drawn.job.clone();
    job.wrap.max_width = ui.available_width();
    let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
    let response = ui.add(Label::new(Arc::clone(&galley)));
    if drawn.links.is_empty() {
        return;
    }
    let Some(pointer) = response.hover_pos() else { return };
    let at = galley.cursor_from_pos(pointer - response.rect.min).index.0;
    if let Some((_, link)) = drawn.links.iter().find(|(chars, _)| chars.contains(&at)) {
        let response = response.interact(Sense::click()).on_hover_cursor(CursorIcon::PointingHand);
        if response.clicked() {
            ui.ctx().copy_text(link.clone());
        }
        response.on_hover_text_at_pointer(format!("{link}\nClick to copy the address"));
    }
}

fn code_ui(ui: &mut Ui, drawn: &Drawn, language: &str) {
    let frame = egui::Frame::new()
        .fill(theme::color(Hue::Field, ui.visuals()))
        .stroke(Stroke::new(1.0, theme::color(Hue::Line, ui.visuals())))
        .corner_radius(theme::RADIUS)
        .inner_margin(theme::GAP);
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            let name = if language.is_empty() { "code" } else { language };
            ui.label(RichText::new(name).small().color(theme::color(Hue::Muted, ui.visuals())));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let copy = ui.add(egui::Button::new(RichText::new("Copy").small()).frame(false));
                if copy.on_hover_text("Copy this block").clicked() {
                    ui.ctx().copy_text(drawn.job.text.clone());
                }
            });
        });
        text_ui(ui, drawn);
        ui.allocate_space(egui::vec2(ui.available_width(), 0.0));
    });
}

fn draw(block: &Block, look: &Look, visuals: &egui::Visuals) -> Drawn {
    let is_code = matches!(block.kind, Kind::Code(_) | Kind::Table);
    let mut font = if is_code { look.mono.clone() } else { look.body.clone() };
    let mut color = visuals.text_color();
    match block.kind {
        Kind::Heading(rank) => {
            font.size *= HEADING_SCALES[usize::from(rank - 1).min(HEADING_SCALES.len() - 1)];
            font.family = look.strong.clone();
            color = visuals.strong_text_color();
        }
        Kind::Quote => color = theme::color(Hue::Muted, visuals),
        _ => (),
    }
    let mut job = LayoutJob::default();
    let mut links = Vec::new();
    let mut n_chars = 0;
    for span in &block.spans {
        job.append(&span.text, 0.0, format(span, &font, color, look, visuals));
        let len = span.text.chars().count();
        if let Some(link) = &span.link {
            links.push((n_chars..n_chars + len, link.clone()));
        }
        n_chars += len;
    }
    Drawn { job, links }
}

fn format(
    span: &Span,
    font: &FontId,
    color: Color32,
    look: &Look,
    visuals: &egui::Visuals,
) -> TextFormat {
    let style = span.style;
    let mut format = TextFormat::simple(font.clone(), color);
    if style.bold {
        format.color = visuals.strong_text_color();
        format.font_id.family = look.strong.clone();
    }
    if style.code {
        format.font_id =
            FontId::new(font.size * look.mono.size / look.body.size, look.mono.family.clone());
        format.background = visuals.code_bg_color;
    }
    if span.link.is_some() {
        format.color = theme::color(Hue::Accent, visuals);
        format.underline = Stroke::new(1.0, format.color);
    }
    format.italics = style.italic;
    if style.strike {
        format.strikethrough = Stroke::new(1.0, format.color);
    }
    format
}
