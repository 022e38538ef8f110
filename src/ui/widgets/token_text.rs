//! Text coloured by where its tokens come from: drafted ones are tinted and underlined, so that
//! the colour is never the only sign.

use std::ops::Range;

use eframe::egui::{Label, Stroke, TextFormat, TextStyle, Ui, text::LayoutJob};

use crate::ui::theme::{self, Hue};

/// Strength of the tint behind drafted tokens.
const TINT: f32 = 0.22;

/// A stretch of the text that one step wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its bytes.
    pub len: usize,
    /// Whether part of it was drafted and accepted.
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
}

type TextStyleKey = (u32, String);

impl TokenText {
    /// Draws `text`; bytes after the last run belong to none. `hover` says what there is to say
    /// about the run under the pointer.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        text: &str,
        runs: impl ExactSizeIterator<Item = Run>,
        mut hover: impl FnMut(&mut Ui, usize),
    ) {
        let font = TextStyle::Body.resolve(ui.style());
        let font_key = (font.size.to_bits(), font.family.to_string());
        let key = (text.len(), runs.len(), ui.visuals().dark_mode, font_key);
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
        for (index, paragraph) in self.paragraphs.iter().enumerate() {
            ui.push_id(index, |ui| {
                let mut job = paragraph.job.clone();
                job.wrap.max_width = ui.available_width();
                let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
                let response = ui.add(Label::new(galley.clone()));
                let Some(pointer) = response.hover_pos() else { return };
                let at = galley.cursor_from_pos(pointer - response.rect.min).index.0;
                let byte = paragraph.job.text.char_indices().nth(at).map(|(byte, _)| byte);
                let run = paragraph
                    .runs
                    .iter()
                    .find(|(bytes, _)| byte.is_some_and(|byte| bytes.contains(&byte)));
                if let Some((_, run)) = run {
                    response.on_hover_ui_at_pointer(|ui| hover(ui, *run));
                }
            });
        }
    }
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
