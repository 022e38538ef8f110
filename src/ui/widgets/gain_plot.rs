//! What speculation was expected to bring, and what it brought.

use eframe::egui::Ui;
use egui_plot::{HLine, Line, LineStyle, PlotPoints};

use super::latency_plot::{Labels, StepTrace, WINDOW, at, frame};
use crate::ui::theme::{self, Hue};

/// Whether there is anything to draw.
pub fn has_gains(trace: &StepTrace) -> bool {
    !trace.gains.is_empty()
}

/// Expected and real speed of each step, smoothed, in that of steps without a draft.
pub fn gain_plot_ui(ui: &mut Ui, trace: &StepTrace) {
    let [expected, real, muted] =
        [Hue::Warn, Hue::Good, Hue::Muted].map(|hue| theme::color(hue, ui.visuals()));
    let max = trace.gains.iter().map(|(expected, real)| expected.max(*real)).fold(2.0, f64::max);
    frame(ui, "gain", Labels { x: "decode step", y: "× plain" }, trace, max)
        .label_formatter(|position| {
            let (number, sample) = trace.sample_at(at(position).x)?;
            let (expected, real) = trace.gains.get(number - trace.first - 1)?;
            let drafted = match sample.drafted {
                0 => "nothing drafted".to_owned(),
                drafted => format!("{drafted} drafted"),
            };
            Some(format!(
                "Step {number}, {drafted}\nexpected {expected:.2}×, real {real:.2}×\nover the last {WINDOW} steps"
            ))
        })
        .show(ui, |plot| {
            plot.hline(
                HLine::new("As without a draft", 1.0)
                    .color(muted)
                    .width(1.0)
                    .style(LineStyle::dashed_loose()),
            );
            let line = Line::new("Expected", PlotPoints::Borrowed(&trace.lines.expected));
            plot.line(line.color(expected).style(LineStyle::dashed_dense()));
            let line = Line::new("Real", PlotPoints::Borrowed(&trace.lines.real));
            plot.line(line.color(real));
        });
}
