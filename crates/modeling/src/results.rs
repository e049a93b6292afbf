//! Taking over what a sandbox wrote: only regular files of known names, without following anything that it made, within
//! bounds. What is read here is data; nothing of it is ever run.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::Path,
};

use gristmill_domain::models::Artifact;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::ModelingError;

/// Largest file that is taken over, bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 4 << 30;
/// Largest JSON result, bytes.
pub(crate) const JSON_BYTES_MAX: u64 = 256 << 20;

/// Opens a regular file below a directory that hostile code could write to.
pub(crate) fn open(directory: &Path, name: &str, bytes_max: u64) -> io::Result<File> {
    let root: OwnedFd = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a regular file")));
    }
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is too large")));
    }
    Ok(File::from(file))
}

/// Copies a file out of a sandbox's directory, and tells its size and checksum.
pub(crate) fn take(directory: &Path, name: &str, target: &Path) -> io::Result<Artifact> {
    let mut source = open(directory, name, FILE_BYTES_MAX)?.take(FILE_BYTES_MAX + 1);
    let mut copy = File::create(target)?;
    copy.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    let mut hash = Sha256::new();
    let mut size = 0_u64;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = source.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
        copy.write_all(bytes)?;
        size += u64::try_from(count).unwrap_or(0);
    }
    if size > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} grew over the limit")));
    }
    // Not synced here: everything that a job keeps is, when it is put in place.
    let filename = Path::new(name).file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Artifact { filename, size, sha256: hex::encode(hash.finalize()) })
}

/// As [`take`], where the file may be absent.
pub(crate) fn take_optional(directory: &Path, name: &str, target: &Path) -> Result<Option<Artifact>, ModelingError> {
    match take(directory, name, target) {
        Ok(artifact) => Ok(Some(artifact)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(bad(name, &error)),
    }
}

/// As [`take`], where the file must be there.
pub(crate) fn take_required(directory: &Path, name: &str, target: &Path) -> Result<Artifact, ModelingError> {
    take(directory, name, target).map_err(|error| bad(name, &error))
}

/// Reads a JSON result.
pub(crate) fn json(directory: &Path, name: &str) -> Result<Value, ModelingError> {
    let read = || -> io::Result<Value> {
        let mut text = Vec::new();
        open(directory, name, JSON_BYTES_MAX)?.take(JSON_BYTES_MAX).read_to_end(&mut text)?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    };
    read().map_err(|error| bad(name, &error))
}

/// Writes a JSON file of the server's own.
pub(crate) fn write_json(path: &Path, value: &Value) -> Result<Artifact, ModelingError> {
    write(path, value.to_string().as_bytes())
}

/// Writes a file of the server's own.
pub(crate) fn write(path: &Path, text: &[u8]) -> Result<Artifact, ModelingError> {
    std::fs::write(path, text).map_err(ModelingError::io("writing a result"))?;
    Ok(Artifact {
        filename: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        size: u64::try_from(text.len()).unwrap_or(0),
        sha256: hex::encode(Sha256::digest(text)),
    })
}

fn bad(name: &str, error: &io::Error) -> ModelingError {
    if error.kind() == io::ErrorKind::StorageFull {
        return ModelingError::Io { doing: "keeping a result", source: io::Error::from(io::ErrorKind::StorageFull) };
    }
    ModelingError::BadResult(format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_regular_files_with_their_checksum() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("model.joblib"), "abc").unwrap();
        let taken = take(from.path(), "model.joblib", &to.path().join("m")).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(taken, Artifact { filename: "model.joblib".into(), size: 3, sha256: sha256.into() });
        assert_eq!(std::fs::read(to.path().join("m")).unwrap(), b"abc");
    }

    #[test]
    fn follows_nothing_that_a_sandbox_made() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = to.path().join("m");
        std::fs::write(to.path().join("secret"), "abc").unwrap();
        std::os::unix::fs::symlink(to.path().join("secret"), from.path().join("link")).unwrap();
        std::os::unix::fs::symlink(to.path(), from.path().join("up")).unwrap();
        std::fs::create_dir(from.path().join("directory")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, from.path().join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        for name in ["link", "up/secret", "directory", "pipe", "../secret", "absent"] {
            assert!(take(from.path(), name, &target).is_err(), "{name} was taken");
        }
        assert!(!target.exists());
        assert!(take_optional(from.path(), "absent", &target).unwrap().is_none());
        assert!(take_optional(from.path(), "link", &target).is_err());
    }

    #[test]
    fn results_are_bounded() {
        let from = tempfile::tempdir().unwrap();
        std::fs::write(from.path().join("a.json"), "{\"a\": 1}").unwrap();
        assert_eq!(json(from.path(), "a.json").unwrap()["a"], 1);
        std::fs::write(from.path().join("b.json"), "{\"a\": NaN}").unwrap();
        assert!(json(from.path(), "b.json").is_err());
        assert!(open(from.path(), "a.json", 3).is_err());
    }
}
