//! Places for mounts inside writable mounts, made without following what hostile code may have put there: bubblewrap
//! would make them too, but through symbolic links.

use std::{
    ffi::OsStr,
    io,
    os::fd::OwnedFd,
    path::{Component, Path},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags},
    io::Errno,
};

use super::{Access, Mount};

/// Makes the place of every mount that lies inside a writable one.
///
/// # Errors
/// A writable mount is gone or no directory, or the place cannot be made.
pub(crate) fn prepare(mounts: &[Mount]) -> io::Result<()> {
    for mount in mounts {
        let around = mounts
            .iter()
            .filter(|other| other.guest != mount.guest && mount.guest.starts_with(&other.guest))
            .max_by_key(|other| other.guest.components().count());
        let Some(around) = around.filter(|around| around.access == Access::ReadWrite) else { continue };
        let Ok(below) = mount.guest.strip_prefix(&around.guest) else { continue };
        make_place(&around.host, below, mount.host.is_dir())?;
    }
    Ok(())
}

fn make_place(root: &Path, below: &Path, directory: bool) -> io::Result<()> {
    let mut parent = open(CWD, root.as_os_str())?;
    let mut parts = below.components().peekable();
    while let Some(Component::Normal(name)) = parts.next() {
        if directory || parts.peek().is_some() {
            parent = enter(&parent, name)?;
        } else {
            make_file(&parent, name)?;
        }
    }
    Ok(())
}

/// Opens the directory of this name, which is made, in the place of anything else that has the name.
fn enter(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    for _ in 0..3 {
        match open(parent, name) {
            Ok(found) => return Ok(found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // A link or a file.
            Err(_) => rustix::fs::unlinkat(parent, name, AtFlags::empty())?,
        }
    }
    open(parent, name)
}

fn make_file(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => return Ok(()),
        Ok(_) => rustix::fs::unlinkat(parent, name, AtFlags::empty())?,
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?);
    Ok(())
}

fn open(parent: impl rustix::fd::AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn mount(host: &Path, guest: &str, access: Access) -> Mount {
        Mount { host: host.to_owned(), guest: guest.into(), access }
    }

    #[test]
    fn replaces_a_link_that_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let data = tempfile::tempdir().unwrap();
        symlink(outside.path(), workspace.path().join("datasets")).unwrap();
        prepare(&[
            mount(workspace.path(), "/workspace", Access::ReadWrite),
            mount(data.path(), "/workspace/datasets/inner", Access::ReadOnly),
        ])
        .unwrap();
        assert!(fs::symlink_metadata(workspace.path().join("datasets/inner")).unwrap().is_dir());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn makes_a_file_where_a_file_is_mounted() {
        let workspace = tempfile::tempdir().unwrap();
        let file = workspace.path().join("source");
        fs::write(&file, "x").unwrap();
        symlink("/etc/passwd", workspace.path().join("place")).unwrap();
        prepare(&[mount(workspace.path(), "/workspace", Access::ReadWrite), mount(&file, "/workspace/place", Access::ReadOnly)])
            .unwrap();
        assert!(fs::symlink_metadata(workspace.path().join("place")).unwrap().is_file());
    }

    #[test]
    fn leaves_read_only_mounts_as_they_are() {
        let data = tempfile::tempdir().unwrap();
        prepare(&[mount(data.path(), "/data", Access::ReadOnly), mount(data.path(), "/data/inner", Access::ReadOnly)]).unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }
}
