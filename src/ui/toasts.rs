//! Messages in the corner: good news fades, bad news stays until it is closed.

use eframe::egui::{self, Align, Align2, Layout, RichText, Stroke, vec2};

use super::{Toast, disk::FileContent, theme, theme::Hue};

/// How long good news is shown.
const SHOWN_SECS: f64 = 5.0;
/// How long it takes to go.
const FADE_SECS: f64 = 0.3;
/// Time between two pictures of the fading.
const FADE_STEP_SECS: f64 = 0.06;
/// Width of a message.
const WIDTH: f32 = 380.0;
/// More messages than this push the oldest good news out.
const MOST: usize = 6;

/// All messages that are shown.
#[derive(Default)]
pub(super) struct Toasts {
    shown: Vec<Shown>,
    next_id: u64,
}

/// One message.
struct Shown {
    id: u64,
    toast: Toast,
    /// How often it was said in a row.
    times: usize,
    /// When it was first seen, in egui's seconds.
    since: Option<f64>,
    /// A file that could not be written: its content is offered until it is safe.
    unsaved: Option<FileContent>,
}

/// What the user wants done about a file that could not be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rescue {
    /// The same place once more.
    TryAgain(FileContent),
    /// Another place.
    SaveElsewhere(FileContent),
}

impl Toasts {
    /// Shows a message; the same message said again is counted instead.
    pub(super) fn add(&mut self, toast: Toast) {
        if let Some(same) = self.shown.iter_mut().find(|shown| shown.toast == toast) {
            same.times += 1;
            same.since = None;
            return;
        }
        self.push(toast, None);
    }

    /// Shows that a file could not be written, and keeps its content.
    pub(super) fn add_unsaved(&mut self, why: &str, content: FileContent) {
        self.shown.retain(|shown| !shown.is_about(&content.path));
        let text = format!(
            "Cannot write the file ({why}). Its content is kept here until it is saved or this \
             message is closed: {}",
            content.path.display()
        );
        self.push(Toast::error(text), Some(content));
    }

    /// A file was written after all.
    pub(super) fn written(&mut self, path: &std::path::Path) {
        self.shown.retain(|shown| !shown.is_about(path));
    }

    /// Closes every message but those that keep content.
    pub(super) fn clear(&mut self) {
        self.shown.retain(|shown| shown.unsaved.is_some());
    }

    /// Content that is still not on disk.
    pub(super) fn unsaved(&self) -> Vec<FileContent> {
        self.shown.iter().filter_map(|shown| shown.unsaved.clone()).collect()
    }

    /// Whether no message is shown.
    pub(super) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    fn push(&mut self, toast: Toast, unsaved: Option<FileContent>) {
        if self.shown.len() >= MOST
            && let Some(oldest) = self.shown.iter().position(|shown| !shown.toast.is_error)
        {
            self.shown.remove(oldest);
        }
        self.next_id += 1;
        self.shown.push(Shown { id: self.next_id, toast, times: 1, since: None, unsaved });
    }

    /// Draws the messages above the status strip.
    pub(super) fn ui(&mut self, ctx: &egui::Context) -> Option<Rescue> {
        if self.shown.is_empty() {
            return None;
        }
        let now = ctx.input(|input| input.time);
        self.shown.retain_mut(|shown| shown.age(now) < SHOWN_SECS || shown.toast.is_error);
        let mut rescue = None;
        let mut closed = None;
        egui::Area::new(egui::Id::unique("toasts"))
            .anchor(Align2::RIGHT_BOTTOM, vec2(-theme::WIDE, -44.0))
            .order(egui::Order::Foreground)
            .show(ctx, |ui| {
                for shown in &self.shown {
                    let opacity = shown.opacity(now);
                    ui.push_id(shown.id, |ui| {
                        ui.set_opacity(opacity);
                        match shown.ui(ui) {
                            Some(Answer::Close) => closed = Some(shown.id),
                            Some(Answer::Rescue(wanted)) => {
                                closed = Some(shown.id);
                                rescue = Some(wanted);
                            }
                            None => (),
                        }
                    });
                    ui.add_space(theme::GAP);
                }
            });
        self.shown.retain(|shown| Some(shown.id) != closed);
        if let Some(wait_secs) =
            self.shown.iter().filter_map(|shown| shown.next_look(now)).reduce(f64::min)
        {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(wait_secs));
        }
        rescue
    }
}

/// What was pressed on a message.
enum Answer {
    Close,
    Rescue(Rescue),
}

impl Shown {
    fn is_about(&self, path: &std::path::Path) -> bool {
        self.unsaved.as_ref().is_some_and(|content| content.path == path)
    }

    fn age(&mut self, now: f64) -> f64 {
        now - *self.since.get_or_insert(now)
    }

    fn opacity(&self, now: f64) -> f32 {
        if self.toast.is_error {
            return 1.0;
        }
        let left_secs = self.since.unwrap_or(now) + SHOWN_SECS - now;
        (left_secs / FADE_SECS).clamp(0.0, 1.0) as f32
    }

    /// Seconds until it looks different.
    fn next_look(&self, now: f64) -> Option<f64> {
        if self.toast.is_error {
            return None;
        }
        let left_secs = self.since? + SHOWN_SECS - now;
        Some((left_secs - FADE_SECS).max(FADE_STEP_SECS))
    }

    fn ui(&self, ui: &mut egui::Ui) -> Option<Answer> {
        let hue = if self.toast.is_error { Hue::Bad } else { Hue::Good };
        let edge = theme::color(hue, ui.visuals());
        let frame = egui::Frame::popup(ui.style()).stroke(Stroke::new(1.0, edge));
        let mut answer = None;
        frame.show(ui, |ui| {
            ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 48.0));
            ui.horizontal(|ui| {
                let word = if self.toast.is_error { "Error" } else { "Note" };
                ui.label(RichText::new(word).small().color(edge));
                if self.times > 1 {
                    ui.label(theme::caption(format!("{} times", self.times), ui.visuals()));
                }
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let close = ui.add(theme::small_button("Close"));
                    if close.on_hover_text("Close this message").clicked() {
                        answer = Some(Answer::Close);
                    }
                    let copy = ui.add(theme::small_button("Copy"));
                    if copy.on_hover_text("Copy this message").clicked() {
                        ui.ctx().copy_text(self.toast.text.clone());
                    }
                });
            });
            ui.add(egui::Label::new(&self.toast.text).wrap());
            if let Some(content) = &self.unsaved
                && let Some(wanted) = rescue_ui(ui, content)
            {
                answer = Some(Answer::Rescue(wanted));
            }
        });
        answer
    }
}

fn rescue_ui(ui: &mut egui::Ui, content: &FileContent) -> Option<Rescue> {
    ui.horizontal_wrapped(|ui| {
        let again = ui.button("Try again").on_hover_text("Write it to the same place once more");
        let elsewhere =
            ui.button("Save elsewhere…").on_hover_text("Choose another place for the file");
        if let Ok(text) = std::str::from_utf8(&content.bytes) {
            let copy = ui.button("Copy content");
            if copy.on_hover_text("Copy what was to be written").clicked() {
                ui.ctx().copy_text(text.to_owned());
            }
        }
        if again.clicked() {
            Some(Rescue::TryAgain(content.clone()))
        } else if elsewhere.clicked() {
            Some(Rescue::SaveElsewhere(content.clone()))
        } else {
            None
        }
    })
    .inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_same_message_is_counted_not_repeated() {
        let mut toasts = Toasts::default();
        toasts.add(Toast::error("no room"));
        toasts.add(Toast::error("no room"));
        assert_eq!(toasts.shown.len(), 1);
        assert_eq!(toasts.shown[0].times, 2);
    }

    #[test]
    fn content_that_was_not_written_survives_closing_all() {
        let mut toasts = Toasts::default();
        let content = FileContent { path: "a.txt".into(), bytes: Arc::from(*b"mine") };
        toasts.add(Toast::info("done"));
        toasts.add_unsaved("disk full", content);
        toasts.clear();
        assert_eq!(toasts.shown.len(), 1);
        toasts.written(std::path::Path::new("a.txt"));
        assert!(toasts.is_empty());
    }

    #[test]
    fn good_news_asks_for_few_frames() {
        let mut shown =
            Shown { id: 0, toast: Toast::info("x"), times: 1, since: None, unsaved: None };
        assert!(shown.age(10.0) < f64::EPSILON);
        assert!(shown.next_look(10.0).unwrap() > 4.0, "it must sleep until it fades");
        assert!(shown.next_look(14.9).unwrap() >= FADE_STEP_SECS);
    }
}
