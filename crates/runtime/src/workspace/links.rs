//! `/workspace/datasets`: the project's datasets under the names that people gave them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::project_data::{DatasetFile, ProjectFiles};

const MANIFEST: &str = "_manifest.json";
/// File systems allow 255 bytes; the rest is for what a clash appends.
const NAME_BYTES_MAX: usize = 240;
const GUEST_DATASETS: &str = "/datasets";

/// Makes the directory `links` show exactly these datasets: `<name>` and `<id>/<name>`, as links to `/datasets/…`, which
/// mean something inside a sandbox only. Running sandboxes see the change at once.
pub(crate) fn refresh_links(links: &Path, files: &ProjectFiles) -> io::Result<()> {
    std::fs::create_dir_all(links)?;
    let wanted = wanted(&files.files);
    let mut names = BTreeSet::from([MANIFEST.to_owned()]);
    for (alias, file) in &wanted {
        names.insert(alias.clone());
        let target = Path::new(GUEST_DATASETS).join(&file.path);
        link(&target, &links.join(alias))?;
        let id = file.id.to_string();
        let own = links.join(&id);
        std::fs::create_dir_all(&own)?;
        let name = safe_name(&file.filename);
        link(&target, &own.join(&name))?;
        remove_others(&own, &BTreeSet::from([name]))?;
        names.insert(id);
    }
    remove_others(links, &names)?;
    write_manifest(links, &wanted)
}

/// Names without clashes: the first dataset of a name has it, later ones get a piece of their id.
fn wanted(files: &[DatasetFile]) -> BTreeMap<String, &DatasetFile> {
    let ids: BTreeSet<_> = files.iter().map(|file| file.id.to_string()).collect();
    let mut wanted = BTreeMap::new();
    for file in files {
        let name = safe_name(&file.filename);
        let taken = |name: &str, wanted: &BTreeMap<String, &DatasetFile>| {
            wanted.contains_key(name) || ids.contains(name) || name == MANIFEST
        };
        let alias = if taken(&name, &wanted) { with_id(&name, file, 8) } else { name.clone() };
        let alias = if taken(&alias, &wanted) { with_id(&name, file, 32) } else { alias };
        wanted.entry(alias).or_insert(file);
    }
    wanted
}

fn with_id(name: &str, file: &DatasetFile, length: usize) -> String {
    let id: String = file.id.to_string().chars().filter(char::is_ascii_alphanumeric).take(length).collect();
    match name.rsplit_once('.') {
        Some((base, extension)) if !base.is_empty() => format!("{base}__{id}.{extension}"),
        _ => format!("{name}__{id}"),
    }
}

/// A display name as one component of a path.
fn safe_name(display: &str) -> String {
    let clean: String = display.chars().map(|c| if c == '/' || c == '\\' || c.is_control() { '_' } else { c }).collect();
    let mut end = clean.len().min(NAME_BYTES_MAX);
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    let name = clean.get(..end).unwrap_or_default();
    if name.trim_matches('.').is_empty() { "_".to_owned() } else { name.to_owned() }
}

fn link(target: &Path, at: &Path) -> io::Result<()> {
    if std::fs::read_link(at).is_ok_and(|found| found == target) {
        return Ok(());
    }
    let fresh = at.with_file_name(format!(".new-{}", uuid::Uuid::new_v4().simple()));
    symlink(target, &fresh)?;
    std::fs::rename(&fresh, at).or_else(|error| {
        // A directory is in the way: a dataset was named like another's id.
        std::fs::remove_file(&fresh)?;
        Err(error)
    })
}

fn remove_others(directory: &Path, wanted: &BTreeSet<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| wanted.contains(name)) {
            continue;
        }
        let path: PathBuf = entry.path();
        if entry.file_type()?.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
    }
    Ok(())
}

fn write_manifest(links: &Path, wanted: &BTreeMap<String, &DatasetFile>) -> io::Result<()> {
    let entries: Vec<_> = wanted
        .iter()
        .map(|(alias, file)| {
            let target = Path::new(GUEST_DATASETS).join(&file.path);
            let columns: Vec<_> = file.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
            json!({"alias": alias, "datasetId": file.id, "filename": file.filename, "target": target, "columns": columns})
        })
        .collect();
    let at = links.join(MANIFEST);
    let same = std::fs::read(&at).ok().and_then(|found| serde_json::from_slice::<serde_json::Value>(&found).ok());
    if same.is_some_and(|found| found.get("links") == Some(&json!(entries))) {
        return Ok(());
    }
    let updated = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let text = serde_json::to_vec(&json!({"updatedAt": updated, "links": entries}))?;
    let fresh = links.join(".new-manifest");
    std::fs::write(&fresh, text)?;
    std::fs::rename(fresh, at)
}

#[cfg(test)]
mod tests {
    use gristmill_domain::ids::DatasetId;

    use super::*;

    fn file(name: &str) -> DatasetFile {
        let id = DatasetId::random();
        DatasetFile { id, filename: name.to_owned(), path: format!("{id}/original").into(), columns: Vec::new() }
    }

    #[test]
    fn names_are_one_component() {
        for (given, expected) in
            [("a.csv", "a.csv"), ("../../etc/passwd", ".._.._etc_passwd"), ("..", "_"), ("", "_"), ("a\0\n\\b", "a___b")]
        {
            assert_eq!(safe_name(given), expected);
        }
        assert!(safe_name(&"ü".repeat(300)).len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn shows_exactly_the_datasets_of_now() {
        let scratch = tempfile::tempdir().unwrap();
        let links = scratch.path().join("links");
        let (first, second, manifest) = (file("sales.csv"), file("sales.csv"), file(MANIFEST));
        let named_like_an_id = file(&first.id.to_string());
        let files = vec![first.clone(), second.clone(), manifest, named_like_an_id];
        refresh_links(&links, &ProjectFiles { directory: "/d".into(), files }).unwrap();
        let target = |name: &str| std::fs::read_link(links.join(name)).unwrap();
        assert_eq!(target("sales.csv"), Path::new("/datasets").join(&first.path));
        assert_eq!(target(&with_id("sales.csv", &second, 8)), Path::new("/datasets").join(&second.path));
        assert_eq!(target(&format!("{}/sales.csv", second.id)), Path::new("/datasets").join(&second.path));

        refresh_links(&links, &ProjectFiles { directory: "/d".into(), files: vec![second.clone()] }).unwrap();
        assert_eq!(target("sales.csv"), Path::new("/datasets").join(&second.path), "the name is free again");
        let left: BTreeSet<_> =
            std::fs::read_dir(&links).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(left, BTreeSet::from(["sales.csv".to_owned(), MANIFEST.to_owned(), second.id.to_string()]));
        assert!(!links.join(".new-manifest").exists());
    }
}
