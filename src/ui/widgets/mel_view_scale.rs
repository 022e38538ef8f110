//! What a mel's cells mean: bands in Hz, levels in dB, colours.

use eframe::egui::{Align2, Color32, Mesh, Painter, Rangef, Rect, Shape, pos2};

use super::{
    time_axis::{Ticks, TimeAxis},
    time_axis_paint::{Ink, Side, paint_frame, paint_y_tick, upwards},
};
use crate::{
    domain::{MelConfig, MelSpectrogram},
    dsp,
    settings::ColorMap,
};

/// The levels that the colours span, as `dsp::mel_picture` has them: from the floor of a
/// logarithmic mel to a loud vowel. Fixed, so that takes compare.
pub const LEVELS_LN: TimeAxis = TimeAxis { start: -11.5, end: 1.0 };

/// dB of one unit of the natural logarithm of a magnitude: `20 / ln 10`.
const DB_PER_LN: f64 = 8.685_889_638_065_037;

/// A logarithmic magnitude in dB.
pub fn db(level_ln: f64) -> f64 {
    level_ln * DB_PER_LN
}

/// Colours of a fixed scale.
const N_COLORS: usize = 256;

/// Levels as colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Colors {
    pub(super) map: ColorMap,
    table: Vec<Color32>,
}

impl Colors {
    /// The colours of a map.
    pub fn new(map: ColorMap) -> Self {
        let span = LEVELS_LN.span() / (N_COLORS - 1) as f64;
        let ramp = MelSpectrogram {
            frames: (0..N_COLORS).map(|n| (LEVELS_LN.start + n as f64 * span) as f32).collect(),
            config: MelConfig { n_mels: 1, ..MelConfig::default() },
        };
        let picture = dsp::mel_picture(&ramp, map_of(map));
        let table = picture.rgba.chunks_exact(4).map(|c| Color32::from_rgb(c[0], c[1], c[2]));
        Self { map, table: table.collect() }
    }

    /// The same, or those of another map.
    pub(super) fn refreshed(&mut self, map: ColorMap) -> &Self {
        if self.map != map {
            *self = Self::new(map);
        }
        self
    }

    /// The colour of a level.
    pub fn of(&self, level_ln: f32) -> Color32 {
        let share = (level_ln - LEVELS_LN.start as f32) / LEVELS_LN.span() as f32;
        let at = (share * (N_COLORS - 1) as f32).clamp(0.0, (N_COLORS - 1) as f32) as usize;
        self.table.get(at).copied().unwrap_or_default()
    }
}

/// The colour map that a setting names.
pub fn map_of(map: ColorMap) -> dsp::ColorMap {
    match map {
        ColorMap::Magma => dsp::ColorMap::Magma,
        ColorMap::Viridis => dsp::ColorMap::Viridis,
        ColorMap::Greys => dsp::ColorMap::Greys,
    }
}

/// In which unit levels are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LevelUnit {
    /// Decibels.
    #[default]
    Db,
    /// Natural logarithm of the magnitude, as models see it.
    Ln,
}

impl LevelUnit {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Db => Self::Ln,
            Self::Ln => Self::Db,
        }
    }

    /// As it is written.
    pub fn label(self) -> &'static str {
        match self {
            Self::Db => "dB",
            Self::Ln => "ln",
        }
    }
}

/// Paints the colours with their levels.
pub fn paint_color_bar(painter: &Painter, bar: Rect, colors: &Colors, unit: LevelUnit, ink: &Ink) {
    let mut mesh = Mesh::default();
    let n = colors.table.len().max(2);
    for (at, color) in colors.table.iter().enumerate() {
        let y = bar.bottom() - bar.height() * at as f32 / (n - 1) as f32;
        mesh.colored_vertex(pos2(bar.left(), y), *color);
        mesh.colored_vertex(pos2(bar.right(), y), *color);
        if at > 0 {
            let vertex = 2 * at as u32;
            mesh.add_triangle(vertex - 2, vertex - 1, vertex);
            mesh.add_triangle(vertex - 1, vertex, vertex + 1);
        }
    }
    painter.add(Shape::mesh(mesh));
    paint_frame(painter, bar, ink);
    let levels = match unit {
        LevelUnit::Ln => LEVELS_LN,
        LevelUnit::Db => TimeAxis { start: db(LEVELS_LN.start), end: db(LEVELS_LN.end) },
    };
    let ticks = Ticks::new(levels.start, levels.end, ((bar.height() / 19.0) as usize).max(2));
    let mut last = Rangef::NOTHING;
    for value in ticks.values() {
        let y = levels.to_screen(value, upwards(bar));
        if !last.contains(y) {
            paint_y_tick(painter, bar, Side::Right, y, &ticks.label(value), ink);
            last = Rangef::point(y).expand(12.0);
        }
    }
    let at = pos2(bar.left(), bar.top() - 1.0);
    painter.text(at, Align2::LEFT_BOTTOM, unit.label(), ink.small.clone(), ink.muted);
    let at = pos2(bar.left() - 4.0, bar.top() - 1.0);
    painter.text(at, Align2::RIGHT_BOTTOM, "bin", ink.small.clone(), ink.muted);
}

/// Bands and the frequencies they hear: Slaney's mel scale, linear to 1 kHz, logarithmic above.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MelScale {
    low_mel: f64,
    mels_per_band: f64,
}

/// Hz per mel below the break.
const HZ_PER_MEL: f64 = 200.0 / 3.0;

/// Where the scale turns logarithmic.
const BREAK_HZ: f64 = 1000.0;

/// `ln` of the step of a mel above the break: 27 of them make a factor of 6.4.
const LN_PER_MEL: f64 = 0.068_751_777_420_949_12;

impl MelScale {
    /// The scale of a mel's filter bank.
    pub fn new(config: &MelConfig) -> Self {
        let (low, high) = (mel_of_hz(config.f_min), mel_of_hz(config.f_max));
        Self { low_mel: low, mels_per_band: (high - low) / (config.n_mels + 1) as f64 }
    }

    /// The frequency at a place on the band axis; the middle of band `b` is at `b + 0.5`.
    pub fn hz(&self, band: f64) -> f64 {
        hz_of_mel(self.low_mel + (band + 0.5) * self.mels_per_band)
    }

    /// The place of a frequency on the band axis.
    pub fn band(&self, hz: f64) -> f64 {
        (mel_of_hz(hz) - self.low_mel) / self.mels_per_band - 0.5
    }
}

fn mel_of_hz(hz: f64) -> f64 {
    if hz < BREAK_HZ {
        hz / HZ_PER_MEL
    } else {
        BREAK_HZ / HZ_PER_MEL + (hz / BREAK_HZ).ln() / LN_PER_MEL
    }
}

fn hz_of_mel(mel: f64) -> f64 {
    let break_mel = BREAK_HZ / HZ_PER_MEL;
    if mel < break_mel {
        mel * HZ_PER_MEL
    } else {
        BREAK_HZ * ((mel - break_mel) * LN_PER_MEL).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_where_librosa_has_them() {
        // By the formula of librosa.mel_frequencies(82, fmin=0, fmax=8000), at 1, 40 and 80.
        let scale = MelScale::new(&MelConfig::default());
        for (band, hz) in [(0.0, 37.239), (39.0, 1656.787), (79.0, 7698.593)] {
            let found = scale.hz(band + 0.5);
            assert!((found - hz).abs() < 0.001, "band {band} is at {found} Hz, not {hz}");
        }
    }

    #[test]
    fn frequency_and_band_are_two_names_of_one_place() {
        let scale = MelScale::new(&MelConfig::default());
        for band in [-0.5, 3.25, 26.0, 60.5, 79.5] {
            assert!((scale.band(scale.hz(band)) - band).abs() < 1e-9);
        }
    }

    #[test]
    fn a_level_of_one_is_nought_db() {
        assert!(db(0.0).abs() < 1e-12);
        assert!((db(10.0_f64.ln()) - 20.0).abs() < 1e-9);
    }
}
