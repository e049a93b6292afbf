//! What both backends do on the host before a sandbox starts.

use std::{
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use super::{
    Access, Mount, SandboxError, SandboxSpec, disk, mountpoint,
    users::{UserLease, UserPool},
};

/// Whether this server is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Names what was being done when something failed that should work.
pub(crate) fn system<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl Fn(E) -> SandboxError {
    move |source| SandboxError::System { doing, source: source.into() }
}

/// Checks a spec, makes the places of its mounts, and gives its writable directories to the user it will run as, when
/// the server is root. Blocks.
///
/// # Errors
/// `Start` for a spec that makes no sense, `System`.
pub(crate) fn prepare(users: &UserPool, spec: &SandboxSpec) -> Result<Option<UserLease>, SandboxError> {
    check(spec)?;
    let writable = spec.writable();
    let lease = if is_root() {
        let owner = writable.first().and_then(|path| std::fs::symlink_metadata(path).ok()).map(|meta| meta.uid());
        let lease = users.take(owner, &writable);
        Some(lease.ok_or_else(|| SandboxError::Start("as many sandboxes run as there are users for them".to_owned()))?)
    } else {
        None
    };
    mountpoint::prepare(&spec.mounts).map_err(system("preparing what a sandbox sees"))?;
    if let Some(lease) = &lease {
        for directory in &writable {
            disk::give_to(directory, lease.uid).map_err(system("giving a directory to a sandbox's user"))?;
        }
    }
    Ok(lease)
}

/// Why nothing can be mounted into a sandbox without a user of its own.
pub(crate) fn no_user() -> SandboxError {
    if is_root() {
        SandboxError::Start("the sandbox has ended".to_owned())
    } else {
        SandboxError::no_late_mounts("only root can mount into a running sandbox")
    }
}

/// Checks mounts for a sandbox that runs, makes their places, and gives the writable ones to its user. Blocks.
///
/// # Errors
/// `Start` for mounts that make no sense, or a directory that another user's sandbox writes to; `System`.
pub(crate) fn prepare_late(lease: &UserLease, mounts: &[Mount]) -> Result<Vec<PathBuf>, SandboxError> {
    check_mounts(mounts)?;
    let writable: Vec<PathBuf> =
        mounts.iter().filter(|mount| mount.access == Access::ReadWrite).map(|mount| mount.host.clone()).collect();
    if !lease.extend(&writable) {
        return Err(SandboxError::Start("another sandbox writes to what this one should".to_owned()));
    }
    mountpoint::prepare(mounts).map_err(system("preparing what a sandbox sees"))?;
    for directory in &writable {
        disk::give_to(directory, lease.uid).map_err(system("giving a directory to a sandbox's user"))?;
    }
    Ok(writable)
}

fn check(spec: &SandboxSpec) -> Result<(), SandboxError> {
    let refuse = |why: String| Err(SandboxError::Start(why));
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if spec.id.is_empty() || spec.id.len() > 100 || !spec.id.chars().all(plain) {
        return refuse("a sandbox's id is letters, digits and hyphens".to_owned());
    }
    if spec.command.is_empty() {
        return refuse("there is no command to run".to_owned());
    }
    if let Some(name) = spec.environment.keys().find(|name| name.is_empty() || name.contains('=')) {
        return refuse(format!("\"{name}\" cannot name a variable"));
    }
    check_mounts(&spec.mounts)
}

fn check_mounts(mounts: &[Mount]) -> Result<(), SandboxError> {
    let refuse = |why: String| Err(SandboxError::Start(why));
    for mount in mounts {
        for path in [&mount.host, &mount.guest] {
            if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
                return refuse(format!("\"{}\" is not an absolute path", path.display()));
            }
        }
        if mount.guest == Path::new("/") || mount.host == Path::new("/") {
            return refuse("the root directory cannot be mounted".to_owned());
        }
        if !mount.host.exists() {
            return refuse(format!("\"{}\" is not there", mount.host.display()));
        }
    }
    Ok(())
}
