//! Files made of results, on a thread of their own.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use super::{Action, Toast};
use crate::job::{self, Job, Update, Waker};

/// A file that is being made.
pub(super) type Export = Job<(), Result<(PathBuf, Arc<[u8]>), String>>;

/// Makes a file, whose place must be free.
///
/// * `to`: folder and name; the ending is added.
pub(super) fn export(
    to: &Path,
    extension: &str,
    waker: Waker,
    make: impl FnOnce() -> Result<Vec<u8>, String> + Send + 'static,
) -> Export {
    let mut path = to.as_os_str().to_owned();
    path.push(".");
    path.push(extension);
    let path = PathBuf::from(path);
    begin("export", waker, move || {
        if path.exists() {
            let advice = "there is a file of that name; type another one";
            return Err(format!("{advice}: {}", path.display()));
        }
        Ok((path, make()?.into()))
    })
}

/// Has the window write what is made, and tell what is not; forgets both.
pub(super) fn hear_exports(exports: &mut Vec<Export>, actions: &mut Vec<Action>) {
    exports.retain(|export| match export.poll() {
        Some(Update::Done(Ok((path, bytes)))) => {
            actions.push(Action::WriteFile { path, bytes });
            false
        }
        Some(Update::Done(Err(why))) => {
            actions.push(Action::Toast(Toast::error(format!("Not exported: {why}"))));
            false
        }
        Some(Update::Lost) => false,
        _ => true,
    });
}

/// Does some work on a thread of that name.
pub(super) fn begin<T: Send + 'static>(
    name: &'static str,
    waker: Waker,
    work: impl FnOnce() -> T + Send + 'static,
) -> Job<(), T> {
    let (reply, job) = job::channel(waker);
    // Without a thread the reply is dropped, and the page sees the job as lost.
    let spawned = thread::Builder::new().name(name.into()).spawn(move || reply.finish(work()));
    if let Err(error) = spawned {
        tracing::error!("no {name} thread: {error}");
    }
    job
}
