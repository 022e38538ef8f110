//! A waveform as the band between its lowest and highest samples, quick for minutes of sound.
//!
//! The envelope is kept on several scales and grows with a stream; the mesh that is drawn is kept
//! until the view or the sound changes.

use std::{ops::Range, sync::Arc};

use eframe::egui::{Color32, Mesh, Painter, Pos2, Rect, Shape, Stroke, pos2};

use super::{
    time_axis::TimeAxis,
    time_axis_paint::{Ink, paint_y_axis, upwards},
};
use crate::domain::Waveform;

/// Samples in a block of the finest scale.
const BLOCK: usize = 64;

/// How many blocks of one scale make one of the next.
const GROUP: usize = 8;

/// From so many samples to a pixel on, the band is drawn and not the samples.
const BAND_FROM: f64 = 1.5;

/// Lowest and highest sample.
type Extent = [f32; 2];

/// Nothing yet: takes on whatever comes first.
const NOTHING: Extent = [f32::INFINITY, f32::NEG_INFINITY];

fn join(a: Extent, b: Extent) -> Extent {
    [a[0].min(b[0]), a[1].max(b[1])]
}

fn extent(samples: &[f32]) -> Extent {
    samples.iter().fold(NOTHING, |extent, &sample| join(extent, [sample, sample]))
}

/// Extremes of whole blocks of samples, on scales a factor of eight apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    scales: Vec<Vec<Extent>>,
}

impl Envelope {
    /// Takes in what has come since the last call; `samples` are all there are.
    pub fn extend(&mut self, samples: &[f32]) {
        if self.scales.is_empty() {
            self.scales.push(Vec::new());
        }
        let finest = &mut self.scales[0];
        let known = finest.len();
        finest.extend(samples[known * BLOCK..].chunks_exact(BLOCK).map(extent));
        let mut scale = 0;
        while self.scales[scale].len() >= GROUP {
            if self.scales.len() == scale + 1 {
                self.scales.push(Vec::new());
            }
            let (finer, coarser) = self.scales.split_at_mut(scale + 1);
            let known = coarser[0].len();
            let groups = finer[scale][known * GROUP..].chunks_exact(GROUP);
            coarser[0].extend(groups.map(|group| group.iter().copied().fold(NOTHING, join)));
            scale += 1;
        }
    }

    /// Lowest and highest of a range of `samples`, those that [`Envelope::extend`] was given.
    pub fn extent(&self, samples: &[f32], range: Range<usize>) -> Extent {
        self.extent_from(self.scales.len(), samples, range)
    }

    /// Takes whole blocks of the coarsest scale that fits, and finer ones at the two ends.
    fn extent_from(&self, n_scales: usize, samples: &[f32], range: Range<usize>) -> Extent {
        if range.is_empty() {
            return NOTHING;
        }
        let Some(scale) = n_scales.checked_sub(1) else { return extent(&samples[range]) };
        let block = BLOCK * GROUP.pow(scale as u32);
        let first = range.start.div_ceil(block);
        let last = (range.end / block).min(self.scales[scale].len());
        if first >= last {
            return self.extent_from(scale, samples, range);
        }
        let middle = self.scales[scale][first..last].iter().copied().fold(NOTHING, join);
        let left = self.extent_from(scale, samples, range.start..first * block);
        let right = self.extent_from(scale, samples, last * block..range.end);
        join(middle, join(left, right))
    }
}

/// What a drawing was made for; another one is made when it differs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    axis: TimeAxis,
    plot: Rect,
    pixels_per_point: f32,
    color: Color32,
    n_samples: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct WaveformView {
    envelope: Envelope,
    key: Option<Key>,
    drawn: Option<Shape>,
}

impl WaveformView {
    /// Forgets the sound; the next one is another.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Paints the visible part of `waveform`, which may have grown since the last call.
    pub fn paint(
        &mut self,
        painter: &Painter,
        plot: Rect,
        axis: TimeAxis,
        waveform: &Waveform,
        color: Color32,
        ink: &Ink,
    ) {
        paint_y_axis(painter, plot, AMPLITUDES, ink);
        let key = Key {
            axis,
            plot,
            pixels_per_point: painter.pixels_per_point(),
            color,
            n_samples: waveform.samples.len(),
        };
        if self.key != Some(key) {
            self.envelope.extend(&waveform.samples);
            self.drawn = self.draw(&key, waveform);
            self.key = Some(key);
        }
        if let Some(shape) = &self.drawn {
            painter.add(shape.clone());
        }
    }

    fn draw(&self, key: &Key, waveform: &Waveform) -> Option<Shape> {
        let rate = f64::from(waveform.sample_rate);
        if rate <= 0.0 || waveform.samples.is_empty() {
            return None;
        }
        let pixel = 1.0 / key.pixels_per_point;
        let samples_per_pixel = key.axis.span() * rate * f64::from(pixel / key.plot.width());
        if samples_per_pixel < BAND_FROM {
            return Some(Self::line(key, waveform, rate));
        }
        let mut mesh = Mesh::default();
        let n_columns = (key.plot.width() / pixel) as usize;
        mesh.reserve_triangles(2 * n_columns);
        mesh.reserve_vertices(4 * n_columns);
        let sample_at = |x: f32| {
            let secs = key.axis.at_screen(x, key.plot.x_range());
            ((secs * rate).max(0.0) as usize).min(waveform.samples.len())
        };
        for column in 0..n_columns {
            let x = key.plot.left() + column as f32 * pixel;
            let [low, high] =
                self.envelope.extent(&waveform.samples, sample_at(x)..sample_at(x + pixel));
            if low <= high {
                let top = AMPLITUDES.to_screen(f64::from(high), upwards(key.plot));
                let bottom = AMPLITUDES.to_screen(f64::from(low), upwards(key.plot));
                // Silence is still a line.
                let rect =
                    Rect::from_min_max(pos2(x, top), pos2(x + pixel, bottom.max(top + pixel)));
                mesh.add_colored_rect(rect, key.color);
            }
        }
        Some(Shape::mesh(Arc::new(mesh)))
    }

    /// Sample by sample, with one more at either side so that the line runs out of the view.
    fn line(key: &Key, waveform: &Waveform, rate: f64) -> Shape {
        let first = ((key.axis.start * rate).floor().max(1.0) as usize) - 1;
        let last = ((key.axis.end * rate).ceil() as usize + 2).min(waveform.samples.len());
        let points: Vec<Pos2> = (first..last.max(first))
            .map(|n| {
                let x = key.axis.to_screen(n as f64 / rate, key.plot.x_range());
                let sample = f64::from(waveform.samples[n]);
                pos2(x, AMPLITUDES.to_screen(sample, upwards(key.plot)))
            })
            .collect();
        Shape::line(points, Stroke::new(1.5, key.color))
    }
}

/// The y axis: full scale with a little air, the same for every sound so that they compare.
const AMPLITUDES: TimeAxis = TimeAxis { start: -1.05, end: 1.05 };

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(n: usize) -> Vec<f32> {
        (0..n).map(|n| ((n * 7919) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn every_range_has_the_extremes_of_its_samples(
            n in 1_usize..9000, a in 0.0_f64..1.0, b in 0.0_f64..1.0, cut in 0.0_f64..1.0,
        ) {
            let samples = noise(n);
            let mut envelope = Envelope::default();
            // It has come in two pieces.
            envelope.extend(&samples[..(cut * n as f64) as usize]);
            envelope.extend(&samples);
            let (a, b) = ((a * n as f64) as usize, (b * n as f64) as usize);
            let range = a.min(b)..a.max(b);
            prop_assert_eq!(envelope.extent(&samples, range.clone()), extent(&samples[range]));
        }
    }
}
