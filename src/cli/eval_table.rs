//! An evaluation as a table for people: a row a system, a block a kind of figure.

use crate::domain::{Evaluation, Figure, Interval, Measure};

/// The least width of a column.
const COLUMN: usize = 17;

/// The whole report.
pub(super) fn table(evaluation: &Evaluation) -> String {
    let n_sentences = evaluation.sentences.len();
    let names: Vec<String> = evaluation.systems.iter().map(ToString::to_string).collect();
    let name_width = names.iter().map(String::len).max().unwrap_or(0).max(26);
    let mut text = format!(
        "{n_sentences} {}, seed {}, Formant {}, {}; means ± half of a 95 % interval\n",
        if n_sentences == 1 { "sentence" } else { "sentences" },
        evaluation.seed,
        evaluation.version,
        evaluation.device,
    );
    let figures = evaluation.figures();
    for measure in Measure::ALL {
        let columns: Vec<Figure> =
            figures.iter().copied().filter(|figure| figure.measure() == measure).collect();
        if let Some(why) = evaluation.not_measured.get(&measure) {
            text += &format!("\n{}: {why}\n", measure.label());
        }
        if columns.is_empty() {
            continue;
        }
        text += &format!("\n{:name_width$}", measure.label());
        for figure in &columns {
            text += &format!("  {:>COLUMN$}", figure.label());
        }
        text.push('\n');
        for (system_idx, name) in names.iter().enumerate() {
            text += &format!("{name:name_width$}");
            for &figure in &columns {
                let cell = cell(figure, evaluation.summary(system_idx, figure));
                // The label may be wider than any value.
                let width = COLUMN.max(figure.label().chars().count());
                text += &format!("  {cell:>width$}");
            }
            text.push('\n');
        }
    }
    text + &faults(evaluation, &names)
}

fn cell(figure: Figure, interval: Option<Interval>) -> String {
    let Some(Interval { mean, half_width, .. }) = interval else { return "-".to_owned() };
    match half_width {
        Some(half) => format!("{} ± {}", figure.show(mean), figure.show(half)),
        None => figure.show(mean),
    }
}

/// What went wrong, sentence by sentence.
fn faults(evaluation: &Evaluation, names: &[String]) -> String {
    let mut text = String::new();
    for score in &evaluation.scores {
        let mut wrong: Vec<String> = match (&score.failed, &score.attention_faults) {
            (Some(why), _) => vec![format!("could not be spoken: {why}")],
            (None, Some(faults)) => vec![format!("attention {faults}")],
            (None, None) => Vec::new(),
        };
        let not_taken = score.not_taken.iter();
        wrong.extend(not_taken.map(|(figure, why)| format!("no {}: {why}", figure.label())));
        let name = names.get(score.system_idx).map_or("", String::as_str);
        let sentence = evaluation.sentences.get(score.sentence_idx);
        let sentence = sentence.map_or("", |sentence| sentence.name.as_str());
        for what in wrong {
            text += &format!("{name}, sentence {sentence}: {what}\n");
        }
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ScoredSentence, SpeechSystem, TestSentence};

    #[test]
    fn what_was_not_measured_is_a_dash_or_a_reason() {
        let score = |system_idx, sentence_idx, figures: &[(Figure, f64)]| ScoredSentence {
            system_idx,
            sentence_idx,
            figures: figures.iter().copied().collect(),
            ..ScoredSentence::default()
        };
        let mut evaluation = Evaluation {
            systems: ["joe", "ann"].map(SpeechSystem::of_voice).into(),
            sentences: TestSentence::lines("One.\nTwo."),
            scores: vec![
                score(0, 0, &[(Figure::Rtf, 0.1), (Figure::FocusRate, 0.5)]),
                score(0, 1, &[(Figure::Rtf, 0.1), (Figure::FocusRate, 0.5)]),
                score(1, 0, &[(Figure::Rtf, 0.25)]),
            ],
            ..Evaluation::default()
        };
        evaluation.scores[1].attention_faults = Some("stalls".into());
        evaluation.scores[2].not_taken.insert(Figure::PesqWb, "no speech".into());
        evaluation.not_measured.insert(Measure::Wer, "not measured: fetch it".into());
        let table = table(&evaluation);
        let row = |start: &str, nth: usize| {
            let mut rows = table.lines().filter(|line| line.starts_with(start));
            rows.nth(nth).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("joe ", 0), "joe 0.100 ± 0.000");
        assert_eq!(row("ann ", 0), "ann 0.250");
        assert_eq!(row("ann ", 1), "ann -");
        assert!(table.contains("Word errors: not measured: fetch it"), "{table}");
        assert!(table.contains("joe, sentence 001: attention stalls"), "{table}");
        assert!(table.contains("ann, sentence 000: no PESQ WB: no speech"), "{table}");
    }
}
