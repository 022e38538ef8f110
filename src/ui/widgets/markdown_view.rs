//! Draws light markdown; what a block looks like is worked out once, not in each frame, and a block
//! out of sight is not drawn at all: a reply may be much longer than the window is high.

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

/// Blocks this far out of sight are drawn, too, so that scrolling never shows a gap.
const MARGIN: f32 = 200.0;

/// A text and what it looks like.
#[derive(Debug, Default)]
pub struct MarkdownView {
    document: Document,
    drawn: Vec<Drawn>,
    look: Option<Look>,
    /// The width that the heights of blocks are true of, in points.
    width: f32,
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
    /// With the gap below it, in points; known once it was drawn.
    height: Option<f32>,
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
        // A block's height depends on the width, but on nothing else that `Look` has not told.
        let width = ui.available_width();
        if self.width != width {
            self.width = width;
            self.drawn.iter_mut().for_each(|drawn| drawn.height = None);
        }
        let sight = ui.clip_rect().y_range().expand(MARGIN);
        for (index, (block, drawn)) in
            self.document.blocks().iter().zip(&mut self.drawn).enumerate()
        {
            let top = ui.cursor().top();
            if let Some(height) = drawn.height
                && (top + height < sight.min || top > sight.max)
            {
                ui.add_space(height);
                // What follows keeps its identity, whatever is skipped before it.
                ui.skip_ahead_auto_ids(1);
                continue;
            }
            ui.push_id(index, |ui| block_ui(ui, block, drawn));
            let is_list = matches!(block.kind, Kind::Item { .. });
            ui.add_space(if is_list { 0.0 } else { theme::TIGHT });
            drawn.height = Some(ui.cursor().top() - top);
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
    Drawn { job, links, height: None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Context, RawInput, Rect, ScrollArea, pos2, vec2};

    /// A window that is never painted, 600 by 400 points.
    struct Window {
        ctx: Context,
        view: MarkdownView,
    }

    impl Window {
        fn open() -> Self {
            let ctx = Context::default();
            theme::install(&ctx);
            Self { ctx, view: MarkdownView::default() }
        }

        /// Draws `text`, scrolled this far down; returns how high all of it is.
        fn draw(&mut self, text: &str, offset: f32) -> f32 {
            let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(600.0, 400.0));
            let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
            let mut height = 0.0;
            let mut output = self.ctx.run_ui(input, |ui| {
                let area = ScrollArea::vertical().vertical_scroll_offset(offset);
                height = area.show(ui, |ui| self.view.ui(ui, text)).content_size.y;
            });
            output.textures_delta.clear();
            height
        }
    }

    /// Texts that are laid out while the start of a long reply is on show.
    fn n_laid_out(n_paragraphs: usize) -> usize {
        let paragraphs: Vec<_> = (0..n_paragraphs).map(|n| format!("Paragraph **{n}**.")).collect();
        let text = paragraphs.join("\n\n");
        let mut window = Window::open();
        for _ in 0..4 {
            window.draw(&text, 0.0);
        }
        window.ctx.fonts_mut(|fonts| fonts.num_galleys_in_cache())
    }

    #[test]
    fn a_reply_ten_times_as_long_costs_no_more_to_draw() {
        let (short, long) = (n_laid_out(100), n_laid_out(1000));
        assert!(short > 10, "nothing is on show");
        assert!(long <= short, "{long} texts are laid out, {short} for the short one");
    }

    #[test]
    fn what_is_skipped_keeps_its_room() {
        let parts: Vec<_> = (0..200).map(|n| format!("- item {n}\n\n# Part {n}")).collect();
        let text = parts.join("\n\n");
        let mut window = Window::open();
        let all = window.draw(&text, 0.0);
        for offset in [0.0, 1000.0, 5000.0] {
            assert_eq!(window.draw(&text, offset), all, "scrolled to {offset}");
        }
    }
}
