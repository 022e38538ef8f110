//! Which takes there are, which one is selected, and which are shown beside it.

use super::{Given, MAX_SHOWN, SpeakState};
use crate::{
    engine::SpeakRequest,
    settings,
    ui::speak::{
        files::Restored,
        take::{Phase, Take, TakeId},
    },
};

impl SpeakState {
    /// Adds a take that was read from a file, and takes over its text and options if it has them.
    pub(in crate::ui::speak) fn restore(&mut self, name: String, restored: Restored) {
        let Restored { waveform, record, heard, f0_hz } = restored;
        let id = self.fresh_id();
        let request = record.as_ref().map(|record| SpeakRequest {
            text: record.text.clone(),
            voice: record.voice.clone(),
            vocoder: record.vocoder.clone(),
            controls: record.controls,
            options: record.options,
            given: record.given.clone(),
            timing: None,
            pronunciations: Some(record.pronunciations.clone()),
            seed: record.seed,
        });
        let mut take = Take::new(id, request);
        take.name = name;
        take.push_sentence(heard.into());
        take.set_pitch(0, f0_hz);
        take.waveform = waveform.into();
        take.record = record;
        take.phase = Phase::Restored;
        self.add(take);
        self.use_settings(id);
    }

    /// The word of the selected take at the play cursor, and its phonemes as they may be typed; none
    /// of a voice that does not speak ARPAbet.
    pub fn word_at_cursor(&self) -> Option<(String, String)> {
        let secs = self.paused_secs.unwrap_or(self.cursor_secs);
        self.selected_take()?.word_at(secs)
    }

    /// Puts a take at the end of the list and shows it from its start.
    pub(in crate::ui::speak) fn add(&mut self, take: Take) {
        let id = take.id;
        self.takes.push(take);
        self.select(id);
        self.cursor_secs = 0.0;
        self.paused_secs = None;
    }

    /// An id that no take has or had.
    pub(in crate::ui::speak) fn fresh_id(&mut self) -> TakeId {
        let id = TakeId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Where a take stands in the list.
    pub fn idx_of(&self, id: TakeId) -> Option<usize> {
        self.takes.iter().position(|take| take.id == id)
    }

    /// The selected take.
    pub fn selected_take(&self) -> Option<&Take> {
        self.selected.and_then(|id| self.takes.iter().find(|take| take.id == id))
    }

    /// The selected take, to be changed.
    pub fn selected_take_mut(&mut self) -> Option<&mut Take> {
        self.selected.and_then(|id| self.takes.iter_mut().find(|take| take.id == id))
    }

    /// Whether a take is shown: selected, or beside the one that is.
    pub fn shows(&self, id: TakeId) -> bool {
        self.selected == Some(id) || self.compared.contains(&id)
    }

    /// The takes that are shown, in the order of the list.
    pub fn shown(&self) -> Vec<TakeId> {
        self.takes.iter().map(|take| take.id).filter(|id| self.shows(*id)).collect()
    }

    /// Shows a take alone, all of it. The cursor stays where it is, or at the end of a shorter take.
    pub fn select(&mut self, id: TakeId) {
        if self.selected == Some(id) && self.compared.is_empty() {
            return;
        }
        self.compared.clear();
        self.selected = Some(id);
        self.selection = None;
        self.keep_cursor_inside();
        self.fit();
    }

    /// Selects one of the takes that are shown; view and selected stretch stay.
    pub fn switch_to(&mut self, id: TakeId) {
        let Some(before) = self.selected.filter(|selected| *selected != id) else { return };
        if let Some(place) = self.compared.iter_mut().find(|compared| **compared == id) {
            *place = before;
            self.selected = Some(id);
            self.keep_cursor_inside();
        }
    }

    /// Selects the next of the takes that are shown, after the last one the first.
    pub fn switch_to_next(&mut self) {
        let shown = self.shown();
        let at = shown.iter().position(|id| self.selected == Some(*id));
        if let Some(at) = at {
            self.switch_to(shown[(at + 1) % shown.len()]);
        }
    }

    /// Shows a take beside the selected one, if there is room.
    pub fn compare(&mut self, id: TakeId) {
        if self.selected.is_none() {
            self.select(id);
        } else if !self.shows(id) && self.compared.len() + 1 < MAX_SHOWN {
            self.compared.push(id);
            self.refit();
        }
    }

    /// Shows a take beside the others, or no longer; the last one stays.
    pub fn toggle_compared(&mut self, id: TakeId) {
        if !self.shows(id) {
            self.compare(id);
        } else if !self.compared.is_empty() {
            self.put_out_of_sight(id);
            self.refit();
        }
    }

    /// Shows a further take beside the others: the one that stands nearest before the selected one.
    pub fn compare_previous(&mut self) {
        let Some(at) = self.selected.and_then(|id| self.idx_of(id)) else { return };
        let before = self.takes[..at].iter().rev().map(|take| take.id);
        if let Some(id) = before.into_iter().find(|id| !self.shows(*id)) {
            self.compare(id);
        }
    }

    /// Shows the selected take alone.
    pub fn end_comparison(&mut self) {
        self.compared.clear();
        self.refit();
    }

    /// A take is no longer shown; if it was the selected one, another one that is shown becomes it.
    pub(super) fn put_out_of_sight(&mut self, id: TakeId) {
        self.compared.retain(|compared| *compared != id);
        if self.selected == Some(id) {
            self.selected = (!self.compared.is_empty()).then(|| self.compared.remove(0));
            self.keep_cursor_inside();
        }
    }

    fn keep_cursor_inside(&mut self) {
        let end = self.selected_take().map_or(0.0, Take::duration_secs);
        self.cursor_secs = self.cursor_secs.min(end);
        self.paused_secs = self.paused_secs.map(|secs| secs.min(end));
    }

    /// Shows the take before or after.
    pub fn select_neighbour(&mut self, by: isize) {
        let Some(idx) = self.selected.and_then(|id| self.idx_of(id)) else { return };
        let neighbour = idx.checked_add_signed(by).and_then(|idx| self.takes.get(idx));
        if let Some(id) = neighbour.map(|take| take.id) {
            self.select(id);
        }
    }

    /// Takes a take out of the list; it can be put back.
    pub fn delete(&mut self, id: TakeId) {
        let Some(idx) = self.idx_of(id) else { return };
        let take = self.takes.remove(idx);
        self.removed.push((idx, take));
        self.put_out_of_sight(id);
        if self.selected.is_none() {
            let neighbour = self.takes.get(idx).or(self.takes.last());
            if let Some(id) = neighbour.map(|take| take.id) {
                self.select(id);
            }
        }
        self.refit();
    }

    /// Puts the take deleted last back where it stood.
    pub fn undo_delete(&mut self) {
        let Some((idx, take)) = self.removed.pop() else { return };
        let id = take.id;
        self.takes.insert(idx.min(self.takes.len()), take);
        self.select(id);
    }

    /// Text, options and seed of a take become those of the next one.
    pub fn use_settings(&mut self, id: TakeId) {
        let Some(take) = self.takes.iter().find(|take| take.id == id) else { return };
        let Some(request) = &take.request else { return };
        self.text.clone_from(&request.text);
        self.given = given(take);
        self.options = settings::Speak {
            voice: request.voice.clone(),
            beside: Vec::new(),
            vocoder: request.vocoder.clone(),
            controls: request.controls,
            options: request.options,
            seed: request.seed,
        };
    }
}

/// What a take was given: as its record has it, else as it was asked for.
fn given(take: &Take) -> Option<Given> {
    let request = take.request.as_ref()?;
    let recorded = take.record.as_ref().map(|record| &record.given);
    let prosody = recorded.filter(|given| !given.is_empty()).unwrap_or(&request.given).clone();
    // A whole take's record has the durations that came of the timing.
    let timing = request.timing.clone().filter(|_| prosody.is_empty());
    (timing.is_some() || !prosody.is_empty()).then(|| Given {
        source: take.name.clone(),
        timing,
        prosody,
    })
}
