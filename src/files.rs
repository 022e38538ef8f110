//! Writing files so that a reader, a full disk or a power cut never leaves half of one.

use std::{fs, io, io::Write, path::Path};

/// Writes a file beside its place and renames it, making the folder if need be.
///
/// Whatever stood there before stays until the new file is whole; if it cannot be, nothing of it
/// is left.
///
/// # Errors
/// Whatever the system says; [`advice`] knows what helps.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_by_way_of(path, "new", bytes)
}

/// As [`write_atomically`], for what is too long to stand in memory once more.
///
/// # Errors
/// Whatever the system says, or `write`.
pub fn write_piecewise(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    write_beside(path, "new", |file| {
        let mut file = io::BufWriter::new(file);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)
    })
}

/// As [`write_atomically`], with a suffix of its own for the file beside the place, for when
/// another writer may be at work on the same one: either version ends up whole.
///
/// # Errors
/// Whatever the system says.
pub fn write_by_way_of(path: &Path, suffix: &str, bytes: &[u8]) -> io::Result<()> {
    write_beside(path, suffix, |mut file| {
        file.write_all(bytes)?;
        Ok(file)
    })
}

fn write_beside(
    path: &Path,
    suffix: &str,
    write: impl FnOnce(fs::File) -> io::Result<fs::File>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".");
    beside.push(suffix);
    let beside = Path::new(&beside);
    let written = fs::File::create(beside).and_then(write).and_then(|file| {
        // Some file systems find out only here that there is no room.
        file.sync_all()
    });
    written.and_then(|()| fs::rename(beside, path)).inspect_err(|_| {
        // On a full disk, half a file would be in the way of everything that comes after.
        fs::remove_file(beside).ok();
    })
}

/// What helps against the commonest causes, to stand behind the cause; empty for the others.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full, make room and try again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder you may write to"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_take_its_place_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("a.txt");
        fs::create_dir(&in_the_way).unwrap();
        assert!(write_atomically(&in_the_way, b"text").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_folder_is_made_and_the_old_file_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/a.txt");
        write_atomically(&path, b"old").unwrap();
        write_by_way_of(&path, "last", b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
