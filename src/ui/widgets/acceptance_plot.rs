//! Tokens per decode step: how much speculation brings, step by step and smoothed.

use eframe::egui::Ui;
use egui_plot::{HLine, Line, LineStyle, PlotPoints, Points};

use super::latency_plot::{Labels, StepTrace, WINDOW, at, frame};
use crate::ui::{
    theme::{self, Hue},
    units,
};

/// Radius of one step's dot, in points.
const DOT: f32 = 1.2;

/// Tokens of each step as dots, and their mean over a window as a line; without speculation all
/// stand at one.
pub fn acceptance_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let drafted = theme::color(Hue::Drafted, ui.visuals());
    let muted = theme::color(Hue::Muted, ui.visuals());
    let max = trace.samples.iter().map(|sample| sample.tokens).max().unwrap_or(1).max(2);
    // The x axis is that of the plots above, too.
    let labels = Labels { x: "decode step", y: "tokens/step" };
    frame(ui, "acceptance", labels, trace, f64::from(max))
        .label_formatter(|position| {
            let (number, sample) = trace.sample_at(at(position).x)?;
            let mean = trace.mean_tokens_at(number)?;
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
                Points::new("Tokens of each step", PlotPoints::Borrowed(&trace.lines.tokens))
                    .color(drafted.gamma_multiply(0.5))
                    .radius(DOT),
            );
            plot.line(
                Line::new("Mean tokens per step", PlotPoints::Borrowed(&trace.lines.mean_tokens))
                    .color(drafted)
                    .width(2.0),
            );
        });
}
