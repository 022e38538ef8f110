//! Dots and intervals: one small plot a figure, one row a system.

use eframe::egui::{
    self, Align2, Color32, FontId, Rect, Role, Sense as Feel, Stroke, TextStyle, Ui, Visuals,
    WidgetInfo, pos2, vec2,
};

use crate::{
    domain::{Evaluation, Figure, Interval, Sense},
    ui::theme::{self, Hue},
};

/// Height of a system's row.
const ROW: f32 = 22.0;
/// Room above the rows, and below them for the axis.
const HEAD: f32 = 24.0;
const FOOT: f32 = 22.0;
/// Least width of a plot.
const WIDTH: f32 = 330.0;
/// Radius of a dot.
const DOT: f32 = 4.5;
/// The share of the width that names take.
const NAMES: f32 = 0.42;

/// The colour of a system: the same in the table and in every plot.
pub(super) fn system_color(system_idx: usize, visuals: &Visuals) -> Color32 {
    theme::system_color(system_idx, visuals)
}

/// Draws a plot for each of the figures, as many beside each other as there is room for.
pub(super) fn plots_ui(
    ui: &mut Ui,
    evaluation: &Evaluation,
    figures: impl Iterator<Item = Figure>,
) {
    let room = ui.available_width();
    let n_columns = (room / (WIDTH + theme::WIDE)).floor().max(1.0);
    let width = (room - (n_columns - 1.0) * theme::WIDE) / n_columns;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(theme::WIDE, theme::GAP);
        for figure in figures {
            plot_ui(ui, evaluation, figure, width.max(WIDTH * 0.6));
        }
    });
}

fn plot_ui(ui: &mut Ui, evaluation: &Evaluation, figure: Figure, width: f32) {
    let n_systems = evaluation.systems.len();
    let height = HEAD + n_systems as f32 * ROW + FOOT;
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Feel::hover());
    let intervals: Vec<Option<Interval>> =
        (0..n_systems).map(|system_idx| evaluation.summary(system_idx, figure)).collect();
    let spoken = format!("Plot of {}", figure.label());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
    let visuals = ui.visuals().clone();
    let (ink, muted) = (theme::color(Hue::Text, &visuals), theme::color(Hue::Muted, &visuals));
    let (body, small) = (TextStyle::Body.resolve(ui.style()), TextStyle::Small.resolve(ui.style()));
    let painter = ui.painter().with_clip_rect(rect);
    painter.text(rect.min, Align2::LEFT_TOP, figure.label(), body, ink);
    let sense = match figure.sense() {
        Sense::Lower => "less is better",
        Sense::Higher => "more is better",
    };
    painter.text(rect.right_top(), Align2::RIGHT_TOP, sense, small.clone(), muted);
    let left = rect.left() + rect.width() * NAMES;
    let plot = Rect::from_min_max(
        pos2(left, rect.top() + HEAD),
        pos2(rect.right() - 6.0, rect.bottom() - FOOT),
    );
    let (low, high) = reach(figure, &intervals);
    let place = |value: f64| {
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0) as f32;
        plot.left() + share * plot.width()
    };
    let line = theme::color(Hue::Line, &visuals);
    for (share, align) in
        [(0.0, Align2::LEFT_TOP), (0.5, Align2::CENTER_TOP), (1.0, Align2::RIGHT_TOP)]
    {
        let value = low + share * (high - low);
        painter.vline(place(value), plot.y_range(), Stroke::new(1.0, line));
        let at = pos2(place(value), plot.bottom() + 3.0);
        painter.text(at, align, figure.show(value), FontId::monospace(10.5), muted);
    }
    for (system_idx, (system, interval)) in evaluation.systems.iter().zip(&intervals).enumerate() {
        let y = plot.top() + (system_idx as f32 + 0.5) * ROW;
        let color = system_color(system_idx, &visuals);
        let name = pos2(rect.left(), y);
        let room = Rect::from_min_max(rect.min, pos2(left - theme::GAP, rect.bottom()));
        let names = painter.with_clip_rect(room);
        names.text(name, Align2::LEFT_CENTER, system.to_string(), small.clone(), ink);
        let Some(Interval { mean, half_width, .. }) = *interval else {
            painter.text(pos2(left, y), Align2::LEFT_CENTER, "not measured", small.clone(), muted);
            continue;
        };
        if let Some(half) = half_width {
            let ends = egui::Rangef::new(place(mean - half), place(mean + half));
            painter.hline(ends, y, Stroke::new(2.0, color));
        }
        painter.circle_filled(pos2(place(mean), y), DOT, color);
    }
    response.on_hover_ui(|ui| {
        ui.label(figure.meaning());
        for (system, interval) in evaluation.systems.iter().zip(&intervals) {
            if let Some(Interval { mean, half_width, .. }) = interval {
                let half = half_width.map(|half| format!(" ± {}", figure.show(half)));
                ui.label(format!("{system}: {}{}", figure.show(*mean), half.unwrap_or_default()));
            }
        }
    });
}

/// From where to where an axis goes: all intervals, with some air.
fn reach(figure: Figure, intervals: &[Option<Interval>]) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for interval in intervals.iter().flatten() {
        let half = interval.half_width.unwrap_or(0.0);
        low = low.min(interval.mean - half);
        high = high.max(interval.mean + half);
    }
    if !low.is_finite() {
        return (0.0, 1.0);
    }
    let air = ((high - low) * 0.08).max(high.abs() * 0.01).max(figure.least_step());
    // No figure is below zero, whatever its interval.
    ((low - air).max(0.0), high + air)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_width_and_holds_every_dot() {
        let of = |mean, half_width| Some(Interval { mean, half_width, n: 2 });
        assert_eq!(reach(Figure::Rtf, &[None]), (0.0, 1.0));
        let (low, high) = reach(Figure::Rtf, &[of(1.0, Some(3.0)), of(2.0, None)]);
        assert!(low == 0.0 && high > 4.0);
        let (low, high) = reach(Figure::Rtf, &[of(0.0, None)]);
        assert!(low < high);
    }
}
