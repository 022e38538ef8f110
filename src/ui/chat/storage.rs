//! Conversations on disk: one JSON file each, of a versioned format.
//!
//! A file that is not understood is left as it is and named to the user; it is never written to,
//! because new conversations get names of their own.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use crossbeam_channel::{Receiver, bounded};
use serde::{Deserialize, Serialize};

use super::{
    conversation::{Conversation, ConversationId},
    reply::Reply,
    tree::{Misgrown, Node, NodeId, Tree, Turn},
};

/// What the files say they are.
const FORMAT: &str = "formant-conversation";

/// The newest version of the format that is read, and the one that is written.
const VERSION: u32 = 1;

/// Why a file gives no conversation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file itself.
    #[error("cannot be read ({0})")]
    File(#[from] io::Error),
    /// Not JSON, or not ours.
    #[error("is not understood ({0})")]
    Syntax(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("is no conversation of Formant's")]
    Stranger,
    /// From the future.
    #[error("was written by a newer Formant (format {0}; this one reads up to {VERSION})")]
    Newer(u32),
    /// Its messages make no conversation.
    #[error("is damaged: {0}")]
    Damaged(#[from] Misgrown),
}

/// All that a folder holds.
#[derive(Debug, Default)]
pub struct Found {
    /// Newest first.
    pub conversations: Vec<Conversation>,
    /// One line for each file that gave none, with its name.
    pub problems: Vec<String>,
}

/// What every version of the format begins with.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    created: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    system_prompt: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    draft: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<String>,
    #[serde(default)]
    opening: Option<NodeId>,
    messages: Vec<FileMessage>,
}

#[derive(Serialize, Deserialize)]
struct FileMessage {
    id: NodeId,
    /// The message it answers.
    answers: Option<NodeId>,
    /// The answer on show.
    followed_by: Option<NodeId>,
    #[serde(flatten)]
    turn: FileTurn,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum FileTurn {
    User { text: String },
    Assistant(Box<Reply>),
}

/// A conversation as the bytes of its file.
pub fn to_json(conversation: &Conversation) -> Arc<[u8]> {
    let messages = conversation.tree.nodes().iter().map(|(id, node)| FileMessage {
        id: *id,
        answers: node.parent,
        followed_by: node.chosen,
        turn: match &node.turn {
            Turn::User(text) => FileTurn::User { text: text.clone() },
            Turn::Assistant(reply) => FileTurn::Assistant(reply.clone()),
        },
    });
    let file = File {
        format: FORMAT.to_owned(),
        version: VERSION,
        title: conversation.own_title.clone(),
        created: conversation.created,
        system_prompt: conversation.system_prompt.clone(),
        draft: conversation.draft.clone(),
        beside: conversation.beside.as_ref().map(ToString::to_string),
        opening: conversation.tree.chosen_root(),
        messages: messages.collect(),
    };
    serde_json::to_vec(&file).expect("numbers and strings are always JSON").into()
}

/// A conversation from the bytes of its file.
///
/// # Errors
/// If it is from a newer Formant, damaged, or something else altogether.
pub fn from_json(id: ConversationId, bytes: &[u8]) -> Result<Conversation, Error> {
    let header: Header = serde_json::from_slice(bytes)?;
    if header.format != FORMAT {
        return Err(Error::Stranger);
    }
    if header.version > VERSION {
        return Err(Error::Newer(header.version));
    }
    let file: File = serde_json::from_slice(bytes)?;
    let nodes: BTreeMap<_, _> = file
        .messages
        .into_iter()
        .map(|message| {
            let turn = match message.turn {
                FileTurn::User { text } => Turn::User(text),
                FileTurn::Assistant(mut reply) => {
                    reply.settle();
                    Turn::Assistant(reply)
                }
            };
            (message.id, Node { parent: message.answers, chosen: message.followed_by, turn })
        })
        .collect();
    Ok(Conversation {
        id,
        own_title: file.title,
        created: file.created,
        system_prompt: file.system_prompt,
        draft: file.draft,
        beside: file.beside.as_deref().map(ConversationId::of_file),
        tree: Tree::grow(nodes, file.opening)?,
    })
}

/// Reads every conversation of a folder; one that is not there holds none.
pub fn read_folder(folder: &Path) -> Found {
    let mut found = Found::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            let why = format!("Conversations cannot be read ({error}): {}", folder.display());
            found.problems.push(why);
            return found;
        }
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let read = fs::read(&path)
            .map_err(Error::from)
            .and_then(|bytes| from_json(ConversationId::of_file(stem), &bytes));
        match read {
            Ok(conversation) => found.conversations.push(conversation),
            Err(why) => {
                let name = path.file_name().unwrap_or_default().display();
                found.problems.push(format!(
                    "The conversation {name} {why}; it is left as it is: {}",
                    path.display()
                ));
            }
        }
    }
    found.conversations.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    found.problems.sort();
    found
}

/// Reads a folder on a thread of its own.
pub fn read_in_background(folder: PathBuf) -> Receiver<Found> {
    let (sender, receiver) = bounded(1);
    let work = move || {
        // A window that has closed meanwhile does not need the answer.
        sender.send(read_folder(&folder)).ok();
    };
    if let Err(error) = thread::Builder::new().name("conversations".into()).spawn(work) {
        // The channel is closed by now, which the page takes for an empty folder.
        tracing::error!("no thread to read the conversations: {error}");
    }
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::chat::reply::{Recipe, Status, Step};
    use proptest::prelude::*;

    fn id() -> ConversationId {
        ConversationId::of_file("a")
    }

    fn conversation() -> Conversation {
        let mut conversation = Conversation::new("Be kind.");
        let question = conversation.tree.say("What is a mel?".into());
        let answer = conversation.tree.answer(question, Recipe::default()).unwrap();
        let reply = conversation.tree.reply_mut(answer).unwrap();
        reply.text = "A pitch scale.".into();
        reply.status = Status::Finished;
        reply.figures.ttft_ms = Some(41.5);
        reply.steps =
            vec![Step { text_len: 14, tokens: 4, drafted: 3, accepted: 3, ..Step::default() }];
        conversation.tree.edit(question, "What is a mel, really?".into());
        conversation.draft = "And a bark?".into();
        conversation.own_title = Some("Scales".into());
        conversation.beside = Some(id());
        conversation
    }

    #[test]
    fn a_conversation_survives_the_round_trip() {
        let kept = conversation();
        let read = from_json(kept.id.clone(), &to_json(&kept)).unwrap();
        assert_eq!(read, kept);
    }

    #[test]
    fn a_reply_that_was_being_written_comes_back_as_interrupted() {
        let mut kept = Conversation::new("");
        let question = kept.tree.say("?".into());
        let answer = kept.tree.answer(question, Recipe::default()).unwrap();
        kept.tree.reply_mut(answer).unwrap().text = "Half a".into();
        let read = from_json(id(), &to_json(&kept)).unwrap();
        let reply = read.tree.reply(answer).unwrap();
        assert_eq!((reply.text.as_str(), &reply.status), ("Half a", &Status::Interrupted));
    }

    #[test]
    fn a_newer_format_is_refused_with_both_versions_named() {
        let json = br#"{"format": "formant-conversation", "version": 9, "messages": "?"}"#;
        let why = from_json(id(), json).unwrap_err().to_string();
        assert_eq!(why, "was written by a newer Formant (format 9; this one reads up to 1)");
    }

    #[test]
    fn files_that_give_no_conversation_are_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = conversation();
        fs::write(folder.path().join(kept.id.file_name()), to_json(&kept)).unwrap();
        fs::write(folder.path().join("broken.json"), "{").unwrap();
        fs::write(folder.path().join("other.json"), r#"{"format": "x", "version": 1}"#).unwrap();
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        let found = read_folder(folder.path());
        assert_eq!(found.conversations, [kept]);
        assert_eq!(found.problems.len(), 2);
        assert!(found.problems[0].starts_with("The conversation broken.json is not understood"));
        assert!(found.problems[1].contains("is no conversation of Formant's"));
        assert_eq!(fs::read_to_string(folder.path().join("broken.json")).unwrap(), "{");
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        let found = read_folder(Path::new("no/such/folder"));
        assert!(found.conversations.is_empty() && found.problems.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_survives(said in ".*", draft in ".*", title in proptest::option::of(".*")) {
            let mut kept = Conversation::new("");
            kept.tree.say(said);
            kept.draft = draft;
            kept.own_title = title;
            let read = from_json(kept.id.clone(), &to_json(&kept)).unwrap();
            prop_assert_eq!(read, kept);
        }

        #[test]
        fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            from_json(id(), &bytes).ok();
        }
    }
}
