//! Time per decode step and tokens per second, over the last steps.

use std::ops::RangeInclusive;

use eframe::egui::{Ui, vec2};
use egui_plot::{GridMark, HoverPosition, Line, Plot, PlotPoint, PlotPoints};

use crate::ui::{
    theme::{self, Hue},
    units,
};

/// Steps that the plots show.
pub const CAPACITY: usize = 2_000;

/// Steps over which throughput and acceptance are smoothed.
pub const WINDOW: usize = 16;

/// Height of one plot, in points.
pub(super) const HEIGHT: f32 = 92.0;

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
}

/// The last steps, ready to draw; x is the number of the step, from one.
#[derive(Debug, Default)]
pub struct StepTrace {
    pub(super) samples: Vec<StepSample>,
    pub(super) first: usize,
    latency: Vec<PlotPoint>,
    throughput: Vec<PlotPoint>,
    pub(super) tokens: Vec<PlotPoint>,
    pub(super) mean_tokens: Vec<PlotPoint>,
    max_latency: f64,
    max_throughput: f64,
}

impl StepTrace {
    /// A trace of the last [`CAPACITY`] of these steps.
    pub fn of(samples: impl ExactSizeIterator<Item = StepSample>) -> Self {
        let first = samples.len().saturating_sub(CAPACITY);
        let samples: Vec<_> = samples.skip(first).collect();
        let mut trace = Self { first, ..Self::default() };
        let (mut ms, mut tokens) = (0.0, 0_u32);
        for (index, sample) in samples.iter().enumerate() {
            let x = (first + index + 1) as f64;
            ms += sample.latency_ms;
            tokens += sample.tokens;
            if let Some(left) = index.checked_sub(WINDOW) {
                ms -= samples[left].latency_ms;
                tokens -= samples[left].tokens;
            }
            let throughput = if ms > 0.0 { f64::from(tokens) * 1e3 / ms } else { 0.0 };
            let mean = f64::from(tokens) / (index + 1).min(WINDOW) as f64;
            trace.latency.push(PlotPoint::new(x, sample.latency_ms));
            trace.throughput.push(PlotPoint::new(x, throughput));
            trace.tokens.push(PlotPoint::new(x, f64::from(sample.tokens)));
            trace.mean_tokens.push(PlotPoint::new(x, mean));
            trace.max_latency = trace.max_latency.max(sample.latency_ms);
            trace.max_throughput = trace.max_throughput.max(throughput);
        }
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

    pub(super) fn x_range(&self) -> RangeInclusive<f64> {
        let begin = self.first as f64;
        // Room at the end for the name of the last tick.
        begin..=begin + (self.samples.len() + 1) as f64 * 1.05
    }
}

/// Inter-token latency per step, in ms.
pub fn latency_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let color = theme::color(Hue::Latency, ui.visuals());
    let line = Line::new("Inter-token latency", PlotPoints::Borrowed(&trace.latency)).color(color);
    frame("latency", "ms per step", trace, trace.max_latency)
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
        .show(ui, |plot| plot.line(line));
}

/// Tokens per second, smoothed.
pub fn throughput_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let color = theme::color(Hue::Throughput, ui.visuals());
    let line = Line::new("Tokens per second", PlotPoints::Borrowed(&trace.throughput)).color(color);
    frame("throughput", "tokens/s", trace, trace.max_throughput)
        .label_formatter(|position| {
            let (number, _) = trace.sample_at(at(position).x)?;
            let point = trace.throughput.get(number - trace.first - 1)?;
            Some(format!("Step {number}: {:.1} tokens/s\nover the last {WINDOW} steps", point.y))
        })
        .show(ui, |plot| plot.line(line));
}

/// A plot over the steps, with a floor at zero, that stands still.
pub(super) fn frame<'a>(
    id: &'static str,
    y_label: &'static str,
    trace: &StepTrace,
    max_y: f64,
) -> Plot<'a> {
    Plot::new(id)
        .height(HEIGHT)
        .min_size(vec2(0.0, HEIGHT))
        .default_x_bounds(*trace.x_range().start(), *trace.x_range().end())
        .default_y_bounds(0.0, (max_y * HEADROOM).max(1.0))
        .auto_bounds(false)
        .reset()
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .allow_axis_zoom_drag(false)
        .y_axis_label(y_label)
        .y_axis_min_width(34.0)
        .x_axis_formatter(whole)
        .set_margin_fraction(vec2(0.0, 0.0))
}

/// Steps and tokens are whole; a tick between two of them has no name.
fn whole(mark: GridMark, _range: &RangeInclusive<f64>) -> String {
    if mark.value.fract() == 0.0 && mark.value > 0.0 {
        format!("{}", mark.value)
    } else {
        String::new()
    }
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
        assert!(trace.throughput.iter().all(|point| (point.y - 150.0).abs() < 1e-6));
        assert!(trace.mean_tokens.iter().all(|point| (point.y - 3.0).abs() < 1e-6));
    }
}
