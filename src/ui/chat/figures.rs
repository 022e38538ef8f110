//! Figures: under each reply, of the context, and of each step.

use eframe::egui::{ScrollArea, Ui};

use super::{
    by_adapter::{Group, groups, groups_ui},
    conversation::{Conversation, ConversationId},
    parts::{grouped, muted, section, small},
    reply::{Figures, Reply, Status, Step},
    state::State,
};
use crate::ui::{
    theme::{self, Hue},
    widgets::{
        acceptance_plot::acceptance_plot_ui,
        gain_plot::{gain_plot_ui, has_gains},
        latency_plot::{StepSample, StepTrace, WINDOW, latency_plot_ui, throughput_plot_ui},
        position_plot::position_plot_ui,
        progress_ui,
    },
};

/// Shares of the context from which the meter is amber, and red.
const FULLNESS: [f32; 2] = [0.75, 0.9];

/// Width of the context meter.
const METER_WIDTH: f32 = 48.0;

const TTFT_TIP: &str =
    "TTFT: time to first token, from the request (model loaded) to the first token.";
const RATE_TIP: &str =
    "Tokens per second after the first: 1 / TPOT, with\nTPOT = (total − TTFT) / (tokens − 1).";
const LENGTH_TIP: &str = "Acceptance length: tokens per pass that had a draft, the model's own included:\n1 + accepted / drafts.";
const ACCEPTANCE_TIP: &str =
    "Acceptance rate: accepted / drafted tokens.\nAcceptance length: 1 + accepted / drafts.";

const POSITION_TIP: &str = "Of the last reply: how many of its drafts stood at least to each of their tokens.\nTheir sum and one is the acceptance length: 1 + accepted / drafts.";
const GROUPS_TIP: &str = "Of the replies on show, the base's beside them too, by the adapters that they had.\nAccepted: accepted / drafted tokens. Length: 1 + accepted / drafts.";
const GAIN_TIP: &str = "Speed of the steps in that of steps without a draft.\nExpected (dashed): tokens that the chosen draft was expected to bring / its expected cost.\nReal: tokens × median time of a plain step / time of the step, over the last 16 steps.";

/// What the plots show, worked out when it changes.
#[derive(Default)]
pub struct Plots {
    /// Conversation, revision, and steps of its last reply.
    key: Option<(ConversationId, u64, usize)>,
    trace: StepTrace,
    groups: Vec<Group>,
}

impl Plots {
    /// Follows the replies on show.
    pub fn update(&mut self, state: &State) {
        let conversation = state.shown();
        let last = conversation.last_reply().and_then(|node| conversation.tree.reply(node));
        let n_steps = last.map_or(0, |reply| reply.steps.len());
        let key = (conversation.id.clone(), state.revision(), n_steps);
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let tree = &conversation.tree;
        let steps: Vec<StepSample> = tree
            .path()
            .into_iter()
            .filter_map(|node| tree.reply(node))
            .flat_map(|reply| reply.steps.iter().map(sample))
            .collect();
        self.trace = StepTrace::of(steps.into_iter());
        self.groups = groups([conversation].into_iter().chain(state.beside()));
        self.key = Some(key);
    }
}

fn sample(step: &Step) -> StepSample {
    StepSample {
        latency_ms: step.latency_ms(),
        draft_ms: f64::from(step.draft_us) / 1e3,
        verify_ms: f64::from(step.verify_us) / 1e3,
        tokens: step.tokens,
        drafted: step.drafted,
        accepted: step.accepted,
        gain: f64::from(step.gain_permille) / 1e3,
    }
}

/// Draws the plots of the conversation on show.
pub fn plots_ui(ui: &mut Ui, state: &State, plots: &mut Plots) {
    plots.update(state);
    let trace = &plots.trace;
    let reply = state.shown().last_reply().and_then(|node| state.shown().tree.reply(node));
    ScrollArea::vertical().id_salt("chat plots").auto_shrink(false).show(ui, |ui| {
        if trace.is_empty() {
            section(ui, "Decode steps", "Time, throughput and acceptance of each step of the model");
            ui.label(muted(ui, "Send a message, and each step of the reply is drawn here."));
            return;
        }
        let figures = reply.map(|reply| &reply.figures);
        let last = reply.and_then(|reply| reply.steps.last());
        let figure = last.map(|step| format!("{:.1} ms", step.latency_ms()));
        title(ui, "Inter-token latency", figure, "Time of each decode step (one pass, one or more tokens), in ms.\nWhile a reply is written: draft + verify; when it is done: the gaps between steps as the engine measured them.\nTPOT = (total − TTFT) / (tokens − 1).");
        latency_plot_ui(ui, trace);
        let figure = figures.and_then(Figures::tokens_per_sec).map(|rate| format!("{rate:.1} tokens/s"));
        let tip = format!("Tokens over time within the last {WINDOW} steps.\nThe figure is that of the whole reply.\n{RATE_TIP}");
        title(ui, "Tokens per second", figure, &tip);
        throughput_plot_ui(ui, trace);
        let rate = figures.and_then(|figures| figures.speculation.acceptance_rate());
        let figure = rate.map(|rate| format!("{:.0} % accepted", 1e2 * rate));
        let tip = format!("Dots: tokens of each step, 1 + accepted. Line: their mean over the last {WINDOW} steps.\n{ACCEPTANCE_TIP}");
        title(ui, "Tokens per step", figure, &tip);
        acceptance_plot_ui(ui, trace);
        if let Some(counts) = figures.map(|it| &it.speculation).filter(|it| it.drafts > 0) {
            let figure = counts.acceptance_length().map(|it| format!("acceptance length {it:.2}"));
            title(ui, "Acceptance by position", figure, POSITION_TIP);
            position_plot_ui(ui, &counts.accepted_by_position, counts.drafts);
        }
        if plots.groups.len() > 1 {
            title(ui, "Acceptance by adapter", None, GROUPS_TIP);
            groups_ui(ui, &plots.groups);
        }
        if has_gains(trace) {
            title(ui, "Gain, expected and real", None, GAIN_TIP);
            gain_plot_ui(ui, trace);
        }
    });
}

fn title(ui: &mut Ui, title: &str, figure: Option<String>, tip: &str) {
    ui.horizontal(|ui| {
        theme::section(ui, title).on_hover_text(tip);
        if let Some(figure) = figure {
            ui.label(small(ui, figure)).on_hover_text(tip);
        }
    });
}

/// The figures under a reply; what made it, when asked.
pub fn figures_line_ui(ui: &mut Ui, reply: &Reply) {
    let figures = &reply.figures;
    let ended = match &reply.status {
        Status::Writing if !reply.steps.is_empty() => Some(("Writing…", "More is to come.")),
        Status::Stopped => Some(("Stopped", "You stopped it; what was written is kept.")),
        Status::Interrupted => Some(("Interrupted", "Formant ended while this was written.")),
        Status::Length => {
            Some(("Cut off", "The token limit or the end of the context was reached."))
        }
        _ => None,
    };
    if let Some((word, tip)) = ended {
        let warn = theme::color(Hue::Warn, ui.visuals());
        let color = if reply.is_writing() { theme::color(Hue::Muted, ui.visuals()) } else { warn };
        ui.label(small(ui, word).color(color)).on_hover_text(tip);
    }
    let mut parts: Vec<(String, &str)> = Vec::new();
    if let Some(ttft) = figures.ttft_ms {
        parts.push((format!("TTFT {ttft:.0} ms"), TTFT_TIP));
    }
    if let Some(rate) = figures.tokens_per_sec() {
        parts.push((format!("{rate:.1} tok/s"), RATE_TIP));
    }
    if figures.tokens > 0 {
        parts.push((format!("{} tokens", grouped(figures.tokens)), "Tokens of this reply."));
    }
    if let Some(length) = figures.speculation.acceptance_length() {
        parts.push((format!("acceptance length {length:.2}"), LENGTH_TIP));
    }
    for (index, (text, tip)) in parts.into_iter().enumerate() {
        let text = if index == 0 { text } else { format!("· {text}") };
        ui.label(small(ui, text)).on_hover_ui(|ui| {
            ui.label(format!("{tip}\n\n{}", recipe_text(reply)));
        });
    }
}

/// What made a reply, and how it went.
pub fn recipe_text(reply: &Reply) -> String {
    let recipe = &reply.recipe;
    let sampling = &recipe.sampling;
    let chosen = if sampling.temperature == 0.0 {
        "greedy (temperature 0)".to_owned()
    } else {
        format!(
            "temperature {}, top-k {}, top-p {}, min-p {}",
            sampling.temperature,
            if sampling.top_k == 0 { "off".to_owned() } else { sampling.top_k.to_string() },
            sampling.top_p,
            sampling.min_p,
        )
    };
    let method = recipe.speculative.describe();
    let adapters: Vec<String> =
        recipe.adapters.iter().map(|it| format!("{} × {}", it.id, it.scale)).collect();
    let adapters = if adapters.is_empty() { "none".to_owned() } else { adapters.join(", ") };
    let figures = &reply.figures;
    let counts = &figures.speculation;
    let mut lines = vec![
        format!("Model: {}", recipe.model),
        format!("Adapters: {adapters}"),
        format!("Sampling: {chosen}, repetition penalty {}", sampling.repetition_penalty),
        format!("Seed: {}", sampling.seed),
        format!("Speculation: {method}"),
        format!("Limit: {} tokens", grouped(recipe.max_tokens)),
    ];
    if !recipe.system_prompt.is_empty() {
        lines.push(format!("System prompt: {}", recipe.system_prompt));
    }
    if figures.tokens > 0 {
        lines.push(format!(
            "Tokens: {} prompt ({} from cache), {} written",
            grouped(figures.prompt_tokens),
            grouped(figures.reused_tokens),
            grouped(figures.tokens),
        ));
        let tpot = figures.tpot_ms().map(|tpot| format!(", TPOT {tpot:.2} ms"));
        lines.push(format!(
            "Total {:.0} ms, loading {:.0} ms{}",
            figures.total_ms,
            figures.load_ms,
            tpot.unwrap_or_default(),
        ));
    }
    if let Some(rate) = counts.acceptance_rate() {
        lines.push(format!(
            "Drafts {}, drafted {}, accepted {} ({:.0} %)",
            grouped(counts.drafts),
            grouped(counts.draft_tokens),
            grouped(counts.accepted_tokens),
            1e2 * rate,
        ));
    }
    lines.join("\n")
}

/// How much of the model's context the conversation takes.
pub fn context_meter_ui(ui: &mut Ui, conversation: &Conversation) {
    let tree = &conversation.tree;
    let context = |node| tree.reply(node).and_then(|reply| reply.figures.context());
    let Some((used, length)) = tree.path().into_iter().rev().find_map(context) else { return };
    let share = used as f32 / length as f32;
    let (sign, hue) = match share {
        share if share >= FULLNESS[1] => ("⚠ ", Hue::Bad),
        share if share >= FULLNESS[0] => ("⚠ ", Hue::Warn),
        _ => ("", Hue::Muted),
    };
    let tip = format!(
        "Context: {used} of {length} tokens ({:.0} %): the conversation so far as the model reads it, with the reply.\nWhen it is full, a reply is cut off there, and the next message is refused: begin a new conversation, or edit an earlier message.",
        1e2 * share
    );
    let text = format!("{sign}{} / {} tokens", grouped(used), grouped(length));
    let color = theme::color(hue, ui.visuals());
    ui.label(small(ui, text).color(color)).on_hover_text(&tip);
    // The figure says it all where the bar has no room.
    if ui.available_width() >= METER_WIDTH + theme::GAP {
        progress_ui(ui, "Context", METER_WIDTH, Some(share)).on_hover_text(tip);
    }
}
