//! Mounts for a sandbox that runs already: made outside, and moved in by a thread that enters its mount namespace. What
//! is moved in is as tight as what a sandbox starts with: no device, no set-user-id program, read only where it says so,
//! and nothing propagates to or from the host.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    thread,
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags},
    thread::{ThreadNameSpaceType, UnshareFlags},
};

use super::{Access, Mount};

/// Shows the mounts in the mount namespace of a process, each over a directory that is there. Blocks.
///
/// # Errors
/// A directory is missing on one of the sides, or the system refuses; some of the mounts may be there then.
pub(crate) fn attach(process: BorrowedFd<'_>, mounts: &[Mount]) -> io::Result<()> {
    let mut trees = Vec::new();
    for mount in mounts {
        trees.push((mount.guest.as_path(), detached(mount)?));
    }
    // Parents before what is inside them, so that a mount never hides another.
    trees.sort_by_key(|(guest, _)| guest.components().count());
    // A thread of its own: it does not come back from where it goes.
    thread::scope(|scope| {
        let inside = thread::Builder::new().name("sandbox-mounts".to_owned()).spawn_scoped(scope, || enter(process, &trees))?;
        inside.join().unwrap_or_else(|_panic| Err(io::Error::other("the thread that mounts panicked")))
    })
}

fn enter(process: BorrowedFd<'_>, trees: &[(&Path, OwnedFd)]) -> io::Result<()> {
    #[expect(unsafe_code, reason = "a thread that shares its root directory with others cannot enter a mount namespace")]
    // SAFETY: only this thread's own root and working directory change, and it ends with this function. Descriptors,
    // which other threads rely on, stay shared.
    unsafe {
        rustix::thread::unshare_unsafe(UnshareFlags::FS)?;
    }
    rustix::thread::move_into_thread_name_spaces(process, ThreadNameSpaceType::MOUNT)?;
    for (guest, tree) in trees {
        // An earlier kernel's code may have left a link where a mount inside a workspace belongs.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place =
            rustix::fs::openat2(CWD, *guest, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS)?;
        move_mount(tree.as_fd(), place.as_fd())?;
    }
    Ok(())
}

/// A copy of the mount below a directory of the host, attached nowhere yet.
fn detached(mount: &Mount) -> io::Result<OwnedFd> {
    let path = CString::new(mount.host.as_os_str().as_bytes())?;
    let recursive = libc::AT_RECURSIVE.cast_unsigned();
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | recursive;
    #[expect(unsafe_code, reason = "neither the standard library nor rustix has this call for trees with attributes")]
    // SAFETY: the path ends with a zero byte and lives until the call is over; a new descriptor belongs to nobody else.
    let tree = unsafe {
        let descriptor = libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags);
        OwnedFd::from_raw_fd(checked(descriptor)?)
    };
    let read_only = if mount.access == Access::ReadOnly { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let attributes = libc::mount_attr {
        attr_set: read_only | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH.cast_unsigned() | recursive;
    #[expect(unsafe_code, reason = "neither the standard library nor rustix has this call")]
    // SAFETY: descriptor, path and attributes live until the call is over, which only reads them.
    let done = unsafe {
        let attributes = &raw const attributes;
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, attributes, size_of::<libc::mount_attr>())
    };
    checked(done)?;
    Ok(tree)
}

fn move_mount(tree: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    #[expect(unsafe_code, reason = "rustix has this call behind a feature that would rebuild half of the tree")]
    // SAFETY: descriptors and paths live until the call is over, which only reads them.
    let done = unsafe { libc::syscall(libc::SYS_move_mount, tree.as_raw_fd(), empty, place.as_raw_fd(), empty, flags) };
    checked(done).map(drop)
}

fn checked(result: libc::c_long) -> io::Result<i32> {
    match i32::try_from(result) {
        Ok(value) if value >= 0 => Ok(value),
        _ => Err(io::Error::last_os_error()),
    }
}
