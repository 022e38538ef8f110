//! What the Chat page knows: conversations, which of them are being written, what is not on disk
//! yet. Plain data; the page hands it events and does what it asks for.

mod pair;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    conversation::{Conversation, ConversationId, random_u32},
    reply::{Recipe, Remedy},
    sentences::Sentences,
    storage::{self, Found},
    tree::{Branch, NodeId},
};
use crate::{
    domain::{AdapterChoice, Progress, Stage},
    engine::{ChatEvent, ChatRequest, ChatSummary, Error},
    settings::{self, AdapterSlot},
    ui::{Action, Toast},
};

/// How soon a change is on disk: long enough for a burst of keys to be one file.
const SAVE_SOON: Duration = Duration::from_millis(300);

/// How often a reply that grows is written to disk; a crash loses no more than this.
const SAVE_WHILE_WRITING: Duration = Duration::from_secs(2);

/// Alternatives that each token tells of.
const TOP_LOGPROBS: usize = 5;

/// What was deleted can be had back, this many times in a row.
const UNDO_DEPTH: usize = 20;

/// Everything the page knows.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    /// Newest first; never empty.
    conversations: Vec<Conversation>,
    shown: ConversationId,
    writing: HashMap<ConversationId, Writing>,
    /// When each changed conversation is to be written to disk.
    unsaved: HashMap<ConversationId, Instant>,
    /// Conversations that have a file.
    on_disk: HashSet<ConversationId>,
    undo: Vec<Undo>,
    /// Whether the folder has been read.
    is_read: bool,
    /// Grows with every change but the steps of a reply, for caches.
    revision: u64,
    /// What the window should do.
    actions: Vec<Action>,
}

/// A reply under way.
#[derive(Debug, Clone)]
pub struct Writing {
    /// Which message it is.
    pub node: NodeId,
    /// What it waits for before its first token.
    pub progress: Option<Progress>,
    /// Whether it was asked to stop.
    pub is_stopping: bool,
    /// When the model was loaded and the request began.
    begun: Instant,
    /// Splits the reply for the ear, if it is read aloud.
    sentences: Option<Sentences>,
}

/// Something deleted.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// A conversation, the one that stood beside it, and its place in the list.
    Conversation(Box<Conversation>, Option<Box<Conversation>>, usize),
    /// A message with what followed it.
    Branch(ConversationId, Branch),
}

/// Which neighbour in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The one below.
    Next,
    /// The one above.
    Previous,
}

impl State {
    /// Nothing but an empty conversation, until the folder is read.
    pub fn new(folder: PathBuf, system_prompt: &str) -> Self {
        let first = Conversation::new(system_prompt);
        Self {
            folder,
            shown: first.id.clone(),
            conversations: vec![first],
            writing: HashMap::new(),
            unsaved: HashMap::new(),
            on_disk: HashSet::new(),
            undo: Vec::new(),
            is_read: false,
            revision: 0,
            actions: Vec::new(),
        }
    }

    /// Every conversation, newest first.
    #[cfg(test)]
    pub fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// The conversation on show.
    pub fn shown(&self) -> &Conversation {
        self.conversation(&self.shown).unwrap_or(&self.conversations[0])
    }

    /// The conversation of that name.
    pub fn conversation(&self, id: &ConversationId) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.id == *id)
    }

    /// The reply that is being written in a conversation.
    pub fn writing(&self, id: &ConversationId) -> Option<&Writing> {
        self.writing.get(id)
    }

    /// How many replies are being written.
    pub fn n_writing(&self) -> usize {
        self.writing.len()
    }

    /// The conversation that writes, the one on show before others.
    pub fn writer(&self) -> Option<(&Conversation, &Writing)> {
        let mut writers =
            self.conversations.iter().filter_map(|c| Some((c, self.writing.get(&c.id)?)));
        let shown = self.writing.get(&self.shown).map(|writing| (self.shown(), writing));
        shown.or_else(|| writers.next())
    }

    /// Grows with every change but the steps of a reply.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the folder has been read.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// What an undo would bring back.
    pub fn undoable(&self) -> Option<&Undo> {
        self.undo.last()
    }

    /// What the window should do, since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Takes in what the folder holds.
    pub fn add_found(&mut self, found: Found) {
        self.is_read = true;
        self.revision += 1;
        self.actions.extend(found.problems.into_iter().map(|why| Action::Toast(Toast::error(why))));
        self.on_disk.extend(found.conversations.iter().map(|c| c.id.clone()));
        // Those begun since the start are newer than all that were read.
        self.conversations.extend(found.conversations);
    }

    // ---- choosing a conversation

    /// Shows a conversation.
    pub fn show(&mut self, id: &ConversationId) {
        if self.conversation(id).is_some() {
            self.leave_blank(Some(id));
            self.shown = id.clone();
        }
    }

    /// Shows an empty conversation: a new one, or the one there is.
    pub fn begin_conversation(&mut self, system_prompt: &str) {
        if self.shown().is_blank() {
            return;
        }
        let fresh = Conversation::new(system_prompt);
        self.shown = fresh.id.clone();
        self.conversations.insert(0, fresh);
        self.leave_blank(None);
        self.revision += 1;
    }

    /// Shows the neighbour in the list.
    pub fn step(&mut self, way: Way) {
        let ids: Vec<_> = self.listed().map(|conversation| conversation.id.clone()).collect();
        let at = ids.iter().position(|id| *id == self.shown).unwrap_or(0);
        let to = match way {
            Way::Next => at + 1,
            Way::Previous => at.saturating_sub(1),
        };
        if let Some(id) = ids.get(to) {
            self.show(id);
        }
    }

    /// Lets blank conversations go, but not the one on show or about to be.
    fn leave_blank(&mut self, about_to_be_shown: Option<&ConversationId>) {
        let shown = about_to_be_shown.unwrap_or(&self.shown).clone();
        let is_left =
            |c: &Conversation| c.id != shown && c.is_blank() && c.beside.as_ref() != Some(&shown);
        let left: Vec<_> =
            self.conversations.iter().filter(|c| is_left(c)).map(|c| c.id.clone()).collect();
        for id in left {
            self.conversations.retain(|c| c.id != id);
            self.erase(&id);
            self.revision += 1;
        }
    }

    /// Deletes the file of a conversation, if it has one.
    fn erase(&mut self, id: &ConversationId) {
        self.unsaved.remove(id);
        if self.on_disk.remove(id) {
            self.actions.push(Action::DeleteFile(self.path(id)));
        }
    }

    // ---- changing it

    /// Keeps what stands in the composer.
    pub fn set_draft(&mut self, draft: &str, now: Instant) {
        self.change(now, |conversation| draft.clone_into(&mut conversation.draft));
    }

    /// Keeps the instructions above the conversation on show.
    pub fn set_system_prompt(&mut self, prompt: &str, now: Instant) {
        self.change(now, |conversation| prompt.clone_into(&mut conversation.system_prompt));
    }

    /// Gives a conversation a name; an empty one takes the first words again.
    pub fn rename(&mut self, id: &ConversationId, title: &str, now: Instant) {
        let title = title.trim();
        if let Some(conversation) = self.conversation_mut(id) {
            conversation.own_title = (!title.is_empty()).then(|| title.to_owned());
            self.mark(id.clone(), now + SAVE_SOON);
        }
    }

    /// Deletes a conversation, for as long as nobody wants it back.
    pub fn delete(&mut self, id: &ConversationId) {
        let beside = self.beside_of(id).map(|beside| beside.id.clone());
        let at_in_list = self.listed().position(|c| c.id == *id);
        let Some((conversation, at)) = self.take_out(id) else { return };
        let beside = beside.and_then(|beside| self.take_out(&beside)).map(|(beside, _)| beside);
        if self.listed().next().is_none() {
            self.conversations.push(Conversation::new(&conversation.system_prompt));
        }
        if self.shown == *id {
            let ids: Vec<_> = self.listed().map(|conversation| conversation.id.clone()).collect();
            let at = at_in_list.unwrap_or_default().min(ids.len() - 1);
            self.shown = ids[at].clone();
        }
        self.remember(Undo::Conversation(Box::new(conversation), beside.map(Box::new), at));
    }

    /// Takes a conversation out, with its file, and what is being written in it.
    fn take_out(&mut self, id: &ConversationId) -> Option<(Conversation, usize)> {
        let at = self.conversations.iter().position(|c| c.id == *id)?;
        let mut conversation = self.conversations.remove(at);
        self.drop_writing(id);
        for node in conversation.tree.path() {
            if let Some(reply) = conversation.tree.reply_mut(node) {
                reply.settle();
            }
        }
        self.erase(id);
        Some((conversation, at))
    }

    /// Deletes a message of the conversation on show, with all that followed it.
    pub fn delete_message(&mut self, node: NodeId, now: Instant) {
        let id = self.shown.clone();
        let Some(branch) = self.conversation_mut(&id).and_then(|c| c.tree.remove(node)) else {
            return;
        };
        if self.writing.get(&id).is_some_and(|w| self.shown().tree.turn(w.node).is_none()) {
            self.drop_writing(&id);
        }
        self.remember(Undo::Branch(id.clone(), branch));
        self.mark(id, now + SAVE_SOON);
    }

    /// Brings back what was deleted last.
    pub fn undo(&mut self, now: Instant) {
        match self.undo.pop() {
            Some(Undo::Conversation(conversation, beside, at)) => {
                let id = conversation.id.clone();
                let at = at.min(self.conversations.len());
                self.conversations.insert(at, *conversation);
                self.shown = id.clone();
                if let Some(beside) = beside {
                    self.mark(beside.id.clone(), now + SAVE_SOON);
                    self.conversations.push(*beside);
                }
                self.leave_blank(None);
                self.mark(id, now + SAVE_SOON);
            }
            Some(Undo::Branch(id, branch)) => {
                if let Some(Ok(top)) = self.conversation_mut(&id).map(|c| c.tree.restore(branch)) {
                    self.settle_all(&id, top);
                    self.shown = self.listed_as(&id);
                    self.mark(id, now + SAVE_SOON);
                }
            }
            None => (),
        }
    }

    /// Lets go what was deleted last.
    pub fn forget_undo(&mut self) {
        self.undo.pop();
    }

    /// Shows another version of a message.
    pub fn switch(&mut self, node: NodeId, by: isize, now: Instant) {
        self.change(now, |conversation| {
            conversation.tree.switch(node, by);
        });
    }

    // ---- writing a reply

    /// Why nothing can be sent now.
    pub fn cannot_send(&self) -> Option<&'static str> {
        let beside = self.beside().is_some_and(|beside| self.writing.contains_key(&beside.id));
        if beside || self.writing.contains_key(&self.shown) {
            return Some("a reply is being written here; Esc stops it");
        }
        self.shown().draft.trim().is_empty().then_some("there is nothing to send; type a message")
    }

    /// Sends what stands in the composer.
    pub fn send(&mut self, options: &settings::Chat, now: Instant) -> Option<ChatRequest> {
        if self.cannot_send().is_some() {
            return None;
        }
        let conversation = self.shown_mut();
        let text = std::mem::take(&mut conversation.draft);
        let question = conversation.tree.say(text.trim().to_owned());
        self.ask(question, options, now)
    }

    /// Writes another reply to the question that `node` answers (or is).
    pub fn regenerate(
        &mut self,
        node: NodeId,
        options: &settings::Chat,
        now: Instant,
    ) -> Option<ChatRequest> {
        if self.writing.contains_key(&self.shown) {
            return None;
        }
        let tree = &self.shown().tree;
        let question = if tree.user_text(node).is_some() { node } else { tree.parent(node)? };
        self.ask(question, options, now)
    }

    /// Writes a reply again up to a token, says something else in its place and goes on from there, by
    /// the model and the sampling of that reply.
    pub fn branch(
        &mut self,
        node: NodeId,
        token_idx: usize,
        alternative_idx: usize,
        options: &settings::Chat,
        now: Instant,
    ) -> Option<ChatRequest> {
        if self.writing.contains_key(&self.shown) {
            return None;
        }
        let tree = &self.shown().tree;
        let (reply, question) = (tree.reply(node)?, tree.parent(node)?);
        let other = reply.tokens.get(token_idx)?.alternatives.get(alternative_idx)?;
        let opening = reply.opening(token_idx, other)?;
        let Recipe { model, sampling, adapters, .. } = reply.recipe.clone();
        let slot = |it: AdapterChoice| AdapterSlot { id: it.id, scale: it.scale, is_on: true };
        let adapters = adapters.into_iter().map(slot).collect();
        let options = settings::Chat { model, sampling, adapters, ..options.clone() };
        let mut request = self.ask(question, &options, now)?;
        request.max_tokens = request.max_tokens.saturating_sub(opening.ids.len()).max(1);
        request.opening.clone_from(&opening.ids);
        let node = self.writing.get(&self.shown)?.node;
        self.shown_mut().tree.reply_mut(node)?.open_with(opening);
        Some(request)
    }

    /// Says something else in the place of a message of the user's.
    pub fn edit(
        &mut self,
        node: NodeId,
        text: &str,
        options: &settings::Chat,
        now: Instant,
    ) -> Option<ChatRequest> {
        if self.writing.contains_key(&self.shown) || text.trim().is_empty() {
            return None;
        }
        let question = self.shown_mut().tree.edit(node, text.trim().to_owned())?;
        self.ask(question, options, now)
    }

    fn ask(
        &mut self,
        question: NodeId,
        options: &settings::Chat,
        now: Instant,
    ) -> Option<ChatRequest> {
        let conversation = self.shown_mut();
        let id = conversation.id.clone();
        let recipe = Recipe::new(options, &conversation.system_prompt);
        let messages = conversation.messages(question, &recipe);
        let node = conversation.tree.answer(question, recipe)?;
        let sentences = options.read_aloud.then(Sentences::default);
        if sentences.is_some() {
            self.hush();
        }
        let writing = Writing { node, progress: None, is_stopping: false, begun: now, sentences };
        self.writing.insert(id.clone(), writing);
        self.mark(id, now + SAVE_SOON);
        Some(ChatRequest {
            model: options.model.clone(),
            adapters: options.adapters_on(),
            messages,
            sampling: options.sampling,
            max_tokens: options.max_tokens,
            speculative: options.speculative.clone(),
            top_logprobs: TOP_LOGPROBS,
            opening: Vec::new(),
        })
    }

    /// Takes in what the engine says of a reply.
    pub fn apply(&mut self, id: &ConversationId, event: ChatEvent, now: Instant) {
        let Some(writing) = self.writing.get_mut(id) else { return };
        let Some(conversation) = self.conversations.iter_mut().find(|c| c.id == *id) else {
            return;
        };
        let Some(reply) = conversation.tree.reply_mut(writing.node) else { return };
        match event {
            ChatEvent::Progress(progress) => {
                // Loading counts in none of the figures, as in the engine's own.
                if progress.stage == Stage::Load {
                    writing.begun = now;
                }
                writing.progress = Some(progress);
            }
            ChatEvent::Started { prompt_tokens, reused_tokens, context_length } => {
                writing.progress = None;
                reply.figures.prompt_tokens = prompt_tokens;
                reply.figures.reused_tokens = reused_tokens;
                reply.figures.context_length = context_length;
            }
            ChatEvent::Step(step) => {
                writing.progress = None;
                reply.add_step(&step);
                reply.figures.observe(writing.begun, now);
                if let Some(sentences) = &mut writing.sentences {
                    let spoken = sentences.push(&reply.text);
                    self.actions.extend(spoken.into_iter().map(Action::ReadAloud));
                }
                self.unsaved.entry(id.clone()).or_insert(now + SAVE_WHILE_WRITING);
            }
        }
    }

    /// Takes in the end of a reply; `None` if its worker died without a word.
    pub fn finish(
        &mut self,
        id: &ConversationId,
        outcome: Option<Result<ChatSummary, Error>>,
        now: Instant,
    ) {
        let Some(mut writing) = self.writing.remove(id) else { return };
        let Some(conversation) = self.conversations.iter_mut().find(|c| c.id == *id) else {
            return;
        };
        let Some(reply) = conversation.tree.reply_mut(writing.node) else { return };
        if let Some(outcome) = outcome {
            reply.finish(outcome);
        } else {
            let why = "the engine ended this reply without a word".to_owned();
            reply.fail_with(why, Remedy::TryAgain);
        }
        if let Some(sentences) = writing.sentences.as_mut().filter(|_| !writing.is_stopping) {
            let spoken = sentences.finish(&reply.text);
            self.actions.extend(spoken.into_iter().map(Action::ReadAloud));
        }
        self.mark(id.clone(), now);
    }

    /// Notes that a reply was asked to stop; it ends when the engine says so.
    pub fn stopping(&mut self, id: &ConversationId) {
        let Some(writing) = self.writing.get_mut(id) else { return };
        writing.is_stopping = true;
        if writing.sentences.is_some() {
            self.hush();
        }
    }

    // ---- reading aloud

    /// Reads a reply of the conversation on show, from its beginning.
    pub fn read_aloud(&mut self, node: NodeId) {
        let Some(text) = self.shown().tree.reply(node).map(|reply| reply.text.clone()) else {
            return;
        };
        self.hush();
        match self.writing.get_mut(&self.shown).filter(|writing| writing.node == node) {
            // The rest follows as it is written.
            Some(writing) => {
                let mut sentences = Sentences::default();
                self.actions.extend(sentences.push(&text).into_iter().map(Action::ReadAloud));
                writing.sentences = Some(sentences);
            }
            None => {
                self.actions.extend(Sentences::of(&text).into_iter().map(Action::ReadAloud));
            }
        }
    }

    /// Ends all reading.
    pub fn hush(&mut self) {
        for writing in self.writing.values_mut() {
            writing.sentences = None;
        }
        self.actions.push(Action::Hush);
    }

    // ---- the disk

    /// When the next conversation is to be written to disk.
    pub fn next_save(&self) -> Option<Instant> {
        self.unsaved.values().min().copied()
    }

    /// Asks for the files that are due.
    pub fn save_due(&mut self, now: Instant) {
        let is_due = |(_, due): &(&ConversationId, &Instant)| **due <= now;
        let due: Vec<_> = self.unsaved.iter().filter(is_due).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.unsaved.remove(&id);
            let path = self.path(&id);
            let Some(conversation) = self.conversation(&id) else { continue };
            if conversation.is_blank() {
                self.erase(&id);
                continue;
            }
            let bytes = storage::to_json(conversation);
            self.actions.push(Action::WriteFile { path, bytes });
            self.on_disk.insert(id);
        }
    }

    /// The files of all that is not on disk yet, replies under way among them.
    pub fn take_unsaved(&mut self) -> Vec<(PathBuf, Arc<[u8]>)> {
        let unsaved: HashSet<_> =
            self.unsaved.drain().map(|(id, _)| id).chain(self.writing.keys().cloned()).collect();
        let unsaved = unsaved.iter().filter_map(|id| self.conversation(id));
        unsaved
            .filter(|conversation| !conversation.is_blank())
            .map(|conversation| (self.path(&conversation.id), storage::to_json(conversation)))
            .collect()
    }

    /// The file of a conversation.
    pub fn path(&self, id: &ConversationId) -> PathBuf {
        self.folder.join(id.file_name())
    }

    fn shown_mut(&mut self) -> &mut Conversation {
        let at = self.conversations.iter().position(|c| c.id == self.shown).unwrap_or(0);
        &mut self.conversations[at]
    }

    fn conversation_mut(&mut self, id: &ConversationId) -> Option<&mut Conversation> {
        self.conversations.iter_mut().find(|conversation| conversation.id == *id)
    }

    fn change(&mut self, now: Instant, change: impl FnOnce(&mut Conversation)) {
        change(self.shown_mut());
        self.mark(self.shown.clone(), now + SAVE_SOON);
    }

    fn mark(&mut self, id: ConversationId, due: Instant) {
        self.revision += 1;
        let earliest = self.unsaved.entry(id).or_insert(due);
        *earliest = due.min(*earliest);
    }

    fn remember(&mut self, deleted: Undo) {
        self.revision += 1;
        self.undo.push(deleted);
        if self.undo.len() > UNDO_DEPTH {
            self.undo.remove(0);
        }
    }

    /// Forgets a reply under way; its job is dropped by the page, which finds it gone.
    fn drop_writing(&mut self, id: &ConversationId) {
        if self.writing.remove(id).is_some_and(|writing| writing.sentences.is_some()) {
            self.hush();
        }
    }

    /// A reply that was deleted while it was written is not written any more.
    fn settle_all(&mut self, id: &ConversationId, from: NodeId) {
        let alive = self.writing.get(id).map(|writing| writing.node);
        let Some(conversation) = self.conversation_mut(id) else { return };
        let nodes: Vec<_> = conversation.tree.nodes().range(from..).map(|(id, _)| *id).collect();
        for node in nodes.into_iter().filter(|node| Some(*node) != alive) {
            if let Some(reply) = conversation.tree.reply_mut(node) {
                reply.settle();
            }
        }
    }
}

/// A seed for the next reply: one of a million, so that it can be read out and typed.
pub fn random_seed() -> u64 {
    u64::from(random_u32() % 1_000_000)
}
