//! Prosody edited on a take, for the next one.

use super::SpeakState;
use crate::{
    engine::SpeakRequest,
    ui::speak::{
        edits::{Quality, heeds},
        take::{Phase, Take, TakeId},
    },
};

/// By how much one press of a key raises a pitch: half a semitone.
const PITCH_STEP: f32 = 1.029_302;

/// By how much one press of a key raises an energy.
const ENERGY_STEP: f32 = 1.05;

impl SpeakState {
    /// Why a quality of a take cannot be edited; `None` if it can.
    pub fn why_not_edit(&self, id: TakeId, quality: Quality) -> Option<&'static str> {
        let take = self.takes.iter().find(|take| take.id == id)?;
        match take.phase {
            Phase::Waiting | Phase::Speaking => return Some("Wait until the take is made"),
            Phase::Restored => {
                return Some("A WAV keeps no prosody; speak with its settings to edit it");
            }
            Phase::Done | Phase::Stopped | Phase::Failed => (),
        }
        let kind = self.system_of(take).and_then(|system| self.kinds.get(system));
        kind.map_or(Some("The take's voice is not here"), |kind| heeds(*kind, quality).err())
    }

    /// What would be asked for to hear the selected take's edits; `None` without any.
    pub fn edited_request(&self) -> Option<SpeakRequest> {
        let take = self.selected_take()?;
        let given = take.edits.given()?.to_vec();
        let request = take.request.clone()?;
        // Edits belong to the phonemes that the take has, whatever the dictionary says by now.
        let pronunciations = take.record.as_ref().map(|record| record.pronunciations.clone());
        Some(SpeakRequest { given, timing: None, pronunciations, ..request })
    }

    /// The phoneme that keys edit: that at the cursor.
    pub fn edited_symbol(&self) -> Option<usize> {
        let secs = self.paused_secs.unwrap_or(self.cursor_secs);
        self.selected_take()?.phoneme_at(secs)
    }

    /// Makes the phoneme at the cursor longer, higher or louder by some steps, or less so.
    pub fn nudge(&mut self, quality: Quality, steps: i32) {
        let Some(symbol) = self.edited_symbol() else { return };
        let may = self.selected.is_some_and(|id| self.why_not_edit(id, quality).is_none());
        let Some(take) = self.selected_take_mut().filter(|_| may) else { return };
        let Some(value) = take.value(symbol, quality) else { return };
        let value = match quality {
            Quality::Duration => value + steps as f32,
            Quality::Pitch => value * PITCH_STEP.powi(steps),
            Quality::Energy => value * ENERGY_STEP.powi(steps),
        };
        take.begin_edit();
        take.edit(symbol, quality, value);
    }

    /// The phoneme at the cursor with all that can be edited of it.
    pub fn edited_in_words(&self) -> Option<String> {
        let symbol = self.edited_symbol()?;
        let take = self.selected_take()?;
        let value = |quality| take.value(symbol, quality);
        let mut words = take.phonemes.get(symbol)?.label.clone();
        words.push_str(&format!(": {} frames", value(Quality::Duration)?));
        if let Some(hz) = value(Quality::Pitch) {
            words.push_str(&format!(", {hz:.0} Hz"));
        }
        if let Some(energy) = value(Quality::Energy) {
            words.push_str(&format!(", energy {energy:.2}"));
        }
        Some(words)
    }

    /// Whether the selected take has an edit to take back, or to do once more.
    pub fn can_undo_and_redo(&self) -> [bool; 2] {
        let edits = self.selected_take().map(|take: &Take| &take.edits);
        edits.map_or([false; 2], |edits| [edits.can_undo(), edits.can_redo()])
    }
}
