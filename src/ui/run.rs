//! Opens the real window.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use eframe::egui;

use super::{App, AppParts, Toast};
use crate::{
    library::Folders,
    settings::{self, Settings},
};

/// Width and height of the first window.
const SIZE: [f32; 2] = [1400.0, 900.0];
/// Smaller than this nothing fits.
const MIN_SIZE: [f32; 2] = [800.0, 560.0];

/// News that come within this time share a frame: tokens stream faster than eyes read, and each
/// frame drawn in software is taken from the engine.
const COALESCE: Duration = Duration::from_millis(25);

/// How the window is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where models, settings and the window's layout are kept.
    pub folders: Folders,
}

impl Default for Options {
    /// The folders of this user.
    fn default() -> Self {
        Self { folders: Folders::of_this_user() }
    }
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No display, no graphics.
    #[error(
        "cannot open a window ({0}); without a display use the commands, such as `formant speak TEXT -o FILE` (`formant --help` lists them)"
    )]
    Window(String),
}

/// Opens the window and returns when it is closed.
///
/// # Errors
/// If there is no display or no way to draw on it.
pub fn run(options: Options) -> Result<(), Error> {
    let opened = Instant::now();
    let Options { folders } = options;
    let (settings, toasts) = read_settings(&folders.settings());
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Formant")
        .with_app_id("formant")
        .with_inner_size(SIZE)
        .with_min_inner_size(MIN_SIZE);
    match eframe::icon_data::from_png_bytes(include_bytes!("../../assets/icon.png")) {
        Ok(icon) => viewport = viewport.with_icon(icon),
        Err(error) => tracing::warn!("the window has no icon: {error}"),
    }
    let native = eframe::NativeOptions {
        viewport,
        // Five times faster than wgpu where there is no graphics card.
        renderer: eframe::Renderer::Glow,
        persist_window: true,
        persistence_path: Some(folders.config.join("window.ron")),
        ..Default::default()
    };
    eframe::run_native(
        "formant",
        native,
        Box::new(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let waking = ctx.clone();
            let waker = Arc::new(move || waking.request_repaint_after(COALESCE));
            let mut parts = AppParts::open(folders, settings, waker)?;
            parts.toasts = toasts;
            Ok(Box::new(Framed { app: App::new(&ctx, parts), opened }))
        }),
    )
    // The window system's own error cannot leave this thread.
    .map_err(|error| Error::Window(error.to_string()))
}

/// The settings, and what to tell about them. A file that is not understood is kept beside, since
/// the next change of a setting writes a new one.
fn read_settings(path: &Path) -> (Settings, Vec<Toast>) {
    let error = match Settings::load(path) {
        Ok(settings) => return (settings, Vec::new()),
        Err(error) => error,
    };
    tracing::warn!("{error}");
    let mut text = format!("The default settings are used: {error}");
    if matches!(error, settings::Error::Syntax { .. }) {
        let kept = path.with_extension("toml.broken");
        match fs::copy(path, &kept) {
            Ok(_) => text += &format!(". A copy is kept: {}", kept.display()),
            Err(error) => text += &format!(". No copy could be kept ({error})"),
        }
    }
    (Settings::default(), vec![Toast::error(text)])
}

/// The window in eframe's frame.
struct Framed {
    app: App,
    /// When the program began to open it.
    opened: Instant,
}

impl eframe::App for Framed {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        self.app.logic(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        self.app.ui(ui);
        // `FORMANT_LOG=formant::frame=debug` shows what frames cost; `scripts/figures.py` reads it.
        tracing::debug!(
            target: "formant::frame",
            ui_ms = begun.elapsed().as_secs_f64() * 1e3,
            since_start_ms = self.opened.elapsed().as_secs_f64() * 1e3,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_understood_are_kept_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.toml");
        fs::write(&path, "[appearance]\ntheme = \"mauve\"\n").unwrap();
        let (settings, toasts) = read_settings(&path);
        assert_eq!(settings, Settings::default());
        assert!(toasts[0].is_error && toasts[0].text.contains("mauve"), "{}", toasts[0].text);
        let kept = fs::read_to_string(folder.path().join("settings.toml.broken")).unwrap();
        assert!(kept.contains("mauve"));
    }
}
