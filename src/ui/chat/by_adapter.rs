//! How many drafts stood, by the adapters that the replies had and by who drafted.

use std::path::Path;

use eframe::egui::{Grid, Ui};

use super::{
    conversation::Conversation,
    parts::{grouped, small},
    reply::Reply,
};
use crate::{domain::AdapterChoice, ui::theme};

/// Replies that had the same adapters and the same way to speculate, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The adapters with their scales.
    pub adapters: String,
    /// Who drafted.
    pub method: String,
    /// Passes that had a draft.
    pub drafts: usize,
    /// Tokens drafted.
    pub drafted: usize,
    /// How many of them stood.
    pub accepted: usize,
}

/// Adds up what the conversations' replies on show drafted, in the order in which the groups first came.
pub fn groups<'a>(conversations: impl Iterator<Item = &'a Conversation>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for conversation in conversations {
        let tree = &conversation.tree;
        for reply in tree.path().into_iter().filter_map(|node| tree.reply(node)) {
            add(&mut groups, reply);
        }
    }
    groups
}

fn add(groups: &mut Vec<Group>, reply: &Reply) {
    let counts = &reply.figures.speculation;
    if counts.drafts == 0 {
        return;
    }
    let adapters = label(&reply.recipe.adapters);
    let method = reply.recipe.speculative.label();
    let known = groups.iter_mut().find(|it| it.adapters == adapters && it.method == method);
    let group = if let Some(group) = known {
        group
    } else {
        let method = method.to_owned();
        groups.push(Group { adapters, method, drafts: 0, drafted: 0, accepted: 0 });
        groups.last_mut().expect("one was added")
    };
    group.drafts += counts.drafts;
    group.drafted += counts.draft_tokens;
    group.accepted += counts.accepted_tokens;
}

/// The adapters in a few words.
fn label(adapters: &[AdapterChoice]) -> String {
    if adapters.is_empty() {
        return "none".to_owned();
    }
    let name = |it: &AdapterChoice| {
        let name = Path::new(&it.id).file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_else(|| it.id.clone());
        if (it.scale - 1.0).abs() > f32::EPSILON { format!("{name} × {}", it.scale) } else { name }
    };
    adapters.iter().map(name).collect::<Vec<_>>().join(" + ")
}

/// Draws the groups as a small table.
pub fn groups_ui(ui: &mut Ui, groups: &[Group]) {
    Grid::new("by adapter").striped(true).spacing([theme::GAP, theme::TIGHT]).show(ui, |ui| {
        for name in ["Adapters", "Drafter", "Accepted", "Length"] {
            ui.label(theme::caption(name, ui.visuals()));
        }
        ui.end_row();
        for group in groups {
            let rate = group.accepted as f64 / group.drafted.max(1) as f64;
            let length = 1.0 + group.accepted as f64 / group.drafts.max(1) as f64;
            ui.label(small(ui, &group.adapters));
            ui.label(small(ui, &group.method));
            ui.label(small(ui, format!("{:.0} %", 1e2 * rate))).on_hover_text(format!(
                "{} of {} drafted tokens",
                grouped(group.accepted),
                grouped(group.drafted)
            ));
            ui.label(small(ui, format!("{length:.2}")));
            ui.end_row();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::Speculative, ui::chat::reply::Recipe};

    #[test]
    fn replies_are_added_up_by_their_adapters_and_who_drafted() {
        let mut conversation = Conversation::new("");
        let chess = AdapterChoice { id: "/home/ada/chess".into(), scale: 0.5 };
        for (adapters, accepted) in
            [(vec![], 2), (vec![chess.clone()], 5), (vec![chess], 1), (vec![], 0)]
        {
            let question = conversation.tree.say("?".into());
            let recipe = Recipe { adapters, speculative: Speculative::NGRAM, ..Recipe::default() };
            let answer = conversation.tree.answer(question, recipe).unwrap();
            let counts = &mut conversation.tree.reply_mut(answer).unwrap().figures.speculation;
            (counts.drafts, counts.draft_tokens, counts.accepted_tokens) = (2, 6, accepted);
        }
        let found = groups([&conversation].into_iter());
        let told: Vec<_> = found
            .iter()
            .map(|it| (it.adapters.as_str(), it.drafts, it.drafted, it.accepted))
            .collect();
        assert_eq!(told, [("none", 4, 12, 2), ("chess × 0.5", 4, 12, 6)]);
    }
}
