//! What a comparison found: a table, and each text cut where a pass of the model ended.

use std::sync::Arc;

use eframe::egui::{Grid, RichText, ScrollArea, Ui};

use super::parts::{section, small};
use crate::{
    domain::{Method, MethodMeasurement, Sameness, Sample, Speculative, Spread},
    engine::Comparison,
    ui::{
        theme::{self, Hue},
        units,
        widgets::token_text::{About, Run, Tint, TokenText},
    },
};

/// What was measured so far.
#[derive(Default)]
pub struct Results {
    /// Each way, plain decoding first.
    pub methods: Vec<MethodMeasurement>,
    /// All of it, once it is done.
    pub comparison: Option<Arc<Comparison>>,
    texts: Vec<TokenText>,
}

impl Results {
    /// Takes in what a way has come to; ways come in their order.
    pub fn take(&mut self, method_idx: usize, measurement: MethodMeasurement) {
        if method_idx < self.methods.len() {
            self.methods[method_idx] = measurement;
        } else {
            self.methods.push(measurement);
        }
    }

    /// Takes in the end.
    pub fn finish(&mut self, comparison: Comparison) {
        self.methods.clone_from(&comparison.methods);
        self.comparison = Some(Arc::new(comparison));
    }
}

/// Draws all of it.
pub fn results_ui(ui: &mut Ui, results: &mut Results) {
    if results.methods.is_empty() {
        return;
    }
    section(
        ui,
        "Figures",
        "Medians of the goes. Writing after the first token; the prompt is read once before and does not count.",
    );
    ScrollArea::horizontal().id_salt("compare table").show(ui, |ui| table_ui(ui, &results.methods));
    if let Some(comparison) = &results.comparison {
        let threads = units::count(comparison.n_threads, "thread");
        let text = format!(
            "{}, {}, {threads}, {} tokens of prompt",
            comparison.model, comparison.arithmetic, comparison.prompt_tokens
        );
        ui.label(small(ui, text));
    }
    ui.add_space(theme::GAP);
    section(
        ui,
        "Passes",
        "Each text, cut where a pass of the model ended; every other pass is coloured. Below each other the texts are the same, and fewer, longer pieces are fewer passes.",
    );
    results.texts.resize_with(results.methods.len(), TokenText::default);
    for (at, (method, text)) in results.methods.iter().zip(&mut results.texts).enumerate() {
        ui.push_id(("passes", at), |ui| passes_ui(ui, method, text));
    }
}

fn table_ui(ui: &mut Ui, methods: &[MethodMeasurement]) {
    let Some(plain) = methods.first() else { return };
    let spacing = [theme::WIDE, theme::TIGHT];
    Grid::new("compared").striped(true).spacing(spacing).show(ui, |ui| {
        for (name, tip) in [
            ("Way", "How several tokens were had from one pass"),
            ("Text", "Whether it is that of plain decoding, token for token"),
            ("tokens/s", "On the clock; median of the goes"),
            ("tokens/CPU s", "Of processor time, which other programs disturb less"),
            ("Speed-up", "Tokens per CPU second in those of plain decoding, turn by turn: median (least–most)"),
            ("tokens/pass", "Tokens that a pass of the model wrote, its own included"),
            ("Accept. length", "1 + accepted / drafts"),
            ("By position", "Share of drafts that stood to their first, second, … token"),
            ("Memory", "The most that the drafter held beside the text and the model: what it has learnt, weights, caches"),
        ] {
            ui.label(theme::caption(name, ui.visuals())).on_hover_text(tip);
        }
        ui.end_row();
        for (at, method) in methods.iter().enumerate() {
            let name = RichText::new(method.speculative.label());
            let name = match color_of(&method.speculative) {
                Some(by) => name.color(theme::method_color(by, ui.visuals())),
                None => name,
            };
            ui.label(name).on_hover_text(method.speculative.describe());
            verdict_ui(ui, at, method.sameness);
            let figure = |it: Option<Spread>| {
                it.map_or_else(|| "–".to_owned(), |it| format!("{:.1}", it.median))
            };
            ui.monospace(figure(method.tokens_per_sec()));
            ui.monospace(figure(method.tokens_per_cpu_sec()));
            let speed_up = method.speed_up(plain, Sample::tokens_per_cpu_sec).filter(|_| at > 0);
            ui.monospace(speed_up.map_or_else(
                || "–".to_owned(),
                |it| format!("{:.2}× ({:.2}–{:.2})", it.median, it.min, it.max),
            ));
            let decimal =
                |it: Option<f64>| it.map_or_else(|| "–".to_owned(), |it| format!("{it:.2}"));
            ui.monospace(decimal(method.tokens_per_pass()));
            ui.monospace(decimal(method.counts.acceptance_length()));
            let shares: Vec<String> = method
                .counts
                .acceptance_by_position()
                .take(4)
                .map(|share| format!("{:.0}", 1e2 * share))
                .collect();
            let shares =
                if shares.is_empty() { "–".to_owned() } else { format!("{} %", shares.join(" ")) };
            ui.monospace(shares);
            ui.monospace(units::bytes(method.drafter_bytes));
            ui.end_row();
        }
    });
}

fn verdict_ui(ui: &mut Ui, at: usize, sameness: Sameness) {
    if at == 0 {
        ui.label(small(ui, "the measure"));
        return;
    }
    let (text, hue) = match sameness {
        Sameness::Identical => ("✔ identical".to_owned(), Hue::Good),
        Sameness::NearTie { token_idx, margin } => {
            (format!("near tie at token {}, margin {margin:.3}", token_idx + 1), Hue::Warn)
        }
        Sameness::Mismatch { token_idx, margin } => {
            (format!("⚠ differs from token {}, margin {margin:.3}", token_idx + 1), Hue::Bad)
        }
    };
    let color = theme::color(hue, ui.visuals());
    ui.label(RichText::new(text).color(color)).on_hover_text(
        "Identical: the same tokens. Near tie: they part where the two likeliest tokens differ by less than rounding may (log-probability).",
    );
}

fn passes_ui(ui: &mut Ui, method: &MethodMeasurement, text: &mut TokenText) {
    let n_passes = method.pass_bytes.len();
    let name = format!("{}: {}", method.speculative.label(), units::count(n_passes, "pass"));
    ui.label(small(ui, name));
    let by = color_of(&method.speculative);
    let is_plain = method.speculative == Speculative::None;
    let run = |(index, &len): (usize, &usize)| Run {
        len,
        // Neighbours differ, so that the cuts are seen.
        tint: if is_plain || index % 2 == 0 { Tint::Plain } else { Tint::Drafted(by) },
    };
    let describe = |pass: usize| {
        let bytes = method.pass_bytes.get(pass).copied().unwrap_or_default();
        format!("Pass {} of {n_passes}: {}", pass + 1, units::count(bytes, "byte"))
    };
    let about = About { describe, related: |_| Vec::new() };
    text.ui(ui, &method.text, method.pass_bytes.iter().enumerate().map(run), &about);
    ui.add_space(theme::GAP);
}

/// Whose colour a way has, if one method drafts.
fn color_of(way: &Speculative) -> Option<Method> {
    match way {
        Speculative::None | Speculative::Adaptive { .. } => None,
        Speculative::Ngram { .. } => Some(Method::Ngram),
        Speculative::Suffix { .. } => Some(Method::Suffix),
        Speculative::Retrieval { .. } => Some(Method::Retrieval),
        Speculative::Draft { .. } => Some(Method::Draft),
        Speculative::Eagle3 { .. } => Some(Method::Eagle3),
    }
}
