//! What goes on with models, as plain data: one piece of work per model, told as it comes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    domain::{Progress, Stage},
    ui::units,
};

/// What is done to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Bringing its file here.
    Fetch,
    /// Comparing its file with its hash.
    Verify,
    /// Bringing it into memory.
    Load,
    /// Letting it go from memory.
    Unload,
    /// Taking a model of the user's own into the library.
    Import,
    /// Taking it out again.
    Remove,
}

impl Doing {
    /// The work in words, before its first event.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Fetch => "Fetching",
            Self::Verify => "Checking",
            Self::Load => "Loading",
            Self::Unload => "Letting go",
            Self::Import => "Taking in",
            Self::Remove => "Removing",
        }
    }
}

/// A piece of work under way.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// What is done.
    pub(super) doing: Doing,
    /// Its latest word.
    pub(super) progress: Option<Progress>,
    /// When its stage began, and from where.
    stage_began: Option<(Instant, u64)>,
    last_heard: Option<Instant>,
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Well,
    /// Stopped by the user; not worth a word.
    Stopped,
    /// With this error.
    Badly(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    work: BTreeMap<String, Work>,
    troubles: BTreeMap<String, String>,
    verified: BTreeSet<String>,
    /// The model that is to be removed, if the user says so once more.
    doubted: Option<String>,
}

impl State {
    /// Work on a model begins.
    pub(super) fn begin(&mut self, id: &str, doing: Doing) {
        self.troubles.remove(id);
        let work = Work { doing, progress: None, stage_began: None, last_heard: None };
        self.work.insert(id.to_owned(), work);
    }

    /// It has come this far.
    pub(super) fn apply(&mut self, id: &str, progress: Progress, now: Instant) {
        let Some(work) = self.work.get_mut(id) else { return };
        let is_new_stage = work.progress.as_ref().is_none_or(|last| last.stage != progress.stage);
        if is_new_stage || work.stage_began.is_none() {
            work.stage_began = Some((now, progress.done));
        }
        work.last_heard = Some(now);
        work.progress = Some(progress);
    }

    /// It is over.
    pub(super) fn end(&mut self, id: &str, ending: Ending) {
        let Some(work) = self.work.remove(id) else { return };
        match (ending, work.doing) {
            (Ending::Well, Doing::Verify | Doing::Fetch) => {
                self.verified.insert(id.to_owned());
            }
            (Ending::Well | Ending::Stopped, _) => (),
            (Ending::Badly(why), doing) => {
                if doing == Doing::Verify {
                    self.verified.remove(id);
                }
                self.troubles.insert(id.to_owned(), why);
            }
        }
    }

    /// The work on a model.
    pub(super) fn work(&self, id: &str) -> Option<&Work> {
        self.work.get(id)
    }

    /// All work, by model.
    pub(super) fn all_work(&self) -> impl Iterator<Item = (&str, &Work)> {
        self.work.iter().map(|(id, work)| (id.as_str(), work))
    }

    /// What went wrong with a model last.
    pub(super) fn trouble(&self, id: &str) -> Option<&str> {
        self.troubles.get(id).map(String::as_str)
    }

    /// Forgets that.
    pub(super) fn forgive(&mut self, id: &str) {
        self.troubles.remove(id);
    }

    /// Asks once more before a model is removed; `None` takes the question back.
    pub(super) fn doubt(&mut self, id: Option<&str>) {
        self.doubted = id.map(str::to_owned);
    }

    /// Whether the user is asked once more about a model.
    pub(super) fn is_doubted(&self, id: &str) -> bool {
        self.doubted.as_deref() == Some(id)
    }

    /// Whether its hash was compared since the window was opened.
    pub(super) fn is_verified(&self, id: &str) -> bool {
        self.verified.contains(id)
    }
}

impl Work {
    /// The work in words.
    pub(super) fn label(&self) -> &'static str {
        match self.progress.as_ref().map(|progress| progress.stage) {
            Some(Stage::Queue) => "Waiting",
            Some(Stage::Download) => "Fetching",
            Some(Stage::Verify) => "Checking",
            Some(Stage::Load) => "Loading",
            Some(Stage::Import) => "Copying",
            _ => self.doing.label(),
        }
    }

    /// Share of its stage that is done, where that is known.
    pub(super) fn fraction(&self) -> Option<f32> {
        let progress = self.progress.as_ref()?;
        // A total of one is a model that loads in one piece: there is no progress to show.
        (progress.total > 1).then(|| progress.done as f32 / progress.total as f32)
    }

    /// Figures in words: how much, how fast, how long yet.
    pub(super) fn figures(&self) -> Vec<(&'static str, String)> {
        let Some(progress) = self.progress.as_ref().filter(|progress| progress.total > 1) else {
            return Vec::new();
        };
        let done_of_all =
            format!("{} of {}", units::bytes(progress.done), units::bytes(progress.total));
        let mut figures = vec![("", done_of_all)];
        if let Some(bytes_per_sec) = self.bytes_per_sec() {
            figures.push(("", format!("{}/s", units::bytes(bytes_per_sec as u64))));
            let left_bytes = progress.total.saturating_sub(progress.done);
            let left = Duration::from_secs_f64((left_bytes as f64 / bytes_per_sec).min(1e6));
            figures.push(("left", units::duration(left)));
        }
        figures
    }

    /// Over the whole stage; `None` before there is enough to divide by.
    fn bytes_per_sec(&self) -> Option<f64> {
        let (began, from) = self.stage_began?;
        let secs = self.last_heard?.duration_since(began).as_secs_f64();
        let n_bytes = self.progress.as_ref()?.done.saturating_sub(from);
        (secs > 0.5 && n_bytes > 0).then(|| n_bytes as f64 / secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(stage: Stage, done: u64) -> Progress {
        Progress { stage, subject: "m".into(), done, total: 100_000_000 }
    }

    #[test]
    fn a_resumed_download_is_timed_from_where_it_went_on() {
        let mut state = State::default();
        let began = Instant::now();
        state.begin("m", Doing::Fetch);
        state.apply("m", progress(Stage::Download, 50_000_000), began);
        let later = began + Duration::from_secs(5);
        state.apply("m", progress(Stage::Download, 60_000_000), later);
        let figures = state.work("m").unwrap().figures();
        assert_eq!(figures[0].1, "60.0 MB of 100 MB");
        assert_eq!(figures[1].1, "2.0 MB/s");
        assert_eq!(figures[2].1, "20 s");
    }

    #[test]
    fn a_new_stage_has_a_new_clock() {
        let mut state = State::default();
        let began = Instant::now();
        state.begin("m", Doing::Fetch);
        state.apply("m", progress(Stage::Download, 100_000_000), began);
        state.apply("m", progress(Stage::Verify, 0), began + Duration::from_secs(9));
        let work = state.work("m").unwrap();
        assert_eq!((work.label(), work.figures().len()), ("Checking", 1));
    }

    #[test]
    fn trouble_stays_until_the_next_try() {
        let mut state = State::default();
        state.begin("m", Doing::Fetch);
        state.end("m", Ending::Badly("no connection".into()));
        assert_eq!(state.trouble("m"), Some("no connection"));
        state.begin("m", Doing::Fetch);
        assert_eq!(state.trouble("m"), None);
        state.end("m", Ending::Well);
        assert!(state.is_verified("m"));
    }
}
