//! The command palette: everything that can be done, found by a few letters.

use eframe::egui::{
    self, Align2, FontId, Key, Modifiers, Rect, Role, Sense, TextStyle, WidgetInfo, vec2,
};

use super::{PageCommand, keys, theme, theme::Hue};

/// Width of the palette.
const WIDTH: f32 = 560.0;
/// Height of one command.
const ROW: f32 = 30.0;
/// Distance from the upper edge of the window.
const TOP: f32 = 72.0;

/// Whose command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The window's own.
    Window,
    /// The page at this place on the rail.
    Page(usize),
}

/// One command with what is needed to show and to do it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Whose it is.
    pub(super) owner: Owner,
    /// The page's title, or the window's.
    pub(super) group: &'static str,
    /// The command.
    pub(super) command: PageCommand,
}

/// The palette while it is open.
#[derive(Default)]
pub(super) struct Palette {
    query: String,
    selected: usize,
    /// What had the keyboard's focus before.
    focus_before: Option<egui::Id>,
    is_new: bool,
}

/// What the user did with the palette.
pub(super) enum Answer {
    /// Nothing yet.
    StillOpen,
    /// Went away.
    Closed,
    /// Chose a command.
    Chosen(Owner, &'static str),
}

impl Palette {
    /// A palette that gives the focus back when it closes.
    pub(super) fn open(ctx: &egui::Context) -> Self {
        let focus_before = ctx.memory(egui::Memory::focused);
        Self { focus_before, is_new: true, ..Self::default() }
    }

    /// Draws the palette over everything else.
    pub(super) fn ui(&mut self, ctx: &egui::Context, entries: &[Entry]) -> Answer {
        let found = search(entries, &self.query);
        self.selected = self.selected.min(found.len().saturating_sub(1));
        let step = ctx.input_mut(|input| {
            i32::from(input.consume_key(Modifiers::NONE, Key::ArrowDown))
                - i32::from(input.consume_key(Modifiers::NONE, Key::ArrowUp))
        });
        if step != 0 && !found.is_empty() {
            let n_found = found.len() as i32;
            self.selected = (self.selected as i32 + step).rem_euclid(n_found) as usize;
        }
        let entered = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
        let mut chosen = entered.then(|| found.get(self.selected).copied()).flatten();
        let id = egui::Id::unique("command palette");
        let area = egui::Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, TOP));
        let response = egui::Modal::new(id).area(area).show(ctx, |ui| {
            ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
            self.field_ui(ui);
            ui.add_space(theme::TIGHT);
            if let Some(clicked) = self.list_ui(ui, &found, step) {
                chosen = Some(clicked);
            }
        });
        self.is_new = false;
        let chosen = chosen.filter(|entry| entry.command.disabled.is_none());
        if chosen.is_none() && !response.should_close() {
            return Answer::StillOpen;
        }
        if let Some(focus) = self.focus_before {
            ctx.memory_mut(|memory| memory.request_focus(focus));
        }
        chosen.map_or(Answer::Closed, |entry| Answer::Chosen(entry.owner, entry.command.id))
    }

    fn field_ui(&mut self, ui: &mut egui::Ui) {
        let field = egui::TextEdit::singleline(&mut self.query)
            .hint_text("Find a command")
            .desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name("Find a command");
        if field.changed() {
            self.selected = 0;
        }
        // The field keeps the focus for as long as the palette is open.
        if self.is_new || !field.has_focus() {
            field.request_focus();
        }
    }

    fn list_ui(&mut self, ui: &mut egui::Ui, found: &[Entry], step: i32) -> Option<Entry> {
        if found.is_empty() {
            ui.label(theme::muted("No command has these letters", ui.visuals()));
            return None;
        }
        let moved = step != 0;
        let height = (ui.ctx().content_rect().height() - TOP - 160.0).clamp(ROW, 12.0 * ROW);
        let mut clicked = None;
        egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (row_idx, entry) in found.iter().enumerate() {
                let is_selected = row_idx == self.selected;
                let response = ui
                    .push_id((entry.group, entry.command.id), |ui| row_ui(ui, entry, is_selected));
                let response = response.inner;
                if is_selected && moved {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    clicked = Some(*entry);
                }
            }
        });
        clicked
    }
}

fn row_ui(ui: &mut egui::Ui, entry: &Entry, is_selected: bool) -> egui::Response {
    let command = &entry.command;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let is_enabled = command.disabled.is_none();
    response.widget_info(|| {
        WidgetInfo::selected(Role::ListBoxOption, is_enabled, is_selected, command.name)
    });
    let visuals = ui.visuals();
    let inner = rect.shrink2(vec2(theme::GAP, 0.0));
    if is_selected || response.hovered() {
        let fill =
            if is_selected { visuals.selection.bg_fill } else { visuals.widgets.hovered.bg_fill };
        ui.painter().rect_filled(rect, theme::RADIUS, fill);
    }
    let quiet = if is_selected {
        visuals.selection.stroke.color
    } else {
        theme::color(Hue::Muted, visuals)
    };
    let ink = match (is_enabled, is_selected) {
        (false, _) => quiet,
        (true, true) => visuals.selection.stroke.color,
        (true, false) => theme::color(Hue::Text, visuals),
    };
    let small = TextStyle::Small.resolve(ui.style());
    let mut right = inner.right();
    if let Some(shortcut) = &command.shortcut {
        right = text_at(ui, inner, right, keys::text(*shortcut), FontId::monospace(11.5), quiet);
    }
    let group = match command.disabled {
        Some(why) => format!("{}: {why}", entry.group),
        None => entry.group.to_owned(),
    };
    text_at(ui, inner, right, group, small, quiet);
    let body = TextStyle::Body.resolve(ui.style());
    ui.painter().text(inner.left_center(), Align2::LEFT_CENTER, command.name, body, ink);
    response
}

/// Paints text that ends at `right`; returns where the next may end.
fn text_at(
    ui: &egui::Ui,
    row: Rect,
    right: f32,
    text: String,
    font: FontId,
    ink: egui::Color32,
) -> f32 {
    let at = egui::pos2(right, row.center().y);
    ui.painter().text(at, Align2::RIGHT_CENTER, text, font, ink).left() - theme::PAD
}

/// The entries that match, best first; all of them in their order for an empty query.
fn search(entries: &[Entry], query: &str) -> Vec<Entry> {
    let mut scored: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let in_name = score(entry.command.name, query);
            let in_both = score(&format!("{} {}", entry.group, entry.command.name), query);
            // The name counts more than the page it is on.
            let best = in_name.map(|score| score + 1).max(in_both)?;
            Some((best, entry.command.disabled.is_none(), *entry))
        })
        .collect();
    scored.sort_by_key(|(score, is_enabled, _)| std::cmp::Reverse((*score, *is_enabled)));
    scored.into_iter().map(|(_, _, entry)| entry).collect()
}

/// How well the letters of `query` are found in `text`, in order: beginnings of words and runs of
/// letters count more. `None` if one is missing.
fn score(text: &str, query: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut score = 0;
    let mut at = 0;
    let mut previous = None;
    for letter in query.to_lowercase().chars().filter(|letter| !letter.is_whitespace()) {
        let begins_word = |idx: usize| idx == 0 || !text[idx - 1].is_alphanumeric();
        let rest = || (at..text.len()).filter(|idx| text[*idx] == letter);
        let next = previous.map(|previous| previous + 1);
        let found = rest()
            .find(|idx| Some(*idx) == next)
            .or_else(|| rest().find(|idx| begins_word(*idx)))
            .or_else(|| rest().next())?;
        score += match (Some(found) == next, begins_word(found)) {
            (true, _) => 4,
            (false, true) => 6,
            (false, false) => 1,
        };
        previous = Some(found);
        at = found + 1;
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |group, name| Entry {
            owner: Owner::Window,
            group,
            command: PageCommand { id: name, name, shortcut: None, disabled: None },
        };
        vec![
            entry("Window", "Switch between dark and light"),
            entry("Speak", "Speak the text"),
            entry("Speak", "Stop"),
            entry("Chat", "New conversation"),
        ]
    }

    #[track_caller]
    fn check(query: &str, expected_first: Option<&str>) {
        let first = search(&entries(), query).first().map(|entry| entry.command.name);
        assert_eq!(first, expected_first);
    }

    #[test]
    fn a_few_letters_find_a_command() {
        check("dark", Some("Switch between dark and light"));
        check("sdl", Some("Switch between dark and light"));
        check("nc", Some("New conversation"));
        check("stop", Some("Stop"));
        check("chat new", Some("New conversation"));
        check("xyz", None);
    }

    #[test]
    fn an_empty_query_keeps_the_order() {
        let names: Vec<_> = search(&entries(), "").iter().map(|entry| entry.command.name).collect();
        let expected: Vec<_> = entries().iter().map(|entry| entry.command.name).collect();
        assert_eq!(names, expected);
    }
}
