//! A mel as a picture: time to the right, low frequencies at the bottom.

use crate::domain::MelSpectrogram;

/// Darkest value: the floor of a logarithmic mel.
const DARK: f32 = -11.5;
/// Brightest value: a loud vowel.
const BRIGHT: f32 = 1.0;

/// Colours from quiet to loud. The first two are matplotlib's, at ten of their points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ColorMap {
    /// Black over purple to pale yellow.
    #[default]
    Magma,
    /// Purple over green to yellow; distinct for the colour-blind.
    Viridis,
    /// Black to white.
    Greys,
}

impl ColorMap {
    /// Every map, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Magma, Self::Viridis, Self::Greys];

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Magma => "Magma",
            Self::Viridis => "Viridis",
            Self::Greys => "Greys",
        }
    }

    /// Red, green and blue of a loudness from 0 to 1; beyond is as at the ends.
    pub fn rgb(self, loudness: f32) -> [u8; 3] {
        let points: &[u32] = match self {
            Self::Magma => &MAGMA,
            Self::Viridis => &VIRIDIS,
            Self::Greys => &[0x00_0000, 0xff_ffff],
        };
        // What is not a number is dark.
        let loudness = if loudness.is_nan() { 0.0 } else { loudness.clamp(0.0, 1.0) };
        let at = loudness * (points.len() - 1) as f32;
        let below = (at as usize).min(points.len() - 2);
        let share = at - below as f32;
        [16, 8, 0].map(|shift| {
            let channel = |point: u32| ((point >> shift) & 0xff) as f32;
            let (low, high) = (channel(points[below]), channel(points[below + 1]));
            (low + share * (high - low)).round() as u8
        })
    }
}

const MAGMA: [u32; 10] = [
    0x00_0004, 0x18_0f3d, 0x44_0f76, 0x72_1f81, 0x9e_2f7f, 0xcd_4071, 0xf1_605d, 0xfd_9668,
    0xfe_ca8d, 0xfc_fdbf,
];
const VIRIDIS: [u32; 10] = [
    0x44_0154, 0x48_2878, 0x3e_4a89, 0x31_688e, 0x26_828e, 0x1f_9e89, 0x35_b779, 0x6e_ce58,
    0xb5_de2b, 0xfd_e725,
];

/// Pixels, four bytes each (red, green, blue, opaque), from the top left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row: one per frame.
    pub width: usize,
    /// Rows: one per mel band.
    pub height: usize,
    /// `(height, width, 4)`.
    pub rgba: Vec<u8>,
}

impl Picture {
    /// The picture as a PNG file.
    ///
    /// # Errors
    /// If it has no pixels.
    pub fn png(&self) -> Result<Vec<u8>, image::ImageError> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let (width, height) = (self.width as u32, self.height as u32);
        image::write_buffer_with_format(
            &mut bytes,
            &self.rgba,
            width,
            height,
            image::ColorType::Rgba8,
            image::ImageFormat::Png,
        )?;
        Ok(bytes.into_inner())
    }
}

/// Paints a mel. The scale is fixed, so that pictures can be compared and columns be added.
pub fn mel_picture(mel: &MelSpectrogram, colors: ColorMap) -> Picture {
    let (width, height) = (mel.n_frames(), mel.config.n_mels);
    let mut rgba = vec![0xff; width * height * 4];
    for frame_idx in 0..width {
        for (band, &value) in mel.frame(frame_idx).iter().enumerate() {
            let pixel = ((height - 1 - band) * width + frame_idx) * 4;
            rgba[pixel..pixel + 3].copy_from_slice(&colors.rgb((value - DARK) / (BRIGHT - DARK)));
        }
    }
    Picture { width, height, rgba }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MelConfig;

    #[test]
    fn low_bands_are_at_the_bottom_and_loud_is_bright() {
        let mut frames = vec![DARK; 3 * 80];
        frames[80] = BRIGHT;
        let mel = MelSpectrogram { frames, config: MelConfig::default() };
        let picture = mel_picture(&mel, ColorMap::Greys);
        assert_eq!((picture.width, picture.height), (3, 80));
        let bright: Vec<_> = (0..240).filter(|pixel| picture.rgba[pixel * 4] == 0xff).collect();
        assert_eq!(bright, [79 * 3 + 1]);
        assert!(picture.rgba.iter().skip(3).step_by(4).all(|&alpha| alpha == 0xff));
    }

    #[test]
    fn maps_begin_and_end_where_matplotlib_does() {
        assert_eq!(ColorMap::Magma.rgb(-1.0), [0, 0, 4]);
        assert_eq!(ColorMap::Magma.rgb(2.0), [0xfc, 0xfd, 0xbf]);
        assert_eq!(ColorMap::Viridis.rgb(0.0), [0x44, 0x01, 0x54]);
        assert_eq!(ColorMap::Viridis.rgb(f32::NAN), [0x44, 0x01, 0x54]);
        assert_eq!(ColorMap::Greys.rgb(0.5), [128; 3]);
    }
}
