//! Ways to speculate as a picture: a bar of tokens a second for each.

use super::canvas::{Anchor, Canvas, Color};
use crate::{
    domain::{MethodMeasurement, Sameness, Sample},
    dsp::Picture,
};

const INK: Color = [32, 34, 40];
const MUTED: Color = [92, 95, 104];
const LINE: Color = [222, 223, 228];
const PLAIN: Color = [146, 149, 158];
const BAR: Color = [0, 114, 178];
const WRONG: Color = [184, 54, 16];

const TEXT: f32 = 15.0;
const ROW: f32 = 44.0;
const MARGIN: f32 = 24.0;
const HEAD: f32 = 56.0;
const NAMES: f32 = 300.0;
const BARS: f32 = 380.0;
const VALUES: f32 = 330.0;

/// The picture as a PNG file.
///
/// # Errors
/// If it could not be made into a file.
pub fn comparison_png(
    heading: &str,
    methods: &[MethodMeasurement],
) -> Result<Vec<u8>, image::ImageError> {
    picture(heading, methods).png()
}

fn picture(heading: &str, methods: &[MethodMeasurement]) -> Picture {
    let width = 2.0 * MARGIN + NAMES + BARS + VALUES;
    let height = 2.0 * MARGIN + HEAD + methods.len() as f32 * ROW;
    let mut canvas = Canvas::new(width as usize, height as usize);
    canvas.text(heading, MARGIN, MARGIN + 14.0, TEXT + 2.0, Anchor::Left, INK);
    let caption = "Tokens per second of processor time: median, and between which they lie";
    canvas.text(caption, MARGIN, MARGIN + 38.0, TEXT - 1.0, Anchor::Left, MUTED);
    let rate = |method: &MethodMeasurement| method.tokens_per_cpu_sec();
    let most = methods.iter().filter_map(rate).map(|rate| rate.max).fold(1.0, f64::max);
    let left = MARGIN + NAMES;
    for (at, method) in methods.iter().enumerate() {
        let y = MARGIN + HEAD + at as f32 * ROW;
        let middle = y + ROW / 2.0;
        canvas.fill([MARGIN, width - MARGIN], [y, y + 1.0], LINE);
        canvas.text(&method.speculative.describe(), MARGIN, middle + 5.0, TEXT, Anchor::Left, INK);
        let Some(rate) = rate(method) else { continue };
        let x = |value: f64| left + (value / most) as f32 * BARS;
        let color = match (at, method.sameness) {
            (_, Sameness::Mismatch { .. }) => WRONG,
            (0, _) => PLAIN,
            _ => BAR,
        };
        canvas.fill([left, x(rate.median)], [middle - 9.0, middle + 9.0], color);
        canvas.fill([x(rate.min), x(rate.max)], [middle - 1.0, middle + 1.0], INK);
        let speed_up =
            methods.first().and_then(|it| method.speed_up(it, Sample::tokens_per_cpu_sec));
        let verdict = match method.sameness {
            Sameness::Identical => "same text",
            Sameness::NearTie { .. } => "near tie",
            Sameness::Mismatch { .. } => "OTHER TEXT",
        };
        let times = speed_up.map_or_else(String::new, |it| format!(", {:.2}x", it.median));
        let value = format!("{:.1}{times}, {verdict}", rate.median);
        canvas.text(&value, left + BARS + 16.0, middle + 5.0, TEXT, Anchor::Left, INK);
    }
    canvas.into_picture()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SpeculationCounts, Speculative};

    #[test]
    fn a_way_that_is_twice_as_fast_has_a_bar_twice_as_long() {
        let method = |speculative, cpu_secs| MethodMeasurement {
            speculative,
            samples: vec![Sample { n_tokens: 10, wall_secs: cpu_secs, cpu_secs }],
            n_passes: 5,
            counts: SpeculationCounts::default(),
            sameness: Sameness::Identical,
            text: String::new(),
            drafter_bytes: 0,
            pass_bytes: Vec::new(),
        };
        let methods = [method(Speculative::None, 1.0), method(Speculative::NGRAM, 0.5)];
        let picture = picture("A prompt", &methods);
        let n_of =
            |color: Color| picture.rgba.chunks_exact(4).filter(|pixel| pixel[..3] == color).count();
        let (plain, fast) = (n_of(PLAIN) as f64, n_of(BAR) as f64);
        assert!(plain > 1000.0, "{plain} pixels of a bar");
        assert!((fast / plain - 2.0).abs() < 0.05, "{fast} and {plain} pixels");
        assert!(comparison_png("", &[]).is_ok());
    }
}
