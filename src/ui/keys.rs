//! The window's own commands and the one place that listens for shortcuts.

use eframe::egui::{self, Key, KeyboardShortcut, ModifierNames, Modifiers, Popup};

use super::{PageCommand, theme};

/// Opens the palette.
pub(super) const PALETTE: &str = "window.palette";
/// Opens the list of keys.
pub(super) const KEYS: &str = "window.keys";
/// Between dark and light.
pub(super) const THEME: &str = "window.theme";
/// Narrows or widens the rail.
pub(super) const RAIL: &str = "window.rail";
/// Larger.
pub(super) const ZOOM_IN: &str = "window.zoom_in";
/// Smaller.
pub(super) const ZOOM_OUT: &str = "window.zoom_out";
/// The system's size.
pub(super) const ZOOM_RESET: &str = "window.zoom_reset";
/// Ends what is running.
pub(super) const STOP: &str = "window.stop";
/// Ends reading aloud.
pub(super) const HUSH: &str = "window.hush";
/// Closes every message.
pub(super) const CLEAR: &str = "window.clear";
/// Closes the window.
pub(super) const QUIT: &str = "window.quit";

/// The way to a page.
pub(super) struct Way {
    /// Title of the page.
    pub(super) title: &'static str,
    /// Its command.
    pub(super) id: &'static str,
    /// The name of that.
    name: &'static str,
    /// Its key, with Ctrl.
    key: Key,
}

/// The ways to all pages, in the order of the rail.
static WAYS: [Way; 5] = [
    Way { title: "Speak", id: "window.speak", name: "Go to Speak", key: Key::Num1 },
    Way { title: "Evaluate", id: "window.evaluate", name: "Go to Evaluate", key: Key::Num2 },
    Way { title: "Chat", id: "window.chat", name: "Go to Chat", key: Key::Num3 },
    Way { title: "Models", id: "window.models", name: "Go to Models", key: Key::Num4 },
    Way { title: "Settings", id: "window.settings", name: "Go to Settings", key: Key::Num5 },
];

/// The way for which `holds`.
pub(super) fn way(holds: impl Fn(&Way) -> bool) -> Option<&'static Way> {
    WAYS.iter().find(|way| holds(way))
}

impl Way {
    /// Its shortcut.
    pub(super) fn shortcut(&self) -> KeyboardShortcut {
        KeyboardShortcut::new(Modifiers::COMMAND, self.key)
    }
}

/// Width of the list of keys.
const LIST_WIDTH: f32 = 480.0;

/// On most keyboards plus is above the equals sign.
const ZOOM_IN_TOO: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Equals);

/// What the window can tell about itself, so that its commands say why they cannot be done.
pub(super) struct State {
    /// Whether something runs that can be stopped.
    pub(super) busy: bool,
    /// Whether something is read aloud.
    pub(super) reading: bool,
    /// Whether a message is shown.
    pub(super) toasts: bool,
}

/// The commands that are there on every page.
pub(super) fn commands(titles: &[&'static str], state: &State) -> Vec<PageCommand> {
    let command = |id, name, key: Option<Key>| PageCommand {
        id,
        name,
        shortcut: key.map(|key| KeyboardShortcut::new(Modifiers::COMMAND, key)),
        disabled: None,
    };
    let unless = |possible: bool, why| if possible { None } else { Some(why) };
    let mut commands = Vec::new();
    for title in titles {
        if let Some(way) = way(|way| way.title == *title) {
            commands.push(command(way.id, way.name, Some(way.key)));
        }
    }
    commands.extend([
        command(PALETTE, "Find a command", Some(Key::K)),
        command(KEYS, "List of keys", Some(Key::Slash)),
        PageCommand {
            shortcut: Some(KeyboardShortcut::new(Modifiers::NONE, Key::Escape)),
            disabled: unless(state.busy, "nothing is running"),
            ..command(STOP, "Stop what is running", None)
        },
        PageCommand {
            disabled: unless(state.reading, "nothing is read aloud"),
            ..command(HUSH, "Stop reading aloud", None)
        },
        PageCommand {
            disabled: unless(state.toasts, "no message is shown"),
            ..command(CLEAR, "Close all messages", None)
        },
        command(THEME, "Switch between dark and light", None),
        command(RAIL, "Collapse or expand the rail", Some(Key::B)),
        command(ZOOM_IN, "Larger text and controls", Some(Key::Plus)),
        command(ZOOM_OUT, "Smaller text and controls", Some(Key::Minus)),
        command(ZOOM_RESET, "Normal size of text and controls", Some(Key::Num0)),
        command(QUIT, "Quit", Some(Key::Q)),
    ]);
    commands
}

/// A shortcut as one reads it: `Ctrl+Shift+S`.
pub(super) fn text(shortcut: KeyboardShortcut) -> String {
    let names = ModifierNames::NAMES;
    let modifiers = names.format(&shortcut.modifiers, cfg!(target_os = "macos"));
    let key = match shortcut.logical_key {
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::Escape => "Esc",
        Key::Minus => "-",
        key => key.symbol_or_name(),
    };
    if modifiers.is_empty() { key.to_owned() } else { format!("{modifiers}+{key}") }
}

/// The id of the command whose shortcut was pressed, which is used up by that. Commands that
/// cannot be done now leave the keys to whoever else wants them.
pub(super) fn pressed(ctx: &egui::Context, commands: &[PageCommand]) -> Option<&'static str> {
    let can_zoom = commands.iter().any(|command| command.id == ZOOM_IN);
    if can_zoom && ctx.input_mut(|input| input.consume_shortcut(&ZOOM_IN_TOO)) {
        return Some(ZOOM_IN);
    }
    let mut candidates: Vec<_> = commands
        .iter()
        .filter(|command| command.disabled.is_none() && command.id != STOP)
        .filter_map(|command| Some((command.id, command.shortcut?)))
        .filter(|(_, shortcut)| !belongs_to_focus(ctx, *shortcut))
        .collect();
    // `consume_shortcut` lets Ctrl+S take Ctrl+Shift+S: the longer one is asked first.
    candidates.sort_by_key(|(_, shortcut)| {
        let modifiers = shortcut.modifiers;
        std::cmp::Reverse(u8::from(modifiers.shift) + u8::from(modifiers.alt))
    });
    ctx.input_mut(|input| {
        candidates.iter().find(|(_, shortcut)| input.consume_shortcut(shortcut)).map(|(id, _)| *id)
    })
}

/// Whether a popup, a menu or a modal is in front of the page: it hears the keys first.
pub(super) fn something_in_front(ctx: &egui::Context) -> bool {
    Popup::is_any_open(ctx) || ctx.memory(|memory| memory.top_modal_layer().is_some())
}

/// Whether the widget with the keyboard's focus wants these keys for itself.
fn belongs_to_focus(ctx: &egui::Context, shortcut: KeyboardShortcut) -> bool {
    let KeyboardShortcut { modifiers, logical_key: key } = shortcut;
    let is_function_key = (Key::F1..=Key::F35).contains(&key);
    if is_function_key {
        return false;
    }
    let plain = !(modifiers.command || modifiers.ctrl || modifiers.alt || modifiers.mac_cmd);
    if ctx.text_edit_focused() {
        let deletes_or_undoes = matches!(key, Key::Z | Key::Backspace | Key::Delete);
        let copies = matches!(key, Key::A | Key::C | Key::V | Key::X | Key::Y) && !modifiers.shift;
        let edits = deletes_or_undoes || copies;
        return plain || edits || shortcut.conflicts_with_text_editing();
    }
    let presses_or_moves = matches!(
        key,
        Key::Space
            | Key::Enter
            | Key::ArrowLeft
            | Key::ArrowRight
            | Key::ArrowUp
            | Key::ArrowDown
            | Key::Tab
    );
    plain && presses_or_moves && ctx.memory(|memory| memory.focused().is_some())
}

/// The list of keys; returns whether it stays open.
pub(super) fn list_ui(ctx: &egui::Context, groups: &[(&str, Vec<PageCommand>)]) -> bool {
    let id = egui::Id::unique("list of keys");
    let room = ctx.content_rect().size() - egui::vec2(64.0, 160.0);
    let size = egui::vec2(LIST_WIDTH.min(room.x), room.y);
    let area = egui::Modal::default_area(id).default_size(size);
    let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(theme::WIDE);
    let response = egui::Modal::new(id).area(area).frame(frame).show(ctx, |ui| {
        ui.set_width(size.x);
        ui.horizontal(|ui| {
            ui.heading("Keys");
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("Close").on_hover_text("Close the list (Esc)").clicked() {
                    ui.close();
                }
            });
        });
        ui.add_space(theme::GAP);
        egui::ScrollArea::vertical().max_height(size.y).show(ui, |ui| {
            for (title, commands) in groups {
                ui.push_id(title, |ui| group_ui(ui, title, commands));
            }
        });
    });
    !response.should_close()
}

fn group_ui(ui: &mut egui::Ui, title: &str, commands: &[PageCommand]) {
    if commands.iter().all(|command| command.shortcut.is_none()) {
        return;
    }
    theme::section(ui, title);
    for command in commands {
        let Some(shortcut) = &command.shortcut else { continue };
        ui.horizontal(|ui| {
            ui.label(command.name);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                theme::key_hint(ui, &text(*shortcut));
            });
        });
    }
    ui.add_space(theme::PAD);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortcuts_read_as_on_the_keyboard() {
        let shown = |modifiers, key| text(KeyboardShortcut::new(modifiers, key));
        assert_eq!(shown(Modifiers::COMMAND, Key::Num1), "Ctrl+1");
        assert_eq!(shown(Modifiers::COMMAND, Key::Plus), "Ctrl++");
        assert_eq!(shown(Modifiers::COMMAND | Modifiers::SHIFT, Key::S), "Ctrl+Shift+S");
        assert_eq!(shown(Modifiers::NONE, Key::Space), "Space");
    }

    /// What fires when `key` is pressed with a field (or nothing) in focus.
    #[track_caller]
    fn check(field_in_focus: Option<()>, shortcut: KeyboardShortcut, expected: Option<&str>) {
        let ctx = egui::Context::default();
        let command =
            PageCommand { id: "it", name: "It", shortcut: Some(shortcut), disabled: None };
        let mut fired = None;
        let mut text = String::new();
        for frame in 0..3 {
            let mut input = egui::RawInput::default();
            if frame == 2 {
                input.events.push(egui::Event::ModifiersChanged(shortcut.modifiers));
                input.events.push(egui::Event::Key {
                    key: shortcut.logical_key,
                    physical_key: None,
                    pressed: true,
                    repeat: false,
                    modifiers: shortcut.modifiers,
                });
            }
            let mut output = ctx.run_ui(input, |ui| {
                fired = pressed(ui.ctx(), &[command]);
                let field = ui.text_edit_singleline(&mut text);
                if field_in_focus.is_some() {
                    field.request_focus();
                }
            });
            output.textures_delta.clear();
        }
        assert_eq!(fired, expected);
    }

    #[test]
    fn plain_keys_are_left_to_a_text_field_in_focus() {
        let space = KeyboardShortcut::new(Modifiers::NONE, Key::Space);
        check(Some(()), space, None);
        check(None, space, Some("it"));
    }

    #[test]
    fn what_edits_text_is_left_to_a_text_field_in_focus() {
        let undo = KeyboardShortcut::new(Modifiers::COMMAND, Key::Z);
        check(Some(()), undo, None);
        check(None, undo, Some("it"));
    }

    #[test]
    fn chords_and_function_keys_fire_from_a_text_field() {
        check(Some(()), KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter), Some("it"));
        check(Some(()), KeyboardShortcut::new(Modifiers::NONE, Key::F5), Some("it"));
    }
}
