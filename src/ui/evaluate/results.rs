//! What was measured, as a table and sentence by sentence.

use eframe::egui::{self, RichText, Ui};

use super::plots::{plots_ui, system_color};
use crate::{
    domain::{Evaluation, Figure, Interval, Measure, ScoredSentence},
    ui::{
        evaluate::state::EvaluateState,
        theme::{self, Hue},
        units,
    },
};

/// Draws all of it.
pub(super) fn results_ui(ui: &mut Ui, state: &mut EvaluateState) {
    let EvaluateState { evaluation: Some(evaluation), plotted, .. } = state else { return };
    for (measure, why) in &evaluation.not_measured {
        let ink = theme::color(Hue::Warn, ui.visuals());
        let text = format!("{}: {why}", measure.label());
        ui.add(egui::Label::new(RichText::new(text).color(ink)).wrap());
    }
    let figures = evaluation.figures();
    for measure in Measure::ALL {
        let of_measure: Vec<Figure> =
            figures.iter().copied().filter(|figure| figure.measure() == measure).collect();
        if !of_measure.is_empty() {
            ui.push_id(measure.key(), |ui| table_ui(ui, evaluation, measure, &of_measure));
            ui.add_space(theme::GAP);
        }
    }
    if figures.is_empty() {
        ui.label(theme::muted(
            "The first figures stand as soon as a sentence is spoken.",
            ui.visuals(),
        ));
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label("Plots");
        for &figure in &figures {
            let is_plotted = plotted.contains(&figure);
            let chip = ui.selectable_label(is_plotted, figure.label());
            if chip.on_hover_text(figure.meaning()).clicked() {
                if is_plotted {
                    plotted.remove(&figure);
                } else {
                    plotted.insert(figure);
                }
            }
        }
    });
    plots_ui(ui, evaluation, figures.iter().copied().filter(|figure| plotted.contains(figure)));
    ui.add_space(theme::GAP);
    egui::CollapsingHeader::new("Sentence by sentence").show(ui, |ui| {
        sentences_ui(ui, evaluation);
    });
}

fn table_ui(ui: &mut Ui, evaluation: &Evaluation, measure: Measure, figures: &[Figure]) {
    theme::section(ui, measure.label()).on_hover_text(measure.meaning());
    egui::ScrollArea::horizontal().show(ui, |ui| {
        egui::Grid::new("table").striped(true).spacing([theme::WIDE, theme::TIGHT]).show(
            ui,
            |ui| {
                ui.label(theme::caption("System", ui.visuals()));
                for figure in figures {
                    let name = ui.label(theme::caption(figure.label(), ui.visuals()));
                    name.on_hover_text(figure.meaning());
                }
                ui.end_row();
                for (system_idx, system) in evaluation.systems.iter().enumerate() {
                    let ink = system_color(system_idx, ui.visuals());
                    ui.label(RichText::new(system.to_string()).color(ink));
                    for &figure in figures {
                        let interval = evaluation.summary(system_idx, figure);
                        let text = RichText::new(shown(figure, interval)).monospace();
                        let is_best = evaluation.best(figure).contains(&system_idx);
                        ui.label(if is_best { text.strong().underline() } else { text })
                            .on_hover_text(explained(interval, is_best));
                    }
                    ui.end_row();
                }
            },
        );
    });
}

fn shown(figure: Figure, interval: Option<Interval>) -> String {
    match interval {
        None => "–".to_owned(),
        Some(Interval { mean, half_width: None, .. }) => figure.show(mean),
        Some(Interval { mean, half_width: Some(half), .. }) => {
            format!("{} ± {}", figure.show(mean), figure.show(half))
        }
    }
}

fn explained(interval: Option<Interval>, is_best: bool) -> String {
    let Some(interval) = interval else { return "Not measured of this system".to_owned() };
    let best = if is_best { "The best of this column. " } else { "" };
    let sentences = units::count(interval.n, "sentence");
    match interval.half_width {
        Some(_) => format!("{best}Mean of {sentences} ± half of its 95 % interval"),
        None => format!("{best}Of {sentences}; an interval needs two"),
    }
}

fn sentences_ui(ui: &mut Ui, evaluation: &Evaluation) {
    for (sentence_idx, sentence) in evaluation.sentences.iter().enumerate() {
        let mut scores =
            evaluation.scores.iter().filter(|score| score.sentence_idx == sentence_idx).peekable();
        if scores.peek().is_none() {
            continue;
        }
        ui.add(egui::Label::new(format!("{}  {}", sentence.name, sentence.text)).wrap());
        for score in scores {
            let system = evaluation.systems.get(score.system_idx);
            let name = system.map(ToString::to_string).unwrap_or_default();
            let ink = system_color(score.system_idx, ui.visuals());
            ui.indent((sentence_idx, score.system_idx), |ui| {
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new(name).color(ink).small());
                    ui.label(theme::caption(told(score), ui.visuals()));
                });
            });
        }
    }
}

/// What is to be told of one sentence by one system.
fn told(score: &ScoredSentence) -> String {
    let mut parts = Vec::new();
    if let Some(why) = &score.failed {
        parts.push(format!("could not be spoken: {why}"));
    } else {
        parts.push(format!("{:.2} s", score.duration_secs));
    }
    if let Some((errors, words)) = score.word_errors {
        parts.push(format!("{errors} of {words} words wrong"));
    }
    if let Some(heard) = score.heard.as_ref().filter(|_| score.word_errors.is_some_and(|e| e.0 > 0))
    {
        parts.push(format!("heard “{heard}”"));
    }
    if let Some(faults) = &score.attention_faults {
        parts.push(format!("attention {faults}"));
    }
    for (figure, why) in &score.not_taken {
        parts.push(format!("no {}: {why}", figure.label()));
    }
    parts.join(" · ")
}
