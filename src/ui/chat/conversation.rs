//! A conversation: its tree of messages, its name, and what stands in its composer.

use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    reply::Recipe,
    tree::{NodeId, Tree, Turn},
};
use crate::domain::Message;

/// Words of the first message that make a title.
const TITLE_WORDS: usize = 7;

/// Characters of a title that nobody chose.
const TITLE_CHARS: usize = 42;

/// Names a conversation; its file is called so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationId(Arc<str>);

/// Messages and what belongs to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Its name on disk.
    pub id: ConversationId,
    /// The name the user gave it, if any.
    pub own_title: Option<String>,
    /// When it began, in seconds since 1970.
    pub created: u64,
    /// Instructions above it; empty takes the model's own.
    pub system_prompt: String,
    /// What is written but not sent.
    pub draft: String,
    /// The conversation that it stands beside: what is said there is said here as well, and answered
    /// without adapters.
    pub beside: Option<ConversationId>,
    /// Every version of every message.
    pub tree: Tree,
}

impl ConversationId {
    /// The conversation in the file of that name.
    pub fn of_file(stem: &str) -> Self {
        Self(stem.into())
    }

    /// A name that no other conversation has: the time, and a random part in case the clock was
    /// set back.
    fn unused() -> Self {
        Self(format!("{:013}-{:04x}", now().as_millis(), random_u32() & 0xffff).into())
    }

    /// The name of its file, in the folder of conversations.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.0)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Conversation {
    /// An empty one.
    pub fn new(system_prompt: &str) -> Self {
        Self {
            id: ConversationId::unused(),
            own_title: None,
            created: now().as_secs(),
            system_prompt: system_prompt.to_owned(),
            draft: String::new(),
            beside: None,
            tree: Tree::default(),
        }
    }

    /// Whether nothing would be lost with it.
    pub fn is_blank(&self) -> bool {
        self.tree.is_empty() && self.draft.trim().is_empty() && self.own_title.is_none()
    }

    /// Its name: the one the user gave it, or the first words.
    pub fn title(&self) -> String {
        if let Some(title) = &self.own_title {
            return title.clone();
        }
        let opening = self.tree.chosen_root().and_then(|root| self.tree.user_text(root));
        let words = first_words(opening.unwrap_or(&self.draft));
        if words.is_empty() { "New conversation".to_owned() } else { words }
    }

    /// Whether any message or the title holds `needle`, which is lower case.
    pub fn mentions(&self, needle: &str) -> bool {
        self.title().to_lowercase().contains(needle)
            || self
                .tree
                .nodes()
                .values()
                .any(|node| node.turn.text().to_lowercase().contains(needle))
    }

    /// The turns that the model is to answer, up to and with `last`.
    ///
    /// A reply of which nothing was written is left out.
    pub fn messages(&self, last: NodeId, recipe: &Recipe) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut next = Some(last);
        while let Some(id) = next {
            match self.tree.turn(id) {
                Some(Turn::User(text)) => messages.push(Message::user(text)),
                Some(Turn::Assistant(reply)) if reply.text.trim().is_empty() => (),
                Some(Turn::Assistant(reply)) => messages.push(Message::assistant(&reply.text)),
                None => break,
            }
            next = self.tree.parent(id);
        }
        if !recipe.system_prompt.trim().is_empty() {
            messages.push(Message::system(&recipe.system_prompt));
        }
        messages.reverse();
        messages
    }

    /// The last reply on show, written or being written.
    pub fn last_reply(&self) -> Option<NodeId> {
        self.tree.path().into_iter().rev().find(|id| self.tree.reply(*id).is_some())
    }
}

/// A seed, or part of a name; from the system's randomness, by way of the hasher of the standard
/// library, so that no generator is needed for one number. Small enough to be read and typed.
pub fn random_u32() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn first_words(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut title = String::new();
    let mut words = line.split_whitespace();
    for word in words.by_ref().take(TITLE_WORDS) {
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    let is_cut = words.next().is_some() || title.chars().count() > TITLE_CHARS;
    let mut title: String = title.chars().take(TITLE_CHARS).collect();
    title.truncate(title.trim_end_matches(|c: char| !c.is_alphanumeric() && c != ')').len());
    if is_cut {
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    #[test]
    fn the_first_words_make_the_title_until_the_user_gives_one() {
        let mut conversation = Conversation::new("");
        assert_eq!(conversation.title(), "New conversation");
        conversation.draft = "half a thought".into();
        assert_eq!(conversation.title(), "half a thought");
        conversation.tree.say("\n Why is the sky blue at noon, and red at dusk?\nTell me.".into());
        assert_eq!(conversation.title(), "Why is the sky blue at noon…");
        conversation.own_title = Some("Sky".into());
        assert_eq!(conversation.title(), "Sky");
        assert!(conversation.mentions("dusk"));
        assert!(!conversation.mentions("dawn"));
    }

    #[test]
    fn the_model_hears_the_path_without_replies_that_never_came() {
        let mut conversation = Conversation::new("Be brief.");
        let recipe = Recipe { system_prompt: "Be brief.".into(), ..Recipe::default() };
        let first = conversation.tree.say("one".into());
        conversation.tree.answer(first, recipe.clone());
        let second = conversation.tree.say("two".into());
        let said: Vec<_> = conversation
            .messages(second, &recipe)
            .into_iter()
            .map(|message| (message.role, message.content))
            .collect();
        let expected = [(Role::System, "Be brief."), (Role::User, "one"), (Role::User, "two")];
        assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
    }

    #[test]
    fn two_conversations_never_share_a_name() {
        assert_ne!(Conversation::new("").id, Conversation::new("").id);
    }
}
