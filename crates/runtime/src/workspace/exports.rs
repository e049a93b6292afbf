//! Takes over what code exported, without following anything that code made.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use serde::Deserialize;

use crate::runtime::Export;

const MANIFEST: &str = "_exports/.manifest.json";
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
const EXPORTS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 120;

/// An entry of the manifest that `save_to_project` writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    #[serde(default)]
    rows: u64,
    #[serde(default)]
    cols: u64,
    export_id: String,
}

/// Copies the exported files of a workspace to `taken`, and forgets the manifest. Entries that are not regular files of
/// the workspace's own, too large or badly named are left out.
pub(crate) fn take_exports(workspace: &Path, taken: &Path, bytes_max: u64) -> io::Result<Vec<Export>> {
    let directory = match rustix::fs::open(workspace, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        opened => opened?,
    };
    let Some(entries) = read_manifest(&directory) else { return Ok(Vec::new()) };
    // Before the files are copied: an export that is saved meanwhile starts a new manifest.
    rustix::fs::openat2(
        &directory,
        "_exports",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .and_then(|exports| rustix::fs::unlinkat(exports, ".manifest.json", AtFlags::empty()))?;
    std::fs::create_dir_all(taken)?;
    let mut exports = Vec::new();
    for entry in entries.into_iter().take(EXPORTS_MAX) {
        match take(&directory, taken, &entry, bytes_max) {
            Ok(export) => exports.push(export),
            Err(error) => tracing::info!(error = %error, "an export of a workspace was left out"),
        }
    }
    Ok(exports)
}

fn read_manifest(workspace: impl rustix::fd::AsFd) -> Option<Vec<Entry>> {
    let file = open_regular(workspace, MANIFEST, MANIFEST_BYTES_MAX).ok()?;
    let mut text = Vec::new();
    file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).ok()?;
    let values: Vec<serde_json::Value> = serde_json::from_slice(&text).ok()?;
    // One bad entry does not take the others with it.
    Some(values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

fn take(workspace: impl rustix::fd::AsFd, taken: &Path, entry: &Entry, bytes_max: u64) -> io::Result<Export> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    if entry.name.trim().is_empty() || entry.name.chars().count() > NAME_CHARS_MAX || !entry.name.chars().all(allowed) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its name is not allowed"));
    }
    let source = open_regular(workspace, &format!("_exports/{}.csv", entry.name), bytes_max)?;
    let path = taken.join(format!("{}.csv", uuid::Uuid::new_v4()));
    let copied = File::create_new(&path).and_then(|mut target| io::copy(&mut (&source).take(bytes_max + 1), &mut target));
    match copied {
        Ok(bytes) if bytes <= bytes_max => Ok(Export {
            name: entry.name.clone(),
            path,
            rows: entry.rows,
            cols: entry.cols,
            export_id: entry.export_id.chars().take(NAME_CHARS_MAX).collect(),
        }),
        refused => {
            std::fs::remove_file(&path)?;
            Err(refused.err().unwrap_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it grew over the limit")))
        }
    }
}

/// Opens a file below a directory: no links on the way, no device, no pipe that would wait for ever.
pub(super) fn open_regular(directory: impl rustix::fd::AsFd, path: &str, bytes_max: u64) -> io::Result<File> {
    let opened = rustix::fs::openat2(
        directory,
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV,
    )?;
    let found = rustix::fs::fstat(&opened)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if u64::try_from(found.st_size).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
    }
    Ok(File::from(opened))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;

    fn workspace(entries: &serde_json::Value) -> tempfile::TempDir {
        let scratch = tempfile::tempdir().unwrap();
        let exports = scratch.path().join("workspace/_exports");
        std::fs::create_dir_all(&exports).unwrap();
        std::fs::write(exports.join(".manifest.json"), entries.to_string()).unwrap();
        scratch
    }

    fn taken(scratch: &tempfile::TempDir) -> Vec<(String, String)> {
        let exports = take_exports(&scratch.path().join("workspace"), &scratch.path().join("taken"), 100).unwrap();
        exports.iter().map(|export| (export.name.clone(), std::fs::read_to_string(&export.path).unwrap())).collect()
    }

    #[test]
    fn takes_each_export_once() {
        let scratch = workspace(&json!([{"name": "My table-1", "rows": 2, "cols": 1, "exportId": "e"}, {"bad": 1}]));
        std::fs::write(scratch.path().join("workspace/_exports/My table-1.csv"), "a\n1\n2\n").unwrap();
        assert_eq!(taken(&scratch), [("My table-1".to_owned(), "a\n1\n2\n".to_owned())]);
        assert_eq!(taken(&scratch), []);
    }

    #[test]
    fn leaves_out_what_is_not_a_plain_file() {
        let entry = |name: &str| json!({"name": name, "rows": 1, "cols": 1, "exportId": "e"});
        let names = ["link", "directory", "pipe", "large", "../secret", "a/b", "", "missing"];
        let scratch = workspace(&names.iter().map(|name| entry(name)).collect());
        let exports = scratch.path().join("workspace/_exports");
        std::fs::write(scratch.path().join("secret.csv"), "secret").unwrap();
        std::fs::write(scratch.path().join("workspace/secret.csv"), "secret").unwrap();
        symlink(scratch.path().join("secret.csv"), exports.join("link.csv")).unwrap();
        std::fs::create_dir(exports.join("directory.csv")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, exports.join("pipe.csv"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        std::fs::write(exports.join("large.csv"), vec![b'x'; 101]).unwrap();
        assert_eq!(taken(&scratch), []);
        assert_eq!(std::fs::read_dir(scratch.path().join("taken")).unwrap().count(), 0, "nothing stays behind");
    }

    #[test]
    fn does_not_follow_a_link_in_place_of_the_directory_or_manifest() {
        let outside = workspace(&json!([{"name": "t", "rows": 1, "cols": 1, "exportId": "e"}]));
        let real = outside.path().join("workspace/_exports");
        std::fs::write(real.join("t.csv"), "secret").unwrap();
        let scratch = tempfile::tempdir().unwrap();
        std::fs::create_dir(scratch.path().join("workspace")).unwrap();
        symlink(&real, scratch.path().join("workspace/_exports")).unwrap();
        assert_eq!(taken(&scratch), []);
        assert!(real.join(".manifest.json").exists());

        let linked = workspace(&json!([]));
        let manifest = linked.path().join("workspace/_exports/.manifest.json");
        std::fs::remove_file(&manifest).unwrap();
        symlink(real.join(".manifest.json"), &manifest).unwrap();
        assert_eq!(taken(&linked), []);
        assert_eq!(taken(&tempfile::tempdir().unwrap()), [], "no workspace yet");
    }
}
