//! A cluster that another process runs.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use rustix::process::{Pid, test_kill_process};
use secrecy::SecretString;

use super::{Cluster, ClusterError, POLL, START_DEADLINE, connection_url};

impl Cluster {
    /// The superuser's connection URL of the cluster that a server runs on this directory, for programs that work beside
    /// it. Waits while that one starts.
    ///
    /// # Errors
    /// `InUse` when the directory is in use and no cluster becomes ready, `Io` when its password cannot be read.
    pub fn url_of_running(directory: &Path) -> Result<SecretString, ClusterError> {
        let home = match fs::read(directory.join("MOVED")) {
            Ok(path) => PathBuf::from(OsStr::from_bytes(&path)),
            Err(_) => directory.to_owned(),
        };
        let deadline = Instant::now() + START_DEADLINE;
        let socket_dir = loop {
            if let Some(socket_dir) = ready_socket(&home.join("pgdata")) {
                break socket_dir;
            }
            if Instant::now() > deadline {
                return Err(ClusterError::InUse(directory.to_owned()));
            }
            thread::sleep(POLL);
        };
        let path = home.join("password");
        let password = fs::read_to_string(&path).map_err(|source| ClusterError::Io { path, source })?;
        Ok(SecretString::from(connection_url(&socket_dir, &password, "postgres")))
    }
}

/// The directory of the socket of a postmaster that is ready, from the file that it keeps.
fn ready_socket(data: &Path) -> Option<PathBuf> {
    let status = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let lines: Vec<&str> = status.lines().collect();
    let pid = Pid::from_raw(lines.first()?.trim().parse().ok()?)?;
    let lives = test_kill_process(pid).is_ok();
    let is_ready = lines.get(7).is_some_and(|line| line.starts_with("ready"));
    (lives && is_ready).then(|| PathBuf::from(lines.get(4).copied().unwrap_or_default()))
}
