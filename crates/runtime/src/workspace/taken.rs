//! Copies one file out of a workspace, without following anything that code made.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
    time::Duration,
};

use rustix::fs::{Mode, OFlags};

use super::exports::open_regular;
use crate::runtime::{TakenFile, WorkspaceFile};

/// Older copies are of a server that died while it had them: they are used within minutes.
const STALE_AFTER: Duration = Duration::from_hours(6);

/// Copies the file at `path` below a workspace to a file of its own in `taken`.
pub(crate) fn take_file(workspace: &Path, path: &str, taken: &Path, bytes_max: u64) -> io::Result<WorkspaceFile> {
    let directory = match rustix::fs::open(workspace, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(WorkspaceFile::Missing),
        opened => opened?,
    };
    let source = match open_regular(directory, path, bytes_max) {
        Ok(source) => source,
        Err(error) => return refused(error),
    };
    let modified_at = source.metadata()?.modified()?;
    std::fs::create_dir_all(taken)?;
    remove_stale(taken);
    let target_path = taken.join(uuid::Uuid::new_v4().to_string());
    let mut target = File::create_new(&target_path)?;
    // From here on whoever drops it removes the file.
    let mut file = TakenFile { path: target_path, size_bytes: 0, modified_at };
    file.size_bytes = io::copy(&mut (&source).take(bytes_max.saturating_add(1)), &mut target)?;
    if file.size_bytes > bytes_max {
        return Ok(WorkspaceFile::Refused("is too large"));
    }
    Ok(WorkspaceFile::Taken(file))
}

/// Removes copies that nobody will use any more. One that cannot be removed now, the next call removes.
fn remove_stale(taken: &Path) {
    for entry in std::fs::read_dir(taken).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        if modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > STALE_AFTER)) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

fn refused(error: io::Error) -> io::Result<WorkspaceFile> {
    const LOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();
    const XDEV: i32 = rustix::io::Errno::XDEV.raw_os_error();
    match (error.kind(), error.raw_os_error()) {
        // A directory on the way that is a file.
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => Ok(WorkspaceFile::Missing),
        (ErrorKind::FileTooLarge, _) => Ok(WorkspaceFile::Refused("is too large")),
        (ErrorKind::InvalidInput, _) | (_, Some(LOOP | XDEV)) => {
            Ok(WorkspaceFile::Refused("is not a regular file of the workspace"))
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn takes_plain_files_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let (workspace, taken) = (scratch.path().join("workspace"), scratch.path().join("taken"));
        let take = |path: &str| take_file(&workspace, path, &taken, 100).unwrap();
        assert!(matches!(take("data/a.csv"), WorkspaceFile::Missing), "no workspace yet");
        std::fs::create_dir_all(workspace.join("data")).unwrap();
        std::fs::write(workspace.join("data/a.csv"), "a\n1\n").unwrap();
        std::fs::write(scratch.path().join("secret.csv"), "secret").unwrap();
        std::fs::write(workspace.join("data/large.csv"), vec![b'x'; 101]).unwrap();
        std::fs::create_dir(workspace.join("data/directory.csv")).unwrap();
        symlink(scratch.path().join("secret.csv"), workspace.join("data/link.csv")).unwrap();
        symlink(scratch.path(), workspace.join("out")).unwrap();
        symlink("data", workspace.join("inside")).unwrap();

        let WorkspaceFile::Taken(file) = take("data/a.csv") else { panic!("a plain file is taken") };
        assert_eq!((std::fs::read_to_string(&file.path).unwrap().as_str(), file.size_bytes), ("a\n1\n", 4));
        assert!(file.path.starts_with(&taken));
        // What a server left that died meanwhile goes with the next call; what is in use stays.
        let stale = taken.join("stale");
        std::fs::write(&stale, "left").unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * STALE_AFTER;
        File::options().write(true).open(&stale).unwrap().set_modified(long_ago).unwrap();
        let WorkspaceFile::Taken(again) = take("data/a.csv") else { panic!("a file is taken as often as one likes") };
        assert!(!stale.exists() && file.path.exists() && again.path.exists());
        drop((file, again));
        for missing in ["data/b.csv", "none/a.csv", "data/a.csv/b.csv"] {
            assert!(matches!(take(missing), WorkspaceFile::Missing), "{missing}");
        }
        for bad in ["data/link.csv", "out/secret.csv", "inside/a.csv", "../secret.csv", "data/large.csv", "data/directory.csv"] {
            assert!(matches!(take(bad), WorkspaceFile::Refused(_)), "{bad}");
        }
        assert_eq!(std::fs::read_dir(&taken).unwrap().count(), 0, "nothing stays behind");
    }
}
