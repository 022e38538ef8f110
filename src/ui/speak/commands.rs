//! What can be done on the Speak page: names, keys, and why not now.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use super::{
    edits::Quality,
    lanes::Lane,
    state::{MAX_SHOWN, SpeakState},
};
use crate::ui::PageCommand;

/// Speaks the text.
pub const SPEAK: &str = "speak";
/// Stops speaking, or playing.
pub const STOP: &str = "speak-stop";
/// Plays from the cursor, or pauses.
pub const PLAY: &str = "speak-play";
/// Plays the selection.
pub const PLAY_SELECTION: &str = "speak-play-selection";
/// Plays over and over, or once.
pub const LOOP: &str = "speak-loop";
/// Shows all of the take.
pub const FIT: &str = "speak-fit";
/// Shows the selection alone.
pub const FIT_SELECTION: &str = "speak-fit-selection";
/// Shows less of time.
pub const ZOOM_IN: &str = "speak-zoom-in";
/// Shows more of time.
pub const ZOOM_OUT: &str = "speak-zoom-out";
/// Scrolls to earlier times.
pub const EARLIER: &str = "speak-earlier";
/// Scrolls to later times.
pub const LATER: &str = "speak-later";
/// Puts the play cursor at the start.
pub const START: &str = "speak-start";
/// Puts the play cursor at the end.
pub const END: &str = "speak-end";
/// Shows the take before.
pub const PREVIOUS: &str = "speak-previous-take";
/// Shows the take after.
pub const NEXT: &str = "speak-next-take";
/// Selects the next of the takes that are compared.
pub const SWITCH: &str = "speak-switch";
/// Shows a further take beside the selected one.
pub const COMPARE_PREVIOUS: &str = "speak-compare-previous";
/// Shows the selected take alone.
pub const END_COMPARISON: &str = "speak-end-comparison";
/// Shows how two takes differ.
pub const DIFFERENCE: &str = "speak-difference";
/// Takes text and options from the take.
pub const USE_SETTINGS: &str = "speak-use-settings";
/// Deletes the take.
pub const DELETE: &str = "speak-delete-take";
/// Puts the take deleted last back.
pub const UNDO_DELETE: &str = "speak-undo-delete";
/// Writes the take's sound to a file.
pub const EXPORT_WAV: &str = "speak-export-wav";
/// Writes the take's mel to a file.
pub const EXPORT_MEL: &str = "speak-export-mel";
/// Writes the take's words and phonemes to a file.
pub const EXPORT_TEXT_GRID: &str = "speak-export-textgrid";
/// Takes durations from a TextGrid.
pub const IMPORT_TEXT_GRID: &str = "speak-import-textgrid";
/// Opens the window of pronunciations, or closes it.
pub const DICTIONARY: &str = "speak-dictionary";
/// Takes the last change of the dictionary back.
pub const UNDO_DICTIONARY: &str = "speak-undo-dictionary";
/// Durations, pitch and energy as predicted.
pub const FORGET_GIVEN: &str = "speak-forget-given";
/// Whether drags on the panels of prosody edit it.
pub const EDIT: &str = "speak-edit";
/// Speaks the take with its edits.
pub const SPEAK_EDIT: &str = "speak-edited";
/// Takes the last edit of prosody back.
pub const UNDO_EDIT: &str = "speak-undo-edit";
/// Does it once more.
pub const REDO_EDIT: &str = "speak-redo-edit";
/// The phoneme at the cursor: longer, shorter, higher, lower, louder, softer.
pub const NUDGES: [(&str, &str, Quality, i32); 6] = [
    ("speak-longer", "Make the phoneme longer", Quality::Duration, 1),
    ("speak-shorter", "Make the phoneme shorter", Quality::Duration, -1),
    ("speak-higher", "Make the phoneme higher", Quality::Pitch, 1),
    ("speak-lower", "Make the phoneme lower", Quality::Pitch, -1),
    ("speak-louder", "Make the phoneme louder", Quality::Energy, 1),
    ("speak-softer", "Make the phoneme softer", Quality::Energy, -1),
];
/// Copies the take's phonemes.
pub const COPY_PHONEMES: &str = "speak-copy-phonemes";
/// Pace, pitch and energy as predicted.
pub const RESET_PROSODY: &str = "speak-reset-prosody";
/// Panels as they were at the first start.
pub const RESET_PANELS: &str = "speak-reset-panels";

/// The command that shows a panel or puts it away.
pub const fn toggle_lane(lane: Lane) -> (&'static str, &'static str) {
    match lane {
        Lane::Waveform => ("speak-lane-waveform", "Show or hide the waveform"),
        Lane::Mel => ("speak-lane-mel", "Show or hide the mel spectrogram"),
        Lane::Words => ("speak-lane-words", "Show or hide the words"),
        Lane::Phonemes => ("speak-lane-phonemes", "Show or hide the phonemes"),
        Lane::Alignment => ("speak-lane-alignment", "Show or hide the alignment"),
        Lane::Pitch => ("speak-lane-f0", "Show or hide the F0 curve"),
        Lane::Energy => ("speak-lane-energy", "Show or hide the energy curve"),
        Lane::Inside => ("speak-lane-inside", "Show or hide what the voice made on the way"),
    }
}

const NO_TAKE: &str = "There is no take yet; press Speak first";

/// Every command with its keys, and why it cannot be done now.
pub fn commands(state: &SpeakState, is_playing: bool) -> Vec<PageCommand> {
    let take = state.selected_take();
    let is_silent = take.is_none_or(|take| take.waveform.samples.is_empty());
    let no_take = take.is_none().then_some(NO_TAKE);
    let no_sound = is_silent.then_some("There is no sound yet; press Speak first");
    let no_selection = state
        .selection
        .is_none()
        .then_some("Nothing is selected; drag over the waveform or the mel to select");
    let no_mel = take
        .is_none_or(|take| take.pieces.is_empty())
        .then_some("This take has no mel; press Speak to make one");
    let no_phonemes = take
        .is_none_or(|take| take.phonemes.is_empty())
        .then_some("This take has no phonemes; speak with its settings to have them");
    let nothing_given =
        state.given.is_none().then_some("Durations, pitch and energy are predicted already");
    let no_change = (!state.dictionary.can_undo()).then_some("The dictionary was not changed");
    let no_edit = take
        .is_none_or(|take| take.edits.given().is_none())
        .then_some("Nothing is edited; press E and drag pitch, energy or phonemes");
    let [can_undo, can_redo] = state.can_undo_and_redo();
    let no_undo = (!can_undo).then_some("There is no edit to undo");
    let no_redo = (!can_redo).then_some("There is no edit to redo");
    let no_settings = take
        .is_none_or(|take| take.request.is_none())
        .then_some("This take does not say how it was made");
    let idle = (state.speaking.is_none() && !is_playing).then_some("Nothing is spoken or played");
    let at = take.and_then(|take| state.idx_of(take.id));
    let no_previous = at.is_none_or(|idx| idx == 0).then_some("This is the first take");
    let no_next =
        at.is_none_or(|idx| idx + 1 >= state.takes.len()).then_some("This is the last take");
    let not_compared = state
        .compared
        .is_empty()
        .then_some("One take is shown; tick another one in the list to compare them");
    // Off again at any time.
    let no_pair = not_compared.filter(|_| !state.difference.is_on());
    let is_full = state.compared.len() + 1 >= MAX_SHOWN;
    let has_other = at.is_some_and(|at| state.takes[..at].iter().any(|it| !state.shows(it.id)));
    let no_other = if is_full {
        Some("As many takes are shown as there is room for")
    } else {
        (!has_other).then_some("There is no take before the selected one that is not shown")
    };
    let no_removed = state.removed.is_empty().then_some("No take was deleted");

    let plain = |key| Some(KeyboardShortcut::new(Modifiers::NONE, key));
    let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
    let ctrl_shift = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, key));
    let command = |id, name, shortcut, disabled| PageCommand { id, name, shortcut, disabled };
    let mut commands = vec![
        command(SPEAK, "Speak", ctrl(Key::Enter), state.blocked),
        command(STOP, "Stop", None, idle),
        command(PLAY, "Play or pause", plain(Key::Space), no_sound),
        command(PLAY_SELECTION, "Play selection", plain(Key::S), no_selection.or(no_sound)),
        command(LOOP, "Loop", plain(Key::L), None),
        command(FIT, "Fit the take", plain(Key::F), no_take),
        command(FIT_SELECTION, "Fit the selection", plain(Key::N), no_selection),
        command(ZOOM_IN, "Zoom in on time", plain(Key::I), no_take),
        command(ZOOM_OUT, "Zoom out of time", plain(Key::O), no_take),
        command(EARLIER, "Scroll to earlier", plain(Key::Comma), no_take),
        command(LATER, "Scroll to later", plain(Key::Period), no_take),
        command(START, "Go to the start", plain(Key::Home), no_take),
        command(END, "Go to the end", plain(Key::End), no_take),
        command(PREVIOUS, "Previous take", plain(Key::PageUp), no_previous),
        command(NEXT, "Next take", plain(Key::PageDown), no_next),
        command(SWITCH, "Switch to the next compared take", plain(Key::X), not_compared),
        command(COMPARE_PREVIOUS, "Compare with the take before", plain(Key::C), no_other),
        command(END_COMPARISON, "Show the take alone", plain(Key::A), not_compared),
        command(DIFFERENCE, "Show or hide the difference", plain(Key::D), no_pair),
        command(USE_SETTINGS, "Use these settings", None, no_settings),
        command(DELETE, "Delete take", plain(Key::Delete), no_take),
        command(UNDO_DELETE, "Undo delete", None, no_removed),
        command(EXPORT_WAV, "Export WAV…", ctrl(Key::E), no_sound),
        command(EXPORT_MEL, "Export mel PNG…", ctrl_shift(Key::E), no_mel),
        command(EXPORT_TEXT_GRID, "Export TextGrid…", ctrl_shift(Key::T), no_phonemes),
        command(IMPORT_TEXT_GRID, "Import TextGrid…", ctrl_shift(Key::I), None),
        command(DICTIONARY, "Pronunciations…", ctrl_shift(Key::D), None),
        command(UNDO_DICTIONARY, "Undo the change of the dictionary", None, no_change),
        command(FORGET_GIVEN, "Speak with predicted durations again", None, nothing_given),
        command(EDIT, "Edit duration, pitch and energy", plain(Key::E), no_take),
        command(SPEAK_EDIT, "Speak the edited take", ctrl_shift(Key::Enter), no_edit),
        command(UNDO_EDIT, "Undo edit", ctrl(Key::Z), no_undo),
        command(REDO_EDIT, "Redo edit", ctrl_shift(Key::Z), no_redo),
        command(COPY_PHONEMES, "Copy phonemes", ctrl_shift(Key::C), no_mel),
        command(RESET_PROSODY, "Reset pace, pitch and energy", None, None),
        command(RESET_PANELS, "Reset panels", None, None),
    ];
    let alt = |key| Some(KeyboardShortcut::new(Modifiers::ALT, key));
    let alt_shift = |key| Some(KeyboardShortcut::new(Modifiers::ALT | Modifiers::SHIFT, key));
    let keys = [
        alt(Key::ArrowRight),
        alt(Key::ArrowLeft),
        alt(Key::ArrowUp),
        alt(Key::ArrowDown),
        alt_shift(Key::ArrowUp),
        alt_shift(Key::ArrowDown),
    ];
    for ((id, name, quality, _), keys) in NUDGES.into_iter().zip(keys) {
        let why = match take {
            None => Some(NO_TAKE),
            Some(take) => state.why_not_edit(take.id, quality).or_else(|| {
                let symbol = state.edited_symbol();
                let has_any = symbol.is_some_and(|it| take.value(it, quality).is_some());
                (!has_any).then_some("The phoneme at the cursor has nothing of the kind to edit")
            }),
        };
        commands.push(command(id, name, keys, why));
    }
    commands.extend(Lane::ALL.map(|lane| {
        let (id, name) = toggle_lane(lane);
        command(id, name, None, None)
    }));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[test]
    fn no_two_commands_share_an_id_or_a_key() {
        let commands = commands(&SpeakState::new(settings::Speak::default()), false);
        for (n, a) in commands.iter().enumerate() {
            for b in &commands[n + 1..] {
                assert_ne!(a.id, b.id);
                assert!(a.shortcut.is_none() || a.shortcut != b.shortcut, "{} and {}", a.id, b.id);
            }
        }
    }
}
