//! Words and phonemes as labelled stretches of time, and their alignment as a picture: which
//! phoneme is heard when.

use std::sync::Arc;

use eframe::egui::{
    Color32, CornerRadius, Galley, Mesh, Painter, Rangef, Rect, Shape, Stroke, pos2, vec2,
};

use super::{
    time_axis::TimeAxis,
    time_axis_paint::{Ink, Side, Y_LABEL_HEIGHT, paint_y_tick},
};
use crate::domain::Attention;

/// Narrower stretches have no label.
const MIN_LABEL_WIDTH: f32 = 7.0;

/// Nearer boundaries are drawn as one.
const MIN_BOUNDARY_GAP: f32 = 3.0;

/// A labelled stretch of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Where it begins.
    pub start_secs: f64,
    /// Where it ends.
    pub end_secs: f64,
    /// What is heard in it.
    pub label: String,
    /// How it is shown.
    pub kind: IntervalKind,
}

/// What an interval stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalKind {
    /// A word or a phoneme of one.
    Spoken,
    /// A word whose pronunciation was guessed by the neural model.
    Guessed,
    /// A word whose pronunciation is the user's own.
    Own,
    /// A pause or a mark.
    Pause,
}

/// The index of the interval at a time; intervals are in order and do not overlap.
pub fn interval_at(intervals: &[Interval], secs: f64) -> Option<usize> {
    let idx = intervals.partition_point(|interval| interval.end_secs <= secs);
    intervals.get(idx).is_some_and(|interval| interval.start_secs <= secs).then_some(idx)
}

/// Those that are seen, and the index of the first.
pub fn visible(intervals: &[Interval], axis: TimeAxis) -> (usize, &[Interval]) {
    let first = intervals.partition_point(|interval| interval.end_secs <= axis.start);
    let last = intervals.partition_point(|interval| interval.start_secs < axis.end);
    (first, &intervals[first..last.max(first)])
}

/// Paints a tier; the interval at `marked_secs` is lit.
pub fn paint_tier(
    painter: &Painter,
    plot: Rect,
    axis: TimeAxis,
    intervals: &[Interval],
    marked_secs: Option<f64>,
    ink: &Ink,
) {
    let marked = marked_secs.and_then(|secs| interval_at(intervals, secs));
    let (first, seen) = visible(intervals, axis);
    let mut last_edge = f32::NEG_INFINITY;
    for (at, interval) in seen.iter().enumerate() {
        let x = span(interval, axis, plot);
        if x.span() <= 0.0 {
            continue;
        }
        let rect = Rect::from_x_y_ranges(x, plot.y_range());
        if marked == Some(first + at) {
            painter.rect_filled(rect, CornerRadius::ZERO, ink.accent.gamma_multiply(0.3));
        }
        if x.min - last_edge >= MIN_BOUNDARY_GAP && x.min > plot.left() {
            painter.vline(x.min, plot.y_range(), Stroke::new(1.0, ink.line));
            last_edge = x.min;
        }
        if x.span() >= MIN_LABEL_WIDTH {
            paint_label(painter, rect, interval, ink);
        }
    }
    if let Some(x) = seen.last().map(|interval| span(interval, axis, plot).max)
        && x < plot.right()
    {
        painter.vline(x, plot.y_range(), Stroke::new(1.0, ink.line));
    }
}

/// Where an interval lies, cut at the edges of the plot.
fn span(interval: &Interval, axis: TimeAxis, plot: Rect) -> Rangef {
    let x = |secs| axis.to_screen(secs, plot.x_range());
    Rangef::new(x(interval.start_secs).max(plot.left()), x(interval.end_secs).min(plot.right()))
}

/// The whole label if there is room, else the phoneme without its stress, else as many letters as
/// fit and an ellipsis, else none.
fn paint_label(painter: &Painter, rect: Rect, interval: &Interval, ink: &Ink) {
    let color = if interval.kind == IntervalKind::Pause { ink.muted } else { ink.text };
    let room = rect.width() - 2.0;
    let lay = |text: &str| painter.layout_no_wrap(text.to_owned(), ink.small.clone(), color);
    let label = interval.label.as_str();
    let galley = lay(label);
    let fitting = if galley.size().x <= room {
        Some(galley)
    } else {
        shorter(label, galley.size().x, room).map(|text| lay(&text)).find(|it| it.size().x <= room)
    };
    let Some(galley) = fitting else { return };
    paint_centred(painter, rect, &galley, color);
    let underline = Rangef::new(-0.5, 0.5) * galley.size().x;
    let x = Rangef::new(rect.center().x + underline.min, rect.center().x + underline.max);
    let y = rect.center().y + galley.size().y / 2.0 - 1.0;
    match interval.kind {
        IntervalKind::Spoken | IntervalKind::Pause => (),
        IntervalKind::Guessed => {
            let dots = Shape::dotted_line(&[pos2(x.min, y), pos2(x.max, y)], ink.muted, 3.0, 0.8);
            painter.extend(dots);
        }
        IntervalKind::Own => {
            painter.hline(x, y, Stroke::new(1.5, ink.accent));
        }
    }
}

fn paint_centred(painter: &Painter, rect: Rect, galley: &Arc<Galley>, color: Color32) {
    painter.galley(rect.center() - galley.size() / 2.0, Arc::clone(galley), color);
}

/// Shorter forms of a label of that width, the longest first: without its stress, then fewer and
/// fewer letters and an ellipsis.
fn shorter(label: &str, width: f32, room: f32) -> impl Iterator<Item = String> {
    let bare = label.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = (bare.len() < label.len() && !bare.is_empty()).then(|| bare.to_owned());
    // A guess by the mean width of a letter, so that few forms are laid out.
    let n_chars = label.chars().count();
    let longest = ((room / width * n_chars as f32).ceil() as usize).min(n_chars - 1);
    let cuts = (2..=longest).rev().filter(move |_| n_chars > 3);
    let cut = move |n| label.chars().take(n).chain(std::iter::once('…')).collect();
    bare.into_iter().chain(cuts.map(cut))
}

/// Where a voice looked while it made a stretch of sound.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// Where its first step begins.
    pub start_secs: f64,
    /// From one step to the next.
    pub step_secs: f64,
    /// The place of its first phoneme among all.
    pub first_phoneme: usize,
    /// How much each step heard of each phoneme.
    pub attention: &'a Attention,
}

/// Paints phoneme over time, a row for each phoneme that is seen, the first at the bottom.
pub fn paint_alignment(
    painter: &Painter,
    plot: Rect,
    axis: TimeAxis,
    phonemes: &[Interval],
    color: Color32,
    ink: &Ink,
) {
    let (_, seen) = visible(phonemes, axis);
    let rows: Vec<&Interval> =
        seen.iter().filter(|phoneme| phoneme.end_secs > phoneme.start_secs).collect();
    if rows.is_empty() {
        return;
    }
    let height = plot.height() / rows.len() as f32;
    let mut mesh = Mesh::default();
    for (row, phoneme) in rows.iter().enumerate() {
        let x = span(phoneme, axis, plot);
        let top = plot.bottom() - (row + 1) as f32 * height;
        let rect = Rect::from_min_size(pos2(x.min, top), vec2(x.span(), height));
        let strength = if phoneme.kind == IntervalKind::Pause { 0.4 } else { 0.9 };
        mesh.add_colored_rect(rect, color.gamma_multiply(strength));
    }
    painter.add(Shape::mesh(mesh));
    let every = (Y_LABEL_HEIGHT / height).ceil().max(1.0) as usize;
    for (row, phoneme) in rows.iter().enumerate().step_by(every) {
        let y = plot.bottom() - (row as f32 + 0.5) * height;
        paint_y_tick(painter, plot, Side::Left, y, &phoneme.label, ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start_secs: f64, end_secs: f64) -> Interval {
        Interval { start_secs, end_secs, label: "AH0".into(), kind: IntervalKind::Spoken }
    }

    #[test]
    fn an_interval_holds_its_start_but_not_its_end() {
        let intervals = [interval(0.0, 0.1), interval(0.1, 0.1), interval(0.1, 0.3)];
        let found = [0.0, 0.05, 0.1, 0.29, 0.3, -0.1].map(|secs| interval_at(&intervals, secs));
        assert_eq!(found, [Some(0), Some(0), Some(2), Some(2), None, None]);
    }

    #[test]
    fn only_what_is_seen_is_drawn() {
        let intervals: Vec<Interval> =
            (0..1000).map(|n| interval(f64::from(n) * 0.1, f64::from(n + 1) * 0.1)).collect();
        let (first, seen) = visible(&intervals, TimeAxis { start: 50.05, end: 50.25 });
        assert_eq!((first, seen.len()), (500, 3));
    }

    #[test]
    fn a_label_loses_its_stress_first_and_then_letters() {
        assert_eq!(shorter("AH0", 20.0, 15.0).collect::<Vec<_>>(), ["AH"]);
        let forms: Vec<String> = shorter("smooth", 60.0, 38.0).collect();
        assert_eq!(forms, ["smoo…", "smo…", "sm…"]);
        assert_eq!(shorter("of", 12.0, 8.0).count(), 0);
    }
}
