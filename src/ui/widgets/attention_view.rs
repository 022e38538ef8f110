//! Where a voice looked, as textures: a column for each decoder step, a row for each symbol. What
//! went wrong is marked over it, by its shape and a word.

use eframe::egui::{
    Align2, Color32, ColorImage, Context, Mesh, Painter, Pos2, Rangef, Rect, Shape, Stroke,
    TextureFilter, TextureHandle, TextureOptions, TextureWrapMode, pos2, vec2,
};

use super::{
    alignment_view::{Interval, Looked, visible},
    mel_view_scale::map_of,
    time_axis::{Ticks, TimeAxis},
    time_axis_paint::{Ink, Side, Y_LABEL_HEIGHT, paint_frame, paint_y_tick},
};
use crate::settings::ColorMap;

/// Widest texture.
const WIDEST: usize = 2048;

/// Points that a step's number needs.
const STEP_LABEL_WIDTH: f32 = 56.0;

/// Height of the line of step numbers, and of the line of words.
pub const LINE: f32 = 15.0;

/// Colours of the bar beside a plot; between them it blends.
const BAR_STOPS: u32 = 32;

/// Points between two lines of a hatching.
const HATCH: f32 = 7.0;

/// Exact cells when large, no flicker when small.
const OPTIONS: TextureOptions = TextureOptions {
    magnification: TextureFilter::Nearest,
    minification: TextureFilter::Linear,
    wrap_mode: TextureWrapMode::ClampToEdge,
    mipmap_mode: Some(TextureFilter::Linear),
};

/// A run of steps of one sentence on the card.
struct Tile {
    first_step: usize,
    n_steps: usize,
    texture: TextureHandle,
}

/// One sentence on the card.
struct Sentence {
    n_steps: usize,
    tiles: Vec<Tile>,
    /// The symbol that each step looks at most.
    looks: Vec<u32>,
}

/// See the module.
#[derive(Default)]
pub struct AttentionView {
    map: Option<ColorMap>,
    sentences: Vec<Sentence>,
}

impl AttentionView {
    /// Brings what is new onto the card: of a take that grows the last sentence.
    pub fn sync(&mut self, ctx: &Context, map: ColorMap, looked: &[Looked<'_>]) {
        if self.map != Some(map) {
            self.map = Some(map);
            self.sentences.clear();
        }
        let widest = ctx.input(|input| input.max_texture_side).min(WIDEST);
        self.sentences.truncate(looked.len());
        for (at, looked) in looked.iter().enumerate() {
            let n_steps = looked.attention.n_steps();
            if self.sentences.get(at).is_some_and(|sentence| sentence.n_steps == n_steps) {
                continue;
            }
            self.sentences.truncate(at);
            self.sentences.push(sentence(ctx, map, looked, widest));
        }
    }

    /// The symbols of a sentence from the first to one past the last that is to be seen: those that
    /// are heard in the visible time, and those that the visible steps look at. `None` if the
    /// sentence is not seen.
    pub fn rows(
        &self,
        sentence: usize,
        axis: TimeAxis,
        phonemes: &[Interval],
        looked: &Looked<'_>,
    ) -> Option<[usize; 2]> {
        let of_sentence = self.sentences.get(sentence)?;
        let steps = steps(looked, axis, of_sentence.n_steps);
        if steps.is_empty() {
            return None;
        }
        let end = (looked.first_phoneme + looked.attention.n_phonemes).min(phonemes.len());
        let (first, seen) = visible(phonemes, axis);
        let mut rows = [first.max(looked.first_phoneme), (first + seen.len()).min(end)];
        for step in steps {
            let symbol = looked.first_phoneme + of_sentence.looks[step] as usize;
            rows = [rows[0].min(symbol), rows[1].max(symbol + 1)];
        }
        (rows[0] < rows[1]).then_some([rows[0], rows[1].min(end)])
    }

    /// Paints the visible part of a sentence; `rows` of it fill the plot's height.
    pub fn paint(
        &self,
        painter: &Painter,
        plot: Rect,
        axis: TimeAxis,
        sentence: usize,
        rows: [usize; 2],
        looked: &Looked<'_>,
    ) {
        let Some(sentence) = self.sentences.get(sentence) else { return };
        let n_symbols = looked.attention.n_phonemes.max(1);
        let x = |secs: f64| axis.to_screen(secs, plot.x_range());
        let v = |symbol: usize| 1.0 - (symbol - looked.first_phoneme) as f32 / n_symbols as f32;
        for tile in &sentence.tiles {
            let start = looked.start_secs + tile.first_step as f64 * looked.step_secs;
            let end = start + tile.n_steps as f64 * looked.step_secs;
            let (from, to) = (start.max(axis.start), end.min(axis.end));
            if from >= to {
                continue;
            }
            let u = |secs: f64| ((secs - start) / (end - start)) as f32;
            let rect = Rect::from_x_y_ranges(Rangef::new(x(from), x(to)), plot.y_range());
            let uv = Rect::from_min_max(pos2(u(from), v(rows[1])), pos2(u(to), v(rows[0])));
            painter.image(tile.texture.id(), rect, uv, Color32::WHITE);
        }
    }
}

/// Paints the symbols of rows that fill a plot's height at its left.
pub fn paint_symbols(
    painter: &Painter,
    plot: Rect,
    rows: [usize; 2],
    phonemes: &[Interval],
    ink: &Ink,
) {
    let height = plot.height() / (rows[1] - rows[0]).max(1) as f32;
    let every = (Y_LABEL_HEIGHT / height).ceil().max(1.0) as usize;
    for symbol in (rows[0]..rows[1]).step_by(every) {
        let y = plot.bottom() - ((symbol - rows[0]) as f32 + 0.5) * height;
        paint_y_tick(painter, plot, Side::Left, y, &phonemes[symbol].label, ink);
    }
}

/// The steps that are seen.
fn steps(looked: &Looked<'_>, axis: TimeAxis, n_steps: usize) -> std::ops::Range<usize> {
    let step_at =
        |secs: f64| ((secs - looked.start_secs) / looked.step_secs.max(1e-9)).max(0.0) as usize;
    if axis.end <= looked.start_secs {
        return 0..0;
    }
    step_at(axis.start).min(n_steps)..(step_at(axis.end) + 1).min(n_steps)
}

fn sentence(ctx: &Context, map: ColorMap, looked: &Looked<'_>, widest: usize) -> Sentence {
    let attention = looked.attention;
    let (n_steps, n_symbols) = (attention.n_steps(), attention.n_phonemes);
    let map = map_of(map);
    let looks = (0..n_steps).map(|step| {
        let weights = attention.step(step);
        (0..n_symbols).max_by(|&a, &b| weights[a].total_cmp(&weights[b])).unwrap_or(0) as u32
    });
    let mut tiles = Vec::new();
    for first_step in (0..n_steps).step_by(widest.max(1)) {
        let width = (n_steps - first_step).min(widest);
        let mut image = ColorImage::filled([width, n_symbols.max(1)], Color32::BLACK);
        for column in 0..width {
            for (symbol, &weight) in attention.step(first_step + column).iter().enumerate() {
                let [r, g, b] = map.rgb(weight);
                image.pixels[(n_symbols - 1 - symbol) * width + column] =
                    Color32::from_rgb(r, g, b);
            }
        }
        let texture = ctx.load_texture("attention", image, OPTIONS);
        tiles.push(Tile { first_step, n_steps: width, texture });
    }
    Sentence { n_steps, tiles, looks: looks.collect() }
}

/// How many frames a step of the decoder makes, as the axis of its steps says it.
pub fn step_title(frames_per_step: usize) -> String {
    let frames = if frames_per_step == 1 { "frame" } else { "frames" };
    format!("Decoder step ({frames_per_step} {frames})")
}

/// Paints the numbers of the decoder's steps over a plot, counted from each sentence's start.
pub fn paint_steps(
    painter: &Painter,
    line: Rect,
    axis: TimeAxis,
    looked: &[Looked<'_>],
    ink: &Ink,
) {
    let secs_per_label =
        f64::from(STEP_LABEL_WIDTH) * axis.span() / f64::from(line.width().max(1.0));
    for looked in looked {
        let n_steps = looked.attention.n_steps() as f64;
        let to_step = |secs: f64| (secs - looked.start_secs) / looked.step_secs;
        let (from, to) = (to_step(axis.start).max(0.0), to_step(axis.end).min(n_steps));
        let room = (to - from) * looked.step_secs / secs_per_label;
        if room < 1.0 {
            continue;
        }
        let ticks = Ticks::new(from, to, room as usize);
        for step in ticks.values().filter(|step| step.fract() == 0.0) {
            let x = axis.to_screen(looked.start_secs + step * looked.step_secs, line.x_range());
            painter.vline(
                x,
                Rangef::new(line.bottom() - 3.0, line.bottom()),
                Stroke::new(1.0, ink.muted),
            );
            let at = pos2(x + 3.0, line.center().y);
            // A number that would stick out is left out.
            if x + STEP_LABEL_WIDTH / 2.0 < line.right() {
                let number = format!("{step}");
                painter.text(at, Align2::LEFT_CENTER, number, ink.small.clone(), ink.muted);
            }
        }
    }
}

/// Paints the colours of weights from 0 to 1.
pub fn paint_weight_bar(painter: &Painter, bar: Rect, map: ColorMap, ink: &Ink) {
    let map = map_of(map);
    let mut mesh = Mesh::default();
    for at in 0..=BAR_STOPS {
        let share = at as f32 / BAR_STOPS as f32;
        let [r, g, b] = map.rgb(share);
        let y = bar.bottom() - bar.height() * share;
        mesh.colored_vertex(pos2(bar.left(), y), Color32::from_rgb(r, g, b));
        mesh.colored_vertex(pos2(bar.right(), y), Color32::from_rgb(r, g, b));
        if at > 0 {
            mesh.add_triangle(2 * at - 2, 2 * at - 1, 2 * at);
            mesh.add_triangle(2 * at - 1, 2 * at, 2 * at + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
    paint_frame(painter, bar, ink);
    paint_y_tick(painter, bar, Side::Right, bar.top(), "1", ink);
    paint_y_tick(painter, bar, Side::Right, bar.bottom(), "0", ink);
}

/// How the lines of a hatching run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hatch {
    /// Upwards in time.
    Rising,
    /// Downwards in time.
    Falling,
}

/// A stretch of time that is hatched, and said in a word above.
pub fn paint_stretch(
    painter: &Painter,
    plot: Rect,
    x: Rangef,
    hatch: Hatch,
    label: &str,
    color: Color32,
    ink: &Ink,
) {
    // A stretch of a few steps would be too narrow to see.
    let x = Rangef::new(x.min, x.max.max(x.min + 3.0));
    let shown = Rect::from_x_y_ranges(x, plot.y_range()).intersect(plot);
    if shown.width() <= 0.0 {
        return;
    }
    let inside = painter.with_clip_rect(shown.intersect(painter.clip_rect()));
    let stroke = Stroke::new(1.0, color.gamma_multiply(0.7));
    let n = ((shown.width() + shown.height()) / HATCH) as usize;
    for line in 0..=n {
        let at = shown.left() + line as f32 * HATCH;
        let (top, bottom) = match hatch {
            Hatch::Rising => (at, at - shown.height()),
            Hatch::Falling => (at - shown.height(), at),
        };
        inside.line_segment([pos2(top, shown.top()), pos2(bottom, shown.bottom())], stroke);
    }
    for edge in [shown.left(), shown.right()] {
        painter.vline(edge, plot.y_range(), Stroke::new(1.5, color));
    }
    paint_tag(painter, plot, pos2(shown.left(), plot.top()), label, color, ink);
}

/// A row that is struck through with dashes, and said in a word.
pub fn paint_row(painter: &Painter, plot: Rect, y: f32, label: &str, color: Color32, ink: &Ink) {
    let line = [pos2(plot.left(), y), pos2(plot.right(), y)];
    painter.extend(Shape::dashed_line(&line, Stroke::new(1.5, color), 5.0, 4.0));
    paint_tag(painter, plot, pos2(plot.left() + 2.0, y - 8.0), label, color, ink);
}

/// A word on a plate, so that it can be read over any colours.
fn paint_tag(painter: &Painter, plot: Rect, at: Pos2, label: &str, color: Color32, ink: &Ink) {
    let galley = painter.layout_no_wrap(label.to_owned(), ink.small.clone(), color);
    let size = galley.size() + vec2(6.0, 2.0);
    let last = (plot.max - size).max(plot.min);
    let min = pos2(at.x.clamp(plot.left(), last.x), at.y.clamp(plot.top(), last.y));
    painter.rect_filled(Rect::from_min_size(min, size), 3.0, ink.ground);
    painter.galley(min + vec2(3.0, 1.0), galley, color);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Attention, ui::widgets::alignment_view::IntervalKind};

    #[test]
    fn rows_are_what_is_heard_and_what_is_looked_at() {
        let interval = |n: usize| Interval {
            start_secs: n as f64,
            end_secs: (n + 1) as f64,
            label: n.to_string(),
            kind: IntervalKind::Spoken,
        };
        let phonemes: Vec<Interval> = (0..10).map(interval).collect();
        let mut weights = vec![0.0; 100];
        for step in 0..10 {
            // At the fifth step the voice looks back.
            weights[step * 10 + if step == 5 { 1 } else { step }] = 1.0;
        }
        let attention = Attention { weights, n_phonemes: 10, frames_per_step: 1 };
        let looked =
            [Looked { start_secs: 0.0, step_secs: 1.0, first_phoneme: 0, attention: &attention }];
        let ctx = Context::default();
        let mut view = AttentionView::default();
        view.sync(&ctx, ColorMap::Magma, &looked);
        let rows = |start, end| view.rows(0, TimeAxis { start, end }, &phonemes, &looked[0]);
        assert_eq!(rows(0.0, 10.0), Some([0, 10]));
        assert_eq!(rows(2.1, 3.9), Some([2, 4]));
        assert_eq!(rows(5.1, 6.9), Some([1, 7]));
        assert_eq!(rows(12.0, 13.0), None);
    }
}
