//! The image: its name, and what it is built from.

use std::collections::BTreeMap;

use gristmill_domain::execution::PythonVersion;
use sha2::{Digest, Sha256};

use super::engine::ImageBuild;

const DOCKERFILE: &str = include_str!("../../../../../docker/runtime/Dockerfile");
const LOCK: &str = include_str!("../../../python/environment/requirements.lock");
/// Stands for the Python version in names of images.
pub(crate) const VERSION: &str = "{pythonVersion}";
const BLOCK: usize = 512;
const CERTIFICATES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What a build takes from the host, beside the lock.
#[derive(Debug, Clone)]
pub struct BuildInputs {
    /// The base image; `{pythonVersion}` stands for the Python version.
    pub base_image: String,
    /// pip's settings for the build: an index of one's own, a proxy. Not kept in the image.
    pub pip_conf: Option<Vec<u8>>,
    /// Certificates that the build trusts, where a proxy signs. Not kept in the image.
    pub certificates: Option<Vec<u8>>,
}

impl Default for BuildInputs {
    fn default() -> Self {
        Self { base_image: format!("python:{VERSION}-slim"), pip_conf: None, certificates: None }
    }
}

impl BuildInputs {
    /// The inputs of this machine: its pip settings and the certificates that it trusts, where they are usually found.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            pip_conf: std::fs::read("/etc/pip.conf").ok(),
            certificates: CERTIFICATES.into_iter().find_map(|path| std::fs::read(path).ok()),
            ..Self::default()
        }
    }
}

/// The image's name: another Dockerfile, lock or base gives another.
pub(crate) fn name(version: PythonVersion, inputs: &BuildInputs) -> String {
    let mut hash = Sha256::new();
    for part in [DOCKERFILE, LOCK, &base(version, inputs)] {
        hash.update(part);
        hash.update([0]);
    }
    let hash: String = hex::encode(hash.finalize()).chars().take(12).collect();
    format!("gristmill-runtime:{}-{hash}", version.as_str())
}

fn base(version: PythonVersion, inputs: &BuildInputs) -> String {
    inputs.base_image.replace(VERSION, version.as_str())
}

/// All that an engine needs to build it.
pub(crate) fn build(version: PythonVersion, inputs: &BuildInputs) -> ImageBuild {
    let empty: &[u8] = &[];
    let files = [
        ("Dockerfile", DOCKERFILE.as_bytes()),
        ("requirements.lock", LOCK.as_bytes()),
        ("pip.conf", inputs.pip_conf.as_deref().unwrap_or(empty)),
        ("ca.crt", inputs.certificates.as_deref().unwrap_or(empty)),
    ];
    ImageBuild {
        name: name(version, inputs),
        context: archive(&files),
        arguments: BTreeMap::from([
            ("BASE_IMAGE".to_owned(), base(version, inputs)),
            ("PYTHON_VERSION".to_owned(), version.as_str().to_owned()),
        ]),
    }
}

/// A tar archive of a few small files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend(header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// A ustar header: name, mode, owner, group, size, time, checksum, kind; all numbers octal.
fn header(name: &str, size: usize) -> Vec<u8> {
    let mut start = name.as_bytes().to_vec();
    start.resize(100, 0);
    start.extend(format!("{:07o}\0{:07o}\0{:07o}\0{size:011o}\0{:011o}\0", 0o644, 0, 0, 0).bytes());
    let mut end = b"0".to_vec();
    end.resize(101, 0);
    end.extend(b"ustar\x0000");
    // The checksum counts itself as eight blanks.
    let sum: u32 = start.iter().chain(&end).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
    let mut header = start;
    header.extend(format!("{sum:06o}\0 ").bytes());
    header.extend(end);
    header.resize(BLOCK, 0);
    header
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn tar_reads_the_archive() {
        let archive = archive(&[("a", b"first"), ("empty", b""), ("b", &[b'x'; 1000])]);
        let directory = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "an independent reader of the format")]
        let mut tar = Command::new("tar").args(["-x", "-C"]).arg(directory.path()).stdin(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&archive).unwrap();
        assert!(tar.wait().unwrap().success());
        assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), b"first");
        assert_eq!(std::fs::read(directory.path().join("empty")).unwrap(), b"");
        assert_eq!(std::fs::read(directory.path().join("b")).unwrap(), [b'x'; 1000]);
    }

    #[test]
    fn the_name_tells_version_and_contents() {
        let inputs = BuildInputs::default();
        let name = name(PythonVersion::V3_11, &inputs);
        assert!(name.starts_with("gristmill-runtime:3.11-"), "{name}");
        let other = BuildInputs { base_image: "other".to_owned(), ..inputs };
        assert_ne!(name, super::name(PythonVersion::V3_11, &other));
    }
}
