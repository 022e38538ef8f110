//! What can be done on the Chat page, each with one name and one shortcut.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use super::{
    state::{State, Way},
    view::{Intent, View},
};
use crate::ui::PageCommand;

/// Sends what stands in the composer.
pub const SEND: &str = "chat.send";
/// Begins a conversation.
pub const NEW: &str = "chat.new";
/// Writes the last reply again.
pub const REGENERATE: &str = "chat.regenerate";
/// Stops the reply.
pub const STOP: &str = "chat.stop";
/// Reads the last reply.
pub const READ_ALOUD: &str = "chat.read_aloud";
/// Colours tokens by origin, or not.
pub const COLORS: &str = "chat.colors";
/// Shows the conversation below.
pub const NEXT: &str = "chat.next";
/// Shows the conversation above.
pub const PREVIOUS: &str = "chat.previous";
/// Copies the last reply.
pub const COPY: &str = "chat.copy";
/// Gives the composer the keyboard.
pub const FOCUS: &str = "chat.focus";
/// Sets up an export.
pub const EXPORT: &str = "chat.export";
/// Compares ways to speculate, or goes back to the conversation.
pub const COMPARE: &str = "chat.compare";
/// Has each message answered without adapters as well, or no more.
pub const PAIR: &str = "chat.pair";
/// Deletes the conversation on show.
pub const DELETE: &str = "chat.delete";
/// Brings back what was deleted last.
pub const UNDO: &str = "chat.undo";
/// Opens or closes the list.
pub const LIST: &str = "chat.list";
/// Opens or closes the options.
pub const OPTIONS: &str = "chat.options";

const CTRL_SHIFT: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);

/// All of them, with the reasons of those that cannot be done now.
pub fn commands(state: &State, view: &View) -> Vec<PageCommand> {
    let shown = state.shown();
    let is_writing = state.writing(&shown.id).is_some();
    let has_reply = shown.last_reply().is_some();
    let command = |id, name, shortcut: Option<(Modifiers, Key)>, disabled| PageCommand {
        id,
        name,
        shortcut: shortcut.map(|(modifiers, key)| KeyboardShortcut::new(modifiers, key)),
        disabled,
    };
    let is_idle = state.writer().is_none() && !view.compare.is_running();
    let no_reply = (!has_reply).then_some("there is no reply yet");
    let regenerate = if is_writing {
        Some("a reply is being written here; Esc stops it")
    } else {
        shown.tree.is_empty().then_some("there is nothing to reply to yet")
    };
    vec![
        // Enter sends, but only in the composer, which listens for it.
        command(SEND, "Send message", None, state.cannot_send()),
        command(NEW, "New conversation", Some((Modifiers::COMMAND, Key::N)), None),
        command(REGENERATE, "Regenerate reply", Some((Modifiers::COMMAND, Key::R)), regenerate),
        command(STOP, "Stop writing", None, is_idle.then_some("no reply is being written")),
        command(READ_ALOUD, "Read last reply aloud", None, no_reply),
        command(COLORS, "Colour tokens by origin", Some((CTRL_SHIFT, Key::T)), None),
        command(NEXT, "Next conversation", Some((Modifiers::COMMAND, Key::PageDown)), None),
        command(PREVIOUS, "Previous conversation", Some((Modifiers::COMMAND, Key::PageUp)), None),
        command(COPY, "Copy last reply", Some((CTRL_SHIFT, Key::C)), no_reply),
        command(FOCUS, "Focus composer", Some((Modifiers::COMMAND, Key::L)), None),
        command(
            EXPORT,
            "Export conversation…",
            Some((CTRL_SHIFT, Key::E)),
            shown.tree.is_empty().then_some("the conversation is empty"),
        ),
        command(COMPARE, "Compare ways to speculate", Some((CTRL_SHIFT, Key::M)), None),
        command(PAIR, "Base beside, without adapters", Some((CTRL_SHIFT, Key::B)), None),
        command(
            DELETE,
            "Delete conversation",
            None,
            shown.is_blank().then_some("the conversation is empty"),
        ),
        command(
            UNDO,
            "Undo deletion",
            None,
            state.undoable().is_none().then_some("nothing was deleted"),
        ),
        command(LIST, "Show or hide conversations", None, None),
        command(OPTIONS, "Show or hide options", None, None),
    ]
}

/// What a command asks for; commands that only change the view are done at once.
pub fn intent(command: &str, state: &mut State, view: &mut View) -> Option<Intent> {
    let shown = state.shown();
    let last_reply = shown.last_reply();
    match command {
        SEND => return Some(Intent::Send),
        NEW => return Some(Intent::Begin),
        // A question whose replies were deleted gets one.
        REGENERATE => return shown.tree.leaf().map(Intent::Regenerate),
        STOP if view.compare.is_running() => view.compare.stop(),
        STOP => return Some(Intent::Stop),
        READ_ALOUD => return last_reply.map(Intent::ReadAloud),
        COPY => {
            let text = last_reply.and_then(|node| shown.tree.reply(node))?.text.clone();
            return Some(Intent::Copy(text));
        }
        EXPORT => return Some(Intent::BeginExport),
        COMPARE => return Some(Intent::Compare),
        PAIR => return Some(Intent::Pair),
        DELETE => return Some(Intent::Delete(shown.id.clone())),
        UNDO => return Some(Intent::Undo),
        COLORS => {
            view.habits.colors = !view.habits.colors;
            view.transcript.forget();
            view.beside.forget();
        }
        NEXT => state.step(Way::Next),
        PREVIOUS => state.step(Way::Previous),
        FOCUS => view.focus_composer = true,
        LIST => view.habits.list = !view.habits.list,
        OPTIONS => view.habits.options = !view.habits.options,
        _ => (),
    }
    None
}
