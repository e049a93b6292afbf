//! Running programs and telling what is going on.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it for `cargo run`; the compiled-in one would be another checkout's where two share a target directory.
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest_dir = PathBuf::from(manifest_dir);
    manifest_dir.parent().map(Path::to_owned).unwrap_or(manifest_dir)
}

/// Where cargo builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata printed something else than JSON")?;
    let directory = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    directory.map(PathBuf::from).context("cargo metadata has no target_directory")
}

/// The per-user cache, which outlives a checkout.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => PathBuf::from(std::env::var_os("HOME").context("set HOME or XDG_CACHE_HOME")?).join(".cache"),
    };
    Ok(base.join("gristmill"))
}

/// A cargo command in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // `cargo run` describes xtask in these. Build scripts that watch them would run again, and what depends on them too.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Says what is being done, does it, and says how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {name}");
    let start = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done in" } else { "FAILED after" };
    println!("    {name}: {outcome} {}", seconds(start.elapsed()));
    result
}

/// A duration for a person.
pub(crate) fn seconds(duration: Duration) -> String {
    let tenths = duration.as_millis() / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        format!("{} min {} s", tenths / 600, tenths / 10 % 60)
    }
}

/// Runs a program to its end; it shares our terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(())
}

/// Runs a program and returns what it printed; its errors go to our terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {}", describe(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}", describe(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} did not print UTF-8", describe(command)))
}

/// Runs a program, passes on what it prints, and returns the lines that `keep` picks: whether it failed or not.
pub(crate) fn run_keeping(command: &mut Command, keep: fn(&str) -> bool) -> Result<(Vec<String>, Result<()>)> {
    // One pipe for both streams keeps their order.
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {}", describe(command)))?;
    let description = describe(command);
    // Our copies of the pipe's end, or the reading below would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut kept = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        let plain = without_colour(&line);
        if keep(&plain) {
            kept.push(plain.trim().to_owned());
        }
    }
    let status = child.wait()?;
    let outcome = if status.success() { Ok(()) } else { Err(anyhow::anyhow!("{description} ended with {status}")) };
    Ok((kept, outcome))
}

/// Whether a program answers; nothing is printed.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Reads a file of the repository.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy());
    format!("`{}`", words.collect::<Vec<_>>().join(" "))
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        // A sequence ends with its first letter.
        characters.by_ref().find(char::is_ascii_alphabetic);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(seconds(Duration::from_millis(59_999)), "59.9 s");
        assert_eq!(seconds(Duration::from_secs(384)), "6 min 24 s");
    }

    #[test]
    fn colours_are_removed() {
        assert_eq!(without_colour("\u{1b}[32;1m     Summary\u{1b}[0m [ 1.2s] 3 tests"), "     Summary [ 1.2s] 3 tests");
    }

    #[test]
    fn both_streams_are_kept_in_order_and_a_failure_is_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo keep 1; echo drop; echo keep 2 >&2; printf 'keep 3'; exit 3"]);
        let (kept, outcome) = run_keeping(&mut command, |line| line.starts_with("keep")).unwrap();
        assert_eq!(kept, ["keep 1", "keep 2", "keep 3"]);
        assert!(outcome.unwrap_err().to_string().contains("exit status: 3"));
    }

    #[test]
    fn a_program_that_is_missing_or_fails_is_an_error() {
        assert!(run(&mut Command::new("gristmill-no-such-program")).unwrap_err().to_string().contains("cannot start"));
        assert!(run(&mut Command::new("false")).unwrap_err().to_string().contains("`false` ended with exit status: 1"));
        assert!(output(&mut Command::new("false")).is_err());
        assert!(!answers("false", &[]));
        assert!(answers("true", &[]));
    }
}
