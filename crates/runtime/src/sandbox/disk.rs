//! Walks over directories that hostile code can write to: nothing here follows a symbolic link.

use std::{
    collections::HashSet,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};

/// Directories nested deeper than this count as over any limit: nobody's data looks so.
const DEPTH_MAX: usize = 200;

/// What a sandbox that starts over its limit may write, bytes: who tidies up makes small files too.
const ALLOWED_MORE: u64 = 1 << 20;

/// The least that an entry counts for, bytes. Empty files use up a disk too.
const ENTRY_BYTES_MIN: u64 = 4096;

/// How much is below some directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiskUse {
    /// So many bytes.
    Bytes(u64),
    /// More than was asked about; the walk ended there.
    Over,
}

/// Adds up what is below the directories, until it is more than `limit`.
fn measure<'paths>(directories: impl IntoIterator<Item = &'paths Path>, limit: u64) -> DiskUse {
    let mut counted = Counted { bytes: 0, limit, links: HashSet::new() };
    for directory in directories {
        // A directory that is gone, or was swapped for a link, holds nothing of the sandbox.
        let Ok(root) = open_directory(CWD, directory) else { continue };
        if walk(root, &mut |_, _, stat| counted.add(stat)).is_err() {
            return DiskUse::Over;
        }
    }
    DiskUse::Bytes(counted.bytes)
}

/// Where a sandbox may write, and how much there may be.
#[derive(Debug, Clone)]
pub(crate) struct Writable {
    directories: Vec<PathBuf>,
    limit: u64,
    allowed: u64,
}

impl Writable {
    /// Looks how much is there already, so it is to be made before the sandbox runs. Blocks.
    pub(crate) fn new(directories: Vec<PathBuf>, limit: u64) -> Self {
        let allowed = allowance(&directories, limit);
        Self { directories, limit, allowed }
    }

    /// Adds directories, before the sandbox sees them. Blocks.
    pub(crate) fn extend(&mut self, directories: Vec<PathBuf>) {
        self.directories.extend(directories);
        self.allowed = allowance(&self.directories, self.limit);
    }

    /// Whether there is more than may be. `hidden` tells how much is in files of these file systems that have no name any
    /// more. Blocks.
    pub(crate) fn is_over(&self, hidden: impl FnOnce(&HashSet<u64>) -> u64) -> bool {
        match measure(self.directories.iter().map(PathBuf::as_path), self.allowed) {
            DiskUse::Over => true,
            DiskUse::Bytes(bytes) => bytes.saturating_add(hidden(&self.devices())) > self.allowed,
        }
    }

    fn devices(&self) -> HashSet<u64> {
        self.directories.iter().filter_map(|path| fs::symlink_metadata(path).ok()).map(|meta| meta.dev()).collect()
    }
}

/// The limit, or a little more than what is there before a sandbox starts. Else nobody could remove what is too much.
fn allowance(directories: &[PathBuf], limit: u64) -> u64 {
    let measured = |limit| measure(directories.iter().map(PathBuf::as_path), limit);
    if measured(limit) != DiskUse::Over {
        return limit;
    }
    match measured(u64::MAX) {
        DiskUse::Bytes(bytes) => bytes.saturating_add(ALLOWED_MORE),
        DiskUse::Over => limit,
    }
}

struct Counted {
    bytes: u64,
    limit: u64,
    links: HashSet<(u64, u64)>,
}

impl Counted {
    fn add(&mut self, stat: &rustix::fs::Stat) -> io::Result<()> {
        if stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            // A second name of the same file costs an entry only.
            if !self.links.insert((stat.st_dev, stat.st_ino)) {
                return self.more(ENTRY_BYTES_MIN);
            }
        }
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
        self.more(blocks.saturating_mul(512).max(ENTRY_BYTES_MIN))
    }

    fn more(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limit { Err(io::ErrorKind::QuotaExceeded.into()) } else { Ok(()) }
    }
}

/// Gives the directory and everything in it to a user, unless it is that user's already.
///
/// # Errors
/// The directory cannot be opened, or its owner cannot be changed.
pub(crate) fn give_to(directory: &Path, uid: u32) -> io::Result<()> {
    let root = open_directory(CWD, directory)?;
    if rustix::fs::fstat(&root)?.st_uid == uid {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    walk(rustix::io::fcntl_dupfd_cloexec(&root, 3)?, &mut |parent, name, _| {
        match rustix::fs::chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW) {
            // Removed while we walked.
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    })?;
    // Last: a walk that did not come to its end is done again.
    rustix::fs::fchown(&root, Some(user), Some(group))?;
    Ok(())
}

fn open_directory(parent: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, path, flags, Mode::empty())?)
}

fn open_below(parent: impl AsFd, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(parent, name, flags, Mode::empty(), resolve)?)
}

type Visit<'visit> = dyn FnMut(&OwnedFd, &std::ffi::CStr, &rustix::fs::Stat) -> io::Result<()> + 'visit;

/// Visits everything below a directory, itself not included. An error of `visit` ends the walk.
fn walk(root: OwnedFd, visit: &mut Visit<'_>) -> io::Result<()> {
    let mut open = vec![(Dir::read_from(&root)?, root)];
    while let Some((entries, directory)) = open.last_mut() {
        let Some(entry) = entries.next() else {
            drop(open.pop());
            continue;
        };
        let Ok(entry) = entry else {
            drop(open.pop());
            continue;
        };
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = rustix::fs::statat(&*directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        visit(directory, name, &stat)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        match open_below(&*directory, name) {
            Ok(below) if open.len() < DEPTH_MAX => open.push((Dir::read_from(&below)?, below)),
            Ok(_) => return Err(io::Error::other("directories are nested too deep")),
            // What the server may not look into could hold anything.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
            Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn counts_files_and_not_what_links_point_to() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        let inside = tempfile::tempdir().unwrap();
        fs::create_dir(inside.path().join("sub")).unwrap();
        fs::write(inside.path().join("sub/file"), vec![1; 100_000]).unwrap();
        symlink(outside.path(), inside.path().join("out")).unwrap();
        let DiskUse::Bytes(bytes) = measure([inside.path()], u64::MAX) else { panic!("bounded") };
        assert!((100_000..300_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn counts_a_file_with_two_names_once() {
        let inside = tempfile::tempdir().unwrap();
        fs::write(inside.path().join("a"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(inside.path().join("a"), inside.path().join("b")).unwrap();
        let DiskUse::Bytes(bytes) = measure([inside.path()], u64::MAX) else { panic!("bounded") };
        assert!(bytes < 3 << 19, "{bytes}");
    }

    #[test]
    fn empty_files_count_too_and_the_walk_ends_at_the_limit() {
        let inside = tempfile::tempdir().unwrap();
        for number in 0..100 {
            fs::write(inside.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(measure([inside.path()], 50 * 4096), DiskUse::Over);
    }

    #[test]
    fn what_is_over_from_the_start_may_stay_and_not_grow() {
        let (inside, later) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let over = |writable: &Writable| writable.is_over(|_| 0);
        let mut writable = Writable::new(vec![inside.path().to_owned()], 1 << 20);
        fs::write(inside.path().join("big"), vec![1; 3 << 20]).unwrap();
        assert!(over(&writable));
        writable = Writable::new(vec![inside.path().to_owned()], 1 << 20);
        assert!(!over(&writable) && writable.is_over(|_| 2 << 20));
        fs::write(inside.path().join("more"), vec![1; 2 << 20]).unwrap();
        assert!(over(&writable));

        fs::write(later.path().join("big"), vec![1; 3 << 20]).unwrap();
        let mut writable = Writable::new(Vec::new(), 1 << 20);
        writable.extend(vec![later.path().to_owned()]);
        assert!(!over(&writable));
        assert!(!over(&Writable::new(vec![later.path().to_owned()], 8 << 20)));
    }

    #[test]
    fn nesting_without_end_is_over() {
        let inside = tempfile::tempdir().unwrap();
        let mut deep = inside.path().to_path_buf();
        for _ in 0..DEPTH_MAX + 5 {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
        }
        assert_eq!(measure([inside.path()], u64::MAX), DiskUse::Over);
    }

    #[test]
    fn a_link_in_the_place_of_the_directory_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "x").unwrap();
        let inside = tempfile::tempdir().unwrap();
        let link = inside.path().join("workspace");
        symlink(outside.path(), &link).unwrap();
        assert_eq!(measure([link.as_path()], u64::MAX), DiskUse::Bytes(0));
        assert!(give_to(&link, 1).is_err());
    }
}
