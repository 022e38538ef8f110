//! Small pieces that several parts of the page draw with.

use eframe::egui::{Button, Response, RichText, TextStyle, Ui, WidgetText};

use crate::ui::theme::{self, Hue};

/// A button that is only a sign; its name is in the tooltip and for the screen reader.
pub fn icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    icon_button_or_why(ui, icon, name, None)
}

/// A button that is only a sign, with the reason if it cannot be used.
pub fn icon_button_or_why(ui: &mut Ui, icon: &str, name: &str, why_not: Option<&str>) -> Response {
    let icon = RichText::new(icon).color(theme::color(Hue::Muted, ui.visuals()));
    let button = Button::new(icon).frame(true).frame_when_inactive(false);
    let response = ui.add_enabled(why_not.is_none(), button).accessible_name(name);
    match why_not {
        Some(why) => response.on_disabled_hover_text(format!("{name}: {why}")),
        None => response.on_hover_text(name),
    }
}

/// Text of second rank.
pub fn muted(ui: &Ui, text: impl Into<String>) -> RichText {
    RichText::new(text).color(theme::color(Hue::Muted, ui.visuals()))
}

/// Text of second rank, small.
pub fn small(ui: &Ui, text: impl Into<String>) -> RichText {
    muted(ui, text).text_style(TextStyle::Small)
}

/// A heading within a panel, that says more when asked.
pub fn section(ui: &mut Ui, title: &str, tip: impl Into<WidgetText>) {
    ui.add_space(ui.spacing().item_spacing.y);
    ui.label(RichText::new(title).strong()).on_hover_text(tip);
}

/// A whole number with its thousands set apart.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A size in megabytes, as people who download speak of it.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
