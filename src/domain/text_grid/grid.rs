//! A TextGrid as data, and as the text that Praat reads.
//!
//! Source: the Praat manual, "TextGrid file formats",
//! <https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html>.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Tiers over one stretch of time, which begins at zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextGrid {
    /// Where it ends.
    pub end_secs: f64,
    /// From top to bottom.
    pub tiers: Vec<TextGridTier>,
}

/// Labels of one kind: words, phones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextGridTier {
    /// Its name, `words` or `phones` with most programs.
    pub name: String,
    /// In order and without overlap; there may be gaps.
    pub intervals: Vec<TextGridInterval>,
}

/// A labelled stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextGridInterval {
    /// Where it begins.
    pub start_secs: f64,
    /// Where it ends.
    pub end_secs: f64,
    /// What is heard in it; empty for nothing.
    pub label: String,
}

impl TextGrid {
    /// The grid in Praat's long text format. What takes no time has no place in it and is left out;
    /// gaps become intervals without a label, for Praat knows no gaps.
    pub fn to_long_text(&self) -> String {
        let mut text = format!(
            "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = {}\n\
             tiers? <exists>\nsize = {}\nitem []:\n",
            self.end_secs,
            self.tiers.len()
        );
        for (n, tier) in self.tiers.iter().enumerate() {
            let intervals = tier.filled(self.end_secs);
            // Writing to a string never fails.
            write!(
                text,
                "    item [{}]:\n        class = \"IntervalTier\"\n        name = {}\n        \
                 xmin = 0\n        xmax = {}\n        intervals: size = {}\n",
                n + 1,
                quoted(&tier.name),
                self.end_secs,
                intervals.len()
            )
            .ok();
            for (n, interval) in intervals.iter().enumerate() {
                write!(
                    text,
                    "        intervals [{}]:\n            xmin = {}\n            xmax = {}\n            \
                     text = {}\n",
                    n + 1,
                    interval.start_secs,
                    interval.end_secs,
                    quoted(&interval.label)
                )
                .ok();
            }
        }
        text
    }
}

impl TextGridTier {
    /// Its intervals from zero to `end_secs`, one beginning where the other ends.
    fn filled(&self, end_secs: f64) -> Vec<TextGridInterval> {
        let mut filled = Vec::with_capacity(self.intervals.len() + 2);
        let mut at = 0.0;
        let gap = |from: f64, to: f64| TextGridInterval {
            start_secs: from,
            end_secs: to,
            label: String::new(),
        };
        for interval in self.intervals.iter().filter(|it| it.end_secs > it.start_secs) {
            if interval.start_secs > at {
                filled.push(gap(at, interval.start_secs));
            }
            at = interval.end_secs;
            filled.push(interval.clone());
        }
        if end_secs > at {
            filled.push(gap(at, end_secs));
        }
        filled
    }
}

/// A string as Praat writes it: a quote in it is doubled.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_time_is_left_out_and_gaps_are_filled() {
        let interval = |start_secs, end_secs, label: &str| TextGridInterval {
            start_secs,
            end_secs,
            label: label.to_owned(),
        };
        let tier = TextGridTier {
            name: "phones".to_owned(),
            intervals: vec![
                interval(0.1, 0.2, "A"),
                interval(0.2, 0.2, "B"),
                interval(0.2, 0.3, "say \"C\""),
            ],
        };
        let labels: Vec<(f64, f64, String)> = tier
            .filled(0.5)
            .into_iter()
            .map(|interval| (interval.start_secs, interval.end_secs, interval.label))
            .collect();
        let expected = [(0.0, 0.1, ""), (0.1, 0.2, "A"), (0.2, 0.3, "say \"C\""), (0.3, 0.5, "")]
            .map(|(start, end, label)| (start, end, label.to_owned()));
        assert_eq!(labels, expected);
        let text = TextGrid { end_secs: 0.5, tiers: vec![tier] }.to_long_text();
        assert!(text.contains("text = \"say \"\"C\"\"\"\n"), "{text}");
        assert!(text.contains("intervals: size = 4\n"), "{text}");
    }
}
