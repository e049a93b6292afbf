//! What people read when an installation failed.

use gristmill_domain::execution::PythonVersion;

/// Lines of pip that are shown when nothing better is known.
const LINES_SHOWN: usize = 6;

/// Turns the end of pip's output into a sentence that says what to do.
pub(super) fn failure(lines: &[String], version: PythonVersion) -> String {
    let text = lines.join("\n");
    let says = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(word));
    if says(&["no space left on device", "disk quota exceeded"]) {
        return no_space();
    }
    if says(&["no matching distribution found", "could not find a version that satisfies"]) {
        let name = lines.iter().rev().find_map(|line| line.split("No matching distribution found for ").nth(1));
        let name = name.map_or("this package", str::trim);
        return format!(
            "No wheel of {name} fits Python {}: check the spelling and the version. Packages that must be built from \
             source cannot be installed.",
            version.as_str()
        );
    }
    if says(&["failed building wheel", "subprocess-exited-with-error", "metadata-generation-failed", "failed to build"]) {
        return "The package has no wheel for this machine and could not be built from source: try another version, or a \
                package that comes as a wheel."
            .to_owned();
    }
    if says(&["read timed out", "connect timeout", "connection timed out"]) {
        return timed_out("The package index did not answer in time");
    }
    if says(&["tunnel connection failed", "cannot connect to proxy", "max retries exceeded"]) {
        return "The package index cannot be reached from this server: try again later, or ask the operator.".to_owned();
    }
    let shown = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default().join("\n");
    if shown.is_empty() { "The installation failed without saying why.".to_owned() } else { shown }
}

/// There is no room.
pub(super) fn no_space() -> String {
    "There is not enough disk space to install this: remove packages or choose smaller ones.".to_owned()
}

/// It took too long.
pub(super) fn timed_out(what: &str) -> String {
    format!("{what}: try again, or install fewer packages at once.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_do() {
        for (lines, expected) in [
            (vec!["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"], "disk space"),
            (vec!["ERROR: No matching distribution found for nope==9"], "No wheel of nope==9 fits Python 3.11"),
            (vec!["x", "error: subprocess-exited-with-error"], "could not be built"),
            (vec!["ReadTimeoutError: Read timed out."], "did not answer in time"),
            (vec!["OSError: Tunnel connection failed: 403 Forbidden"], "cannot be reached"),
            (vec!["1", "2", "3", "4", "5", "6", "7"], "2\n3\n4\n5\n6\n7"),
            (vec![], "without saying why"),
        ] {
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            let message = failure(&lines, PythonVersion::V3_11);
            assert!(message.contains(expected), "{message}");
        }
    }
}
