//! A bar that shows real progress and nothing else: no animation, no guess.

use eframe::egui::{self, Rect, Role, Sense, WidgetInfo, vec2};

use crate::ui::theme::{self, Hue};

/// Thickness of the bar.
const HEIGHT: f32 = 6.0;

/// A bar of `width`, filled up to `fraction`; where that is unknown the track stays empty and the
/// text beside it has to say what is known.
pub fn progress_ui(
    ui: &mut egui::Ui,
    name: &str,
    width: f32,
    fraction: Option<f32>,
) -> egui::Response {
    let height = ui.text_style_height(&egui::TextStyle::Body);
    let (space, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let track = Rect::from_center_size(space.center(), vec2(width, HEIGHT));
    let radius = HEIGHT / 2.0;
    ui.painter().rect_filled(track, radius, theme::color(Hue::Control, ui.visuals()));
    if let Some(fraction) = fraction {
        let share = fraction.clamp(0.0, 1.0);
        // A sliver narrower than its own rounding would be drawn as a stray dot.
        let filled = (share * width).max(if share > 0.0 { HEIGHT } else { 0.0 });
        let done = Rect::from_min_size(track.min, vec2(filled, HEIGHT));
        ui.painter().rect_filled(done, radius, theme::color(Hue::Accent, ui.visuals()));
    }
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ProgressIndicator, true, name);
        info.value = fraction.map(|fraction| f64::from(fraction * 100.0).floor());
        info
    });
    response
}
