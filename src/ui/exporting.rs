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

/// A file of that name among the user's documents, as it is written into a field.
pub(super) fn among_documents(name: &str) -> String {
    let user = directories::UserDirs::new();
    let folder = user.as_ref().map(|user| user.document_dir().unwrap_or(user.home_dir()));
    written(&folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name)))
}

/// A path as it is written into a field: `~` stands for the user's own folder.
pub(super) fn written(path: &Path) -> String {
    let user = directories::UserDirs::new();
    match user.as_ref().and_then(|user| path.strip_prefix(user.home_dir()).ok()) {
        Some(rest) => Path::new("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

/// The path that a field holds.
pub(super) fn meant(field: &str) -> PathBuf {
    let field = field.trim();
    let home = || Some(directories::UserDirs::new()?.home_dir().to_owned());
    match field.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(field),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_into_a_field_is_what_is_meant() {
        let home = directories::UserDirs::new().unwrap().home_dir().to_owned();
        let path = home.join("Music/take 1.wav");
        assert!(written(&path).starts_with('~'));
        assert_eq!(meant(&format!(" {} ", written(&path))), path);
        assert_eq!(meant("/tmp/x"), Path::new("/tmp/x"));
        assert_eq!(meant(&among_documents("compare")).file_name().unwrap(), "compare");
    }
}
