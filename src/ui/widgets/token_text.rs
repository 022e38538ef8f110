//! Text token by token: drafted ones are tinted in the colour of who drafted them, and underlined, so
//! that the colour is never the only sign. Each tells about itself under the pointer or the keyboard's
//! cursor, where the tokens that it has to do with are marked; a click or Enter asks for more.

use std::{ops::Range, sync::Arc};

use eframe::egui::{
    Color32, EventFilter, Galley, Id, Key, Label, Modifiers, Pos2, Rect, Response, Role, Sense,
    Stroke, StrokeKind, TextFormat, TextStyle, Tooltip, Ui, Vec2, WidgetInfo,
    accesskit::Live,
    text::{CCursor, LayoutJob},
};

use crate::{
    domain::Method,
    ui::theme::{self, Hue},
};

/// Strength of the tint behind drafted tokens.
const TINT: f32 = 0.22;

/// A stretch of the text that one token wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its bytes.
    pub len: usize,
    /// What it looks like.
    pub tint: Tint,
}

/// What a token looks like, by where it comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tint {
    /// The model's own.
    #[default]
    Plain,
    /// Drafted and accepted; by whom, if that is known.
    Drafted(Option<Method>),
    /// The user's choice.
    Chosen,
}

/// A token that was asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// Its run.
    pub run: usize,
    /// Where it stands.
    pub place: Pos2,
}

/// What there is to say about runs.
pub struct About<D, R> {
    /// A text about a run.
    pub describe: D,
    /// Other runs that a run has to do with.
    pub related: R,
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
    /// The run that the pointer was at when it was drawn last.
    hovered: Option<usize>,
    /// Whether it had the keyboard then.
    had_focus: bool,
}

/// What came of drawing the paragraphs.
#[derive(Default)]
struct Drawn {
    /// Where the run at the cursor is.
    at_cursor: Vec<Rect>,
    hovered: Option<usize>,
    asked: Option<Asked>,
}

type TextStyleKey = (u32, String);

impl TokenText {
    /// Draws `text`; bytes after the last run belong to none. `about` says what there is to say about
    /// a run: under the pointer, and by the arrow keys while the text has the keyboard. Returns the run
    /// that was clicked, or at which Enter was pressed.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        text: &str,
        runs: impl ExactSizeIterator<Item = Run>,
        about: &About<impl Fn(usize) -> String, impl Fn(usize) -> Vec<usize>>,
    ) -> Option<Asked> {
        let font = TextStyle::Body.resolve(ui.style());
        let font_key = (font.size.to_bits(), font.family.to_string());
        let n_runs = runs.len();
        let key = (text.len(), n_runs, ui.visuals().dark_mode, font_key);
        if self.key.as_ref() != Some(&key) {
            let plain = TextFormat::simple(font, ui.visuals().text_color());
            let visuals = ui.visuals();
            let format = |tint: Tint| match color_of(tint, visuals) {
                Some(color) => TextFormat {
                    background: color.gamma_multiply(TINT),
                    underline: Stroke::new(1.5, color),
                    ..plain.clone()
                },
                None => plain.clone(),
            };
            self.paragraphs = lay_out(text, runs, format);
            self.key = Some(key);
        }
        let pointed = self.hovered.or(self.had_focus.then_some(self.cursor));
        let related = pointed.map_or_else(Vec::new, |run| (about.related)(run));
        let drawn = ui.vertical(|ui| self.paragraphs_ui(ui, &about.describe, &related));
        let Drawn { at_cursor, hovered, mut asked } = drawn.inner;
        if hovered != self.hovered {
            self.hovered = hovered;
            // What it has to do with is marked in the frame to come.
            ui.ctx().request_repaint();
        }
        if n_runs > 0 {
            let by_key =
                self.keyboard_ui(ui, drawn.response.rect, n_runs, &at_cursor, &about.describe);
            asked = asked.or(by_key);
        }
        asked
    }

    fn paragraphs_ui(
        &self,
        ui: &mut Ui,
        describe: &impl Fn(usize) -> String,
        related: &[usize],
    ) -> Drawn {
        let mut drawn = Drawn::default();
        let accent = theme::color(Hue::Accent, ui.visuals());
        for (index, paragraph) in self.paragraphs.iter().enumerate() {
            ui.push_id(index, |ui| {
                let mut job = paragraph.job.clone();
                job.wrap.max_width = ui.available_width();
                let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
                let response = ui.add(Label::new(Arc::clone(&galley)));
                let place = |bytes: &Range<usize>| {
                    place_of(&galley, &paragraph.job.text, bytes)
                        .translate(response.rect.min.to_vec2())
                };
                for (bytes, run) in &paragraph.runs {
                    if *run == self.cursor {
                        drawn.at_cursor.push(place(bytes));
                    }
                    if related.contains(run) {
                        ui.painter().rect_filled(place(bytes), 2.0, accent.gamma_multiply(TINT));
                        let stroke = Stroke::new(1.0, accent);
                        ui.painter().rect_stroke(place(bytes), 2.0, stroke, StrokeKind::Outside);
                    }
                }
                if let Some(run) = run_under_pointer(&response, &galley, paragraph) {
                    drawn.hovered = Some(run);
                    if response.clicked()
                        && let Some(at) = response.interact_pointer_pos()
                    {
                        drawn.asked = Some(Asked { run, place: at });
                    }
                    response.on_hover_ui_at_pointer(|ui| {
                        ui.label(describe(run));
                    });
                }
            });
        }
        drawn
    }

    /// Lets the arrow keys go from token to token, and shows what there is to say about each.
    fn keyboard_ui(
        &mut self,
        ui: &mut Ui,
        rect: Rect,
        n_runs: usize,
        at_cursor: &[Rect],
        describe: &impl Fn(usize) -> String,
    ) -> Option<Asked> {
        let id: Id = ui.make_persistent_id("tokens");
        let response = ui.interact(rect, id, Sense::focusable_noninteractive());
        let has_focus = response.has_focus();
        self.had_focus = has_focus;
        let before = self.cursor;
        let mut is_asked = false;
        if has_focus {
            let filter = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
            let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
            is_asked = pressed(Key::Enter);
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
            return None;
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
        is_asked.then(|| Asked { run: self.cursor, place: place.left_bottom() })
    }
}

/// The colour behind a token, if it has one.
pub fn color_of(tint: Tint, visuals: &eframe::egui::Visuals) -> Option<Color32> {
    match tint {
        Tint::Plain => None,
        Tint::Drafted(None) => Some(theme::color(Hue::Drafted, visuals)),
        Tint::Drafted(Some(method)) => Some(theme::method_color(method, visuals)),
        Tint::Chosen => Some(theme::color(Hue::Warn, visuals)),
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
    format: impl Fn(Tint) -> TextFormat,
) -> Vec<Paragraph> {
    let mut paragraphs = vec![Paragraph { job: LayoutJob::default(), runs: Vec::new() }];
    let mut begin = 0;
    for (index, run) in runs.enumerate() {
        let end = floor_boundary(text, begin + run.len);
        append(&mut paragraphs, &text[begin..end], &format(run.tint), Some(index));
        begin = end;
    }
    append(&mut paragraphs, &text[begin..], &format(Tint::Plain), None);
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
            Run { len: 3, tint: Tint::Plain },
            Run { len: 5, tint: Tint::Drafted(None) },
            Run { len: 99, tint: Tint::Plain },
        ];
        let format = |tint| TextFormat { italics: tint != Tint::Plain, ..TextFormat::default() };
        let paragraphs = lay_out("one two\nthree", runs.into_iter(), format);
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].job.text, "one two");
        assert_eq!(paragraphs[0].runs, [(0..3, 0), (3..7, 1)]);
        assert!(paragraphs[0].job.sections[1].format.italics);
        assert_eq!(paragraphs[1].job.text, "three");
        assert_eq!(paragraphs[1].runs, [(0..5, 2)]);
    }

    #[test]
    fn a_run_that_ends_within_a_character_ends_before_it() {
        let runs = [Run { len: 2, tint: Tint::Chosen }];
        let paragraphs = lay_out("aé", runs.into_iter(), |_| TextFormat::default());
        assert_eq!(paragraphs[0].runs, [(0..1, 0)]);
    }
}
