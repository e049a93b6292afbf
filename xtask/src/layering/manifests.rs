//! What `cargo metadata` does not tell: the manifests themselves.
//!
//! Not a TOML parser. It knows tables, keys and values that span lines, which is all that the rules ask about; cargo
//! has accepted the file before.

/// The rules that a manifest breaks.
pub(super) fn breaches(folder: &str, manifest: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut inherits_lints = false;
    for Entry { table, key, value } in entries(manifest) {
        match dependency_table(&table) {
            Some(None) => {
                let inherited = key.ends_with(".workspace") && value == "true" || value.contains("workspace = true");
                if !inherited {
                    broken.push(format!("{folder}: {key} does not inherit its version; put it into [workspace.dependencies]"));
                }
            }
            // `[dependencies.name]`: the table must say it somewhere; a version beside it is refused by cargo.
            Some(Some(name)) => {
                if key == "version" || key == "git" || key == "path" {
                    broken.push(format!("{folder}: {name} does not inherit its version; put it into [workspace.dependencies]"));
                }
            }
            None => inherits_lints |= table == "lints" && key == "workspace" && value == "true",
        }
    }
    if !inherits_lints {
        broken.push(format!("{folder}: the manifest lacks `[lints]` with `workspace = true`"));
    }
    broken
}

/// A key with its value in a table.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    table: String,
    key: String,
    value: String,
}

fn entries(manifest: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut table = String::new();
    let mut lines = manifest.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            table = line.split('#').next().unwrap_or_default().trim().trim_matches(['[', ']']).trim().to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let mut value = value.trim().to_owned();
        while is_open(&value) {
            let Some(next) = lines.next() else { break };
            value.push(' ');
            value.push_str(next.trim());
        }
        entries.push(Entry { table: table.clone(), key: key.trim().to_owned(), value });
    }
    entries
}

/// Whether a list or table was opened and not closed.
fn is_open(value: &str) -> bool {
    let count = |characters: [char; 2]| value.matches(characters).count();
    count(['[', '{']) > count([']', '}'])
}

/// For a table of dependencies: the dependency, if the table is about a single one.
fn dependency_table(table: &str) -> Option<Option<String>> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    if table.starts_with("workspace.") {
        return None;
    }
    // `target.'cfg(unix)'.dependencies.name`: the last part that is a kind decides.
    for kind in KINDS {
        if table == kind || table.ends_with(&format!(".{kind}")) {
            return Some(None);
        }
        let single =
            table.strip_prefix(&format!("{kind}.")).or_else(|| table.split_once(&format!(".{kind}.")).map(|(_, name)| name));
        if let Some(name) = single {
            return Some(Some(name.to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[track_caller]
    fn check(manifest: &str, expected: &[&str]) {
        let broken = breaches("crate", manifest);
        assert_eq!(broken.len(), expected.len(), "{broken:?}");
        for (breach, expected) in broken.iter().zip(expected) {
            assert!(breach.contains(expected), "{breach} lacks {expected}");
        }
    }

    #[test]
    fn inherited_dependencies_pass_in_every_spelling() {
        check(
            &format!(
                "{LINTS}[dependencies]\n# a note\nserde.workspace = true\nutoipa = {{ workspace = true, optional = true }}\n\
                 tokio = {{ workspace = true, features = [\n  \"rt\",\n] }}\n\
                 [dev-dependencies.insta]\nworkspace = true\nfeatures = [\"json\"]\n\
                 [target.'cfg(unix)'.dependencies]\nrustix.workspace = true\n"
            ),
            &[],
        );
    }

    #[test]
    fn a_version_of_its_own_is_a_breach_in_every_spelling() {
        check(&format!("{LINTS}[dependencies]\nserde = \"1\"\n"), &["serde does not inherit"]);
        check(&format!("{LINTS}[dev-dependencies]\nserde = {{ version = \"1\" }}\n"), &["serde does not inherit"]);
        check(&format!("{LINTS}[build-dependencies]\ncc = {{ path = \"../cc\" }}\n"), &["cc does not inherit"]);
        check(&format!("{LINTS}[dependencies.serde]\nversion = \"1\"\n"), &["serde does not inherit"]);
        check(&format!("{LINTS}[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n"), &["libc does not inherit"]);
        check(&format!("{LINTS}[target.'cfg(unix)'.dependencies.libc]\nversion = \"0.2\"\n"), &["libc does not inherit"]);
    }

    #[test]
    fn lints_must_be_inherited() {
        check("[package]\nname = \"x\"\n", &["lacks `[lints]`"]);
        check("[lints]\nworkspace = false\n", &["lacks `[lints]`"]);
        check("[lints.clippy]\npanic = \"allow\"\n", &["lacks `[lints]`"]);
        check(LINTS, &[]);
    }

    #[test]
    fn versions_of_the_package_and_the_root_are_no_dependencies() {
        check(&format!("[package]\nversion = \"1.0.0\"\n{LINTS}[workspace.dependencies]\nserde = \"1\"\n"), &[]);
    }
}
