//! What a project had installed at one moment, kept as it was: a model that was made with it can be loaded whatever the
//! project installs or removes afterwards. Everything here blocks.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use gristmill_domain::models::ModelPackage;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    GUEST_LAYER_PATH, Layer,
    layer::{distributions, enter},
};
use crate::sandbox::{Access, Mount};

/// How often a copy is tried while installations change the layer.
const TRIES: usize = 5;
const NAME_CHARS_MAX: usize = 200;

/// Packages that stay as they are, in a directory that goes with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenLayer {
    directory: PathBuf,
}

impl FrozenLayer {
    /// Keeps what is installed in a layer in a directory, in the place of what is there. None: nothing is installed. Files
    /// get a second name where the file system can do that, and take no room then.
    ///
    /// # Errors
    /// The file system's; `ResourceBusy` when the layer was changed all the time.
    pub fn of(layer: &Layer, directory: &Path) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let Ok(version) = layer.version() else { continue };
            let kept = keep(&version, directory);
            // A version is removed only after another took its place: until then all of it was there.
            if layer.version().is_ok_and(|now| now == version) {
                return Ok(kept?.then(|| Self { directory: directory.to_owned() }));
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// What is kept in a directory; none when there is no such directory.
    #[must_use]
    pub fn open(directory: PathBuf) -> Option<Self> {
        if directory.is_dir() { Some(Self { directory }) } else { None }
    }

    /// Keeps the same in another directory, in the place of what is there.
    ///
    /// # Errors
    /// The file system's.
    pub fn copy(&self, directory: &Path) -> io::Result<Self> {
        keep(&self.directory, directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Shows it to a sandbox, read only, at [`GUEST_LAYER_PATH`]: where kernels see what their project installed.
    #[must_use]
    pub fn mount(&self) -> Mount {
        Mount { host: self.directory.clone(), guest: GUEST_LAYER_PATH.into(), access: Access::ReadOnly }
    }

    /// The size of its files, bytes.
    ///
    /// # Errors
    /// The file system's.
    pub fn bytes(&self) -> io::Result<u64> {
        bytes_below(&self.directory)
    }

    /// Its packages by name, each with the hash of its record, which has the hashes of its files.
    ///
    /// # Errors
    /// The file system's.
    pub fn packages(&self) -> io::Result<Vec<ModelPackage>> {
        let mut packages = Vec::new();
        for (name, information) in distributions(&self.directory)? {
            let stem = information.file_stem().unwrap_or_default().to_string_lossy();
            let version = stem.split_once('-').map(|(_, version)| version.to_owned()).unwrap_or_default();
            // They come to stand in files that pip reads.
            if is_plain(&name) && is_plain(&version) {
                packages.push(ModelPackage { name, version, sha256: hash(&information.join("RECORD"))? });
            }
        }
        packages.sort_by(|one, other| (&one.name, &one.version).cmp(&(&other.name, &other.version)));
        packages.dedup_by(|one, other| (&one.name, &one.version) == (&other.name, &other.version));
        Ok(packages)
    }
}

fn is_plain(text: &str) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._+!-".contains(letter);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.len() <= NAME_CHARS_MAX && text.chars().all(good)
}

/// Makes a directory hold the same files as another, or not be there when that holds none. False: it holds none.
fn keep(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if fs::read_dir(from)?.next().is_none() {
        return Ok(false);
    }
    // Under the right name it is there whole.
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let partial = to.with_file_name(format!(".{name}-{}", Uuid::new_v4().simple()));
    let kept = copy_tree(from, &partial, 0).and_then(|()| fs::rename(&partial, to));
    if kept.is_err() {
        drop(fs::remove_dir_all(&partial));
    }
    kept.map(|()| true)
}

fn copy_tree(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    enter(to, depth)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_tree(&source, &target, depth + 1)?;
        } else if fs::hard_link(&source, &target).is_err() {
            // Across file systems, and where a file has as many names as it may have.
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn bytes_below(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let more = if entry.file_type()?.is_dir() { bytes_below(&entry.path())? } else { entry.metadata()?.len() };
        bytes = bytes.saturating_add(more);
    }
    Ok(bytes)
}

/// The hash of a file; of nothing when it is not there.
fn hash(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    match fs::File::open(path) {
        Ok(mut file) => {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let count = file.read(&mut buffer)?;
                match buffer.get(..count) {
                    Some(bytes) if count > 0 => hash.update(bytes),
                    _ => break,
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, os::unix::fs::MetadataExt};

    use super::*;

    fn install(layer: &Layer, files: &[(&str, &str)]) {
        let staging = layer.staging().unwrap();
        for (name, text) in files {
            let path = staging.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        layer.merge(staging.path()).unwrap();
    }

    #[test]
    fn stays_as_it_was_whatever_is_installed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let layer = Layer::open(directory.path().join("packages")).unwrap();
        let target = directory.path().join("model/packages");
        fs::create_dir(directory.path().join("model")).unwrap();
        assert_eq!(FrozenLayer::of(&layer, &target).unwrap(), None, "nothing is installed");
        assert!(!target.exists() && FrozenLayer::open(target.clone()).is_none());

        install(&layer, &[("a/x.py", "one"), ("a-1.0.dist-info/RECORD", "a/x.py,,\n"), ("loose.py", "!")]);
        let kept = FrozenLayer::of(&layer, &target).unwrap().unwrap();
        let linked = fs::metadata(target.join("a/x.py")).unwrap();
        assert_eq!(linked.ino(), fs::metadata(layer.version().unwrap().join("a/x.py")).unwrap().ino(), "it takes no room");
        install(&layer, &[("a/x.py", "two"), ("a-2.0.dist-info/RECORD", "a/x.py,,\n")]);
        layer.remove(&BTreeSet::from(["a".to_owned()]), "call").unwrap();
        assert_eq!(fs::read_to_string(target.join("a/x.py")).unwrap(), "one");
        let packages = kept.packages().unwrap();
        let listed: Vec<_> = packages.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
        assert_eq!(listed, [("a", "1.0")]);
        assert_eq!(packages[0].sha256, hex::encode(Sha256::digest("a/x.py,,\n")));
        assert_eq!(kept.bytes().unwrap(), 3 + 9 + 1);

        let again = kept.copy(&directory.path().join("other")).unwrap();
        fs::remove_dir_all(kept.directory()).unwrap();
        assert_eq!(again.packages().unwrap(), packages);
        // What is there from an earlier time goes.
        let now = FrozenLayer::of(&layer, again.directory()).unwrap().unwrap();
        assert_eq!((now.packages().unwrap(), now.bytes().unwrap()), (Vec::new(), 1));
    }

    #[test]
    fn tells_names_that_pip_can_be_given_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["Good_One-1.0+cpu", "-e evil-1", "two\nlines-1", "x-1 --index-url=evil", "none"] {
            fs::create_dir(directory.path().join(format!("{name}.dist-info"))).unwrap();
        }
        let kept = FrozenLayer::open(directory.path().to_owned()).unwrap();
        let listed: Vec<_> = kept.packages().unwrap().into_iter().map(|one| (one.name, one.version)).collect();
        assert_eq!(listed, [("good-one".to_owned(), "1.0+cpu".to_owned())]);
    }
}
