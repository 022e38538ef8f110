//! What the page remembers about how it is looked at; nothing here is worth a file of its own.

use std::collections::HashMap;

use eframe::egui::{Context, Id};
use serde::{Deserialize, Serialize};

use super::{
    compare::Compare, conversation::ConversationId, export::ExportDialog, figures::Plots,
    rack::Rack, speculation::SpeculationChoice, transcript::Transcript, tree::NodeId,
};

/// How the page is looked at.
pub struct View {
    /// What is kept over a restart.
    pub habits: Habits,
    /// Whether the composer takes the keyboard in the next frame.
    pub focus_composer: bool,
    /// The message that is being edited.
    pub editing: Option<Editing>,
    /// The title that is being edited.
    pub renaming: Option<Renaming>,
    /// What the list is searched for.
    pub search: String,
    /// Which conversations mention it, for one revision of the state.
    pub found: Option<(u64, String, Vec<ConversationId>)>,
    /// What messages look like.
    pub transcript: Transcript,
    /// What those of the conversation beside look like.
    pub beside: Transcript,
    /// What the plots show.
    pub plots: Plots,
    /// What is known of adapters.
    pub rack: Rack,
    /// The export that is being set up.
    pub export: Option<ExportDialog>,
    /// The ways to speculate, those that are not chosen too.
    pub speculation: SpeculationChoice,
    /// The comparison of ways to speculate.
    pub compare: Compare,
}

/// What is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "four switches, each for itself")]
pub struct Habits {
    /// The list of conversations is open.
    pub list: bool,
    /// The options are open.
    pub options: bool,
    /// Tokens are coloured by origin.
    pub colors: bool,
    /// The seed stays as it is from reply to reply.
    pub seed_locked: bool,
}

/// A message that is being edited.
pub struct Editing {
    /// In which conversation.
    pub conversation: ConversationId,
    /// Which message.
    pub node: NodeId,
    /// What it says so far.
    pub text: String,
    /// Whether the field takes the keyboard in the next frame.
    pub focus: bool,
}

/// A title that is being edited.
pub struct Renaming {
    /// Of which conversation.
    pub conversation: ConversationId,
    /// What it says so far.
    pub title: String,
    /// Whether the field takes the keyboard in the next frame.
    pub focus: bool,
}

/// What the user asked for while the page was drawn; carried out after.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Send what stands in the composer.
    Send,
    /// Put a text into the composer.
    Compose(&'static str),
    /// Stop the reply.
    Stop,
    /// Write another reply in the place of this one.
    Regenerate(NodeId),
    /// Write a reply again that says something else in the place of a token: which token, and which of
    /// its alternatives.
    Branch(NodeId, usize, usize),
    /// Open a message for editing.
    BeginEdit(NodeId),
    /// Close it again.
    CancelEdit,
    /// Say this in its place.
    Edit(NodeId, String),
    /// Show another version.
    Switch(NodeId, isize),
    /// Delete a message and all that follows.
    DeleteMessage(NodeId),
    /// Read a reply.
    ReadAloud(NodeId),
    /// Stop reading.
    Hush,
    /// Put a text on the clipboard.
    Copy(String),
    /// Show a conversation.
    Show(ConversationId),
    /// Begin a conversation.
    Begin,
    /// Open a title for editing.
    BeginRename(ConversationId),
    /// Give a conversation a name.
    Rename(ConversationId, String),
    /// Delete a conversation.
    Delete(ConversationId),
    /// Bring back what was deleted last.
    Undo,
    /// Let go what was deleted last.
    ForgetUndo,
    /// Show the Models page.
    OpenModels,
    /// Have each message answered by the model without adapters as well, or no more.
    Pair,
    /// What was asked for in the conversation beside.
    Beside(Box<Intent>),
    /// Set up an export.
    BeginExport,
    /// Compare ways to speculate, or go back to the conversation.
    Compare,
}

impl Default for Habits {
    fn default() -> Self {
        Self { list: true, options: true, colors: false, seed_locked: false }
    }
}

impl Habits {
    /// What was kept, if anything was.
    pub fn load(ctx: &Context) -> Self {
        ctx.data_mut(|kept| kept.get_persisted(Self::id())).unwrap_or_default()
    }

    /// Keeps them.
    pub fn keep(self, ctx: &Context) {
        ctx.data_mut(|kept| kept.insert_persisted(Self::id(), self));
    }

    fn id() -> Id {
        Id::unique("chat habits")
    }
}

impl View {
    /// The look of a page that was never seen.
    pub fn new() -> Self {
        Self {
            habits: Habits::default(),
            focus_composer: true,
            editing: None,
            renaming: None,
            search: String::new(),
            found: None,
            transcript: Transcript::default(),
            beside: Transcript::default(),
            plots: Plots::default(),
            rack: Rack::default(),
            export: None,
            speculation: SpeculationChoice::default(),
            compare: Compare::default(),
        }
    }
}

/// Heights, jobs and the like, one for each message of the conversation on show.
pub type PerMessage<T> = HashMap<NodeId, T>;
