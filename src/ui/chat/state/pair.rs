//! Two conversations side by side: one with adapters and one without, each with a history of its own.
//!
//! The one without has no place in the list; what is said in the first is said in it as well.

use std::time::Instant;

use super::{SAVE_SOON, State};
use crate::ui::chat::conversation::{Conversation, ConversationId};

impl State {
    /// The conversation without adapters that stands beside the one on show.
    pub fn beside(&self) -> Option<&Conversation> {
        self.beside_of(&self.shown)
    }

    /// The conversation without adapters that stands beside another.
    pub(super) fn beside_of(&self, id: &ConversationId) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.beside.as_ref() == Some(id))
    }

    /// The conversation that has a place in the list: this one, or the one that it stands beside.
    pub(super) fn listed_as(&self, id: &ConversationId) -> ConversationId {
        let main = self.conversation(id).and_then(|conversation| conversation.beside.as_ref());
        main.filter(|main| self.conversation(main).is_some()).unwrap_or(id).clone()
    }

    /// The conversations of the list, newest first.
    pub fn listed(&self) -> impl Iterator<Item = &Conversation> {
        self.conversations.iter().filter(|conversation| {
            conversation.beside.as_ref().is_none_or(|main| self.conversation(main).is_none())
        })
    }

    /// Puts an empty conversation beside the one on show.
    pub fn pair(&mut self) {
        if self.beside().is_none() {
            let mut fresh = Conversation::new(&self.shown().system_prompt);
            fresh.beside = Some(self.shown.clone());
            self.conversations.push(fresh);
            self.revision += 1;
        }
    }

    /// Ends that; the one beside gets a place in the list, if anything was said in it.
    pub fn part(&mut self, now: Instant) {
        let Some(id) = self.beside().map(|beside| beside.id.clone()) else { return };
        let title = self.shown().title();
        if let Some(beside) = self.conversation_mut(&id) {
            beside.beside = None;
            beside.draft.clear();
            if !beside.is_blank() {
                beside.own_title.get_or_insert_with(|| format!("{title} (base)"));
                self.mark(id, now + SAVE_SOON);
            }
        }
        self.leave_blank(None);
    }

    /// Turns from one of a pair to the other, for all that is done to the conversation on show; to be
    /// done again afterwards. Says whether there is another.
    pub fn turn_over(&mut self) -> bool {
        let other = match self.beside() {
            Some(beside) => beside.id.clone(),
            None => self.listed_as(&self.shown),
        };
        let is_there = other != self.shown;
        self.shown = other;
        is_there
    }
}
