//! Time per decode step and tokens per second, over the last steps.

use std::ops::RangeInclusive;

use eframe::egui::{Rangef, TextStyle, Ui, vec2};
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, Plot, PlotPoint, PlotPoints};

use crate::ui::{
    theme::{self, Hue},
    units,
};

/// Steps that the plots show.
pub const CAPACITY: usize = 2_000;

/// Steps over which throughput and acceptance are smoothed.
pub const WINDOW: usize = 16;

/// Stretches of the x axis that a line tells apart; a plot has hardly more pixels in a row.
const COLUMNS: usize = 256;

/// Height of one plot, in points.
const HEIGHT: f32 = 92.0;

/// Height of the name of the x axis, in points.
const LABEL_HEIGHT: f32 = 16.0;

/// Room for the ticks' names and that of the axis, in points: one for all, so that a step stands at
/// the same place in each plot.
const Y_AXIS_WIDTH: f32 = 46.0;

/// About how many ticks an axis has.
const X_TICKS: f64 = 5.0;
const Y_TICKS: f64 = 4.0;

/// Distance of two ticks from which they have names, and from which these are strong, in points.
const LABEL_SPACING: Rangef = Rangef { min: 11.0, max: 14.0 };

/// Room above the highest point, as a share.
const HEADROOM: f64 = 1.12;

/// One decode step as the plots see it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepSample {
    /// Time since the step before, in ms.
    pub latency_ms: f64,
    /// Time spent drafting, in ms.
    pub draft_ms: f64,
    /// Time of the pass, in ms.
    pub verify_ms: f64,
    /// Tokens that it added.
    pub tokens: u32,
    /// Tokens drafted for it.
    pub drafted: u32,
    /// How many of them stood.
    pub accepted: u32,
    /// Speed that was expected, in plain decoding's; zero where nothing was expected.
    pub gain: f64,
}

/// The last steps, ready to draw; x is the number of the step, from one.
#[derive(Debug, Default)]
pub struct StepTrace {
    pub(super) samples: Vec<StepSample>,
    pub(super) first: usize,
    /// Tokens per second, smoothed, of each step.
    throughput: Vec<f64>,
    /// Tokens per step, smoothed, of each step.
    mean_tokens: Vec<f64>,
    pub(super) lines: Lines,
    max_latency: f64,
    max_throughput: f64,
    /// Expected and real speed of each step, smoothed; empty if nothing was expected.
    pub(super) gains: Vec<(f64, f64)>,
}

/// What is drawn of the steps: no more points than can be told apart.
#[derive(Debug, Default)]
pub(super) struct Lines {
    latency: Vec<PlotPoint>,
    draft: Vec<PlotPoint>,
    /// Expected speed and that which came of it, smoothed, in plain decoding's.
    pub(super) expected: Vec<PlotPoint>,
    pub(super) real: Vec<PlotPoint>,
    throughput: Vec<PlotPoint>,
    pub(super) mean_tokens: Vec<PlotPoint>,
    /// One dot for each count of tokens that occurs in a column.
    pub(super) tokens: Vec<PlotPoint>,
}

impl StepTrace {
    /// A trace of the last [`CAPACITY`] of these steps.
    pub fn of(samples: impl ExactSizeIterator<Item = StepSample>) -> Self {
        let first = samples.len().saturating_sub(CAPACITY);
        let samples: Vec<_> = samples.skip(first).collect();
        let mut trace = Self { first, ..Self::default() };
        let (mut ms, mut tokens) = (0.0, 0_u32);
        for (index, sample) in samples.iter().enumerate() {
            ms += sample.latency_ms;
            tokens += sample.tokens;
            if let Some(left) = index.checked_sub(WINDOW) {
                ms -= samples[left].latency_ms;
                tokens -= samples[left].tokens;
            }
            let throughput = if ms > 0.0 { f64::from(tokens) * 1e3 / ms } else { 0.0 };
            trace.throughput.push(throughput);
            trace.mean_tokens.push(f64::from(tokens) / (index + 1).min(WINDOW) as f64);
            trace.max_latency = trace.max_latency.max(sample.latency_ms);
            trace.max_throughput = trace.max_throughput.max(throughput);
        }
        let latency: Vec<_> = samples.iter().map(|sample| sample.latency_ms).collect();
        let draft: Vec<_> = samples.iter().map(|sample| sample.draft_ms).collect();
        let is_drafted = samples.iter().any(|sample| sample.drafted > 0);
        trace.gains = gains(&samples);
        let (expected, real): (Vec<_>, Vec<_>) = trace.gains.iter().copied().unzip();
        trace.lines = Lines {
            latency: line(first, &latency),
            draft: if is_drafted { line(first, &draft) } else { Vec::new() },
            expected: line(first, &expected),
            real: line(first, &real),
            throughput: line(first, &trace.throughput),
            mean_tokens: line(first, &trace.mean_tokens),
            tokens: dots(first, &samples),
        };
        trace.samples = samples;
        trace
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How many steps it holds.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// The step at a number on the x axis.
    pub(super) fn sample_at(&self, x: f64) -> Option<(usize, &StepSample)> {
        let number = x.round().max(1.0) as usize;
        let index = number.checked_sub(self.first + 1)?;
        self.samples.get(index).map(|sample| (number, sample))
    }

    /// Tokens per step around a step, smoothed.
    pub(super) fn mean_tokens_at(&self, number: usize) -> Option<f64> {
        self.mean_tokens.get(number.checked_sub(self.first + 1)?).copied()
    }

    fn throughput_at(&self, number: usize) -> Option<f64> {
        self.throughput.get(number.checked_sub(self.first + 1)?).copied()
    }

    pub(super) fn x_range(&self) -> RangeInclusive<f64> {
        let begin = self.first as f64;
        // Room at the end for the name of the last tick.
        begin..=begin + (self.samples.len() + 1) as f64 * 1.05
    }
}

/// Speed that was expected of the last steps and that which came of it, in the speed of steps without
/// a draft; empty if nothing was expected, or no step was plain.
fn gains(samples: &[StepSample]) -> Vec<(f64, f64)> {
    let mut plain: Vec<f64> = samples
        .iter()
        .filter(|sample| sample.drafted == 0 && sample.verify_ms > 0.0)
        .map(|sample| sample.verify_ms)
        .collect();
    if plain.is_empty() || samples.iter().all(|sample| sample.gain == 0.0) {
        return Vec::new();
    }
    plain.sort_by(f64::total_cmp);
    let plain_ms = plain[plain.len() / 2];
    (0..samples.len())
        .map(|last| {
            let window = &samples[(last + 1).saturating_sub(WINDOW)..=last];
            let n_steps = window.len() as f64;
            // What is not said to be faster is expected to be as fast as without a draft.
            let gain = |sample: &StepSample| if sample.gain > 0.0 { sample.gain } else { 1.0 };
            let expected = window.iter().map(gain).sum::<f64>() / n_steps;
            let ms: f64 = window.iter().map(|sample| sample.draft_ms + sample.verify_ms).sum();
            let tokens: u32 = window.iter().map(|sample| sample.tokens).sum();
            (expected, f64::from(tokens) * plain_ms / ms.max(f64::EPSILON))
        })
        .collect()
}

/// A line through the values of the steps after `first`: where a column holds more than two, its
/// lowest and its highest, so that no peak is lost.
fn line(first: usize, values: &[f64]) -> Vec<PlotPoint> {
    let point = |index: usize| PlotPoint::new((first + index + 1) as f64, values[index]);
    let size = values.len().div_ceil(COLUMNS).max(1);
    if size <= 2 {
        return (0..values.len()).map(point).collect();
    }
    let columns = (0..values.len()).step_by(size);
    columns
        .flat_map(|begin| {
            let column = begin..(begin + size).min(values.len());
            let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
            let low = column.clone().min_by(by_value).unwrap_or(begin);
            let high = column.max_by(by_value).unwrap_or(begin);
            [low.min(high), low.max(high)]
        })
        .map(point)
        .collect()
}

/// A dot for each count of tokens in each column.
fn dots(first: usize, samples: &[StepSample]) -> Vec<PlotPoint> {
    let size = samples.len().div_ceil(COLUMNS).max(1);
    let mut dots = Vec::new();
    let mut seen: Vec<u32> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        if index % size == 0 {
            seen.clear();
        }
        if !seen.contains(&sample.tokens) {
            seen.push(sample.tokens);
            dots.push(PlotPoint::new((first + index + 1) as f64, f64::from(sample.tokens)));
        }
    }
    dots
}

/// Inter-token latency per step, in ms.
pub fn latency_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let color = theme::color(Hue::Latency, ui.visuals());
    let drafting = theme::color(Hue::Drafted, ui.visuals());
    let line =
        Line::new("Inter-token latency", PlotPoints::Borrowed(&trace.lines.latency)).color(color);
    frame(ui, "latency", Labels { x: "", y: "ms per step" }, trace, trace.max_latency)
        .label_formatter(|position| {
            let (number, sample) = trace.sample_at(at(position).x)?;
            let StepSample { latency_ms, draft_ms, verify_ms, tokens, .. } = sample;
            let tokens = units::count(*tokens as usize, "token");
            let pass_ms = (draft_ms + verify_ms).max(f64::EPSILON);
            Some(format!(
                "Step {number}: {latency_ms:.2} ms, {tokens}\ndraft {draft_ms:.2} ms ({:.0} %)\nverify {verify_ms:.2} ms ({:.0} %)",
                1e2 * draft_ms / pass_ms,
                1e2 * verify_ms / pass_ms,
            ))
        })
        .show(ui, |plot| {
            plot.line(line);
            // The share of a step that the drafter takes.
            plot.line(
                Line::new("Drafting", PlotPoints::Borrowed(&trace.lines.draft)).color(drafting),
            );
        });
}

/// Tokens per second, smoothed.
pub fn throughput_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let color = theme::color(Hue::Throughput, ui.visuals());
    let line =
        Line::new("Tokens per second", PlotPoints::Borrowed(&trace.lines.throughput)).color(color);
    frame(ui, "throughput", Labels { x: "", y: "tokens/s" }, trace, trace.max_throughput)
        .label_formatter(|position| {
            let (number, _) = trace.sample_at(at(position).x)?;
            let rate = trace.throughput_at(number)?;
            Some(format!("Step {number}: {rate:.1} tokens/s\nover the last {WINDOW} steps"))
        })
        .show(ui, |plot| plot.line(line));
}

/// A plot that stays where it is put: pointer and wheel belong to the page.
pub(super) fn still<'a>(id: &str) -> Plot<'a> {
    Plot::new(id)
        .auto_bounds(false)
        .reset()
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .allow_axis_zoom_drag(false)
}

/// A plot over the steps, with a floor at zero, that stands still.
pub(super) fn frame<'a>(
    ui: &Ui,
    id: &'static str,
    labels: Labels,
    trace: &StepTrace,
    max_y: f64,
) -> Plot<'a> {
    let font = TextStyle::Small.resolve(ui.style());
    let x_axis = AxisHints::new_x().label(labels.x).formatter(whole);
    let y_axis = AxisHints::new_y().label(labels.y).min_thickness(Y_AXIS_WIDTH);
    let hints =
        |axis: AxisHints<'a>| axis.tick_label_font(font.clone()).label_spacing(LABEL_SPACING);
    let height = if labels.x.is_empty() { HEIGHT } else { HEIGHT + LABEL_HEIGHT };
    still(id)
        .height(height)
        .min_size(vec2(0.0, height))
        .default_x_bounds(*trace.x_range().start(), *trace.x_range().end())
        .default_y_bounds(0.0, (max_y * HEADROOM).max(1.0))
        .custom_x_axes(vec![hints(x_axis)])
        .custom_y_axes(vec![hints(y_axis)])
        .x_grid_spacer(|grid| ticks(grid.bounds, X_TICKS, 1.0))
        .y_grid_spacer(|grid| ticks(grid.bounds, Y_TICKS, 0.0))
        .set_margin_fraction(vec2(0.0, 0.0))
}

/// What the axes are called; an x axis without a name is that of the plot below.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels {
    pub(super) x: &'static str,
    pub(super) y: &'static str,
}

/// Ticks at round values (1, 2, 2.5 or 5 times a power of ten), about `n_ticks` of them, and at
/// multiples of `min_step` if that is not zero.
fn ticks(bounds: (f64, f64), n_ticks: f64, min_step: f64) -> Vec<GridMark> {
    let (low, high) = bounds;
    let rough = (high - low) / n_ticks;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let rough = rough.max(min_step);
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power);
    // What is a step already must not grow by the rounding of a logarithm.
    let fits =
        |step: &f64| *step >= rough * (1.0 - 1e-9) && (min_step == 0.0 || *step % min_step == 0.0);
    let step_size = round.into_iter().find(fits).unwrap_or(10.0 * power);
    let first = (low / step_size).ceil() as i64;
    let last = (high / step_size).floor() as i64;
    (first..=last).map(|n| GridMark { value: n as f64 * step_size, step_size }).collect()
}

/// Steps are counted from one.
fn whole(mark: GridMark, _range: &RangeInclusive<f64>) -> String {
    if mark.value > 0.0 { format!("{}", mark.value) } else { String::new() }
}

pub(super) fn at(position: &HoverPosition<'_>) -> PlotPoint {
    match position {
        HoverPosition::NearDataPoint { position, .. } | HoverPosition::Elsewhere { position } => {
            *position
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_steps_are_kept_and_keep_their_numbers() {
        let samples = (0..CAPACITY + 500).map(|index| StepSample {
            latency_ms: index as f64,
            tokens: 2,
            ..StepSample::default()
        });
        let trace = StepTrace::of(samples);
        assert_eq!(trace.len(), CAPACITY);
        assert_eq!(trace.sample_at(501.0).unwrap().1.latency_ms, 500.0);
        assert!(trace.sample_at(500.0).is_none(), "it has left the ring");
        assert!(trace.sample_at((CAPACITY + 501) as f64).is_none());
    }

    #[test]
    fn throughput_is_tokens_over_time_within_the_window() {
        let sample = StepSample { latency_ms: 20.0, tokens: 3, ..StepSample::default() };
        let trace = StepTrace::of(vec![sample; 40].into_iter());
        assert!(trace.throughput.iter().all(|rate| (rate - 150.0).abs() < 1e-6));
        assert!(trace.mean_tokens.iter().all(|mean| (mean - 3.0).abs() < 1e-6));
    }

    #[test]
    fn real_gain_is_measured_in_steps_without_a_draft() {
        let plain = StepSample { verify_ms: 10.0, tokens: 1, gain: 1.0, ..StepSample::default() };
        let drafted = StepSample {
            draft_ms: 2.0,
            verify_ms: 13.0,
            tokens: 3,
            drafted: 3,
            gain: 1.5,
            ..StepSample::default()
        };
        let samples: Vec<_> = [vec![plain; 4], vec![drafted; WINDOW]].concat();
        let last = *gains(&samples).last().unwrap();
        assert!((last.0 - 1.5).abs() < 1e-9 && (last.1 - 2.0).abs() < 1e-9, "{last:?}");
        assert!(gains(&[drafted; 3]).is_empty(), "there is nothing to measure by");
        assert!(gains(&[StepSample { gain: 0.0, ..plain }; 3]).is_empty());
    }

    #[test]
    fn ticks_are_round_and_neither_few_nor_many() {
        for high in [1.0, 1.12, 2.24, 7.0, 11.2, 44.0, 99.0, 100.0, 253.0, 1999.0, 2100.0] {
            let ticks = ticks((0.0, high), Y_TICKS, 0.0);
            assert!((3..=6).contains(&ticks.len()), "{} ticks up to {high}", ticks.len());
            assert_eq!(ticks[0].value, 0.0);
        }
        let values = |bounds, n_ticks, min_step| -> Vec<f64> {
            ticks(bounds, n_ticks, min_step).iter().map(|tick| tick.value).collect()
        };
        assert_eq!(values((0.0, 45.0), 4.5, 0.0), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(
            values((1000.0, 3100.0), X_TICKS, 1.0),
            [1000.0, 1500.0, 2000.0, 2500.0, 3000.0]
        );
        // There is no half a step.
        assert_eq!(values((0.0, 2.1), X_TICKS, 1.0), [0.0, 1.0, 2.0]);
        assert!(values((0.0, f64::NAN), X_TICKS, 1.0).is_empty());
    }

    #[test]
    fn a_line_of_many_steps_keeps_its_peaks_in_few_points() {
        let values: Vec<f64> = (0..CAPACITY).map(|at| if at == 777 { 99.0 } else { 1.0 }).collect();
        let line = line(10, &values);
        assert!(line.len() <= 2 * COLUMNS, "{} points", line.len());
        assert!(line.iter().any(|point| point.x == 788.0 && point.y == 99.0), "the peak is lost");
        assert!(line.is_sorted_by(|a, b| a.x <= b.x));
    }

    #[test]
    fn every_count_of_tokens_has_a_dot() {
        let tokens = |at: usize| if at == 1500 { 7 } else { 1 + (at % 3) as u32 };
        let samples: Vec<_> = (0..CAPACITY)
            .map(|at| StepSample { tokens: tokens(at), ..StepSample::default() })
            .collect();
        let dots = dots(0, &samples);
        assert!(dots.len() <= 4 * COLUMNS, "{} dots", dots.len());
        assert!(dots.iter().any(|dot| dot.y == 7.0));
    }
}
