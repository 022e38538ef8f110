//! Keeps what no voice makes away from loudspeakers and ears: noise at full scale, as wrong or
//! damaged weights make it.
//!
//! Sound is looked at in blocks of some milliseconds. A block with a peak above full scale is turned
//! down to it; a block as loud all the way through as speech never is (its root mean square near
//! full scale, as of noise or of a signal that is cut off) is turned down to the level of speech.
//! Gains move in straight lines from block to block, so nothing clicks; where there is nothing to
//! turn down, samples pass bit for bit.

/// Samples of a block; at 22,050 samples a second, 11.6 ms.
const BLOCK: usize = 256;
/// Peaks above this are turned down.
const FULL_SCALE: f32 = 1.0;
/// The root mean square of a block that no speech reaches: a sine at full scale has 0.71, uniform
/// noise 0.58; the loudest vowels of the bundled voices stay below 0.35.
const LOUDEST: f32 = 0.5;
/// What such a block is turned down to.
const SPEECH: f32 = 0.1;
/// By how much the gain may rise from block to block: ten times in half a second.
const RECOVERY: f32 = 1.055;

/// The limiter of one stream of samples.
#[derive(Debug, Clone)]
pub struct Limiter {
    /// Samples that wait for what comes after them.
    waiting: Vec<f32>,
    /// Gain at the first waiting sample.
    gain: f32,
    turned_down: usize,
    not_numbers: usize,
    loudest: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { waiting: Vec::new(), gain: 1.0, turned_down: 0, not_numbers: 0, loudest: 0.0 }
    }
}

impl Limiter {
    /// Takes samples and gives what stands of all so far: one block later than it came. How the
    /// stream is cut into pieces does not matter.
    pub fn pass(&mut self, samples: &[f32]) -> Vec<f32> {
        for &sample in samples {
            let is_number = sample.is_finite();
            self.not_numbers += usize::from(!is_number);
            self.waiting.push(if is_number { sample } else { 0.0 });
        }
        let mut out = Vec::new();
        while self.waiting.len() >= 2 * BLOCK {
            let rest = self.waiting.split_off(BLOCK);
            let block = std::mem::replace(&mut self.waiting, rest);
            let needed = self.needed(&block);
            let next = gain_for(&self.waiting[..BLOCK]);
            self.release(block, needed, next, &mut out);
        }
        out
    }

    /// The rest, when nothing more comes.
    pub fn finish(&mut self) -> Vec<f32> {
        let mut out = Vec::new();
        while !self.waiting.is_empty() {
            let rest = self.waiting.split_off(BLOCK.min(self.waiting.len()));
            let block = std::mem::replace(&mut self.waiting, rest);
            let needed = self.needed(&block);
            let next = gain_for(&self.waiting[..BLOCK.min(self.waiting.len())]);
            self.release(block, needed, next, &mut out);
        }
        out
    }

    /// Samples that were turned down.
    pub fn turned_down(&self) -> usize {
        self.turned_down
    }

    /// Samples that were no numbers, and are silence now.
    pub fn not_numbers(&self) -> usize {
        self.not_numbers
    }

    /// The root mean square of the loudest block, where full scale is one.
    pub fn loudest(&self) -> f32 {
        self.loudest
    }

    fn needed(&mut self, block: &[f32]) -> f32 {
        self.loudest = self.loudest.max(root_mean_square(block));
        gain_for(block)
    }

    /// Applies a straight line of gain that at both ends is no more than its block and the
    /// neighbour there need.
    fn release(&mut self, block: Vec<f32>, needed: f32, next: f32, out: &mut Vec<f32>) {
        let before = self.gain.min(needed);
        let after = needed.min(next).min(before.max(f32::MIN_POSITIVE) * RECOVERY).min(1.0);
        if before < 1.0 || after < 1.0 {
            self.turned_down += block.len();
            let step = (after - before) / block.len() as f32;
            out.extend(
                block.iter().enumerate().map(|(at, sample)| sample * (before + step * at as f32)),
            );
        } else {
            out.extend(block);
        }
        self.gain = after;
    }
}

/// The gain below which a block is no danger.
fn gain_for(block: &[f32]) -> f32 {
    let peak = block.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let level = root_mean_square(block);
    let by_peak = if peak > FULL_SCALE { FULL_SCALE / peak } else { 1.0 };
    let by_level = if level > LOUDEST { SPEECH / level } else { 1.0 };
    by_peak.min(by_level)
}

fn root_mean_square(block: &[f32]) -> f32 {
    let sum: f64 = block.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (sum / block.len().max(1) as f64).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform noise of that amplitude.
    fn noise(n: usize, amplitude: f32) -> Vec<f32> {
        let mut state = 12_345_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..n).map(|_| amplitude * next()).collect()
    }

    fn limited(samples: &[f32], piece: usize) -> (Vec<f32>, Limiter) {
        let mut limiter = Limiter::default();
        let mut out = Vec::new();
        for piece in samples.chunks(piece) {
            out.extend(limiter.pass(piece));
        }
        out.extend(limiter.finish());
        (out, limiter)
    }

    #[test]
    fn sound_as_loud_as_speech_passes_bit_for_bit() {
        let speech = noise(5000, 0.6);
        let (out, limiter) = limited(&speech, 700);
        assert_eq!(out, speech);
        assert_eq!(limiter.turned_down(), 0);
    }

    #[test]
    fn noise_at_full_scale_is_turned_down_to_the_level_of_speech() {
        let mut sound = noise(4000, 0.2);
        sound.extend(noise(20_000, 1.0));
        let (out, limiter) = limited(&sound, 1000);
        assert_eq!(out.len(), sound.len());
        assert!(limiter.turned_down() >= 20_000 && limiter.loudest() > 0.5);
        for (at, block) in out.chunks(BLOCK).enumerate() {
            let level = root_mean_square(block);
            assert!(level < 0.35, "block {at} has {level}");
        }
        assert!(root_mean_square(&out[8000..]) < 1.3 * SPEECH);
    }

    #[test]
    fn a_peak_above_full_scale_is_brought_down_to_it() {
        let mut sound = noise(3000, 0.1);
        sound[1500] = 3.0;
        let (out, _) = limited(&sound, 3000);
        assert!(out.iter().all(|sample| sample.abs() <= 1.0));
    }

    #[test]
    fn what_is_no_number_is_silence_and_counted() {
        let (out, limiter) = limited(&[0.1, f32::NAN, f32::INFINITY, 0.1], 4);
        assert_eq!(out, [0.1, 0.0, 0.0, 0.1]);
        assert_eq!(limiter.not_numbers(), 2);
    }

    #[test]
    fn how_the_stream_is_cut_does_not_matter() {
        let mut sound = noise(2000, 0.3);
        sound.extend(noise(3000, 1.5));
        sound.extend(noise(3001, 0.3));
        let (whole, _) = limited(&sound, sound.len());
        for piece in [1, 100, 256, 999] {
            assert_eq!(limited(&sound, piece).0, whole, "pieces of {piece}");
        }
    }
}
