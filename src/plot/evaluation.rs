//! An evaluation as a picture: a panel a figure, in it a dot and an interval for each system.

use super::canvas::{Anchor, Canvas, Color};
use crate::{
    domain::{Evaluation, Figure, Interval, Sense},
    dsp::Picture,
};

const INK: Color = [32, 34, 40];
const MUTED: Color = [92, 95, 104];
const LINE: Color = [222, 223, 228];
/// Colours of systems: Okabe and Ito's, which the colour-blind can tell apart.
const COLORS: [Color; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [180, 130, 0]];

const TEXT: f32 = 15.0;
const ROW: f32 = 26.0;
const MARGIN: f32 = 24.0;
/// Room of a panel above its rows, and below them for the axis.
const HEAD: f32 = 34.0;
const FOOT: f32 = 34.0;
/// Room for the dots of a panel.
const PLOT: f32 = 300.0;
/// Room for values.
const VALUES: f32 = 130.0;
const N_COLUMNS: usize = 2;
/// Longer names are cut.
const NAME_LETTERS: usize = 44;

/// The picture as a PNG file.
///
/// # Errors
/// If it could not be made into a file.
pub fn evaluation_png(evaluation: &Evaluation) -> Result<Vec<u8>, image::ImageError> {
    picture(evaluation).png()
}

fn picture(evaluation: &Evaluation) -> Picture {
    let figures = evaluation.figures();
    let names: Vec<String> =
        evaluation.systems.iter().map(|system| cut(&system.to_string())).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let name_room = longest as f32 * TEXT * 0.56 + 24.0;
    let width = name_room + PLOT + VALUES;
    let height = HEAD + names.len() as f32 * ROW + FOOT;
    let n_columns = N_COLUMNS.min(figures.len()).max(1);
    let n_rows = figures.len().div_ceil(n_columns);
    let total_width = MARGIN + n_columns as f32 * (width + MARGIN);
    let total_height = MARGIN + 30.0 + n_rows as f32 * (height + MARGIN);
    let mut canvas = Canvas::new(total_width as usize, total_height as usize);
    let heading = format!(
        "{} sentences, seed {}, Formant {}: means and 95 % intervals",
        evaluation.sentences.len(),
        evaluation.seed,
        evaluation.version
    );
    canvas.text(&heading, MARGIN, MARGIN + 12.0, TEXT, Anchor::Left, MUTED);
    for (at, &figure) in figures.iter().enumerate() {
        let x = MARGIN + (at % n_columns) as f32 * (width + MARGIN);
        let y = MARGIN + 30.0 + (at / n_columns) as f32 * (height + MARGIN);
        panel(&mut canvas, evaluation, figure, &names, [x, y, name_room]);
    }
    canvas.into_picture()
}

fn panel(
    canvas: &mut Canvas,
    evaluation: &Evaluation,
    figure: Figure,
    names: &[String],
    [x, y, name_room]: [f32; 3],
) {
    let sense = match figure.sense() {
        Sense::Lower => "less is better",
        Sense::Higher => "more is better",
    };
    canvas.text(figure.label(), x, y + 18.0, TEXT + 2.0, Anchor::Left, INK);
    canvas.text(sense, x + name_room + PLOT, y + 18.0, TEXT - 2.0, Anchor::Right, MUTED);
    let intervals: Vec<Option<Interval>> =
        (0..names.len()).map(|system| evaluation.summary(system, figure)).collect();
    let (low, high) = axis(figure, &intervals);
    let place =
        |value: f64| x + name_room + PLOT * ((value - low) / (high - low)).clamp(0.0, 1.0) as f32;
    let bottom = y + HEAD + names.len() as f32 * ROW;
    for share in [0.0, 0.5, 1.0] {
        let value = low + share * (high - low);
        canvas.fill([place(value) - 0.5, place(value) + 0.5], [y + HEAD - 4.0, bottom], LINE);
        let label = figure.show(value);
        canvas.text(&label, place(value), bottom + 18.0, TEXT - 3.0, Anchor::Middle, MUTED);
    }
    for (system, (name, interval)) in names.iter().zip(&intervals).enumerate() {
        let middle = y + HEAD + (system as f32 + 0.5) * ROW;
        let color = COLORS[system % COLORS.len()];
        canvas.text(name, x, middle + 5.0, TEXT, Anchor::Left, INK);
        let value_x = x + name_room + PLOT + 14.0;
        let Some(Interval { mean, half_width, .. }) = *interval else {
            canvas.text("not measured", value_x, middle + 5.0, TEXT - 2.0, Anchor::Left, MUTED);
            continue;
        };
        let mut value = figure.show(mean);
        if let Some(half) = half_width {
            let ends = [place(mean - half), place(mean + half)];
            canvas.fill(ends, [middle - 1.0, middle + 1.0], color);
            value += &format!(" ± {}", figure.show(half));
        }
        canvas.dot(place(mean), middle, 5.0, color);
        canvas.text(&value, value_x, middle + 5.0, TEXT - 1.0, Anchor::Left, INK);
    }
}

/// From where to where a panel reaches: all means and intervals, with some air.
fn axis(figure: Figure, intervals: &[Option<Interval>]) -> (f64, f64) {
    let ends = intervals.iter().flatten().flat_map(|interval| {
        let half = interval.half_width.unwrap_or(0.0);
        [interval.mean - half, interval.mean + half]
    });
    let (low, high) = ends
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| (low.min(end), high.max(end)));
    if !low.is_finite() {
        return (0.0, 1.0);
    }
    let air = ((high - low) * 0.08).max(high.abs() * 0.01).max(figure.least_step());
    // What cannot be negative should not look as if it could.
    let floor =
        if intervals.iter().flatten().all(|i| i.mean >= 0.0) { 0.0 } else { f64::NEG_INFINITY };
    ((low - air).max(floor), high + air)
}

fn cut(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS {
        return name.to_owned();
    }
    name.chars().take(NAME_LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ScoredSentence, SpeechSystem, TestSentence};

    #[test]
    fn each_system_has_its_colour_in_each_panel_that_it_was_measured_for() {
        let score = |system_idx, rtf| ScoredSentence {
            system_idx,
            figures: [(Figure::Rtf, rtf)].into(),
            ..ScoredSentence::default()
        };
        let mut evaluation = Evaluation {
            systems: ["a", "b"].map(SpeechSystem::of_voice).into(),
            sentences: TestSentence::lines("One."),
            scores: vec![score(0, 0.1), score(1, 0.4)],
            ..Evaluation::default()
        };
        evaluation.scores[0].figures.insert(Figure::FocusRate, 0.9);
        let picture = picture(&evaluation);
        let n_of =
            |color: Color| picture.rgba.chunks_exact(4).filter(|pixel| pixel[..3] == color).count();
        let (first, second) = (n_of(COLORS[0]), n_of(COLORS[1]));
        assert!(second > 30, "{second} pixels of a dot");
        assert_eq!(first, 2 * second);
        assert!(evaluation_png(&Evaluation::default()).is_ok());
    }

    #[test]
    fn an_axis_holds_every_interval_and_no_width_is_zero() {
        let of = |mean, half_width| Some(Interval { mean, half_width, n: 3 });
        let (low, high) = axis(Figure::Rtf, &[of(2.0, Some(1.0)), of(5.0, None), None]);
        assert!(low < 1.0 && high > 5.0);
        let (low, high) = axis(Figure::Rtf, &[of(0.0, None)]);
        assert!(low < high);
    }
}
