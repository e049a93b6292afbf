//! Copies directories into a backup and back, with a list of what there is.
//!
//! What user code keeps is hostile: it may be changed while it is read. Directories are therefore opened one below the
//! other without following links, and only regular files are read, up to the size that they had when they were opened.

use std::{
    ffi::{CStr, OsStr, OsString},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            ffi::{OsStrExt, OsStringExt},
            fs::PermissionsExt,
        },
    },
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Progress, manifest::Totals, private_directory, private_file};

/// Deeper directories are left out: each level holds a descriptor.
const DEPTH_MAX: usize = 100;
/// Longer paths are left out: below the backup's own they would be longer than paths can be.
const PATH_BYTES_MAX: usize = 2048;
/// Of what is below a project in the runtime's directory only this is kept; the rest is remade from the store.
const PROJECTS: &str = "runtime/projects";
const PROJECT_DEPTH: usize = 1;
const KEPT: [&[u8]; 3] = [b"workspace", b"packages", b"sessions"];
/// A file that is larger than this and takes less than an eighth of its size is mostly holes, and left out: what user code
/// can make of holes has no bound.
const HOLES_BYTES_MIN: u64 = 64 << 20;
const HOLES_FACTOR: u64 = 8;
/// Longest line of the list: a path and a target, escaped.
const LINE_BYTES_MAX: u64 = 256 << 10;
const BUFFER_BYTES: usize = 1 << 20;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(in crate::cli) enum Entry {
    Directory { path: Name, mode: u32 },
    File { path: Name, mode: u32, bytes: u64, sha256: String },
    Link { path: Name, target: Name },
}

/// A name as files have it: bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::cli) enum Name {
    Text(String),
    Bytes { hex: String },
}

impl Name {
    fn of(path: &OsStr) -> Self {
        path.to_str().map_or_else(|| Self::Bytes { hex: hex::encode(path.as_bytes()) }, |text| Self::Text(text.to_owned()))
    }

    fn path(&self) -> anyhow::Result<PathBuf> {
        Ok(match self {
            Self::Text(text) => text.into(),
            Self::Bytes { hex } => OsString::from_vec(hex::decode(hex)?).into(),
        })
    }

    /// A path that stays below where it is put.
    fn path_below(&self) -> anyhow::Result<PathBuf> {
        let path = self.path()?;
        let stays = path.components().all(|part| matches!(part, Component::Normal(_))) && path.components().next().is_some();
        ensure!(stays, "the backup was altered: it names {}", path.display());
        Ok(path)
    }
}

/// Copies from a data directory into a backup.
pub(in crate::cli) struct Collector<'a> {
    pub(in crate::cli) target: &'a Path,
    pub(in crate::cli) list: io::BufWriter<File>,
    pub(in crate::cli) totals: Totals,
    pub(in crate::cli) skipped: u64,
    pub(in crate::cli) progress: Progress,
}

impl Collector<'_> {
    /// Copies everything below `source`, which is called `name` in the backup. Nothing is copied when it is not there.
    pub(in crate::cli) fn collect(&mut self, source: &Path, name: &str) -> anyhow::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(source, flags, Mode::empty()) {
            Ok(directory) => self.directory(&directory, Path::new(name), 0),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", source.display())),
        }
    }

    /// Copies one file.
    pub(in crate::cli) fn collect_file(&mut self, source: &Path, name: &str) -> anyhow::Result<()> {
        let file = open_file(CWD, source).with_context(|| format!("{} cannot be read", source.display()))?;
        self.file(File::from(file), Path::new(name))
    }

    fn directory(&mut self, directory: &OwnedFd, path: &Path, depth: usize) -> anyhow::Result<()> {
        let stat = rustix::fs::fstat(directory)?;
        private_directory(&self.target.join(path))?;
        self.write(&Entry::Directory { path: Name::of(path.as_os_str()), mode: stat.st_mode & 0o777 })?;
        let entries = Dir::read_from(directory).with_context(|| format!("{} cannot be read", path.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("{} cannot be read", path.display()))?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let path = path.join(OsStr::from_bytes(name.to_bytes()));
            if depth != PROJECT_DEPTH || !path.starts_with(PROJECTS) || KEPT.contains(&name.to_bytes()) {
                self.entry(directory, name, &path, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, parent: &OwnedFd, name: &CStr, path: &Path, depth: usize) -> anyhow::Result<()> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            self.skipped += 1;
            return Ok(());
        }
        let Some(kind) = gone(rustix::fs::statat(parent, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
        match FileType::from_raw_mode(kind.st_mode) {
            FileType::Directory if depth < DEPTH_MAX => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match self.opened(path, rustix::fs::openat(parent, name, flags, Mode::empty()))? {
                    Some(directory) => self.directory(&directory, path, depth + 1),
                    None => Ok(()),
                }
            }
            FileType::RegularFile => match self.opened(path, open_file(parent, name))? {
                Some(file) => self.file(File::from(file), path),
                None => Ok(()),
            },
            FileType::Symlink => match gone(rustix::fs::readlinkat(parent, name, Vec::new()))? {
                Some(target) => {
                    let target = Name::of(OsStr::from_bytes(target.to_bytes()));
                    self.write(&Entry::Link { path: Name::of(path.as_os_str()), target })
                }
                None => Ok(()),
            },
            _ => {
                self.skipped += 1;
                Ok(())
            }
        }
    }

    /// User code can forbid the reading of its own files; that is no reason for the others to be without a backup.
    fn opened(&mut self, path: &Path, outcome: rustix::io::Result<OwnedFd>) -> anyhow::Result<Option<OwnedFd>> {
        if outcome.as_ref().is_err_and(|error| *error == rustix::io::Errno::ACCESS) && path.starts_with(PROJECTS) {
            self.skipped += 1;
            return Ok(None);
        }
        gone(outcome).with_context(|| format!("{} cannot be read", path.display()))
    }

    fn file(&mut self, file: File, path: &Path) -> anyhow::Result<()> {
        let stat = rustix::fs::fstat(&file)?;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let taken = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let mostly_holes = bytes > HOLES_BYTES_MIN && taken < bytes / HOLES_FACTOR;
        // Opened as something else than it was a moment ago.
        if mostly_holes || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            self.skipped += 1;
            return Ok(());
        }
        let target = self.target.join(path);
        let (bytes, sha256) = copy(file.take(bytes), private_file(&target)?)
            .with_context(|| format!("{} cannot be copied to {}", path.display(), target.display()))?;
        self.totals.count += 1;
        self.totals.bytes += bytes;
        self.progress.tell(self.totals)?;
        self.write(&Entry::File { path: Name::of(path.as_os_str()), mode: stat.st_mode & 0o777, bytes, sha256 })
    }

    fn write(&mut self, entry: &Entry) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.list, entry)?;
        self.list.write_all(b"\n").context("the list of files cannot be written")
    }
}

/// Each line of a list.
pub(in crate::cli) fn entries(list: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Entry>>> {
    let mut reader = BufReader::new(File::open(list).with_context(|| format!("{} cannot be read", list.display()))?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_slice(&line).context("the list of the backup's files is not readable")),
            Err(error) => Some(Err(error.into())),
        }
    }))
}

/// Checks, without reading the files, that all are there with their sizes: what was cut is found before anything is written.
pub(in crate::cli) fn check_sizes(backup: &Path, list: &Path) -> anyhow::Result<()> {
    for entry in entries(list)? {
        let Entry::File { path, bytes, .. } = entry? else { continue };
        let path = backup.join(path.path_below()?);
        let Ok(found) = fs::symlink_metadata(&path) else { bail!("the backup is not whole: {} is missing", path.display()) };
        ensure!(
            found.is_file() && found.len() == bytes,
            "the backup was cut or altered: {} has {} bytes instead of {bytes}",
            path.display(),
            found.len()
        );
    }
    Ok(())
}

/// Copies a backup's files into a data directory in which they are not, checking each.
pub(in crate::cli) fn put_back(backup: &Path, list: &Path, target: &Path, progress: &mut Progress) -> anyhow::Result<Totals> {
    let mut totals = Totals::default();
    for entry in entries(list)? {
        match entry? {
            Entry::Directory { path, .. } => private_directory(&target.join(path.path_below()?))?,
            Entry::File { path, bytes, sha256, mode } => {
                let path = path.path_below()?;
                let (from, to) = (backup.join(&path), target.join(&path));
                let file = open_file(CWD, &from).with_context(|| format!("{} cannot be read", from.display()))?;
                let made = private_file(&to)?;
                let copied = copy(File::from(file), &made).with_context(|| format!("{} cannot be copied", from.display()))?;
                ensure!(
                    copied == (bytes, sha256),
                    "the backup was cut or altered: {} has another checksum; nothing of it is used",
                    from.display()
                );
                made.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
                totals.count += 1;
                totals.bytes += bytes;
                progress.tell(totals)?;
            }
            Entry::Link { .. } => {}
        }
    }
    // Links come after the files, so that no file can be written through one; the modes of directories at the very end,
    // because one that may not be written to may have had files.
    for entry in entries(list)? {
        if let Entry::Link { path, target: to } = entry? {
            let path = target.join(path.path_below()?);
            std::os::unix::fs::symlink(to.path()?, &path).with_context(|| format!("{} cannot be made", path.display()))?;
        }
    }
    for entry in entries(list)? {
        if let Entry::Directory { path, mode } = entry? {
            fs::set_permissions(target.join(path.path_below()?), fs::Permissions::from_mode(mode & 0o777))?;
        }
    }
    Ok(totals)
}

/// Bytes below a directory, about: files that come and go are no reason to fail.
pub(in crate::cli) fn measure(directory: &Path) -> Totals {
    let mut totals = Totals::default();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => open.push(entry.path()),
                Ok(found) if found.is_file() => {
                    totals.count += 1;
                    totals.bytes += found.len();
                }
                _ => {}
            }
        }
    }
    totals
}

fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<(u64, String)> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let read = from.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        digest.update(part);
        to.write_all(part)?;
        bytes += u64::try_from(read).unwrap_or(0);
    }
    Ok((bytes, hex::encode(digest.finalize())))
}

fn open_file(parent: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    // Without waiting: a pipe that took the place of the file would never be opened.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// `None` for what went away, or became something else, while the directory was read.
fn gone<T>(outcome: rustix::io::Result<T>) -> io::Result<Option<T>> {
    use rustix::io::Errno;
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::INVAL | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
