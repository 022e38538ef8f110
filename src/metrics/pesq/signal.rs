//! One of the two sounds on its way to be compared: brought to a level, heard through a filter.
//!
//! Source: ITU-T P.862 §10.1 and P.862.2. Around the samples lies silence, in which frames that the
//! alignment moves still find something.

use realfft::RealFftPlanner;

use super::tables::{LEVEL_BAND, Response, Sections};

/// Samples in a second of any grid are so many steps.
const STEPS_PER_SEC: u32 = 250;
/// Silence before and after a sound, in steps.
const MARGIN_STEPS: usize = 75;
/// More of it at the end, in steps, into which filters ring and late frames reach.
const TAIL_STEPS: usize = 80;
/// Mean power that both sounds are brought to, between 350 and 3250 Hz.
const TARGET_POWER: f64 = 1e7;
/// Where a response is taken as one, in Hz.
const UNITY_HZ: f64 = 1000.0;

/// Lengths at a sample rate, all of them multiples of 4 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) sample_rate: u32,
    /// Samples of 4 ms, in which speech is looked for.
    pub(super) step: usize,
    /// Samples of a frame of the model of hearing; the next begins after half of them.
    pub(super) frame: usize,
    /// Samples of a window of the fine alignment; the next begins after a quarter of them.
    pub(super) window: usize,
    /// Samples of silence around a sound.
    pub(super) margin: usize,
    /// Samples of silence after that.
    pub(super) tail: usize,
}

impl Grid {
    pub(super) fn at(sample_rate: u32) -> Self {
        let step = (sample_rate / STEPS_PER_SEC) as usize;
        Self {
            sample_rate,
            step,
            frame: 8 * step,
            window: 16 * step,
            margin: MARGIN_STEPS * step,
            tail: TAIL_STEPS * step,
        }
    }
}

/// A sound within its silence.
#[derive(Debug, Clone)]
pub(super) struct Signal {
    pub(super) grid: Grid,
    /// Samples with the silence before and after them, then the tail.
    pub(super) samples: Vec<f64>,
    /// How many there are without the tail.
    pub(super) len: usize,
}

impl Signal {
    pub(super) fn new(sound: &[f32], grid: Grid) -> Self {
        let len = sound.len() + 2 * grid.margin;
        let mut samples = vec![0.0; len + grid.tail];
        for (sample, x) in samples[grid.margin..].iter_mut().zip(sound) {
            *sample = f64::from(*x);
        }
        Self { grid, samples, len }
    }

    /// Makes the tail longer, so that both sounds end together.
    pub(super) fn lengthen(&mut self, len: usize) {
        self.len = self.len.max(len);
        self.samples.resize(self.len + self.grid.tail, 0.0);
    }

    /// Mean power of the sound as if it were as long as the longer of the two.
    pub(super) fn power(&self, longer: usize) -> f64 {
        let Grid { margin, tail, .. } = self.grid;
        let heard = &self.samples[margin..self.len - margin + tail];
        heard.iter().map(|x| x * x).sum::<f64>() / (longer - 2 * margin + tail) as f64
    }

    /// By which it is brought to the common level; `None` where nothing is heard in the band.
    pub(super) fn gain(&self, longer: usize) -> Option<f64> {
        let mut band = self.clone();
        band.shape(LEVEL_BAND);
        let power = band.power(longer);
        (power > 0.0 && power.is_finite()).then(|| (TARGET_POWER / power).sqrt())
    }

    pub(super) fn amplify(&mut self, gain: f64) {
        self.samples.iter_mut().for_each(|x| *x *= gain);
    }

    /// Gives it a frequency response, relative to that at 1 kHz.
    pub(super) fn shape(&mut self, response: &Response) {
        let Grid { margin, tail, sample_rate, .. } = self.grid;
        let heard = &mut self.samples[margin..self.len - margin + tail];
        let n_fft = heard.len().next_power_of_two();
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, inverse) = (planner.plan_fft_forward(n_fft), planner.plan_fft_inverse(n_fft));
        let (mut time, mut bins) = (forward.make_input_vec(), forward.make_output_vec());
        time[..heard.len()].copy_from_slice(heard);
        forward.process(&mut time, &mut bins).expect("the buffers were made by the plan");
        let hz_per_bin = f64::from(sample_rate) / n_fft as f64;
        let unity_db = decibels(response, UNITY_HZ);
        for (bin, value) in bins.iter_mut().enumerate() {
            let gain_db = decibels(response, bin as f64 * hz_per_bin) - unity_db;
            *value *= 10.0_f64.powf(gain_db / 20.0) / n_fft as f64;
        }
        inverse.process(&mut bins, &mut time).expect("the first and last bin stay real");
        heard.copy_from_slice(&time[..heard.len()]);
    }

    /// Takes the sound through headphones: its edges faded, then a filter over it and nothing else.
    pub(super) fn listen(&mut self, sections: &Sections) {
        /// Samples over which an edge is faded.
        const FADE: usize = 16;
        let Grid { margin, .. } = self.grid;
        let sound = &mut self.samples[margin..self.len - margin];
        for at in 1..FADE {
            let gain = at as f64 / FADE as f64;
            sound[at - 1] *= gain;
            let mirrored = sound.len() - at;
            sound[mirrored] *= gain;
        }
        filter(sections, sound);
    }

    /// What the alignment works on: without its mean, edges faded over a step, filtered.
    pub(super) fn for_alignment(&self, sections: &Sections) -> Self {
        let Grid { margin, step, .. } = self.grid;
        let mut out = self.clone();
        let sound = &mut out.samples[margin..self.len - margin];
        // The mean is taken over the silence, too.
        let mean = sound.iter().sum::<f64>() / self.len as f64;
        for x in sound.iter_mut() {
            *x -= mean;
        }
        for at in 0..step {
            let gain = (at as f64 + 0.5) / step as f64;
            sound[at] *= gain;
            let mirrored = sound.len() - 1 - at;
            sound[mirrored] *= gain;
        }
        filter(sections, &mut out.samples);
        out
    }
}

/// A response at a frequency.
fn decibels(response: &Response, hz: f64) -> f64 {
    let above = response.partition_point(|(at, _)| *at < hz).clamp(1, response.len() - 1);
    let ((low, from), (high, to)) = (response[above - 1], response[above]);
    ((hz - low) * to + (high - hz) * from) / (high - low)
}

/// Second-order sections, one after the other (direct form II). In single precision, as the reference
/// implementation has it: where a recording is digital silence, rounding is what is left to be heard.
fn filter(sections: &Sections, samples: &mut [f64]) {
    for section in sections {
        let [b0, b1, b2, a1, a2] = section.map(|c| c as f32);
        let (mut z1, mut z2) = (0.0, 0.0);
        for x in &mut *samples {
            let z0 = *x as f32 - a1 * z1 - a2 * z2;
            *x = f64::from(b0 * z0 + b1 * z1 + b2 * z2);
            (z1, z2) = (z0, z1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tables::HANDSET, *};

    fn sine(hz: f64) -> Signal {
        let turn = std::f64::consts::TAU * hz / 16_000.0;
        let sound: Vec<f32> = (0..16_000).map(|at| (turn * at as f64).sin() as f32).collect();
        Signal::new(&sound, Grid::at(16_000))
    }

    #[test]
    fn a_response_lets_through_what_it_says() {
        assert_eq!(decibels(HANDSET, 150.0), -12.0 + 6.0 * 25.0 / 35.0);
        assert_eq!(decibels(HANDSET, 0.0), -200.0);
        for (hz, db) in [(1000.0, 0.0), (300.0, -6.0), (100.0, -32.0)] {
            let mut heard = sine(hz);
            let before = heard.power(heard.len);
            heard.shape(HANDSET);
            let gain_db = 10.0 * (heard.power(heard.len) / before).log10();
            assert!((gain_db - db).abs() < 0.2, "{gain_db} dB at {hz} Hz");
        }
    }

    #[test]
    fn a_gain_brings_speech_to_the_target_and_silence_has_none() {
        let mut sine = sine(1000.0);
        let gain = sine.gain(sine.len).unwrap();
        sine.amplify(gain);
        assert!((sine.gain(sine.len).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(Signal::new(&vec![0.0; 8000], Grid::at(8_000)).gain(10_000), None);
    }
}
