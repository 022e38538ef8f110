//! Buttons that are only a sign: line drawings, sharp at every scale and in either look.

use eframe::egui::{
    CornerRadius, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, Widget,
    WidgetInfo, pos2, vec2,
};

use crate::ui::theme::{self, Hue};

/// Side of a sign, in points.
const SIDE: f32 = 13.0;

/// Thickness of its lines.
const LINE: f32 = 1.3;

/// What a button shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A cross.
    Close,
    /// Two sheets.
    Copy,
    /// A pencil.
    Edit,
    /// A bin.
    Delete,
    /// An arrow in a circle.
    Again,
    /// A loudspeaker.
    Read,
    /// A corner to the left.
    Previous,
    /// A corner to the right.
    Next,
    /// Lines of a list.
    List,
    /// Sliders.
    Options,
    /// An arrow out of a tray.
    Export,
    /// A die.
    Dice,
}

/// A button with a sign; its name is in the tooltip and for the screen reader.
pub fn icon_button(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    icon_button_or_why(ui, icon, name, None)
}

/// A button with a sign, and the reason if it cannot be used.
pub fn icon_button_or_why(ui: &mut Ui, icon: Icon, name: &str, why_not: Option<&str>) -> Response {
    let response = ui.add_enabled(why_not.is_none(), IconButton { icon, name });
    match why_not {
        Some(why) => response.on_disabled_hover_text(format!("{name}: {why}")),
        None => response.on_hover_text(name),
    }
}

struct IconButton<'a> {
    icon: Icon,
    name: &'a str,
}

impl Widget for IconButton<'_> {
    fn ui(self, ui: &mut Ui) -> Response {
        let size = Vec2::splat(SIDE + 2.0 * theme::TIGHT);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        // Its keys are no part of its name.
        let name = self.name.split(" (").next().unwrap_or_default();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
        if ui.is_rect_visible(rect) {
            let visuals = ui.visuals();
            let radius = CornerRadius::same(theme::RADIUS - 2);
            let is_lit = response.hovered() || response.is_pointer_button_down_on();
            if is_lit {
                ui.painter().rect_filled(rect, radius, visuals.widgets.hovered.bg_fill);
            }
            if response.has_focus() {
                let ring = visuals.widgets.active.bg_stroke;
                ui.painter().rect_stroke(rect, radius, ring, StrokeKind::Inside);
            }
            let ink = theme::color(if is_lit { Hue::Text } else { Hue::Muted }, visuals);
            let sign = Rect::from_center_size(rect.center(), Vec2::splat(SIDE));
            draw(ui.painter(), sign, self.icon, Stroke::new(LINE, ink));
        }
        response
    }
}

fn draw(painter: &Painter, rect: Rect, icon: Icon, stroke: Stroke) {
    let at = |x: f32, y: f32| rect.min + vec2(x, y) * rect.width();
    let line = |points: &[(f32, f32)]| {
        let points: Vec<Pos2> = points.iter().map(|(x, y)| at(*x, *y)).collect();
        painter.line(points, stroke);
    };
    let frame = |(left, top): (f32, f32), (right, bottom): (f32, f32)| {
        let rect = Rect::from_min_max(at(left, top), at(right, bottom));
        painter.rect_stroke(rect, CornerRadius::same(2), stroke, StrokeKind::Middle);
    };
    match icon {
        Icon::Close => {
            line(&[(0.18, 0.18), (0.82, 0.82)]);
            line(&[(0.82, 0.18), (0.18, 0.82)]);
        }
        Icon::Copy => {
            frame((0.36, 0.34), (0.94, 0.96));
            line(&[(0.2, 0.68), (0.06, 0.68), (0.06, 0.06), (0.64, 0.06), (0.64, 0.18)]);
        }
        Icon::Edit => {
            line(&[(0.06, 0.94), (0.12, 0.7), (0.72, 0.1), (0.9, 0.28), (0.3, 0.88), (0.06, 0.94)]);
            line(&[(0.58, 0.24), (0.76, 0.42)]);
        }
        Icon::Delete => {
            line(&[(0.06, 0.22), (0.94, 0.22)]);
            line(&[(0.36, 0.22), (0.36, 0.06), (0.64, 0.06), (0.64, 0.22)]);
            line(&[(0.18, 0.22), (0.24, 0.94), (0.76, 0.94), (0.82, 0.22)]);
        }
        Icon::Again => {
            let radius = 0.38 * rect.width();
            let arc = |degrees: f32| rect.center() + radius * Vec2::angled(degrees.to_radians());
            painter
                .line((-40..=250).step_by(10).map(|degrees| arc(degrees as f32)).collect(), stroke);
            let tip = arc(-40.0);
            let part = |x: f32, y: f32| pos2(tip.x + x * rect.width(), tip.y + y * rect.width());
            painter.line(vec![part(-0.28, -0.02), tip, part(0.06, -0.28)], stroke);
        }
        Icon::Read => {
            line(&[
                (0.04, 0.36),
                (0.22, 0.36),
                (0.46, 0.14),
                (0.46, 0.86),
                (0.22, 0.64),
                (0.04, 0.64),
                (0.04, 0.36),
            ]);
            line(&[(0.64, 0.34), (0.72, 0.5), (0.64, 0.66)]);
            line(&[(0.8, 0.2), (0.94, 0.5), (0.8, 0.8)]);
        }
        Icon::Previous => line(&[(0.62, 0.14), (0.3, 0.5), (0.62, 0.86)]),
        Icon::Next => line(&[(0.38, 0.14), (0.7, 0.5), (0.38, 0.86)]),
        Icon::List => {
            for y in [0.2, 0.5, 0.8] {
                line(&[(0.04, y), (0.14, y)]);
                line(&[(0.32, y), (0.96, y)]);
            }
        }
        Icon::Options => {
            for (y, knob) in [(0.18, 0.68), (0.5, 0.32), (0.82, 0.6)] {
                line(&[(0.02, y), (knob - 0.13, y)]);
                line(&[(knob + 0.13, y), (0.98, y)]);
                painter.circle_stroke(at(knob, y), 0.13 * rect.width(), stroke);
            }
        }
        Icon::Export => {
            line(&[(0.06, 0.56), (0.06, 0.94), (0.94, 0.94), (0.94, 0.56)]);
            line(&[(0.5, 0.68), (0.5, 0.04)]);
            line(&[(0.26, 0.28), (0.5, 0.04), (0.74, 0.28)]);
        }
        Icon::Dice => {
            frame((0.06, 0.06), (0.94, 0.94));
            for (x, y) in [(0.3, 0.3), (0.5, 0.5), (0.7, 0.7)] {
                painter.circle_filled(at(x, y), 0.07 * rect.width(), stroke.color);
            }
        }
    }
}
