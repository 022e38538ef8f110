//! A conversation as a tree: an edited message or a reply written again stands beside the old one,
//! and one path through the tree is on show.

use std::collections::BTreeMap;

use super::reply::{Recipe, Reply};

/// Names a message within its conversation; never used again after the message is deleted.
pub type NodeId = u32;

/// What was said in one turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// By the person at the keyboard.
    User(String),
    /// By the model.
    Assistant(Box<Reply>),
}

/// One message and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The message it answers; `None` for an opening.
    pub parent: Option<NodeId>,
    /// The answer on show, among those there are.
    pub chosen: Option<NodeId>,
    /// What was said.
    pub turn: Turn,
}

/// All versions of all messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    chosen_root: Option<NodeId>,
    next: NodeId,
}

/// A message with everything that followed it, taken out of its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    top: NodeId,
    nodes: BTreeMap<NodeId, Node>,
}

/// Why nodes read from a file make no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misgrown {
    /// A parent that is not there, or younger than its child.
    #[error("message {0} answers a message that is not there")]
    Orphan(NodeId),
    /// Two user turns in a row, or a reply to nothing.
    #[error("message {0} answers a message of the same speaker")]
    Echo(NodeId),
    /// A version on show that is none of the versions.
    #[error("message {0} is shown as an answer to a message that it does not answer")]
    Stranger(NodeId),
}

impl Tree {
    /// Builds a tree from what a file holds.
    ///
    /// # Errors
    /// If the nodes do not make a tree of alternating turns.
    pub fn grow(
        nodes: BTreeMap<NodeId, Node>,
        chosen_root: Option<NodeId>,
    ) -> Result<Self, Misgrown> {
        for (&id, node) in &nodes {
            let parent = match node.parent {
                Some(parent_id) if parent_id < id => {
                    Some(nodes.get(&parent_id).ok_or(Misgrown::Orphan(id))?)
                }
                Some(_) => return Err(Misgrown::Orphan(id)),
                None => None,
            };
            let answers_a_user = parent.is_some_and(|parent| parent.turn.is_user());
            if node.turn.is_user() == answers_a_user {
                return Err(Misgrown::Echo(id));
            }
            check_choice(&nodes, Some(id), node.chosen)?;
        }
        check_choice(&nodes, None, chosen_root)?;
        let next = nodes.last_key_value().map_or(0, |(last, _)| last + 1);
        Ok(Self { nodes, chosen_root, next })
    }

    /// Every message by its id.
    pub fn nodes(&self) -> &BTreeMap<NodeId, Node> {
        &self.nodes
    }

    /// The opening on show.
    pub fn chosen_root(&self) -> Option<NodeId> {
        self.chosen_root
    }

    /// Whether nothing has been said.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The messages on show, from the first to the last.
    pub fn path(&self) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut next = self.chosen_root;
        while let Some(id) = next {
            path.push(id);
            next = self.nodes.get(&id).and_then(|node| node.chosen);
        }
        path
    }

    /// The last message on show.
    pub fn leaf(&self) -> Option<NodeId> {
        self.path().last().copied()
    }

    /// A message.
    pub fn turn(&self, id: NodeId) -> Option<&Turn> {
        self.nodes.get(&id).map(|node| &node.turn)
    }

    /// A reply.
    pub fn reply(&self, id: NodeId) -> Option<&Reply> {
        match self.turn(id)? {
            Turn::Assistant(reply) => Some(reply),
            Turn::User(_) => None,
        }
    }

    /// A reply, to be written on.
    pub fn reply_mut(&mut self, id: NodeId) -> Option<&mut Reply> {
        match &mut self.nodes.get_mut(&id)?.turn {
            Turn::Assistant(reply) => Some(reply),
            Turn::User(_) => None,
        }
    }

    /// What the user said there.
    pub fn user_text(&self, id: NodeId) -> Option<&str> {
        match self.turn(id)? {
            Turn::User(text) => Some(text),
            Turn::Assistant(_) => None,
        }
    }

    /// What a message answers.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.nodes.get(&id).and_then(|node| node.parent)
    }

    /// The versions of a message, itself among them, oldest first.
    pub fn versions(&self, id: NodeId) -> Vec<NodeId> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        self.children(node.parent)
    }

    /// Says something at the end of the path on show, which then ends with it.
    ///
    /// A question without an answer (its replies were deleted) is replaced by a version of itself,
    /// so that turns always alternate.
    pub fn say(&mut self, text: String) -> NodeId {
        match self.leaf() {
            Some(leaf) if self.user_text(leaf).is_some() => {
                self.add(self.parent(leaf), Turn::User(text))
            }
            leaf => self.add(leaf, Turn::User(text)),
        }
    }

    /// Begins a reply to a user's message, beside those it has, and shows it.
    pub fn answer(&mut self, question: NodeId, recipe: Recipe) -> Option<NodeId> {
        self.user_text(question)?;
        Some(self.add(Some(question), Turn::Assistant(Box::new(Reply::begin(recipe)))))
    }

    /// Another version of what the user said, shown instead; what followed stays with the old one.
    pub fn edit(&mut self, id: NodeId, text: String) -> Option<NodeId> {
        self.user_text(id)?;
        Some(self.add(self.parent(id), Turn::User(text)))
    }

    /// Shows the version `by` places further; stays within the versions there are.
    pub fn switch(&mut self, id: NodeId, by: isize) -> Option<NodeId> {
        let versions = self.versions(id);
        let at = versions.iter().position(|version| *version == id)?;
        let to = versions[at.saturating_add_signed(by).min(versions.len() - 1)];
        self.choose(self.parent(id), Some(to));
        Some(to)
    }

    /// Takes a message out with all that followed it; the version before it (or else after it) is
    /// shown instead.
    pub fn remove(&mut self, id: NodeId) -> Option<Branch> {
        let parent = self.nodes.get(&id)?.parent;
        let versions = self.versions(id);
        let at = versions.iter().position(|version| *version == id)?;
        let heir = at.checked_sub(1).or(Some(at + 1)).and_then(|at| versions.get(at)).copied();
        // Children are younger than their parents, so one pass in order finds all descendants.
        let mut doomed = vec![id];
        for (&node_id, node) in self.nodes.range(id..) {
            if node.parent.is_some_and(|parent| doomed.contains(&parent)) {
                doomed.push(node_id);
            }
        }
        let nodes = doomed
            .into_iter()
            .filter_map(|id| self.nodes.remove(&id).map(|node| (id, node)))
            .collect();
        if self.chosen(parent) == Some(id) {
            self.choose(parent, heir);
        }
        Some(Branch { top: id, nodes })
    }

    /// Puts a branch back where it was and shows it. Refused, and handed back, if what it answered
    /// is gone.
    ///
    /// # Errors
    /// The branch itself.
    pub fn restore(&mut self, branch: Branch) -> Result<NodeId, Branch> {
        let parent = branch.nodes.get(&branch.top).and_then(|node| node.parent);
        if parent.is_some_and(|parent| !self.nodes.contains_key(&parent)) {
            return Err(branch);
        }
        self.nodes.extend(branch.nodes);
        self.choose(parent, Some(branch.top));
        Ok(branch.top)
    }

    fn add(&mut self, parent: Option<NodeId>, turn: Turn) -> NodeId {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, Node { parent, chosen: None, turn });
        self.choose(parent, Some(id));
        id
    }

    fn children(&self, parent: Option<NodeId>) -> Vec<NodeId> {
        let first = parent.unwrap_or(0);
        self.nodes
            .range(first..)
            .filter(|(_, node)| node.parent == parent)
            .map(|(id, _)| *id)
            .collect()
    }

    fn chosen(&self, parent: Option<NodeId>) -> Option<NodeId> {
        match parent {
            Some(parent) => self.nodes.get(&parent).and_then(|node| node.chosen),
            None => self.chosen_root,
        }
    }

    fn choose(&mut self, parent: Option<NodeId>, child: Option<NodeId>) {
        match parent {
            Some(parent) => {
                if let Some(node) = self.nodes.get_mut(&parent) {
                    node.chosen = child;
                }
            }
            None => self.chosen_root = child,
        }
    }
}

impl Turn {
    /// Whether the person at the keyboard said it.
    pub fn is_user(&self) -> bool {
        matches!(self, Self::User(_))
    }

    /// What was said.
    pub fn text(&self) -> &str {
        match self {
            Self::User(text) => text,
            Self::Assistant(reply) => &reply.text,
        }
    }
}

impl Branch {
    /// How many messages it holds.
    pub fn n_messages(&self) -> usize {
        self.nodes.len()
    }
}

fn check_choice(
    nodes: &BTreeMap<NodeId, Node>,
    parent: Option<NodeId>,
    chosen: Option<NodeId>,
) -> Result<(), Misgrown> {
    match chosen {
        Some(id) if nodes.get(&id).is_none_or(|node| node.parent != parent) => {
            Err(Misgrown::Stranger(id))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn talk(turns: usize) -> Tree {
        let mut tree = Tree::default();
        for turn in 0..turns {
            let question = tree.say(format!("question {turn}"));
            let answer = tree.answer(question, Recipe::default()).unwrap();
            tree.reply_mut(answer).unwrap().text = format!("answer {turn}");
        }
        tree
    }

    #[track_caller]
    fn check(tree: &Tree, expected: &[&str]) {
        let said: Vec<_> =
            tree.path().into_iter().map(|id| tree.turn(id).unwrap().text()).collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn an_edited_message_stands_beside_the_old_one() {
        let mut tree = talk(2);
        let old = tree.path()[2];
        let new = tree.edit(old, "another question".into()).unwrap();
        check(&tree, &["question 0", "answer 0", "another question"]);
        assert_eq!(tree.versions(new), [old, new]);
        tree.switch(new, -1);
        check(&tree, &["question 0", "answer 0", "question 1", "answer 1"]);
    }

    #[test]
    fn a_reply_written_again_keeps_the_old_one_within_reach() {
        let mut tree = talk(1);
        let (question, old) = (tree.path()[0], tree.path()[1]);
        let new = tree.answer(question, Recipe::default()).unwrap();
        check(&tree, &["question 0", ""]);
        assert_eq!(tree.switch(new, -1), Some(old));
        check(&tree, &["question 0", "answer 0"]);
        assert_eq!(tree.switch(old, -1), Some(old), "there is nothing before the first");
    }

    #[test]
    fn deleting_a_version_shows_its_neighbour_and_undo_brings_it_back() {
        let mut tree = talk(2);
        let before = tree.clone();
        let branch = tree.remove(tree.path()[2]).unwrap();
        assert_eq!(branch.n_messages(), 2);
        check(&tree, &["question 0", "answer 0"]);
        tree.restore(branch).unwrap();
        assert_eq!(tree, before);
    }

    #[test]
    fn a_branch_whose_root_is_gone_is_handed_back() {
        let mut tree = talk(2);
        let branch = tree.remove(tree.path()[2]).unwrap();
        tree.remove(tree.path()[0]).unwrap();
        assert!(tree.restore(branch).is_err());
        check(&tree, &[]);
    }

    #[test]
    fn a_question_left_without_an_answer_is_asked_anew_beside_itself() {
        let mut tree = talk(1);
        tree.remove(tree.path()[1]).unwrap();
        tree.say("something else".into());
        check(&tree, &["something else"]);
        assert_eq!(tree.versions(tree.path()[0]).len(), 2);
    }

    #[test]
    fn nodes_that_make_no_tree_are_refused() {
        let node = |parent, turn| Node { parent, chosen: None, turn };
        let user = || Turn::User(String::new());
        let grow = |nodes: Vec<(u32, Node)>, root| Tree::grow(nodes.into_iter().collect(), root);
        assert_eq!(grow(vec![(3, node(Some(1), user()))], None), Err(Misgrown::Orphan(3)));
        let echo = vec![(1, node(None, user())), (2, node(Some(1), user()))];
        assert_eq!(grow(echo, None), Err(Misgrown::Echo(2)));
        assert_eq!(grow(vec![(1, node(None, user()))], Some(7)), Err(Misgrown::Stranger(7)));
    }

    /// What a user may do to a tree; numbers are taken modulo the messages there are.
    #[derive(Debug, Clone)]
    enum Deed {
        Say,
        Answer(usize),
        Edit(usize),
        Switch(usize, isize),
        RemoveAndRestore(usize),
        Remove(usize),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            Just(Deed::Say),
            (0..99_usize).prop_map(Deed::Answer),
            (0..99_usize).prop_map(Deed::Edit),
            (0..99_usize, -3..=3_isize).prop_map(|(at, by)| Deed::Switch(at, by)),
            (0..99_usize).prop_map(Deed::RemoveAndRestore),
            (0..99_usize).prop_map(Deed::Remove),
        ]
    }

    proptest! {
        #[test]
        fn no_sequence_of_deeds_breaks_the_tree(deeds in prop::collection::vec(deed(), 0..60)) {
            let mut tree = Tree::default();
            for deed in deeds {
                let ids: Vec<_> = tree.nodes().keys().copied().collect();
                let pick = |at: usize| ids.get(at % ids.len().max(1)).copied();
                match deed {
                    Deed::Say => {
                        tree.say("said".into());
                        prop_assert_eq!(tree.turn(tree.leaf().unwrap()).unwrap().text(), "said");
                    }
                    Deed::Answer(at) => {
                        if let Some(id) = pick(at) {
                            let is_user = tree.user_text(id).is_some();
                            prop_assert_eq!(tree.answer(id, Recipe::default()).is_some(), is_user);
                        }
                    }
                    Deed::Edit(at) => {
                        if let Some(id) = pick(at) {
                            let versions = tree.versions(id).len();
                            if let Some(new) = tree.edit(id, "edited".into()) {
                                prop_assert_eq!(tree.versions(new).len(), versions + 1);
                            }
                        }
                    }
                    Deed::Switch(at, by) => {
                        if let Some(id) = pick(at) {
                            prop_assert!(tree.versions(id).contains(&tree.switch(id, by).unwrap()));
                        }
                    }
                    Deed::RemoveAndRestore(at) => {
                        if let Some(id) = pick(at) {
                            let before = tree.clone();
                            let branch = tree.remove(id).unwrap();
                            prop_assert_eq!(branch.n_messages() + tree.nodes().len(), before.nodes().len());
                            tree.restore(branch).unwrap();
                            prop_assert_eq!(tree.nodes().len(), before.nodes().len());
                        }
                    }
                    Deed::Remove(at) => {
                        if let Some(id) = pick(at) {
                            tree.remove(id).unwrap();
                            prop_assert!(tree.turn(id).is_none());
                        }
                    }
                }
                // What a file would be asked on the way back holds at all times.
                let grown = Tree::grow(tree.nodes().clone(), tree.chosen_root());
                prop_assert!(grown.is_ok(), "{:?}", grown);
                // A path never ends while there is more to show.
                if !tree.is_empty() {
                    let leaf = tree.leaf().unwrap();
                    prop_assert!(tree.children(Some(leaf)).is_empty());
                }
            }
        }
    }
}
