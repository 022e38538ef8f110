//! Text token by token: drafted ones are tinted and underlined, so that the colour is never the
//! only sign, and each tells about itself under the pointer or the keyboard's cursor.

use std::{ops::Range, sync::Arc};

use eframe::egui::{
    EventFilter, Galley, Id, Key, Label, Modifiers, Rect, Response, Role, Sense, Stroke,
    StrokeKind, TextFormat, TextStyle, Tooltip, Ui, Vec2, WidgetInfo,
    accesskit::Live,
    text::{CCursor, LayoutJob},
};

use crate::ui::theme::{self, Hue};

/// Strength of the tint behind drafted tokens.
const TINT: f32 = 0.22;

/// A stretch of the text that one token wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its bytes.
    pub len: usize,
    /// Whether it was drafted and accepted.
    pub is_drafted: bool,
}

/// One paragraph of a text with its runs.
#[derive(Debug)]
struct Paragraph {
    job: LayoutJob,
    /// The run of each stretch of bytes.
    runs: Vec<(Range<usize>, usize)>,
}

/// A text and what it looks like, worked out when it changes.
#[derive(Debug, Default)]
pub struct TokenText {
    paragraphs: Vec<Paragraph>,
    key: Option<(usize, usize, bool, TextStyleKey)>,
    /// The run that the keyboard is at.
    cursor: usize,
    /// Whether a key has just moved it, perhaps out of sight.
    scroll_to_cursor: bool,
}

type TextStyleKey = (u32, String);

impl TokenText {
    /// Draws `text`; bytes after the last run belong to none. `describe` says what there is to say
    /// about a run: under the pointer, and by the arrow keys while the text has the keyboard.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        text: &str,
        runs: impl ExactSizeIterator<Item = Run>,
        describe: impl Fn(usize) -> String,
    ) {
        let font = TextStyle::Body.resolve(ui.style());
        let font_key = (font.size.to_bits(), font.family.to_string());
        let n_runs = runs.len();
        let key = (text.len(), n_runs, ui.visuals().dark_mode, font_key);
        if self.key.as_ref() != Some(&key) {
            let plain = TextFormat::simple(font, ui.visuals().text_color());
            let hue = theme::color(Hue::Drafted, ui.visuals());
            let drafted = TextFormat {
                background: hue.gamma_multiply(TINT),
                underline: Stroke::new(1.5, hue),
                ..plain.clone()
            };
            self.paragraphs = lay_out(text, runs, &plain, &drafted);
            self.key = Some(key);
        }
        let drawn = ui.vertical(|ui| self.paragraphs_ui(ui, &describe));
        if n_runs > 0 {
            self.keyboard_ui(ui, drawn.response.rect, n_runs, &drawn.inner, &describe);
        }
    }

    /// Draws the paragraphs; returns where the run at the cursor is.
    fn paragraphs_ui(&self, ui: &mut Ui, describe: &impl Fn(usize) -> String) -> Vec<Rect> {
        let mut at_cursor = Vec::new();
        for (index, paragraph) in self.paragraphs.iter().enumerate() {
            ui.push_id(index, |ui| {
                let mut job = paragraph.job.clone();
                job.wrap.max_width = ui.available_width();
                let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
                let response = ui.add(Label::new(Arc::clone(&galley)));
                for (bytes, _) in paragraph.runs.iter().filter(|(_, run)| *run == self.cursor) {
                    let place = place_of(&galley, &paragraph.job.text, bytes);
                    at_cursor.push(place.translate(response.rect.min.to_vec2()));
                }
                if let Some(run) = run_under_pointer(&response, &galley, paragraph) {
                    response.on_hover_ui_at_pointer(|ui| {
                        ui.label(describe(run));
                    });
                }
            });
        }
        at_cursor
    }

    /// Lets the arrow keys go from token to token, and shows what there is to say about each.
    fn keyboard_ui(
        &mut self,
        ui: &mut Ui,
        rect: Rect,
        n_runs: usize,
        at_cursor: &[Rect],
        describe: &impl Fn(usize) -> String,
    ) {
        let id: Id = ui.make_persistent_id("tokens");
        let response = ui.interact(rect, id, Sense::focusable_noninteractive());
        let has_focus = response.has_focus();
        let before = self.cursor;
        if has_focus {
            let filter = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
            let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
            let last = n_runs - 1;
            let cursor = self.cursor.min(last);
            self.cursor = if pressed(Key::ArrowRight) {
                (cursor + 1).min(last)
            } else if pressed(Key::ArrowLeft) {
                cursor.saturating_sub(1)
            } else if pressed(Key::Home) {
                0
            } else if pressed(Key::End) {
                last
            } else {
                cursor
            };
        }
        let description = format!("{} of {n_runs}: {}", self.cursor + 1, describe(self.cursor));
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Document, true, "Tokens, by the arrow keys");
            info.current_text_value = Some(description.clone());
            info
        });
        ui.ctx().accesskit_node_builder(id, |node| {
            node.set_value(description.clone());
            node.set_live(Live::Polite);
        });
        if !has_focus {
            return;
        }
        // A token that is a line feed or part of a character has no place of its own.
        let below = Rect::from_min_size(rect.left_bottom(), Vec2::ZERO);
        let place = at_cursor.first().copied().unwrap_or(below);
        let stroke = ui.visuals().selection.stroke;
        for place in at_cursor {
            ui.painter().rect_stroke(*place, 2.0, stroke, StrokeKind::Outside);
        }
        if self.cursor != before {
            // The place is that of the frame to come.
            ui.ctx().request_repaint();
        }
        if response.gained_focus() || self.scroll_to_cursor {
            ui.scroll_to_rect(place, None);
        }
        self.scroll_to_cursor = self.cursor != before;
        let tooltip = Tooltip::always_open(ui.ctx().clone(), ui.layer_id(), id, place);
        tooltip.show(|ui| {
            ui.label(description);
        });
    }
}

/// Where some bytes of a paragraph are drawn; up to the end of the line where they break.
fn place_of(galley: &Galley, text: &str, bytes: &Range<usize>) -> Rect {
    let at = |byte: usize| {
        let n_chars = text[..byte].chars().count();
        galley.pos_from_cursor(CCursor::new(n_chars))
    };
    let (begin, end) = (at(bytes.start), at(bytes.end));
    if begin.min.y == end.min.y {
        return begin.union(end);
    }
    Rect::from_min_max(begin.min, eframe::egui::pos2(galley.rect.max.x, begin.max.y))
}

fn run_under_pointer(response: &Response, galley: &Galley, paragraph: &Paragraph) -> Option<usize> {
    let pointer = response.hover_pos()?;
    let at = galley.cursor_from_pos(pointer - response.rect.min).index.0;
    let (byte, _) = paragraph.job.text.char_indices().nth(at)?;
    let run = paragraph.runs.iter().find(|(bytes, _)| bytes.contains(&byte))?;
    Some(run.1)
}

fn lay_out(
    text: &str,
    runs: impl Iterator<Item = Run>,
    plain: &TextFormat,
    drafted: &TextFormat,
) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph { job: LayoutJob::default(), runs: Vec::new() }];
    let mut begin = 0;
    for (index, run) in runs.enumerate() {
        let end = floor_boundary(text, begin + run.len);
        let format = if run.is_drafted { drafted } else { plain };
        append(&mut paragraphs, &text[begin..end], format, Some(index));
        begin = end;
    }
    append(&mut paragraphs, &text[begin..], plain, None);
    paragraphs
}

/// Adds text that may hold line feeds, each of which begins a paragraph.
fn append(paragraphs: &mut Vec<Paragraph>, text: &str, format: &TextFormat, run: Option<usize>) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            paragraphs.push(Paragraph { job: LayoutJob::default(), runs: Vec::new() });
        }
        let Some(paragraph) = paragraphs.last_mut().filter(|_| !line.is_empty()) else { continue };
        let begin = paragraph.job.text.len();
        paragraph.job.append(line, 0.0, format.clone());
        paragraph.runs.extend(run.map(|run| (begin..begin + line.len(), run)));
    }
}

/// The last character boundary up to `byte`.
fn floor_boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_knows_its_run_over_line_feeds() {
        let runs = [
            Run { len: 3, is_drafted: false },
            Run { len: 5, is_drafted: true },
            Run { len: 99, is_drafted: false },
        ];
        let (plain, drafted) =
            (TextFormat::default(), TextFormat { italics: true, ..TextFormat::default() });
        let paragraphs = lay_out("one two\nthree", runs.into_iter(), &plain, &drafted);
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].job.text, "one two");
        assert_eq!(paragraphs[0].runs, [(0..3, 0), (3..7, 1)]);
        assert!(paragraphs[0].job.sections[1].format.italics);
        assert_eq!(paragraphs[1].job.text, "three");
        assert_eq!(paragraphs[1].runs, [(0..5, 2)]);
    }

    #[test]
    fn a_run_that_ends_within_a_character_ends_before_it() {
        let runs = [Run { len: 2, is_drafted: true }];
        let format = TextFormat::default();
        let paragraphs = lay_out("aé", runs.into_iter(), &format, &format);
        assert_eq!(paragraphs[0].runs, [(0..1, 0)]);
    }
}
