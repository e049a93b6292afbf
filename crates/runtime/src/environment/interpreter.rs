//! Finding an installed Python of a version.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gristmill_domain::execution::PythonVersion;
use serde::Deserialize;

/// Prints where the interpreter is installed. The modules that pip and kernels cannot do without are imported first: a
/// Python that was built without them is no use.
const QUESTION: &str = "import ctypes, json, os, ssl, sys, zlib, venv
print(json.dumps({'version': '%d.%d' % sys.version_info[:2], 'executable': os.path.realpath(sys.executable),
 'prefixes': [os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)]}))";

/// An installed Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    pub(super) executable: PathBuf,
    /// Its installation: what must be visible for it to run.
    pub(super) prefixes: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    version: String,
    executable: PathBuf,
    prefixes: Vec<PathBuf>,
}

/// The first installed Python of this version that works: those on the search path first, then those of pyenv and uv in
/// the home directory.
pub(super) fn find(search_path: &str, version: PythonVersion) -> Option<Interpreter> {
    candidates(search_path, version).iter().find_map(|candidate| ask(candidate, version))
}

fn candidates(search_path: &str, version: PythonVersion) -> Vec<PathBuf> {
    let name = format!("python{}", version.as_str());
    let mut found: Vec<PathBuf> = env::split_paths(search_path).map(|directory| directory.join(&name)).collect();
    found.extend(["/usr/local/bin", "/usr/bin"].map(|directory| Path::new(directory).join(&name)));
    if let Some(home) = env::home_dir() {
        for versions in [home.join(".pyenv/versions"), home.join(".local/share/uv/python")] {
            let mut installed: Vec<PathBuf> =
                fs::read_dir(versions).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            installed.sort();
            // The newest patch release last in the listing, first among the candidates.
            found.extend(installed.into_iter().rev().map(|root| root.join("bin").join(&name)));
        }
    }
    found.retain(|candidate| candidate.is_file());
    found
}

#[expect(clippy::disallowed_methods, reason = "asks an interpreter of the machine what it is")]
fn ask(candidate: &Path, version: PythonVersion) -> Option<Interpreter> {
    let output = Command::new(candidate).args(["-I", "-c", QUESTION]).stdin(Stdio::null()).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let answer: Answer = serde_json::from_slice(&output.stdout).ok()?;
    // A sandbox that sees this installation must not see the whole machine through it.
    if answer.version != version.as_str() || answer.prefixes.iter().any(|prefix| prefix.parent().is_none()) {
        return None;
    }
    let mut prefixes = answer.prefixes;
    if let Some(home) = answer.executable.parent().and_then(Path::parent).filter(|home| home.parent().is_some()) {
        prefixes.push(home.to_path_buf());
    }
    prefixes.sort();
    prefixes.dedup();
    Some(Interpreter { executable: answer.executable, prefixes })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(directory: &Path, body: &str) -> PathBuf {
        let path = directory.join("python3.11");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn passes_over_programs_that_are_not_that_python() {
        let directory = tempfile::tempdir().unwrap();
        for body in [
            "exit 1",
            "echo nonsense",
            r#"echo '{"version":"2.7","executable":"/x/bin/python","prefixes":["/x"]}'"#,
            r#"echo '{"version":"3.11","executable":"/bin/python","prefixes":["/"]}'"#,
        ] {
            assert_eq!(ask(&script(directory.path(), body), PythonVersion::V3_11), None, "{body}");
        }
    }

    #[test]
    fn tells_every_place_of_an_installation_that_is_spread() {
        let directory = tempfile::tempdir().unwrap();
        let body = r#"echo '{"version":"3.11","executable":"/opt/a/bin/python","prefixes":["/opt/b","/opt/b"]}'"#;
        let found = ask(&script(directory.path(), body), PythonVersion::V3_11).unwrap();
        assert_eq!(found.prefixes, [PathBuf::from("/opt/a"), PathBuf::from("/opt/b")]);
    }
}
