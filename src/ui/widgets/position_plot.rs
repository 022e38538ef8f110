//! How often drafts stand to each of their tokens: the first is the easiest to guess.

use eframe::egui::{TextStyle, Ui, vec2};
use egui_plot::{AxisHints, Bar, BarChart, GridMark, HoverPosition};

use super::latency_plot::still;
use crate::ui::theme::{self, Hue};

/// Height of the plot, in points.
const HEIGHT: f32 = 96.0;

/// Room for the percentages, in points: that of the plots above.
const Y_AXIS_WIDTH: f32 = 46.0;

/// Width of a bar, as a share of its place.
const BAR_WIDTH: f64 = 0.64;

/// Bars that are drawn at least, so that one position is not as wide as the plot.
const LEAST_POSITIONS: usize = 4;

/// Draws a bar for each position of a draft.
///
/// * `accepted_by_position`: drafts that stood at least so far, the first position first.
/// * `drafts`: drafts in all.
pub fn position_plot_ui(ui: &mut Ui, accepted_by_position: &[usize], drafts: usize) {
    let color = theme::color(Hue::Drafted, ui.visuals());
    let share = |accepted: usize| 1e2 * accepted as f64 / drafts.max(1) as f64;
    let bars = accepted_by_position.iter().enumerate().map(|(at, accepted)| {
        Bar::new((at + 1) as f64, share(*accepted)).width(BAR_WIDTH).fill(color)
    });
    let chart = BarChart::new("Accepted by position", bars.collect()).allow_hover(false);
    let font = TextStyle::Small.resolve(ui.style());
    let x_axis = AxisHints::new_x().label("position in the draft").formatter(
        |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
            let is_position = mark.value >= 1.0 && mark.value.fract() == 0.0;
            if is_position { format!("{}", mark.value) } else { String::new() }
        },
    );
    let y_axis = AxisHints::new_y()
        .label("% of drafts")
        .min_thickness(Y_AXIS_WIDTH)
        .formatter(|mark: GridMark, _: &std::ops::RangeInclusive<f64>| format!("{}", mark.value));
    let n_positions = accepted_by_position.len().max(LEAST_POSITIONS);
    let step = n_positions.div_ceil(8);
    still("acceptance by position")
        .height(HEIGHT)
        .min_size(vec2(0.0, HEIGHT))
        .default_x_bounds(0.5, n_positions as f64 + 0.5)
        .default_y_bounds(0.0, 100.0)
        .custom_x_axes(vec![x_axis.tick_label_font(font.clone())])
        .custom_y_axes(vec![y_axis.tick_label_font(font)])
        .x_grid_spacer(move |_| marks(1, n_positions, step))
        .y_grid_spacer(|_| marks(0, 100, 50))
        .set_margin_fraction(vec2(0.0, 0.0))
        .label_formatter(|position| {
            let (HoverPosition::NearDataPoint { position, .. }
            | HoverPosition::Elsewhere { position }) = position;
            let at = position.x.round().max(1.0) as usize;
            let accepted = *accepted_by_position.get(at - 1)?;
            Some(format!(
                "Position {at}: {accepted} of {drafts} drafts stood to it ({:.0} %)",
                share(accepted)
            ))
        })
        .show(ui, |plot| plot.bar_chart(chart));
}

/// Whole numbers that have a tick.
fn marks(first: usize, last: usize, step: usize) -> Vec<GridMark> {
    let mark = |at: usize| GridMark { value: at as f64, step_size: step as f64 };
    (first..=last).step_by(step).map(mark).collect()
}
