//! Tokens per decode step: how much speculation brings, step by step and smoothed.

use eframe::egui::Ui;
use egui_plot::{HLine, Line, LineStyle, PlotPoints, Points};

use super::latency_plot::{HEIGHT, StepTrace, WINDOW, at, frame};
use crate::ui::{
    theme::{self, Hue},
    units,
};

/// Height of the name of the x axis, in points.
const LABEL_HEIGHT: f32 = 16.0;

/// Radius of one step's dot, in points.
const DOT: f32 = 1.2;

/// Tokens of each step as dots, and their mean over a window as a line; without speculation all
/// stand at one.
pub fn acceptance_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let drafted = theme::color(Hue::Drafted, ui.visuals());
    let muted = theme::color(Hue::Muted, ui.visuals());
    let max = trace.samples.iter().map(|sample| sample.tokens).max().unwrap_or(1).max(2);
    frame("acceptance", "tokens/step", trace, f64::from(max))
        // The axis is that of the plots above, too.
        .x_axis_label("decode step")
        .height(HEIGHT + LABEL_HEIGHT)
        .label_formatter(|position| {
            let (number, sample) = trace.sample_at(at(position).x)?;
            let mean = trace.mean_tokens.get(number - trace.first - 1)?.y;
            let counts = match sample.drafted {
                0 => "no draft".to_owned(),
                drafted => format!("{} of {drafted} drafted tokens accepted", sample.accepted),
            };
            Some(format!(
                "Step {number}: {}\n{counts}\n{mean:.2} tokens/step over the last {WINDOW}",
                units::count(sample.tokens as usize, "token")
            ))
        })
        .show(ui, |plot| {
            plot.hline(
                HLine::new("One token per step", 1.0)
                    .color(muted)
                    .width(1.0)
                    .style(LineStyle::dashed_loose()),
            );
            plot.points(
                Points::new("Tokens of each step", PlotPoints::Borrowed(&trace.tokens))
                    .color(drafted.gamma_multiply(0.5))
                    .radius(DOT),
            );
            plot.line(
                Line::new("Mean tokens per step", PlotPoints::Borrowed(&trace.mean_tokens))
                    .color(drafted)
                    .width(2.0),
            );
        });
}
