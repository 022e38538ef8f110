//! What was measured of speech systems: figures of each sentence, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Interval, SpeechSystem, interval};

/// Figures that are taken together, since they need the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// How long it takes.
    Speed,
    /// DNSMOS.
    Dnsmos,
    /// Word error rate.
    Wer,
    /// Where voices with attention looked.
    Attention,
    /// Distances from recordings of the same sentences.
    Reference,
}

impl Measure {
    /// Every one, in the order of tables.
    pub const ALL: [Self; 5] =
        [Self::Speed, Self::Wer, Self::Dnsmos, Self::Attention, Self::Reference];

    /// Its word in commands.
    pub fn key(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Dnsmos => "dnsmos",
            Self::Wer => "wer",
            Self::Attention => "attention",
            Self::Reference => "reference",
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Speed => "Speed",
            Self::Dnsmos => "Signal quality",
            Self::Wer => "Word errors",
            Self::Attention => "Attention",
            Self::Reference => "Distance from recordings",
        }
    }

    /// What it tells, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Speed => "Real-time factors and the time to the first sound",
            Self::Dnsmos => "DNSMOS P.835, a network's opinion of noise and artefacts",
            Self::Wer => "What Whisper tiny.en writes down, compared with the text",
            Self::Attention => "Skips, repeats and stalls of voices that have attention",
            Self::Reference => "Mel, cepstrum and pitch beside a recording of the same sentence",
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Synthesis time over duration of the sound.
    Rtf,
    /// The share of text and acoustic model in it.
    RtfAcoustic,
    /// The share of the vocoder in it.
    RtfVocoder,
    /// From the text to the first samples.
    FirstAudioMs,
    /// Wrong, missing and added words for each hundred.
    WerPercent,
    /// DNSMOS, all together.
    DnsmosOvrl,
    /// DNSMOS, the speech.
    DnsmosSig,
    /// DNSMOS, the background.
    DnsmosBak,
    /// Sentences of a hundred whose attention went wrong.
    AttentionFaultsPercent,
    /// Mean of the greatest weight of each step.
    FocusRate,
    /// Share of the weights about the straight line.
    DiagonalRate,
    /// Mel L1 in dB, frame beside frame.
    MelL1Db,
    /// Mel L1 in natural logarithms, frame beside frame.
    MelL1Ln,
    /// Mel L1 in dB over warped frames.
    MelL1DbAligned,
    /// Mel-cepstral distortion over warped frames.
    McdDb,
    /// Pitch error over warped frames.
    F0RmseHz,
    /// The same in cents.
    F0RmseCents,
    /// Frames of a hundred that are voiced in only one.
    VoicingErrorPercent,
    /// Intelligibility beside a recording.
    Stoi,
    /// The extended one.
    Estoi,
    /// PESQ beside a recording, wide band.
    PesqWb,
    /// The same in narrow band.
    PesqNb,
}

/// What values are good ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sense {
    /// Small ones.
    Lower,
    /// Great ones.
    Higher,
}

impl Figure {
    /// Every one, in the order of tables.
    pub const ALL: [Self; 22] = [
        Self::Rtf,
        Self::RtfAcoustic,
        Self::RtfVocoder,
        Self::FirstAudioMs,
        Self::WerPercent,
        Self::DnsmosOvrl,
        Self::DnsmosSig,
        Self::DnsmosBak,
        Self::AttentionFaultsPercent,
        Self::FocusRate,
        Self::DiagonalRate,
        Self::MelL1Db,
        Self::MelL1Ln,
        Self::MelL1DbAligned,
        Self::McdDb,
        Self::F0RmseHz,
        Self::F0RmseCents,
        Self::VoicingErrorPercent,
        Self::Stoi,
        Self::Estoi,
        Self::PesqWb,
        Self::PesqNb,
    ];

    /// Its name in files.
    pub fn key(self) -> &'static str {
        self.words().0
    }

    /// Its name in tables, with its unit.
    pub fn label(self) -> &'static str {
        self.words().1
    }

    /// How it is made, in a sentence.
    pub fn meaning(self) -> &'static str {
        self.words().2
    }

    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Rtf => {
                ("rtf", "RTF", "Synthesis time / duration of the sound, models loaded and warm")
            }
            Self::RtfAcoustic => {
                ("rtf_acoustic", "RTF acoustic", "The part of it for text and acoustic model")
            }
            Self::RtfVocoder => ("rtf_vocoder", "RTF vocoder", "The part of it for the vocoder"),
            Self::FirstAudioMs => {
                ("first_audio_ms", "First audio (ms)", "From the text to the first samples")
            }
            Self::WerPercent => (
                "wer_percent",
                "WER (%)",
                "Word errors of Whisper tiny.en / words of all sentences; what could not be spoken is \
                 all wrong",
            ),
            Self::DnsmosOvrl => {
                ("dnsmos_ovrl", "DNSMOS OVRL", "Signal quality, 1 to 5; not naturalness")
            }
            Self::DnsmosSig => ("dnsmos_sig", "DNSMOS SIG", "Quality of the speech, 1 to 5"),
            Self::DnsmosBak => {
                ("dnsmos_bak", "DNSMOS BAK", "How little disturbs behind it, 1 to 5")
            }
            Self::AttentionFaultsPercent => (
                "attention_faults_percent",
                "Attention faults (%)",
                "Sentences with a skip, a repeat, a stall or an early stop",
            ),
            Self::FocusRate => {
                ("focus_rate", "Focus rate", "Mean of the greatest weight of each step")
            }
            Self::DiagonalRate => (
                "diagonal_rate",
                "Diagonal rate",
                "Share of the weights within two phonemes of the straight line",
            ),
            Self::MelL1Db => (
                "mel_l1_db",
                "Mel L1 (dB)",
                "Mean difference of 80 mel bands, frame beside frame: not aligned, mostly timing",
            ),
            Self::MelL1Ln => (
                "mel_l1_ln",
                "Mel L1 (ln)",
                "The same in natural logarithms of the voices' own mels: not aligned, mostly timing",
            ),
            Self::MelL1DbAligned => (
                "mel_l1_db_aligned",
                "Mel L1 aligned (dB)",
                "Mean difference of 80 mel bands over frames warped on each other",
            ),
            Self::McdDb => (
                "mcd_db",
                "MCD (dB)",
                "Mel-cepstral distortion: coefficients 1 to 13 of a cosine transform of the mel, warped",
            ),
            Self::F0RmseHz => {
                ("f0_rmse_hz", "F0 RMSE (Hz)", "Pitch error over warped frames voiced in both")
            }
            Self::F0RmseCents => (
                "f0_rmse_cents",
                "F0 RMSE (cents)",
                "Pitch error in hundredths of a semitone over warped frames voiced in both",
            ),
            Self::VoicingErrorPercent => {
                ("voicing_error_percent", "V/UV error (%)", "Warped frames voiced in only one")
            }
            Self::Stoi => ("stoi", "STOI", "Intelligibility beside the recording, up to 1"),
            Self::Estoi => ("estoi", "ESTOI", "Extended STOI, up to 1"),
            Self::PesqWb => (
                "pesq_wb",
                "PESQ WB",
                "Quality beside the recording, 1 to 4.6: P.862.2 (wide band), at 16 kHz",
            ),
            Self::PesqNb => (
                "pesq_nb",
                "PESQ NB",
                "The same as through a telephone, 1 to 4.5: P.862 with P.862.1 (narrow band), at 16 kHz",
            ),
        }
    }

    /// Digits after the point.
    pub fn decimals(self) -> usize {
        match self {
            Self::FirstAudioMs | Self::AttentionFaultsPercent | Self::F0RmseCents => 0,
            Self::WerPercent | Self::F0RmseHz | Self::VoicingErrorPercent => 1,
            Self::Rtf
            | Self::RtfAcoustic
            | Self::RtfVocoder
            | Self::FocusRate
            | Self::DiagonalRate
            | Self::Stoi
            | Self::Estoi => 3,
            _ => 2,
        }
    }

    /// What values are good ones.
    pub fn sense(self) -> Sense {
        match self {
            Self::DnsmosOvrl
            | Self::DnsmosSig
            | Self::DnsmosBak
            | Self::FocusRate
            | Self::DiagonalRate
            | Self::Stoi
            | Self::Estoi
            | Self::PesqWb
            | Self::PesqNb => Sense::Higher,
            _ => Sense::Lower,
        }
    }

    /// What it is taken with.
    pub fn measure(self) -> Measure {
        match self {
            Self::Rtf | Self::RtfAcoustic | Self::RtfVocoder | Self::FirstAudioMs => Measure::Speed,
            Self::WerPercent => Measure::Wer,
            Self::DnsmosOvrl | Self::DnsmosSig | Self::DnsmosBak => Measure::Dnsmos,
            Self::AttentionFaultsPercent | Self::FocusRate | Self::DiagonalRate => {
                Measure::Attention
            }
            _ => Measure::Reference,
        }
    }

    /// The smallest difference that two shown values can have.
    pub fn least_step(self) -> f64 {
        0.1_f64.powi(self.decimals() as i32)
    }

    /// A value as it is shown.
    pub fn show(self, value: f64) -> String {
        format!("{value:.*}", self.decimals())
    }
}

/// One sentence by one system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoredSentence {
    /// Index into [`Evaluation::systems`].
    pub system_idx: usize,
    /// Index into [`Evaluation::sentences`].
    pub sentence_idx: usize,
    /// Length of the sound.
    pub duration_secs: f64,
    /// What was measured.
    pub figures: BTreeMap<Figure, f64>,
    /// Why some could not be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_taken: BTreeMap<Figure, String>,
    /// What the recognizer wrote down, where it listened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
    /// Words that are wrong, missing or too many, of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word_errors: Option<(usize, usize)>,
    /// What went wrong with the attention, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attention_faults: Option<String>,
    /// Why it could not be spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A sentence that systems are to speak.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSentence {
    /// By which a recording of it is found: `007`.
    pub name: String,
    /// What is to be said; empty where only a recording is there.
    pub text: String,
}

impl TestSentence {
    /// A sentence a line, named by its number; or `NAME|TEXT`, of which the last column is taken, as in
    /// the tables of `LJSpeech`. Empty lines are passed over.
    pub fn lines(text: &str) -> Vec<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let sentence = |(number, line): (usize, &str)| match line.split_once('|') {
            Some((name, rest)) => Self {
                name: name.trim().to_owned(),
                text: rest.rsplit('|').next().unwrap_or(rest).trim().to_owned(),
            },
            None => Self { name: format!("{number:03}"), text: line.to_owned() },
        };
        lines.enumerate().map(sentence).collect()
    }
}

/// All that was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Who spoke.
    pub systems: Vec<SpeechSystem>,
    /// What was said.
    pub sentences: Vec<TestSentence>,
    /// What was measured of it, in the order it was done.
    pub scores: Vec<ScoredSentence>,
    /// What was asked for and could not be measured, with why and what to do.
    pub not_measured: BTreeMap<Measure, String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Version of Formant.
    pub version: String,
    /// What it ran on.
    pub device: String,
}

impl Evaluation {
    /// Figures that any sentence has, in the order of tables.
    pub fn figures(&self) -> Vec<Figure> {
        let there: BTreeSet<Figure> =
            self.scores.iter().flat_map(|score| score.figures.keys().copied()).collect();
        Figure::ALL.into_iter().filter(|figure| there.contains(figure)).collect()
    }

    /// Sentences of a system.
    pub fn of_system(&self, system_idx: usize) -> impl Iterator<Item = &ScoredSentence> {
        self.scores.iter().filter(move |score| score.system_idx == system_idx)
    }

    /// What a figure comes to over all sentences of a system, with its 95 % interval; `None` where it
    /// was not measured.
    pub fn summary(&self, system_idx: usize, figure: Figure) -> Option<Interval> {
        let scores = self.of_system(system_idx);
        if figure == Figure::WerPercent {
            let pairs: Vec<(f64, f64)> = scores
                .filter_map(|score| score.word_errors)
                .map(|(errors, words)| (100.0 * errors as f64, words as f64))
                .collect();
            return interval::of_ratio(&pairs);
        }
        let values: Vec<f64> =
            scores.filter_map(|score| score.figures.get(&figure).copied()).collect();
        interval::of_mean(&values)
    }

    /// The best systems by a figure: those that no other beats, if there are others.
    pub fn best(&self, figure: Figure) -> Vec<usize> {
        let means: Vec<(usize, f64)> = (0..self.systems.len())
            .filter_map(|system| Some((system, self.summary(system, figure)?.mean)))
            .collect();
        let sign = if figure.sense() == Sense::Lower { 1.0 } else { -1.0 };
        let best = means.iter().map(|(_, mean)| sign * mean).fold(f64::INFINITY, f64::min);
        if means.len() < 2 {
            return Vec::new();
        }
        means.iter().filter(|(_, mean)| sign * mean == best).map(|(system, _)| *system).collect()
    }

    /// How many sentences of a system could not be spoken.
    pub fn n_failed(&self, system_idx: usize) -> usize {
        self.of_system(system_idx).filter(|score| score.failed.is_some()).count()
    }

    /// Everything as JSON: the table with its intervals first, then every sentence.
    pub fn report(&self) -> serde_json::Value {
        let summary = |(system_idx, system): (usize, &SpeechSystem)| {
            let of_figure = |figure: Figure| {
                Some((figure.key().to_owned(), json!(self.summary(system_idx, figure)?)))
            };
            let figures: serde_json::Map<_, _> =
                self.figures().into_iter().filter_map(of_figure).collect();
            json!({
                "system": system.to_string(),
                "n_sentences": self.of_system(system_idx).count(),
                "n_failed": self.n_failed(system_idx),
                "figures": figures,
            })
        };
        let table: Vec<_> = self.systems.iter().enumerate().map(summary).collect();
        json!({ "table": table, "evaluation": self })
    }

    /// A line a sentence and system, as spreadsheets read it.
    pub fn csv(&self) -> String {
        let figures = self.figures();
        let mut csv = "system,sentence,text,duration_secs".to_owned();
        for figure in &figures {
            csv += &format!(",{}", figure.key());
        }
        csv += ",word_errors,words,heard,attention_faults,failed\n";
        for score in &self.scores {
            let sentence = self.sentences.get(score.sentence_idx);
            let mut cells = vec![
                self.systems.get(score.system_idx).map(ToString::to_string).unwrap_or_default(),
                sentence.map(|sentence| sentence.name.clone()).unwrap_or_default(),
                sentence.map(|sentence| sentence.text.clone()).unwrap_or_default(),
                score.duration_secs.to_string(),
            ];
            let value = |figure| score.figures.get(figure).map(f64::to_string).unwrap_or_default();
            cells.extend(figures.iter().map(value));
            let count = |count: Option<usize>| count.map(|n| n.to_string()).unwrap_or_default();
            cells.push(count(score.word_errors.map(|(errors, _)| errors)));
            cells.push(count(score.word_errors.map(|(_, words)| words)));
            for text in [&score.heard, &score.attention_faults, &score.failed] {
                cells.push(text.clone().unwrap_or_default());
            }
            let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            csv += &cells.join(",");
            csv.push('\n');
        }
        csv
    }
}

/// A cell as RFC 4180 wants it.
fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation() -> Evaluation {
        let score = |system_idx, sentence_idx, rtf, errors, words| ScoredSentence {
            system_idx,
            sentence_idx,
            duration_secs: 2.0,
            figures: [
                (Figure::Rtf, rtf),
                (Figure::WerPercent, 100.0 * errors as f64 / words as f64),
            ]
            .into(),
            word_errors: Some((errors, words)),
            heard: Some("so, \"well\"".into()),
            ..ScoredSentence::default()
        };
        Evaluation {
            systems: ["a", "b"].map(SpeechSystem::of_voice).into(),
            sentences: vec![TestSentence::default(); 2],
            scores: vec![
                score(0, 0, 0.1, 0, 9),
                score(0, 1, 0.3, 1, 1),
                score(1, 0, 0.4, 0, 9),
                score(1, 1, 0.4, 0, 1),
            ],
            ..Evaluation::default()
        }
    }

    #[test]
    fn word_errors_are_of_all_words_and_not_a_mean_of_sentences() {
        let evaluation = evaluation();
        assert_eq!(evaluation.summary(0, Figure::WerPercent).unwrap().mean, 10.0);
        assert_eq!(evaluation.summary(0, Figure::Rtf).unwrap().mean, 0.2);
        assert_eq!(evaluation.summary(0, Figure::Stoi), None);
        assert_eq!(evaluation.figures(), [Figure::Rtf, Figure::WerPercent]);
    }

    #[test]
    fn the_best_is_least_or_greatest_as_the_figure_wants() {
        let mut evaluation = evaluation();
        assert_eq!(evaluation.best(Figure::Rtf), [0]);
        assert_eq!(evaluation.best(Figure::WerPercent), [1]);
        for score in &mut evaluation.scores {
            score.figures.insert(Figure::DnsmosOvrl, 3.0);
        }
        assert_eq!(evaluation.best(Figure::DnsmosOvrl), [0, 1]);
    }

    #[test]
    fn sentences_are_named_by_number_or_by_their_first_column() {
        let sentences = TestSentence::lines("First.\n\nLJ001-0001|As 1 is|as one is\nThird.");
        let names: Vec<&str> = sentences.iter().map(|sentence| sentence.name.as_str()).collect();
        assert_eq!(names, ["000", "LJ001-0001", "002"]);
        assert_eq!(sentences[1].text, "as one is");
    }

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        let csv = evaluation().csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 5);
        let header = "system,sentence,text,duration_secs,rtf,wer_percent,word_errors,words,heard,\
                      attention_faults,failed";
        assert_eq!(lines[0], header);
        assert_eq!(lines[1], "a,,,2,0.1,0,0,9,\"so, \"\"well\"\"\",,");
    }

    #[test]
    fn every_figure_has_a_name_of_its_own_and_belongs_to_a_measure() {
        let keys: BTreeSet<&str> = Figure::ALL.into_iter().map(Figure::key).collect();
        assert_eq!(keys.len(), Figure::ALL.len());
        for figure in Figure::ALL {
            assert_eq!(serde_json::to_value(figure).unwrap(), figure.key());
            assert!(Measure::ALL.contains(&figure.measure()));
        }
    }
}
