//! The rail on the left: one place per page.

use eframe::egui::{
    self, Align2, Color32, CornerRadius, Margin, Panel, Pos2, Rect, Role, Sense, Stroke,
    StrokeKind, TextStyle, WidgetInfo, pos2, vec2,
};

use super::{
    keys,
    theme::{self, Hue},
};

/// Width with names.
const WIDE: f32 = 148.0;
/// Width with icons only.
const NARROW: f32 = 52.0;
/// Height of one place.
const PLACE: f32 = 36.0;
/// Side of an icon.
const ICON: f32 = 18.0;
/// Thickness of its lines.
const LINE: f32 = 1.5;

/// What was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// The page at this place.
    Page(usize),
    /// Narrower, or wider again.
    Width,
}

/// Where it is remembered whether names are shown.
fn narrow_id() -> egui::Id {
    egui::Id::unique("rail is narrow")
}

/// Shows names, or icons only; remembered over restarts.
pub(super) fn toggle(ctx: &egui::Context) {
    let is_narrow = is_narrow(ctx);
    ctx.data_mut(|memory| memory.insert_persisted(narrow_id(), !is_narrow));
}

fn is_narrow(ctx: &egui::Context) -> bool {
    ctx.data_mut(|memory| memory.get_persisted(narrow_id())).unwrap_or(false)
}

/// Draws the rail; `busy` tells which pages work on something.
pub(super) fn ui(
    ui: &mut egui::Ui,
    titles: &[&'static str],
    current: usize,
    busy: &[bool],
) -> Option<Pressed> {
    let is_narrow = is_narrow(ui.ctx());
    let frame = egui::Frame::new()
        .fill(theme::color(Hue::Raised, ui.visuals()))
        .inner_margin(Margin::symmetric(theme::GAP as i8, theme::PAD as i8));
    let width = if is_narrow { NARROW } else { WIDE };
    let mut pressed = None;
    Panel::left("rail").exact_size(width).resizable(false).frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::TIGHT;
        for (page_idx, title) in titles.iter().enumerate() {
            let mut place = Place::new(title, is_narrow);
            place.is_selected = page_idx == current;
            place.is_busy = busy.get(page_idx).copied().unwrap_or_default();
            let way = keys::way(|way| way.title == *title);
            place.tooltip = way.map_or_else(
                || (*title).to_owned(),
                |way| format!("{title} ({})", keys::text(way.shortcut())),
            );
            if ui.push_id(title, |ui| place.ui(ui)).inner.clicked() {
                pressed = Some(Pressed::Page(page_idx));
            }
        }
        ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
            let name = if is_narrow { "Expand" } else { "Collapse" };
            let mut place = Place::new(name, is_narrow);
            place.tooltip = format!("{name} the rail (Ctrl+B)");
            if place.ui(ui).clicked() {
                pressed = Some(Pressed::Width);
            }
        });
    });
    pressed
}

/// One place on the rail.
struct Place<'a> {
    title: &'a str,
    tooltip: String,
    is_selected: bool,
    is_busy: bool,
    is_narrow: bool,
}

impl<'a> Place<'a> {
    fn new(title: &'a str, is_narrow: bool) -> Self {
        Self { title, tooltip: String::new(), is_selected: false, is_busy: false, is_narrow }
    }

    fn ui(self, ui: &mut egui::Ui) -> egui::Response {
        let (rect, response) =
            ui.allocate_exact_size(vec2(ui.available_width(), PLACE), Sense::click());
        response
            .widget_info(|| WidgetInfo::selected(Role::Tab, true, self.is_selected, self.title));
        let visuals = ui.visuals();
        let painter = ui.painter();
        let radius = CornerRadius::same(theme::RADIUS);
        if self.is_selected {
            painter.rect_filled(rect, radius, visuals.selection.bg_fill);
        } else if response.hovered() {
            painter.rect_filled(rect, radius, visuals.widgets.hovered.bg_fill);
        }
        if response.has_focus() {
            let ring = visuals.widgets.active.bg_stroke;
            painter.rect_stroke(rect, radius, ring, StrokeKind::Inside);
        }
        let ink = if self.is_selected {
            visuals.selection.stroke.color
        } else {
            theme::color(Hue::Text, visuals)
        };
        let left = if self.is_narrow { (rect.width() - ICON) / 2.0 } else { theme::GAP };
        let corner = pos2(rect.left() + left, rect.center().y - ICON / 2.0);
        let icon_rect = Rect::from_min_size(corner, vec2(ICON, ICON));
        icon(painter, icon_rect, self.title, ink);
        if !self.is_narrow {
            let at = pos2(icon_rect.right() + theme::GAP + 2.0, rect.center().y);
            let font = TextStyle::Body.resolve(ui.style());
            painter.text(at, Align2::LEFT_CENTER, self.title, font, ink);
        }
        if self.is_busy {
            let at = if self.is_narrow {
                pos2(icon_rect.right() + 3.0, icon_rect.top() - 1.0)
            } else {
                pos2(rect.right() - theme::PAD, rect.center().y)
            };
            painter.circle_filled(at, 3.0, theme::color(Hue::Accent, visuals));
        }
        response.on_hover_text(self.tooltip)
    }
}

/// Line drawings, so that they are sharp at every scale and follow the look.
fn icon(painter: &egui::Painter, rect: Rect, title: &str, ink: Color32) {
    let stroke = Stroke::new(LINE, ink);
    let at = |x: f32, y: f32| rect.min + vec2(x, y) * rect.width();
    let line = |points: &[Pos2]| {
        painter.line(points.to_vec(), stroke);
    };
    match title {
        "Speak" => {
            for (x, half) in [(0.1, 0.12), (0.3, 0.3), (0.5, 0.46), (0.7, 0.24), (0.9, 0.1)] {
                line(&[at(x, 0.5 - half), at(x, 0.5 + half)]);
            }
        }
        "Chat" => {
            let bubble = Rect::from_min_max(at(0.04, 0.1), at(0.96, 0.72));
            painter.rect_stroke(bubble, CornerRadius::same(4), stroke, StrokeKind::Middle);
            line(&[at(0.26, 0.72), at(0.26, 0.94), at(0.5, 0.72)]);
            line(&[at(0.26, 0.34), at(0.74, 0.34)]);
            line(&[at(0.26, 0.5), at(0.56, 0.5)]);
        }
        "Evaluate" => {
            // Dots with their intervals.
            for (y, from, dot, to) in
                [(0.18, 0.1, 0.32, 0.54), (0.5, 0.4, 0.66, 0.92), (0.82, 0.2, 0.46, 0.72)]
            {
                line(&[at(from, y), at(to, y)]);
                painter.circle_filled(at(dot, y), 0.11 * rect.width(), ink);
            }
        }
        "Models" => {
            line(&[at(0.5, 0.06), at(0.96, 0.3), at(0.5, 0.54), at(0.04, 0.3), at(0.5, 0.06)]);
            line(&[at(0.04, 0.5), at(0.5, 0.74), at(0.96, 0.5)]);
            line(&[at(0.04, 0.7), at(0.5, 0.94), at(0.96, 0.7)]);
        }
        "Settings" => {
            for (y, knob) in [(0.18, 0.68), (0.5, 0.32), (0.82, 0.6)] {
                line(&[at(0.04, y), at(knob - 0.13, y)]);
                line(&[at(knob + 0.13, y), at(0.96, y)]);
                painter.circle_stroke(at(knob, y), 0.13 * rect.width(), stroke);
            }
        }
        "Collapse" => line(&[at(0.62, 0.22), at(0.34, 0.5), at(0.62, 0.78)]),
        "Expand" => line(&[at(0.38, 0.22), at(0.66, 0.5), at(0.38, 0.78)]),
        _ => {
            painter.circle_stroke(rect.center(), 0.3 * rect.width(), stroke);
        }
    }
}
