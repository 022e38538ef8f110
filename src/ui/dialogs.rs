//! The system's own dialogs, made where windows live and waited for elsewhere.

use std::{
    path::PathBuf,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use eframe::egui;

/// What is to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// A file with that ending.
    File(&'static str),
    /// A folder.
    Folder,
}

/// A dialog that is open.
pub(super) struct Dialog {
    chosen: Receiver<Option<PathBuf>>,
}

impl Dialog {
    /// Opens a dialog.
    pub(super) fn open(ctx: &egui::Context, pick: Pick) -> Self {
        let (sender, chosen) = bounded(1);
        let dialog = rfd::AsyncFileDialog::new();
        let future: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = match pick {
            Pick::File(extension) => {
                let dialog = dialog.add_filter(extension.to_uppercase(), &[extension]);
                Box::pin(dialog.pick_file())
            }
            Pick::Folder => Box::pin(dialog.pick_folder()),
        };
        let ctx = ctx.clone();
        let wait = move || {
            let path = block_on(future).map(|file| file.path().to_owned());
            // Whoever asked may be gone.
            sender.send(path).ok();
            ctx.request_repaint();
        };
        if let Err(error) = thread::Builder::new().name("file-dialog".into()).spawn(wait) {
            tracing::error!("no thread to wait for a dialog: {error}");
        }
        Self { chosen }
    }

    /// What was chosen, once the dialog is closed; nothing if it was cancelled or there is none on
    /// this system.
    pub(super) fn poll(&self) -> Poll<Option<PathBuf>> {
        match self.chosen.try_recv() {
            Ok(chosen) => Poll::Ready(chosen),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}

/// Wakes the thread that waits.
struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_sleeps_is_waited_for() {
        let mut polls = 0;
        let future = std::future::poll_fn(move |task| {
            polls += 1;
            task.waker().wake_by_ref();
            if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
        });
        assert_eq!(block_on(future), 3);
    }
}
