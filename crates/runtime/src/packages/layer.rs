//! A project's installed packages: versions of a directory, and a link to the one in use.
//!
//! Kernels mount the directory that holds them all and follow the link, so that they see an installation at once, whole
//! or not at all. What an installer wrote is not trusted: only plain files and directories are taken over. Everything
//! here blocks.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{getegid, geteuid},
};
use uuid::Uuid;

use super::names::normalized;

const CURRENT: &str = "current";
const VERSION: &str = "version-";
/// Deeper than any package; a tree that goes on is refused.
const DEPTH_MAX: usize = 64;

/// The packages that a project installed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layer {
    directory: PathBuf,
}

impl Layer {
    /// The layer in a directory, made empty where there is none. Blocks.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        let layer = Self { directory };
        if layer.version().is_err() {
            let version = layer.fresh();
            fs::create_dir(&version)?;
            fs::set_permissions(&version, fs::Permissions::from_mode(0o755))?;
            layer.switch(&version)?;
        }
        Ok(layer)
    }

    /// What sandboxes mount, read only, at [`super::GUEST_LAYER`].
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The version in use: it changes with each installation, and names a cached list.
    ///
    /// # Errors
    /// The layer is not there.
    pub fn version(&self) -> io::Result<PathBuf> {
        let name = fs::read_link(self.directory.join(CURRENT))?;
        let plain = matches!(name.components().collect::<Vec<_>>().as_slice(), [Component::Normal(_)]);
        let version = self.directory.join(name);
        if plain && version.is_dir() { Ok(version) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Names what is installed: the version in use, or an empty path where it holds nothing. Blocks.
    ///
    /// # Errors
    /// The layer is not there.
    pub fn content(&self) -> io::Result<PathBuf> {
        let version = self.version()?;
        Ok(if fs::read_dir(&version)?.next().is_none() { PathBuf::new() } else { version })
    }

    /// The top names of the modules in use; none when nothing is installed. Blocks.
    ///
    /// # Errors
    /// The layer cannot be read.
    pub fn modules(&self) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.version()?)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // `x`, `x.py`, `x.cpython-311-x86_64-linux-gnu.so`. What describes a distribution has a dash in its name.
            names.extend(name.split('.').next().filter(|name| !name.is_empty() && !name.contains('-')).map(str::to_owned));
        }
        Ok(names)
    }

    /// Takes the right to change the layer, when nobody else has it. It ends when the file is dropped.
    pub(super) fn try_lock(&self) -> io::Result<Option<File>> {
        let file = File::create(self.beside("lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes an empty directory for an installer to write to, on the layer's file system. Only under the lock: what an
    /// earlier installation left behind is removed.
    pub(super) fn staging(&self) -> io::Result<tempfile::TempDir> {
        let parent = self.directory.parent().ok_or_else(|| io::Error::other("a layer without a parent directory"))?;
        let prefix = format!("{}-", self.beside("staging").file_name().unwrap_or_default().to_string_lossy());
        for entry in fs::read_dir(parent)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        for version in self.versions()? {
            if Some(&version) != self.version().ok().as_ref() {
                fs::remove_dir_all(version)?;
            }
        }
        let staging = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent)?;
        fs::set_permissions(staging.path(), fs::Permissions::from_mode(0o755))?;
        Ok(staging)
    }

    /// Takes over what an installer wrote: a new version is made of the one in use and of it, and takes its place.
    /// A package that was there in another version is replaced. On an error the version in use stays.
    pub(super) fn merge(&self, staged: &Path) -> io::Result<()> {
        self.renew(|old, new| self.build(old, staged, new))
    }

    /// Takes distributions out: a new version without them takes the place of the one in use. Returns the normalised names
    /// of those that were there, which the last call of all to take any out is told again when it is repeated; what they depend
    /// on stays. On an error the version in use stays. Only under the lock.
    pub(super) fn remove(&self, names: &BTreeSet<String>, call: &str) -> io::Result<BTreeSet<String>> {
        let present = distributions(&self.version()?)?.into_iter().map(|(name, _)| name);
        let going: BTreeSet<String> = present.filter(|name| names.contains(name)).collect();
        let mut gone = self.last_removal(call)?;
        if going.is_empty() {
            return Ok(gone);
        }
        gone.extend(going.iter().cloned());
        // Before the change: a call that dies after it could not say any more what was there.
        fs::write(self.beside("removal"), serde_json::to_vec(&(call, &gone))?)?;
        self.renew(|old, new| {
            link_tree(old, new, 0)?;
            for (name, information) in distributions(new)? {
                if going.contains(&name) {
                    remove_distribution(new, &information)?;
                }
            }
            // An empty directory could still be imported.
            prune(new)
        })?;
        Ok(gone)
    }

    /// What a call was about to take out, if it was the last to take anything out.
    fn last_removal(&self, call: &str) -> io::Result<BTreeSet<String>> {
        let noted = match fs::read(self.beside("removal")) {
            Ok(noted) => noted,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        // A note that was not written to its end is of a call that had taken nothing out yet.
        let noted: Option<(String, BTreeSet<String>)> = serde_json::from_slice(&noted).ok();
        Ok(noted.filter(|(by, _)| by == call).map(|(_, names)| names).unwrap_or_default())
    }

    /// Makes a version of the one in use and puts it in its place.
    fn renew(&self, build: impl FnOnce(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
        let old = self.version()?;
        let new = self.fresh();
        let made = build(&old, &new).and_then(|()| self.switch(&new));
        let unused = if made.is_ok() { &old } else { &new };
        if let Err(error) = fs::remove_dir_all(unused) {
            // The next installation tries again.
            tracing::warn!(error = %error, directory = %unused.display(), "an unused version of a layer stays");
        }
        made
    }

    fn build(&self, old: &Path, staged: &Path, new: &Path) -> io::Result<()> {
        link_tree(old, new, 0)?;
        let arriving: BTreeSet<String> = distributions(staged)?.into_iter().map(|(name, _)| name).collect();
        for (name, information) in distributions(new)? {
            if arriving.contains(&name) {
                remove_distribution(new, &information)?;
            }
        }
        move_tree(staged, new, 0)
    }

    fn switch(&self, version: &Path) -> io::Result<()> {
        let name = version.file_name().ok_or_else(|| io::Error::other("a version without a name"))?;
        let link = self.directory.join(format!(".{CURRENT}-{}", Uuid::new_v4()));
        symlink(name, &link)?;
        fs::rename(&link, self.directory.join(CURRENT))
    }

    fn fresh(&self) -> PathBuf {
        self.directory.join(format!("{VERSION}{}", Uuid::new_v4()))
    }

    fn versions(&self) -> io::Result<Vec<PathBuf>> {
        let mut versions = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(VERSION) {
                versions.push(entry.path());
            }
        }
        Ok(versions)
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.directory.file_name().unwrap_or_default());
        name.push(".");
        name.push(what);
        self.directory.with_file_name(name)
    }
}

/// The distributions in a directory: normalised name, and the directory that describes each.
pub(super) fn distributions(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((name, _)) = name.strip_suffix(".dist-info").and_then(|stem| stem.split_once('-'))
            && entry.file_type()?.is_dir()
        {
            found.push((normalized(name), entry.path()));
        }
    }
    Ok(found)
}

/// Removes the files that a distribution's record names, as far as they are inside the layer.
fn remove_distribution(layer: &Path, information: &Path) -> io::Result<()> {
    let record = match fs::read(information.join("RECORD")) {
        Ok(record) => record,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    for line in String::from_utf8_lossy(&record).lines() {
        let name = line.split(',').next().unwrap_or_default().trim_matches('"');
        let relative = Path::new(name);
        if name.is_empty() || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            continue;
        }
        // A layer holds no links: what is joined stays inside.
        match fs::remove_file(layer.join(relative)) {
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
                ) =>
            {
                return Err(error);
            }
            _ => {}
        }
    }
    fs::remove_dir_all(information)
}

/// Removes the directories in one that hold no file, itself excepted.
fn prune(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            prune(&entry.path())?;
            match fs::remove_dir(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Makes the same tree of the same files: nothing is copied.
fn link_tree(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    enter(to, depth)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_tree(&source, &target, depth + 1)?;
        } else {
            fs::hard_link(&source, &target)?;
        }
    }
    Ok(())
}

/// Moves plain files and directories, and leaves out everything else. They become the server's.
fn move_tree(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    if !fs::symlink_metadata(to).is_ok_and(|there| there.is_dir()) {
        remove_if_there(to)?;
        enter(to, depth)?;
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = fs::symlink_metadata(&source)?;
        if metadata.is_dir() {
            move_tree(&source, &target, depth + 1)?;
        } else if metadata.is_file() {
            if fs::symlink_metadata(&target).is_ok_and(|there| there.is_dir()) {
                fs::remove_dir_all(&target)?;
            }
            chown(&source, Some(geteuid().as_raw()), Some(getegid().as_raw()))?;
            let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&source, fs::Permissions::from_mode(mode))?;
            fs::rename(&source, &target)?;
        } else {
            tracing::warn!(file = %source.display(), "left out of a package: neither file nor directory");
        }
    }
    Ok(())
}

/// Makes a directory that sandboxes can read.
pub(super) fn enter(directory: &Path, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("the package's directories are too deep"));
    }
    fs::create_dir(directory)?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(layer: &Layer, files: &[(&str, &str)]) -> tempfile::TempDir {
        let staging = layer.staging().unwrap();
        for (name, text) in files {
            let path = staging.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        staging
    }

    fn layer() -> (tempfile::TempDir, Layer) {
        let directory = tempfile::tempdir().unwrap();
        let layer = Layer::open(directory.path().join("packages")).unwrap();
        (directory, layer)
    }

    #[test]
    fn adds_packages_and_replaces_their_old_versions() {
        let (_directory, layer) = layer();
        assert_eq!((layer.content().unwrap(), layer.modules().unwrap()), (PathBuf::new(), BTreeSet::new()));
        let one = [
            ("a/x.py", "1"),
            ("a/gone.py", "1"),
            ("space/a.py", "1"),
            ("a-1.dist-info/RECORD", "a/x.py,sha256=x,1\na/gone.py,,\n../../outside,,\n/etc/hostname,,\n"),
        ];
        fs::write(layer.directory().join("../outside"), "safe").unwrap();
        layer.merge(stage(&layer, &one).path()).unwrap();
        let first = layer.version().unwrap();
        assert_eq!(layer.content().unwrap(), first);
        layer.merge(stage(&layer, &[("space/b.py", "2"), ("b-1.dist-info/RECORD", "")]).path()).unwrap();
        layer.merge(stage(&layer, &[("a/x.py", "2"), ("A-2.dist-info/RECORD", "")]).path()).unwrap();

        assert_eq!(layer.modules().unwrap(), BTreeSet::from(["a", "space"].map(str::to_owned)));
        let current = layer.directory().join("current");
        assert_eq!(fs::read_to_string(current.join("a/x.py")).unwrap(), "2");
        assert!(!current.join("a/gone.py").exists());
        assert!(current.join("space/a.py").exists() && current.join("space/b.py").exists());
        assert!(!current.join("a-1.dist-info").exists());
        assert!(current.join("A-2.dist-info").exists());
        assert!(!first.exists(), "versions that are not used are removed");
        assert!(layer.directory().join("../outside").exists());
        assert_eq!(Layer::open(layer.directory().to_owned()).unwrap().version().unwrap(), layer.version().unwrap());
    }

    #[test]
    fn takes_no_links_and_no_special_modes() {
        let (directory, layer) = layer();
        let secret = directory.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        let staging = stage(&layer, &[("a/tool", "x")]);
        symlink(&secret, staging.path().join("a/link")).unwrap();
        symlink(directory.path(), staging.path().join("tree")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, staging.path().join("pipe"), 0o644.into()).unwrap();
        fs::set_permissions(staging.path().join("a/tool"), fs::Permissions::from_mode(0o6777)).unwrap();
        layer.merge(staging.path()).unwrap();
        let current = layer.version().unwrap();
        let names: Vec<_> = fs::read_dir(&current).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a"]);
        assert_eq!(layer.modules().unwrap(), BTreeSet::from(["a".to_owned()]));
        assert!(fs::symlink_metadata(current.join("a/link")).is_err());
        assert_eq!(fs::metadata(current.join("a/tool")).unwrap().permissions().mode() & 0o7777, 0o755);
    }

    #[test]
    fn a_failed_merge_keeps_the_old_version() {
        let (_directory, layer) = layer();
        layer.merge(stage(&layer, &[("a.py", "1")]).path()).unwrap();
        let before = layer.version().unwrap();
        let staging = stage(&layer, &[("a.py", "2")]);
        let mut deep = staging.path().to_owned();
        (0..DEPTH_MAX + 2).for_each(|_| deep.push("d"));
        fs::create_dir_all(&deep).unwrap();
        layer.merge(staging.path()).unwrap_err();
        assert_eq!(layer.version().unwrap(), before);
        assert_eq!(fs::read_to_string(before.join("a.py")).unwrap(), "1");
        assert_eq!(layer.versions().unwrap().len(), 1);
    }

    #[test]
    fn removes_distributions_and_leaves_the_others() {
        let (_directory, layer) = layer();
        let files = [
            ("a/x.py", "1"),
            ("a/deep/y.py", "1"),
            ("A_b-1.dist-info/RECORD", "a/x.py,,\na/deep/y.py,,\nspace/a.py,,\n../../outside,,\n"),
            ("space/a.py", "1"),
            ("space/c.py", "1"),
            ("c-1.dist-info/RECORD", "space/c.py,,\n"),
        ];
        fs::write(layer.directory().join("../outside"), "safe").unwrap();
        layer.merge(stage(&layer, &files).path()).unwrap();
        let first = layer.version().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(layer.remove(&names(&["nothing"]), "1").unwrap(), names(&[]));
        assert_eq!(layer.version().unwrap(), first, "nothing to do");
        assert_eq!(layer.remove(&names(&["a-b", "nothing"]), "2").unwrap(), names(&["a-b"]));
        assert_eq!(layer.modules().unwrap(), names(&["space"]));
        let current = layer.directory().join("current");
        assert!(!current.join("a").exists(), "an empty directory could be imported");
        assert!(current.join("space/c.py").exists() && !current.join("space/a.py").exists());
        assert!(layer.directory().join("../outside").exists() && !first.exists());
        assert_eq!(layer.remove(&names(&["a-b", "nothing"]), "2").unwrap(), names(&["a-b"]), "the same call");
        assert_eq!(layer.remove(&names(&["a-b"]), "3").unwrap(), names(&[]), "it is gone already");
    }

    #[test]
    fn one_at_a_time_changes_it_and_rests_are_swept() {
        let (_directory, layer) = layer();
        let lock = layer.try_lock().unwrap();
        assert!(lock.is_some());
        assert!(layer.try_lock().unwrap().is_none());
        drop(lock);
        assert!(layer.try_lock().unwrap().is_some());
        let left = layer.staging().unwrap().keep();
        let version = layer.directory().join("version-left");
        fs::create_dir(&version).unwrap();
        let _next = layer.staging().unwrap();
        assert!(!left.exists() && !version.exists());
        assert!(layer.version().is_ok());
    }
}
