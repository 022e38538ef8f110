//! Colours, spacings and type of both looks; the one place that names a colour.
//!
//! Quiet greys, one accent, a colour per system or method that is the same everywhere (chip, curve,
//! token, table row) and safe for colour-blind eyes (Okabe and Ito's palette).

use eframe::egui::{self, Color32};

/// A colour with a meaning, for either look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hue {
    /// The one accent: selection, the primary button, focus.
    Accent,
    /// Fundamental frequency.
    Pitch,
    /// Energy.
    Energy,
    /// Waveforms.
    Wave,
    /// The play cursor.
    Playhead,
    /// Something went wrong.
    Bad,
    /// Something is as it should be.
    Good,
    /// Something needs a look.
    Warn,
    /// Text and lines of second rank.
    Muted,
    /// A panel that stands a little above the page.
    Raised,
    /// Hairlines between things.
    Line,
    /// Speculation: tokens drafted and accepted.
    Drafted,
    /// Latency curves.
    Latency,
    /// Throughput curves.
    Throughput,
}

/// The colour of a meaning in the look that is on.
pub fn color(hue: Hue, visuals: &egui::Visuals) -> Color32 {
    let [dark, light] = match hue {
        Hue::Accent | Hue::Wave => [[86, 180, 233], [0, 114, 178]],
        Hue::Pitch | Hue::Throughput => [[0, 190, 140], [0, 128, 96]],
        Hue::Energy | Hue::Warn => [[230, 159, 0], [176, 110, 0]],
        Hue::Playhead => [[255, 255, 255], [20, 20, 24]],
        Hue::Bad => [[240, 110, 80], [190, 60, 20]],
        Hue::Good => [[0, 190, 140], [0, 128, 96]],
        Hue::Muted => [[150, 152, 160], [100, 103, 112]],
        Hue::Raised => [[36, 37, 42], [246, 246, 248]],
        Hue::Line => [[58, 60, 66], [214, 215, 220]],
        Hue::Drafted => [[204, 121, 167], [160, 70, 120]],
        Hue::Latency => [[86, 180, 233], [0, 114, 178]],
    };
    let [r, g, b] = if visuals.dark_mode { dark } else { light };
    Color32::from_rgb(r, g, b)
}
