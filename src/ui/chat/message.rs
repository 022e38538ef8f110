//! One message: what was said, by whom, and what can be done with it.

use eframe::egui::{
    Align, Button, Key, KeyboardShortcut, Layout, Modifiers, Popup, PopupKind, RichText, Sense,
    TextEdit, Ui, vec2,
};

use super::{
    conversation::Conversation,
    figures::{figures_line_ui, recipe_text},
    icons::{Icon, icon_button, icon_button_or_why},
    parts::{muted, small, take_plain_key},
    reply::{Failure, Likely, Remedy, Reply, ReplyToken, Status, Step},
    state::Writing,
    tree::{NodeId, Turn},
    view::{Editing, Intent},
};
use crate::{
    domain::{AdapterChoice, Guess, ModelInfo, Origin, Progress, Stage},
    ui::{
        theme::{self, Hue},
        units,
        widgets::{
            markdown_view::MarkdownView,
            progress_ui,
            token_text::{About, Asked, Run, Tint, TokenText, color_of},
        },
    },
};

/// What a message looks like, worked out when it changes.
#[derive(Default)]
pub struct MessageView {
    markdown: MarkdownView,
    tokens: TokenText,
    /// The token whose alternatives are on show.
    menu: Option<TokenMenu>,
}

/// What else might have stood in the place of a token.
struct TokenMenu {
    asked: Asked,
    /// Whether its first button takes the keyboard in the next frame.
    focus: bool,
}

/// Width of the bar that shows how far the first token is.
const PROGRESS_WIDTH: f32 = 320.0;

/// Side of the square that shows a colour of tokens, in points.
const SWATCH: f32 = 10.0;

/// Room for the buttons below a reply.
const ACTIONS_WIDTH: f32 = 130.0;

/// What the messages of a conversation are drawn with.
pub struct Scene<'a> {
    /// The conversation on show.
    pub conversation: &'a Conversation,
    /// The reply that is being written in it.
    pub writing: Option<&'a Writing>,
    /// Whether tokens are coloured by origin.
    pub colors: bool,
    /// The models there are, for their names.
    pub models: &'a [ModelInfo],
}

impl Scene<'_> {
    /// Why nothing can be changed, while a reply is written.
    fn why_busy(&self) -> Option<&'static str> {
        self.writing.is_some().then_some("a reply is being written here; Esc stops it")
    }
}

/// Draws a message; `editing` if it is the one that is being edited.
pub fn message_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    node: NodeId,
    message: &mut MessageView,
    editing: Option<&mut Editing>,
    intents: &mut Vec<Intent>,
) {
    match scene.conversation.tree.turn(node) {
        Some(Turn::User(text)) => theme::card(ui, |ui| match editing {
            Some(editing) => editor_ui(ui, editing, scene.writing.is_some(), intents),
            None => user_ui(ui, scene, node, text, intents),
        }),
        Some(Turn::Assistant(reply)) => reply_ui(ui, scene, node, reply, message, intents),
        None => (),
    }
}

fn user_ui(ui: &mut Ui, scene: &Scene<'_>, node: NodeId, text: &str, intents: &mut Vec<Intent>) {
    ui.horizontal(|ui| {
        ui.label(small(ui, "You"));
        versions_ui(ui, scene, node, intents);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let why_not = scene.why_busy();
            delete_ui(ui, node, "Delete message and all that follows", why_not, intents);
            if icon_button_or_why(ui, Icon::Edit, "Edit message", why_not).clicked() {
                intents.push(Intent::BeginEdit(node));
            }
            copy_ui(ui, "Copy message", text, intents);
        });
    });
    ui.label(text);
}

fn editor_ui(ui: &mut Ui, editing: &mut Editing, is_busy: bool, intents: &mut Vec<Intent>) {
    ui.label(small(ui, "Edit your message; the old one is kept as another version"));
    let id = ui.make_persistent_id("editor");
    let has_focus = ui.memory(|memory| memory.has_focus(id));
    let enter = has_focus && take_plain_key(ui, Key::Enter);
    let field = TextEdit::multiline(&mut editing.text)
        .id(id)
        .desired_rows(2)
        .desired_width(f32::INFINITY)
        .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter));
    let field = ui.add(field).accessible_name("Edit message");
    if std::mem::take(&mut editing.focus) {
        field.request_focus();
    }
    let escape = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape));
    ui.horizontal(|ui| {
        let can_send = !is_busy && !editing.text.trim().is_empty();
        let why_not = if is_busy { "A reply is being written" } else { "There is nothing to send" };
        let send = ui.add_enabled(can_send, Button::new("Send edited"));
        let send = send.on_hover_text("Enter").on_disabled_hover_text(why_not);
        if (send.clicked() || enter) && can_send {
            intents.push(Intent::Edit(editing.node, editing.text.clone()));
        }
        if ui.button("Cancel").clicked() || escape {
            intents.push(Intent::CancelEdit);
        }
    });
}

fn reply_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    node: NodeId,
    reply: &Reply,
    message: &mut MessageView,
    intents: &mut Vec<Intent>,
) {
    let model = scene.models.iter().find(|model| model.id == reply.recipe.model);
    let name = model.map_or(reply.recipe.model.as_str(), |model| model.name.as_str());
    let stamp = stamp(name, reply, scene.models);
    ui.horizontal(|ui| {
        ui.label(small(ui, stamp)).on_hover_ui(|ui| {
            ui.label(recipe_text(reply));
        });
        versions_ui(ui, scene, node, intents);
    });
    if !reply.text.is_empty() {
        if scene.colors {
            tokens_ui(ui, scene, node, reply, message, intents);
        } else {
            message.markdown.ui(ui, &reply.text);
        }
    }
    match &reply.status {
        Status::Writing if reply.steps.is_empty() => waiting_ui(ui, scene.writing),
        Status::Failed(failure) => {
            failure_ui(ui, node, failure, intents);
        }
        _ => (),
    }
    ui.horizontal(|ui| {
        // Where there is little room the figures take two lines, and the buttons stay.
        let width = (ui.available_width() - ACTIONS_WIDTH).max(0.0);
        let size = vec2(width, ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(
            size,
            Layout::left_to_right(Align::Center).with_main_wrap(true),
            |ui| {
                ui.set_width(width);
                figures_line_ui(ui, reply);
            },
        );
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let why_not = scene.why_busy();
            delete_ui(ui, node, "Delete this version of the reply", why_not, intents);
            let again = icon_button_or_why(ui, Icon::Again, "Regenerate (Ctrl+R)", why_not);
            if again.clicked() {
                intents.push(Intent::Regenerate(node));
            }
            if !reply.text.is_empty() {
                if icon_button(ui, Icon::Read, "Read aloud").clicked() {
                    intents.push(Intent::ReadAloud(node));
                }
                copy_ui(ui, "Copy reply", &reply.text, intents);
            }
        });
    });
}

/// What wrote it: the model, and the adapters with their scales.
fn stamp(model: &str, reply: &Reply, models: &[ModelInfo]) -> String {
    let mut stamp = model.to_owned();
    for AdapterChoice { id, scale } in &reply.recipe.adapters {
        let known = models.iter().find(|model| model.id == *id);
        let path = std::path::Path::new(id);
        let name = known.map(|model| model.name.as_str().into());
        let name = name.or_else(|| path.file_name().map(|name| name.to_string_lossy()));
        let name = name.unwrap_or(id.as_str().into());
        stamp = format!("{stamp} + {name}");
        if (scale - 1.0).abs() > f32::EPSILON {
            stamp = format!("{stamp} × {scale}");
        }
    }
    stamp
}

fn tokens_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    node: NodeId,
    reply: &Reply,
    message: &mut MessageView,
    intents: &mut Vec<Intent>,
) {
    let MessageView { tokens: token_text, menu, .. } = message;
    if reply.tokens.is_empty() {
        // Of an older version, which kept steps only.
        let tint = |step: &Step| if step.accepted > 0 { Tint::Drafted(None) } else { Tint::Plain };
        let run = |step: &Step| Run { len: step.text_len as usize, tint: tint(step) };
        let describe = |step_idx: usize| {
            reply.steps.get(step_idx).map_or_else(String::new, |step| step_text(step_idx, step))
        };
        let about = About { describe, related: |_| Vec::new() };
        token_text.ui(ui, &reply.text, reply.steps.iter().map(run), &about);
        return;
    }
    token_menu_ui(ui, scene, node, reply, menu, intents);
    let run = |token: &ReplyToken| Run { len: token.text_len as usize, tint: tint(token) };
    let about = About {
        describe: |token_idx: usize| token_details(reply, token_idx),
        related: |token_idx: usize| related_tokens(reply, token_idx),
    };
    let asked = token_text.ui(ui, &reply.text, reply.tokens.iter().map(run), &about);
    if let Some(asked) = asked {
        *menu = Some(TokenMenu { asked, focus: true });
        ui.ctx().request_repaint();
    }
    origins_ui(ui, reply);
}

fn tint(token: &ReplyToken) -> Tint {
    match token.origin {
        Origin::Drafted => Tint::Drafted(token.guess.map(|guess| guess.method)),
        Origin::Sampled => Tint::Plain,
        Origin::Chosen => Tint::Chosen,
    }
}

/// The tokens that a draft was found by and the one that a token was copied from, as far as they
/// stand in this reply.
fn related_tokens(reply: &Reply, token_idx: usize) -> Vec<usize> {
    let Some(guess) = reply.tokens.get(token_idx).and_then(|token| token.guess) else {
        return Vec::new();
    };
    let matched = reply.step_of(token_idx).map_or(0, |(_, step)| step.matched as usize);
    let draft_begin = (token_idx + 1).saturating_sub(guess.position);
    let mut related: Vec<usize> = (draft_begin.saturating_sub(matched)..draft_begin).collect();
    // The opening of a branch was read with the prompt.
    let first = reply.figures.prompt_tokens.saturating_sub(reply.n_opening);
    related.extend(guess.copied_from.and_then(|from| from.checked_sub(first)));
    related
}

/// What else might have stood in a place; pressing one writes the reply again from there.
fn token_menu_ui(
    ui: &mut Ui,
    scene: &Scene<'_>,
    node: NodeId,
    reply: &Reply,
    menu: &mut Option<TokenMenu>,
    intents: &mut Vec<Intent>,
) {
    let Some(TokenMenu { asked, focus }) = menu else { return };
    let Some(token) = reply.tokens.get(asked.run) else {
        *menu = None;
        return;
    };
    let id = ui.make_persistent_id("alternatives");
    let mut is_open = true;
    let popup = Popup::new(id, ui.ctx().clone(), asked.place, ui.layer_id())
        .kind(PopupKind::Menu)
        .open_bool(&mut is_open);
    popup.show(|ui| {
        ui.label(small(ui, "Go on from here with"));
        if token.alternatives.is_empty() {
            ui.label(muted(ui, "No alternatives were kept for this token."));
        }
        for (index, other) in token.alternatives.iter().enumerate() {
            if other.id.is_some() && other.id == token.id {
                continue;
            }
            let why_not = scene.why_busy().or_else(|| {
                let opening = reply.opening(asked.run, other);
                opening.is_none().then_some("it does not write a whole character, or a version before this one kept too little of the reply")
            });
            let name = format!("{:?} ({})", other.text, percent(other.logprob));
            let button = ui.add_enabled(why_not.is_none(), Button::new(name));
            let button = button
                .on_hover_text("Writes another version of the reply that says this here; the same seed, the same options")
                .on_disabled_hover_text(why_not.unwrap_or_default());
            if std::mem::take(focus) {
                button.request_focus();
            }
            if button.clicked() {
                intents.push(Intent::Branch(node, asked.run, index));
                ui.close();
            }
        }
    });
    if !is_open {
        *menu = None;
    }
}

/// How many tokens come from whom, in the colours of the text.
fn origins_ui(ui: &mut Ui, reply: &Reply) {
    let mut counts: Vec<(Tint, usize)> = Vec::new();
    for token in &reply.tokens {
        let tint = tint(token);
        match counts.iter_mut().find(|(kind, _)| *kind == tint) {
            Some((_, count)) => *count += 1,
            None => counts.push((tint, 1)),
        }
    }
    if counts.iter().all(|(tint, _)| *tint == Tint::Plain) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for (tint, count) in counts {
            let name = match tint {
                Tint::Plain => "the model's own",
                Tint::Drafted(None) => "drafted",
                Tint::Drafted(Some(method)) => method.label(),
                Tint::Chosen => "your choice",
            };
            let share = 1e2 * count as f64 / reply.tokens.len() as f64;
            if let Some(color) = color_of(tint, ui.visuals()) {
                let (rect, _) = ui.allocate_exact_size(vec2(SWATCH, SWATCH), Sense::hover());
                ui.painter().rect_filled(rect, 2.0, color);
            }
            ui.label(small(ui, format!("{name} {count} ({share:.0} %)")));
            ui.add_space(theme::TIGHT);
        }
    });
}

/// A token, how likely it was, what else was likely, and the step that wrote it.
fn token_details(reply: &Reply, token_idx: usize) -> String {
    let Some(token) = reply.tokens.get(token_idx) else { return String::new() };
    let before: usize = reply.tokens[..token_idx].iter().map(|t| t.text_len as usize).sum();
    let text = reply.text.get(before..before + token.text_len as usize).unwrap_or_default();
    let text = if text.is_empty() { "part of a character".to_owned() } else { format!("{text:?}") };
    let origin = match (token.origin, token.guess) {
        (Origin::Drafted, Some(guess)) => format!("drafted by {}", guess.method.label()),
        (Origin::Drafted, None) => "drafted and accepted".to_owned(),
        (Origin::Sampled, _) => "the model's own".to_owned(),
        (Origin::Chosen, _) => "your choice".to_owned(),
    };
    let mut lines = vec![format!("{text}: {}, {origin}", percent(token.logprob))];
    lines.extend(token.guess.map(|guess| guess_text(reply, token_idx, guess)));
    if !token.alternatives.is_empty() {
        let named = |other: &Likely| format!("{:?} {}", other.text, percent(other.logprob));
        let named: Vec<_> = token.alternatives.iter().map(named).collect();
        lines.push(format!("Likeliest: {}", named.join(", ")));
    }
    if let Some((step_idx, step)) = reply.step_of(token_idx) {
        lines.push(step_text(step_idx, step));
    }
    lines.join("\n")
}

/// What the drafter knew.
fn guess_text(reply: &Reply, token_idx: usize, guess: Guess) -> String {
    let mut parts = vec![format!("Token {} of its draft", guess.position)];
    if let Some(probability) = guess.probability {
        parts.push(format!("its probability {}", percent(probability.ln())));
    }
    let matched = reply.step_of(token_idx).map_or(0, |(_, step)| step.matched);
    if matched > 0 {
        parts.push(format!("found by the {} before it", units::count(matched as usize, "token")));
    }
    if let Some(from) = guess.copied_from {
        let n_prompt = reply.figures.prompt_tokens;
        parts.push(match from.checked_sub(n_prompt) {
            Some(from) => format!("copied from token {} of this reply", from + 1),
            None => format!("copied from token {} of {n_prompt} of the prompt", from + 1),
        });
    }
    parts.join(", ")
}

/// A log-probability for people.
fn percent(logprob: f32) -> String {
    match 100.0 * logprob.exp() {
        percent if percent < 0.1 => "under 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    }
}

fn step_text(step_idx: usize, step: &Step) -> String {
    let number = step_idx + 1;
    let (tokens, ms) = (units::count(step.tokens as usize, "token"), step.latency_ms());
    let drafted = match (step.drafted, step.accepted) {
        (0, _) => "nothing was drafted".to_owned(),
        (drafted, accepted) => format!("{drafted} drafted, {accepted} accepted"),
    };
    format!("Step {number}: {tokens} in {ms:.1} ms; {drafted}")
}

fn waiting_ui(ui: &mut Ui, writing: Option<&Writing>) {
    let progress = writing.and_then(|writing| writing.progress.as_ref());
    let what = progress.map_or_else(|| "Waiting for the engine".to_owned(), stage_text);
    ui.label(muted(ui, what));
    if let Some(progress) = progress.filter(|progress| progress.total > 0) {
        let share = progress.done as f32 / progress.total as f32;
        progress_ui(ui, "Before the first token", PROGRESS_WIDTH, Some(share));
    }
}

/// What is being done before the first token, with its counts.
pub fn stage_text(progress: &Progress) -> String {
    let Progress { stage, subject, done, total } = progress;
    match stage {
        Stage::Queue => "Waiting for other jobs".to_owned(),
        Stage::Load => {
            format!("Loading {subject}: {} of {}", units::bytes(*done), units::bytes(*total))
        }
        Stage::Prefill => format!("Reading the prompt: {done} of {total} tokens"),
        _ => format!("{subject}: {done} of {total}"),
    }
}

/// What happened, why, and what helps.
fn failure_ui(ui: &mut Ui, node: NodeId, failure: &Failure, intents: &mut Vec<Intent>) {
    let bad = theme::color(Hue::Bad, ui.visuals());
    theme::card(ui, |ui| {
        ui.label(RichText::new(format!("⚠ {}", failure.what)).color(bad));
        ui.label(&failure.why);
        ui.horizontal(|ui| {
            if failure.remedy == Remedy::OpenModels && ui.button("Open Models").clicked() {
                intents.push(Intent::OpenModels);
            }
            if failure.remedy == Remedy::ChangeRequest && ui.button("New conversation").clicked() {
                intents.push(Intent::Begin);
            }
            if ui.button("Try again").clicked() {
                intents.push(Intent::Regenerate(node));
            }
        });
    });
}

fn versions_ui(ui: &mut Ui, scene: &Scene<'_>, node: NodeId, intents: &mut Vec<Intent>) {
    let versions = scene.conversation.tree.versions(node);
    if versions.len() < 2 {
        return;
    }
    let number = versions.iter().position(|version| *version == node).unwrap_or(0) + 1;
    let first = (number == 1).then_some("this is the first");
    if icon_button_or_why(ui, Icon::Previous, "Previous version", first).clicked() {
        intents.push(Intent::Switch(node, -1));
    }
    ui.label(small(ui, format!("{number}/{}", versions.len()))).on_hover_text("Version on show");
    let last = (number == versions.len()).then_some("this is the last");
    if icon_button_or_why(ui, Icon::Next, "Next version", last).clicked() {
        intents.push(Intent::Switch(node, 1));
    }
}

fn copy_ui(ui: &mut Ui, name: &str, text: &str, intents: &mut Vec<Intent>) {
    if icon_button(ui, Icon::Copy, name).clicked() {
        intents.push(Intent::Copy(text.to_owned()));
    }
}

fn delete_ui(
    ui: &mut Ui,
    node: NodeId,
    name: &str,
    why_not: Option<&str>,
    intents: &mut Vec<Intent>,
) {
    if icon_button_or_why(ui, Icon::Delete, name, why_not).clicked() {
        intents.push(Intent::DeleteMessage(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Alternative, DecodeStep, DraftMatch, MatchSource, Method, StepDraft},
        ui::chat::reply::Recipe,
    };

    #[test]
    fn a_token_tells_its_probability_what_else_was_likely_and_its_step() {
        let mut step = DecodeStep::for_tests(" the", 2, 3);
        let other = |text: &str, percent: f32| Alternative {
            id: 1,
            text: text.into(),
            logprob: (percent / 100.0).ln(),
        };
        step.tokens[0].logprob = 0.432f32.ln();
        step.tokens[0].top_logprobs = vec![other(" a", 51.0), other("\n", 0.01)];
        let mut reply = Reply::begin(Recipe::default());
        reply.add_step(&step);
        let expected = "\" the\": 43.2 %, drafted and accepted\n\
            Likeliest: \" a\" 51.0 %, \"\\n\" under 0.1 %\n\
            Step 1: 2 tokens in 10.1 ms; 3 drafted, 1 accepted";
        assert_eq!(token_details(&reply, 0), expected);
        assert!(token_details(&reply, 1).starts_with("part of a character: "));
    }

    #[test]
    fn a_drafted_token_tells_who_drafted_it_and_where_it_was_found() {
        let mut step = DecodeStep::for_tests(" the", 3, 3);
        step.tokens[1].text = " cat".into();
        let guess = |position| Guess {
            method: Method::Ngram,
            position,
            probability: None,
            copied_from: Some(11 + position),
        };
        step.tokens[0].guess = Some(guess(1));
        step.tokens[1].guess = Some(guess(2));
        let positions = 9..12;
        step.draft = Some(StepDraft {
            method: Some(Method::Ngram),
            nodes: Vec::new(),
            matched: Some(DraftMatch { source: MatchSource::Context, positions }),
        });
        let mut reply = Reply::begin(Recipe::default());
        reply.figures.prompt_tokens = 8;
        (0..5).for_each(|_| reply.add_step(&DecodeStep::for_tests(" a", 1, 0)));
        reply.add_step(&step);
        let said = token_details(&reply, 6);
        let expected = "Token 2 of its draft, found by the 3 tokens before it, copied from token 6 \
            of this reply";
        assert!(said.contains("drafted by n-gram") && said.contains(expected), "{said}");
        assert_eq!(related_tokens(&reply, 6), [2, 3, 4, 5]);
        assert!(related_tokens(&reply, 0).is_empty());
    }
}
