//! What the panels over one time base have in common: frame, axes, cursors and the time ruler.

use eframe::egui::{
    self, Align2, Color32, CornerRadius, FontId, Painter, Pos2, Rangef, Rect, Stroke, StrokeKind,
    TextStyle, Ui, epaint::TextShape, pos2, vec2,
};

use super::time_axis::{Ticks, TimeAxis};
use crate::ui::theme::{self, Hue};

/// Room for a y axis at the left of each panel.
pub const LEFT_GUTTER: f32 = 66.0;

/// Room for a second y axis and a colour bar at the right of each panel.
pub const RIGHT_GUTTER: f32 = 76.0;

/// Height of the time ruler below the panels: ticks, numbers and the title.
pub const RULER_HEIGHT: f32 = 34.0;

/// Length of a tick.
const TICK: f32 = 4.0;

/// Room that a number needs on the time ruler.
const TIME_LABEL_WIDTH: f32 = 64.0;

/// Room that a number needs on a y axis.
pub const Y_LABEL_HEIGHT: f32 = 15.0;

/// Colours and type of axes in the look that is on, fetched once a frame.
#[derive(Debug, Clone)]
pub struct Ink {
    /// Text of first rank.
    pub text: Color32,
    /// Numbers and titles.
    pub muted: Color32,
    /// Hairlines.
    pub line: Color32,
    /// What panels stand on.
    pub ground: Color32,
    /// Selections.
    pub accent: Color32,
    /// The play cursor.
    pub playhead: Color32,
    /// Its outline.
    pub playhead_edge: Color32,
    /// Numbers and titles.
    pub small: FontId,
    /// Labels of intervals.
    pub body: FontId,
}

impl Ink {
    /// The ink of a `Ui`'s look.
    pub fn of(ui: &Ui) -> Self {
        let visuals = ui.visuals();
        Self {
            text: theme::color(Hue::Text, visuals),
            muted: theme::color(Hue::Muted, visuals),
            line: theme::color(Hue::Line, visuals),
            ground: theme::color(Hue::Field, visuals),
            accent: theme::color(Hue::Accent, visuals),
            playhead: theme::color(Hue::Playhead, visuals),
            playhead_edge: theme::color(Hue::Field, visuals),
            small: TextStyle::Small.resolve(ui.style()),
            body: TextStyle::Body.resolve(ui.style()),
        }
    }
}

/// The part of a panel between its gutters.
pub fn plot_rect(panel: Rect) -> Rect {
    let right = (panel.right() - RIGHT_GUTTER).max(panel.left() + LEFT_GUTTER + 1.0);
    Rect::from_min_max(pos2(panel.left() + LEFT_GUTTER, panel.top()), pos2(right, panel.bottom()))
}

/// Paints what a panel stands on.
pub fn paint_ground(painter: &Painter, plot: Rect, ink: &Ink) {
    painter.rect_filled(plot, CornerRadius::ZERO, ink.ground);
}

/// Paints a panel's frame, over its content.
pub fn paint_frame(painter: &Painter, plot: Rect, ink: &Ink) {
    painter.rect_stroke(plot, CornerRadius::ZERO, Stroke::new(1.0, ink.line), StrokeKind::Outside);
}

/// Paints the title of a y axis, upright at the far left of its panel.
pub fn paint_y_title(painter: &Painter, panel: Rect, title: &str, ink: &Ink) {
    let galley = painter.layout_no_wrap(title.to_owned(), ink.small.clone(), ink.muted);
    if galley.size().x > panel.height() {
        return;
    }
    let at = pos2(panel.left() + galley.size().y / 2.0, panel.center().y);
    let quarter = -std::f32::consts::FRAC_PI_2;
    let shape = TextShape::new(at - galley.size() / 2.0, galley, ink.muted);
    painter.add(shape.with_angle_and_anchor(quarter, Align2::CENTER_CENTER));
}

/// On which side of a plot a y axis stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left of it.
    Left,
    /// Right of it.
    Right,
}

/// Paints one tick of a y axis; one whose number would stick out keeps inside.
pub fn paint_y_tick(painter: &Painter, plot: Rect, side: Side, y: f32, label: &str, ink: &Ink) {
    let (edge, outwards, anchor) = match side {
        Side::Left => (plot.left(), -1.0, Align2::RIGHT_CENTER),
        Side::Right => (plot.right(), 1.0, Align2::LEFT_CENTER),
    };
    let tick = Rangef::new(edge, edge + outwards * TICK).as_positive();
    painter.hline(tick, y, Stroke::new(1.0, ink.line));
    let half = Y_LABEL_HEIGHT / 2.0 - 1.0;
    let text_y = y.clamp(plot.top() + half, (plot.bottom() - half).max(plot.top() + half));
    let at = pos2(edge + outwards * (TICK + 2.0), text_y);
    painter.text(at, anchor, label, ink.small.clone(), ink.muted);
}

/// Paints a linear y axis with round numbers, and faint lines across the plot.
pub fn paint_y_axis(painter: &Painter, plot: Rect, values: TimeAxis, ink: &Ink) {
    let max_ticks = ((plot.height() / (1.25 * Y_LABEL_HEIGHT)) as usize).max(2);
    let ticks = Ticks::new(values.start, values.end, max_ticks);
    for value in ticks.values() {
        let y = values.to_screen(value, upwards(plot));
        painter.hline(plot.x_range(), y, Stroke::new(1.0, ink.line.gamma_multiply(0.5)));
        paint_y_tick(painter, plot, Side::Left, y, &ticks.label(value), ink);
    }
}

/// The y range of a plot from its bottom to its top.
pub fn upwards(plot: Rect) -> Rangef {
    Rangef::new(plot.bottom(), plot.top())
}

/// Paints the time ruler below the panels.
pub fn paint_ruler(painter: &Painter, ruler: Rect, axis: TimeAxis, ink: &Ink) {
    let plot = plot_rect(ruler);
    let max_ticks = (plot.width() / TIME_LABEL_WIDTH) as usize;
    if max_ticks > 0 {
        let ticks = Ticks::new(axis.start, axis.end, max_ticks);
        for secs in ticks.values() {
            let x = axis.to_screen(secs, plot.x_range());
            let tick = Rangef::new(ruler.top(), ruler.top() + TICK);
            painter.vline(x, tick, Stroke::new(1.0, ink.muted));
            let at = pos2(x, ruler.top() + TICK);
            painter.text(at, Align2::CENTER_TOP, ticks.label(secs), ink.small.clone(), ink.muted);
        }
    }
    let at = pos2(plot.center().x, ruler.bottom());
    painter.text(at, Align2::CENTER_BOTTOM, "Time (s)", ink.small.clone(), ink.muted);
}

/// Paints a selected stretch over a plot.
pub fn paint_selection(painter: &Painter, plot: Rect, x: Rangef, ink: &Ink) {
    let x = Rangef::new(x.min.max(plot.left()), x.max.min(plot.right()));
    if x.min >= x.max {
        return;
    }
    let rect = Rect::from_x_y_ranges(x, plot.y_range());
    painter.rect_filled(rect, CornerRadius::ZERO, ink.accent.gamma_multiply(0.15));
    for edge in [x.min, x.max] {
        painter.vline(edge, plot.y_range(), Stroke::new(1.0, ink.accent));
    }
}

/// Paints the line under the pointer.
pub fn paint_hover(painter: &Painter, plot: Rect, x: f32, ink: &Ink) {
    if plot.x_range().contains(x) {
        painter.vline(x, plot.y_range(), Stroke::new(1.0, ink.muted));
    }
}

/// Paints the play cursor in two tones, so that it is seen on any colour map.
pub fn paint_playhead(painter: &Painter, plot: Rect, x: f32, ink: &Ink) {
    if plot.x_range().contains(x) {
        painter.vline(x, plot.y_range(), Stroke::new(4.0, ink.playhead_edge));
        painter.vline(x, plot.y_range(), Stroke::new(2.0, ink.playhead));
    }
}

/// Paints the play cursor's handle on the time ruler.
pub fn paint_playhead_handle(painter: &Painter, ruler: Rect, x: f32, ink: &Ink) {
    if !plot_rect(ruler).x_range().contains(x) {
        return;
    }
    let tip = pos2(x, ruler.top());
    let half = vec2(5.0, 0.0);
    let down = vec2(0.0, 7.0);
    let points: Vec<Pos2> = vec![tip, tip + down + half, tip + down - half];
    let edge = Stroke::new(1.0, ink.playhead_edge);
    painter.add(egui::Shape::convex_polygon(points, ink.playhead, edge));
}
