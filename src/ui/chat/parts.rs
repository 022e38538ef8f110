//! Small pieces that several parts of the page draw with.

use eframe::egui::{Event, Key, Response, RichText, Ui, WidgetText};

use crate::ui::theme;

/// Text of second rank.
pub fn muted(ui: &Ui, text: impl Into<String>) -> RichText {
    theme::muted(text, ui.visuals())
}

/// Text of second rank, small.
pub fn small(ui: &Ui, text: impl Into<String>) -> RichText {
    theme::caption(text, ui.visuals())
}

/// The title of a group of options, that says more when asked.
pub fn section(ui: &mut Ui, title: &str, tip: impl Into<WidgetText>) -> Response {
    ui.add_space(theme::TIGHT);
    theme::section(ui, title).on_hover_text(tip)
}

/// Takes a key that was pressed without Shift, Ctrl or Alt, before a field sees it.
///
/// [`InputState::consume_key`](eframe::egui::InputState::consume_key) would take it with Shift, too.
pub fn take_plain_key(ui: &Ui, wanted: Key) -> bool {
    ui.input_mut(|input| {
        let is_it = |event: &Event| {
            matches!(event, Event::Key { key, pressed: true, modifiers, .. }
                if *key == wanted && !modifiers.any())
        };
        let before = input.events.len();
        input.events.retain(|event| !is_it(event));
        input.events.len() != before
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
