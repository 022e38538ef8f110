//! The thread that writes: files of pages and the settings, so that no frame waits for a disk.
//!
//! Whatever could not be written comes back with its content, to be offered again.

use std::{
    collections::VecDeque,
    fs, io,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::{files, job::Waker, settings::Settings};

/// Tasks and outcomes that may stand in line; more wait in the window.
const LINE: usize = 32;

/// A file's content and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileContent {
    /// Where it belongs.
    pub(super) path: PathBuf,
    /// What belongs there.
    pub(super) bytes: Arc<[u8]>,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Task {
    /// Readers see the old file or the new one, never half of one.
    Write(FileContent),
    /// A file that is not there is as good as deleted.
    Delete(PathBuf),
    /// Also a file, but its content is made on the thread.
    SaveSettings {
        /// What the user chose.
        settings: Box<Settings>,
        /// Where it is kept.
        path: PathBuf,
    },
}

/// What came of a task that the window should know of.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The file stands.
    Written(PathBuf),
    /// It does not, and this is why.
    NotWritten(FileContent, String),
    /// The file is still there, and this is why.
    NotDeleted(PathBuf, String),
    /// The settings live on only until the window closes.
    SettingsNotSaved(String),
}

/// The window's end. Dropping it waits until everything is written.
pub(super) struct Disk {
    tasks: Option<Sender<Task>>,
    outcomes: Receiver<Outcome>,
    done: Sender<Outcome>,
    waker: Waker,
    /// What found no room in the line.
    backlog: VecDeque<Task>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread; `waker` is called after each outcome.
    pub(super) fn start(waker: Waker) -> Self {
        let (tasks, to_do) = bounded::<Task>(LINE);
        let (done, outcomes) = bounded(LINE);
        let (tell, wake) = (done.clone(), Arc::clone(&waker));
        let work = move || {
            for task in to_do {
                if let Some(outcome) = task.run() {
                    // A window that is gone need not hear; the next task is done all the same.
                    tell.send(outcome).ok();
                    wake();
                }
            }
        };
        let thread = thread::Builder::new()
            .name("disk".into())
            .spawn(work)
            .inspect_err(|error| tracing::error!("no thread to write files with: {error}"))
            .ok();
        Self { tasks: Some(tasks), outcomes, done, waker, backlog: VecDeque::new(), thread }
    }

    /// Puts a task in line; never waits.
    pub(super) fn ask(&mut self, task: Task) {
        self.backlog.push_back(task);
        self.hand_over();
    }

    /// Asks the user for another place and writes there; on a thread of its own, since people take
    /// their time and other files must not wait for them.
    pub(super) fn save_elsewhere(&self, content: FileContent) {
        let (done, waker) = (self.done.clone(), Arc::clone(&self.waker));
        let kept = content.clone();
        let work = move || {
            let name = content.path.file_name().unwrap_or_default().to_string_lossy();
            let outcome = match rfd::FileDialog::new().set_file_name(name).save_file() {
                Some(path) => write(FileContent { path, ..content }),
                None => Outcome::NotWritten(content, "no other place was chosen".to_owned()),
            };
            done.send(outcome).ok();
            waker();
        };
        if let Err(error) = thread::Builder::new().name("save elsewhere".into()).spawn(work) {
            self.done.try_send(Outcome::NotWritten(kept, error.to_string())).ok();
        }
    }

    /// The next outcome, if one has arrived.
    pub(super) fn poll(&mut self) -> Option<Outcome> {
        self.hand_over();
        self.outcomes.try_recv().ok()
    }

    fn hand_over(&mut self) {
        let Some(tasks) = &self.tasks else { return };
        while let Some(task) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) =
                tasks.try_send(task)
            {
                self.backlog.push_front(task);
                return;
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nobody reads outcomes any more: the thread must not wait for room in their line.
        let (_, nobody) = bounded(0);
        self.outcomes = nobody;
        if let Some(tasks) = self.tasks.take() {
            for task in self.backlog.drain(..) {
                tasks.send(task).ok();
            }
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Task {
    fn run(self) -> Option<Outcome> {
        match self {
            Self::Write(content) => Some(write(content)),
            Self::Delete(path) => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Some(Outcome::NotDeleted(path, error.to_string()))
                }
                _ => None,
            },
            Self::SaveSettings { settings, path } => {
                settings.save(&path).err().map(|why| Outcome::SettingsNotSaved(why.to_string()))
            }
        }
    }
}

fn write(content: FileContent) -> Outcome {
    match files::write_atomically(&content.path, &content.bytes) {
        Ok(()) => Outcome::Written(content.path),
        Err(error) => {
            let why = format!("{error}{}", files::advice(&error));
            Outcome::NotWritten(content, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk::start(Arc::new(|| ()))
    }

    #[test]
    fn closing_waits_until_everything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = disk();
        // More than the line holds, and nobody polls.
        for file_idx in 0..4 * LINE {
            let path = folder.path().join(format!("deep/{file_idx}.txt"));
            disk.ask(Task::Write(FileContent { path, bytes: Arc::from(*b"kept") }));
        }
        drop(disk);
        assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 4 * LINE);
    }

    #[test]
    fn what_could_not_be_written_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("file");
        fs::write(&in_the_way, "not a folder").unwrap();
        let content = FileContent { path: in_the_way.join("x.txt"), bytes: Arc::from(*b"mine") };
        let mut disk = disk();
        disk.ask(Task::Write(content.clone()));
        let Outcome::NotWritten(back, why) = disk.outcomes.recv().unwrap() else {
            panic!("it was written")
        };
        assert_eq!(back, content);
        assert!(!why.is_empty());
    }
}
