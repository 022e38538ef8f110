//! What is measured of an utterance.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::utterance::Utterance;
use crate::{
    domain::{AttentionDiagnosis, Figure, Measure, ScoredSentence, Waveform},
    dsp::{self, LowPass, time_warping_path},
    job::Cancelled,
    metrics::{
        Bandwidth, CEPSTRUM, Dnsmos, Whisper, f0_distance, mel_cepstrum, mel_distance, pesq,
        scored_words, stoi, word_errors,
    },
};

/// Samples from one pitch to the next, as in the mel frames they are paired with.
const PITCH_HOP: usize = 256;
/// The rate that PESQ is taken at, in both bands.
const PESQ_RATE: u32 = 16_000;

/// Those who listen.
pub(super) struct Judges {
    pub(super) measures: Vec<Measure>,
    pub(super) dnsmos: Option<Rc<Dnsmos>>,
    pub(super) whisper: Option<Rc<RefCell<Whisper>>>,
}

/// What an utterance is compared with.
pub(super) struct Occasion<'a> {
    /// What was to be said; empty where nobody knows.
    pub(super) text: &'a str,
    pub(super) reference: Option<&'a Waveform>,
    /// Whether the sound lies on the reference in time.
    pub(super) is_copy: bool,
}

impl Judges {
    fn wants(&self, measure: Measure) -> bool {
        self.measures.contains(&measure)
    }

    /// All figures of an utterance; `go_on` is called every few hundred milliseconds.
    pub(super) fn judge(
        &self,
        utterance: &Utterance,
        occasion: &Occasion<'_>,
        go_on: &mut dyn FnMut() -> Result<(), Cancelled>,
    ) -> Result<ScoredSentence, Cancelled> {
        let Waveform { samples, sample_rate } = &utterance.waveform;
        let mut score = ScoredSentence {
            duration_secs: utterance.waveform.duration_secs(),
            ..ScoredSentence::default()
        };
        let figures = &mut score.figures;
        if self.wants(Measure::Speed) && score.duration_secs > 0.0 {
            let factor = |time: std::time::Duration| time.as_secs_f64() / score.duration_secs;
            figures.insert(Figure::Rtf, factor(utterance.total));
            figures.insert(Figure::RtfAcoustic, factor(utterance.acoustic));
            figures.insert(Figure::RtfVocoder, factor(utterance.vocoder));
            figures.insert(Figure::FirstAudioMs, 1e3 * utterance.first_audio.as_secs_f64());
        }
        if self.wants(Measure::Attention) && !utterance.attention.is_empty() {
            let looks = &utterance.attention;
            let mean = |of: fn(&AttentionDiagnosis) -> f32| {
                looks.iter().map(|look| f64::from(of(look))).sum::<f64>() / looks.len() as f64
            };
            figures.insert(Figure::FocusRate, mean(|look| look.focus_rate));
            figures.insert(Figure::DiagonalRate, mean(|look| look.diagonal_rate));
            let faults: Vec<String> = looks.iter().filter_map(AttentionDiagnosis::faults).collect();
            figures.insert(
                Figure::AttentionFaultsPercent,
                if faults.is_empty() { 0.0 } else { 100.0 },
            );
            score.attention_faults = (!faults.is_empty()).then(|| faults.join("; "));
        }
        if let Some(dnsmos) = self.dnsmos.as_ref().filter(|_| self.wants(Measure::Dnsmos)) {
            let quality = dnsmos.score(samples, *sample_rate, &mut *go_on)?;
            figures.insert(Figure::DnsmosOvrl, quality.overall);
            figures.insert(Figure::DnsmosSig, quality.signal);
            figures.insert(Figure::DnsmosBak, quality.background);
        }
        if let Some(reference) = occasion.reference.filter(|_| self.wants(Measure::Reference)) {
            compare(&utterance.waveform, reference, occasion.is_copy, figures);
            go_on()?;
            // A copy tells what the vocoder lost; another reading of the text differs in all.
            if occasion.is_copy {
                rate_copy(&utterance.waveform, reference, &mut score);
                go_on()?;
            }
        }
        if let Some(whisper) = self.whisper.as_ref().filter(|_| self.wants(Measure::Wer)) {
            let words = scored_words(occasion.text);
            if !words.is_empty() {
                let heard = whisper.borrow_mut().transcribe(samples, *sample_rate, &mut *go_on)?;
                let errors = word_errors(&words, &scored_words(&heard));
                let figures = &mut score.figures;
                figures.insert(Figure::WerPercent, 100.0 * errors as f64 / words.len() as f64);
                score.word_errors = Some((errors, words.len()));
                score.heard = Some(heard);
            }
        }
        Ok(score)
    }

    /// What is left to say of a sentence that could not be spoken: its words are all wrong, and so is
    /// the attention of a voice that found no end.
    pub(super) fn failed(&self, text: &str, why: String) -> ScoredSentence {
        let mut score = ScoredSentence { failed: Some(why), ..ScoredSentence::default() };
        let n_words = scored_words(text).len();
        if self.whisper.is_some() && self.wants(Measure::Wer) && n_words > 0 {
            score.figures.insert(Figure::WerPercent, 100.0);
            score.word_errors = Some((n_words, n_words));
        }
        score
    }
}

fn compare(
    sound: &Waveform,
    reference: &Waveform,
    is_copy: bool,
    figures: &mut BTreeMap<Figure, f64>,
) {
    let rate = sound.sample_rate;
    let recorded = dsp::resample(&reference.samples, reference.sample_rate, rate, LowPass::Scipy);
    let Some(far) = mel_distance(&recorded, &sound.samples, rate) else { return };
    figures.insert(Figure::MelL1Db, far.l1_db);
    figures.insert(Figure::MelL1Ln, far.l1_ln);
    figures.insert(Figure::MelL1DbAligned, far.l1_db_aligned);
    figures.insert(Figure::McdDb, far.mcd_db);
    let pitch = |samples: &[f32]| dsp::pitch_track(samples, rate, PITCH_HOP);
    let tracks = [pitch(&recorded), pitch(&sound.samples)];
    let pairs: Vec<(usize, usize)> = if is_copy {
        (0..tracks[0].len().min(tracks[1].len())).map(|at| (at, at)).collect()
    } else {
        let cepstra = [&recorded, &sound.samples].map(|samples| mel_cepstrum(samples, rate));
        let n_frames = cepstra[1].len() / CEPSTRUM;
        time_warping_path(&cepstra[0], &cepstra[1], CEPSTRUM, |_| 0..n_frames)
    };
    let pitch = f0_distance(&tracks[0], &tracks[1], &pairs);
    if pitch.n_voiced > 0 {
        figures.insert(Figure::F0RmseHz, pitch.rmse_hz);
        figures.insert(Figure::F0RmseCents, pitch.rmse_cents);
    }
    figures.insert(Figure::VoicingErrorPercent, 100.0 * pitch.voicing_error);
    // Both must lie on each other, which only copies do.
    if let Some(through) = is_copy.then(|| stoi(&recorded, &sound.samples, rate)).flatten() {
        figures.insert(Figure::Stoi, through.stoi);
        figures.insert(Figure::Estoi, through.estoi);
    }
}

/// PESQ of a copy, or why there is none.
fn rate_copy(sound: &Waveform, reference: &Waveform, score: &mut ScoredSentence) {
    let at_rate = |waveform: &Waveform| {
        dsp::resample(&waveform.samples, waveform.sample_rate, PESQ_RATE, LowPass::Scipy)
    };
    let (reference, sound) = (at_rate(reference), at_rate(sound));
    for (figure, bandwidth) in
        [(Figure::PesqWb, Bandwidth::Wide), (Figure::PesqNb, Bandwidth::Narrow)]
    {
        match pesq(&reference, &sound, PESQ_RATE, bandwidth) {
            Ok(value) => {
                score.figures.insert(figure, value);
            }
            Err(error) => {
                score.not_taken.insert(figure, error.to_string());
            }
        }
    }
}
