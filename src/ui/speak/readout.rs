//! What lies under the cursor: everything that a take knows about one moment.

use super::take::Take;
use crate::ui::widgets::{
    alignment_view::interval_at,
    mel_view_scale::{MelScale, db},
};

/// One moment of a take; `None` where the take has nothing to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readout<'a> {
    /// When.
    pub secs: f64,
    /// The sample's value, of full scale.
    pub amplitude: Option<f32>,
    /// The mel frame, counted over all sentences.
    pub frame_idx: Option<usize>,
    /// The mel band, and the frequency at its middle in Hz.
    pub band: Option<(usize, f64)>,
    /// Level of that band, as the natural logarithm of its magnitude.
    pub level_ln: Option<f32>,
    /// Measured pitch in Hz; zero where unvoiced.
    pub f0_hz: Option<f32>,
    /// Energy of the frame.
    pub energy: Option<f32>,
    /// The phoneme.
    pub phoneme: Option<&'a str>,
    /// The word.
    pub word: Option<&'a str>,
}

impl<'a> Readout<'a> {
    /// What `take` has at `secs`, and at a place on the mel's band axis if the cursor is on it.
    pub fn new(take: &'a Take, secs: f64, band: Option<f64>) -> Self {
        let waveform = &take.waveform;
        let sample = (secs * f64::from(waveform.sample_rate)).max(0.0) as usize;
        let mut readout = Self {
            secs,
            amplitude: waveform.samples.get(sample).copied(),
            phoneme: take.phoneme_at(secs).map(|idx| take.phonemes[idx].label.as_str()),
            word: interval_at(&take.words, secs).map(|idx| take.words[idx].label.as_str()),
            ..Self::default()
        };
        let Some(piece) = take.piece_at(secs) else { return readout };
        let mel = &piece.spoken.mel;
        let frame_idx = ((secs - piece.start_secs) / mel.config.frame_secs()) as usize;
        if frame_idx >= mel.n_frames() {
            return readout;
        }
        readout.frame_idx = Some(piece.first_frame + frame_idx);
        readout.f0_hz = piece.f0_hz.get(frame_idx).copied();
        readout.energy = piece.spoken.energy.get(frame_idx).copied();
        let cell = band.filter(|band| (0.0..mel.config.n_mels as f64).contains(band));
        if let Some(band) = cell.map(|band| band as usize) {
            readout.band = Some((band, MelScale::new(&mel.config).hz(band as f64 + 0.5)));
            readout.level_ln = mel.frame(frame_idx).get(band).copied();
        }
        readout
    }

    /// Names and values with their units, in an order and a number that never change.
    pub fn fields(&self) -> [(&'static str, String); 8] {
        let none = || "–".to_owned();
        let level = self.level_ln.map_or_else(none, |ln| {
            format!("{} dB, ln {}", signed(db(f64::from(ln)), 1), signed(f64::from(ln), 2))
        });
        let f0 = self.f0_hz.map_or_else(none, |hz| {
            if hz > 0.0 { format!("{hz:.0} Hz") } else { "unvoiced".to_owned() }
        });
        [
            ("Time", format!("{:.3} s", self.secs)),
            ("Frame", self.frame_idx.map_or_else(none, |idx| idx.to_string())),
            ("Bin", self.band.map_or_else(none, |(idx, hz)| format!("{idx}, {hz:.0} Hz"))),
            ("Level", level),
            ("F0", f0),
            ("Energy", self.energy.map_or_else(none, |energy| format!("{energy:.1}"))),
            ("Phoneme", self.phoneme.map_or_else(none, str::to_owned)),
            ("Word", self.word.map_or_else(none, str::to_owned)),
        ]
    }
}

/// A number with a real minus sign.
fn signed(value: f64, decimals: usize) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{:.decimals$}", value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::speak::example;

    #[test]
    fn every_figure_belongs_to_the_frame_under_the_cursor() {
        let take = example::take(2.0);
        let frame_secs = take.pieces[0].spoken.mel.config.frame_secs();
        let secs = 50.5 * frame_secs;
        let readout = Readout::new(&take, secs, Some(12.3));
        assert_eq!(readout.frame_idx, Some(50));
        assert_eq!(readout.band.map(|(band, _)| band), Some(12));
        assert_eq!(readout.level_ln, Some(take.pieces[0].spoken.mel.frame(50)[12]));
        assert_eq!(readout.f0_hz, Some(take.pieces[0].f0_hz[50]));
        assert_eq!(readout.energy, Some(take.pieces[0].spoken.energy[50]));
        let phoneme = take.pieces[0].spoken.alignment.phoneme_at(50).unwrap();
        assert_eq!(readout.phoneme, Some(take.phonemes[phoneme].label.as_str()));
    }

    #[test]
    fn past_the_end_only_the_time_is_left() {
        let take = example::take(1.0);
        let readout = Readout::new(&take, 99.0, Some(3.0));
        assert_eq!(readout, Readout { secs: 99.0, ..Readout::default() });
        assert_eq!(readout.fields()[0], ("Time", "99.000 s".to_owned()));
        assert_eq!(readout.fields()[3].1, "–");
    }

    #[test]
    fn units_and_signs_are_written_out() {
        let readout = Readout { level_ln: Some(-4.0), f0_hz: Some(0.0), ..Readout::default() };
        assert_eq!(readout.fields()[3].1, "−34.7 dB, ln −4.00");
        assert_eq!(readout.fields()[4].1, "unvoiced");
    }
}
