//! How to run PostgreSQL's programs as somebody who is not root.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The way in which PostgreSQL's programs are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Launcher {
    /// We are not root: just start them.
    Direct,
    /// We are root: a user namespace maps uid 1000 onto us. Files stay ours on the outside.
    UserNamespace,
    /// We are root and may not make namespaces: another uid owns the cluster.
    Dropped {
        /// Its uid and gid.
        id: u32,
    },
}

impl Launcher {
    /// Chooses by trying.
    pub(super) fn detect() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Direct;
        }
        let works = Self::UserNamespace.command(Path::new("true")).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if works.is_ok_and(|status| status.success()) {
            return Self::UserNamespace;
        }
        // `nobody` on every Linux; the cluster's directory must then be one that others may traverse.
        Self::Dropped { id: 65534 }
    }

    /// A command that runs `program` that way.
    #[expect(clippy::disallowed_methods, reason = "this module belongs to persistence::cluster")]
    pub(super) fn command(&self, program: &Path) -> Command {
        match self {
            Self::Direct => Command::new(program),
            Self::UserNamespace => {
                let mut command = Command::new("unshare");
                command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(program);
                command
            }
            Self::Dropped { id } => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={id}"), &format!("--regid={id}"), "--clear-groups", "--"]).arg(program);
                command
            }
        }
    }

    /// Like [`Self::command`], for a program that must not outlive the thread that starts it: the kernel sends it
    /// SIGINT (PostgreSQL's fast shutdown) when that thread ends, by `kill -9` too.
    #[expect(clippy::disallowed_methods, reason = "this module belongs to persistence::cluster")]
    pub(super) fn command_bound_to_parent(&self, program: &Path) -> Command {
        let supported = Command::new("setpriv").args(["--pdeathsig", "INT", "true"]).stderr(Stdio::null()).status();
        if !supported.is_ok_and(|status| status.success()) {
            // Without it a killed server leaves an orphan, which the next start stops.
            return self.command(program);
        }
        let mut command = self.command(Path::new("setpriv"));
        command.args(["--pdeathsig", "INT", "--"]).arg(program);
        command
    }

    /// Where the cluster's files go: the given directory, unless another uid must reach them, which cannot pass a
    /// private parent such as `/root`.
    pub(super) fn home(&self, dir: &Path) -> io::Result<PathBuf> {
        let Self::Dropped { id } = self else { return Ok(dir.to_owned()) };
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(dir, &mut hash);
        let home = Path::new("/var/lib/gristmill").join(format!("{:016x}", std::hash::Hasher::finish(&hash)));
        std::fs::create_dir_all(&home)?;
        std::os::unix::fs::chown(&home, Some(*id), Some(*id))?;
        std::fs::write(dir.join("MOVED"), home.as_os_str().as_encoded_bytes())?;
        Ok(home)
    }

    /// Lets PostgreSQL own a directory.
    pub(super) fn give_directory(&self, path: &Path) -> io::Result<()> {
        self.give_file(path)
    }

    /// Lets PostgreSQL own a file.
    pub(super) fn give_file(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Direct | Self::UserNamespace => Ok(()),
            Self::Dropped { id } => std::os::unix::fs::chown(path, Some(*id), Some(*id)),
        }
    }
}
