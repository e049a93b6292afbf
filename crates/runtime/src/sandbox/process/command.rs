//! What bubblewrap is told.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use super::super::{Access, SandboxSpec};

/// The variable that names a sandbox in the arguments of its bubblewrap, for the sweep.
pub(crate) const MARKER: &str = "GRISTMILL_SANDBOX";

/// Gives up root's rights inside, where nothing else can.
pub(crate) const SETPRIV: &str = "/usr/bin/setpriv";

/// Files and directories of the system that every sandbox sees, read only, where they exist. Never `/`, `/home`, `/root`
/// or `/var`.
const SYSTEM: [&str; 17] = [
    "/usr",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates.conf",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/magic",
    "/etc/locale.alias",
    "/etc/protocols",
    "/etc/services",
    "/etc/pki/tls/certs",
];

/// Links to directories below `/usr`, or directories of their own on older systems.
const SYSTEM_LINKS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"];

/// Runs bubblewrap with its descriptors where it wants them: 3 is what it waits for before it starts the program, 4 is
/// where it tells the process id, 5 is the system call filter; both outputs go to the log.
pub(crate) const LAUNCH: &str = r#"exec 3<&0 4>&1 5<"$1" && shift && exec "$@" </dev/null 1>&2"#;

/// Who runs inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The server is root: no user namespace, and a real user of its own.
    RealUser(u32),
    /// The server is nobody special: a user namespace, in which it is user 1000.
    MappedUser,
}

impl Identity {
    /// The user id as seen inside.
    pub(crate) fn guest_uid(self) -> u32 {
        match self {
            Self::RealUser(uid) => uid,
            Self::MappedUser => 1000,
        }
    }
}

/// The arguments of bubblewrap for a sandbox.
pub(crate) fn arguments(spec: &SandboxSpec, identity: Identity, etc: &Path, marker: &str) -> Vec<OsString> {
    let mut line = Line::default();
    line.push(["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
    line.push(["--new-session", "--die-with-parent", "--hostname", "gristmill", "--clearenv"]);
    match identity {
        Identity::RealUser(_) => {
            line.push(["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"])
        }
        Identity::MappedUser => {
            line.push(["--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]);
        }
    }
    line.push(["--block-fd", "3", "--info-fd", "4", "--seccomp", "5"]);
    line.system();
    line.push(["--proc", "/proc", "--dev", "/dev"]);
    let tmp = spec.limits.tmp_bytes.max(4096).to_string();
    for directory in ["/tmp", "/dev/shm"] {
        line.push(["--perms", "1777", "--size", &tmp, "--tmpfs", directory]);
    }
    for name in ["group", "hosts", "nsswitch.conf"] {
        line.bind("--ro-bind", &etc.join(name), &Path::new("/etc").join(name));
    }
    let passwd = etc.join(format!("passwd-{}", identity.guest_uid()));
    line.bind("--ro-bind", &passwd, Path::new("/etc/passwd"));
    line.mounts(spec);
    line.push(["--remount-ro", "/dev", "--remount-ro", "/"]);
    for (name, value) in &spec.environment {
        line.push(["--setenv", name, value]);
    }
    line.push(["--setenv", MARKER, marker, "--chdir"]);
    line.0.push(spec.directory.clone().into_os_string());
    line.push(["--"]);
    if let Identity::RealUser(uid) = identity {
        let uid = uid.to_string();
        line.push([SETPRIV, "--reuid", &uid, "--regid", &uid, "--clear-groups", "--bounding-set=-all"]);
        line.push(["--inh-caps=-all", "--no-new-privs", "--"]);
    }
    line.push(spec.command.iter().map(String::as_str));
    line.0
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn push<'word>(&mut self, words: impl IntoIterator<Item = &'word str>) {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    fn bind(&mut self, how: &str, host: &Path, guest: &Path) {
        self.0.extend([OsString::from(how), host.into(), guest.into()]);
    }

    /// Makes the directories above a mount: bubblewrap's own let only root through.
    fn around(&mut self, guest: &Path) {
        let mut above: Vec<_> = guest.ancestors().skip(1).filter(|path| path.parent().is_some()).collect();
        above.reverse();
        for directory in above {
            self.push(["--perms", "0755", "--dir"]);
            self.0.push(directory.into());
        }
    }

    fn system(&mut self) {
        for path in SYSTEM {
            self.around(Path::new(path));
            self.push(["--ro-bind-try", path, path]);
        }
        for path in SYSTEM_LINKS {
            match std::fs::read_link(path) {
                Ok(target) => {
                    self.push(["--symlink"]);
                    self.0.extend([target.into_os_string(), path.into()]);
                }
                Err(_) => self.push(["--ro-bind-try", path, path]),
            }
        }
    }

    /// Parents before what is inside them, so that a mount never hides another.
    fn mounts(&mut self, spec: &SandboxSpec) {
        let mut mounts: Vec<_> = spec.mounts.iter().collect();
        mounts.sort_by_key(|mount| mount.guest.components().count());
        for mount in &mounts {
            if !mounts.iter().any(|other| other.guest != mount.guest && mount.guest.starts_with(&other.guest)) {
                self.around(&mount.guest);
            }
            let how = match mount.access {
                Access::ReadOnly => "--ro-bind",
                Access::ReadWrite => "--bind",
            };
            self.bind(how, &mount.host, &mount.guest);
        }
    }
}

/// Writes the few files of `/etc` that sandboxes see instead of the host's.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn write_etc(directory: &Path, uid: u32) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let user = format!("user:x:{uid}:{uid}:user:/workspace:/bin/sh\n");
    let files = [
        (format!("passwd-{uid}"), format!("root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n{user}")),
        ("group".to_owned(), "root:x:0:\nuser:x:1000:\n".to_owned()),
        ("hosts".to_owned(), "127.0.0.1 localhost gristmill\n::1 localhost\n".to_owned()),
        ("nsswitch.conf".to_owned(), "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
    ];
    for (name, text) in files {
        let path: PathBuf = directory.join(name);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
            // Renamed into place: another sandbox may be mounting it at this moment.
            let new = tempfile::NamedTempFile::new_in(directory)?;
            std::fs::write(new.path(), text)?;
            std::fs::set_permissions(new.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
            new.persist(&path).map_err(|error| error.error)?;
        }
    }
    Ok(())
}
