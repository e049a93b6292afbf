//! Features by code: a Python program in a sandbox of its own, which sees one dataset and nothing else.
//!
//! It gets the dataset as a Parquet file, read only, and leaves a table of text and what it says of it. Both are hostile: the
//! table is read as an upload is, and no Parquet file that a sandbox wrote is ever opened here.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_modeling::JobBudget;
use gristmill_runtime::{
    RuntimeError,
    sandbox::{Access, Exit, Mount, Sandbox, SandboxLimits, SandboxSpec},
};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{error::chain, server::runtime_options, state::AppState};

const RUNNER: &str = include_str!("runner.py");
const GUEST_IN: &str = "/in";
const GUEST_OUT: &str = "/out";
/// Most that is read of what a run says, bytes.
const RESULT_BYTES_MAX: u64 = 16 << 20;
/// Longest reason, characters.
const REASON_CHARS_MAX: usize = 2000;
/// The table that a run leaves.
pub(super) const TABLE: &str = "table.csv";

/// A run.
#[derive(Debug)]
pub(super) struct CodeRun<'a> {
    /// What it runs on.
    pub(super) python: PythonVersion,
    /// What it may use.
    pub(super) budget: JobBudget,
    /// The dataset.
    pub(super) dataset: &'a Path,
    /// What `runner.py` is to do.
    pub(super) spec: Value,
    /// A directory that is made for it. Absolute.
    pub(super) directory: PathBuf,
}

/// Why a run has no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CodeFailure {
    /// It was told to stop.
    Stopped,
    /// The code is to blame, or what it needs; the reason is for whoever wrote it.
    Refused(String),
    /// A fault of the server's, which is in the log.
    Fault,
}

/// What a run said, and where its files are.
#[derive(Debug)]
pub(super) struct CodeEnd {
    pub(super) result: Value,
    pub(super) out: PathBuf,
}

/// Runs code to its end.
///
/// # Cancel safety
/// Dropping the future ends the sandbox.
pub(super) async fn run_code(state: &AppState, run: CodeRun<'_>, stop: &CancellationToken) -> Result<CodeEnd, CodeFailure> {
    let out = run.directory.join("out");
    let time = Duration::from_millis(run.budget.time_ms);
    let memory_bytes = run.budget.memory_bytes;
    let sandbox = start(state, run, &out).await?;
    let exit = tokio::select! {
        biased;
        () = stop.cancelled() => {
            sandbox.kill().await;
            return Err(CodeFailure::Stopped);
        }
        exit = sandbox.wait() => exit,
        () = tokio::time::sleep(time) => {
            sandbox.kill().await;
            let reason = format!("The code took longer than {} seconds; give it fewer rows, or raise the time in the settings", time.as_secs());
            return Err(CodeFailure::Refused(reason));
        }
    };
    match exit {
        Exit::OutOfMemory => {
            let reason =
                format!("The code needs more than {} MB of memory; raise the memory in the settings", memory_bytes >> 20);
            return Err(CodeFailure::Refused(reason));
        }
        Exit::OutOfDisk => return Err(CodeFailure::Refused("The code wrote more than it may".to_owned())),
        Exit::Code(_) | Exit::Signal(_) | Exit::Killed => {}
    }
    let place = out.clone();
    let said =
        tokio::task::spawn_blocking(move || read_result(&place)).await.map_err(|error| fault("reading a result", &error))?;
    let Some(result) = said else {
        let log = sandbox.log_tail().await;
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
        return Err(CodeFailure::Refused(cut(&format!("The code ended without a result: {last}"))));
    };
    match result.get("error").and_then(Value::as_str) {
        Some(reason) => Err(CodeFailure::Refused(cut(reason))),
        None => Ok(CodeEnd { result, out }),
    }
}

async fn start(state: &AppState, run: CodeRun<'_>, out: &Path) -> Result<Box<dyn Sandbox>, CodeFailure> {
    let backend = state.runtime.backend().await.map_err(unavailable)?;
    let python = backend.python(run.python).map_err(|error| unavailable(error.into()))?;
    let options = runtime_options(&state.config).map_err(|error| fault("reading the limits of sandboxes", &error))?;
    let (input, output) = (run.directory.join("in"), out.to_owned());
    let (dataset, spec) = (run.dataset.to_owned(), run.spec.to_string());
    let places = (input.clone(), output.clone());
    let prepared = tokio::task::spawn_blocking(move || prepare(&places.0, &places.1, &dataset, &spec)).await;
    prepared.map_err(io::Error::other).flatten().map_err(|error| fault("preparing a sandbox's files", &error))?;
    let mount = |host: PathBuf, guest: &str, access| Mount { host, guest: guest.into(), access };
    let mut mounts = python.mounts;
    mounts.push(mount(input, GUEST_IN, Access::ReadOnly));
    mounts.push(mount(output, GUEST_OUT, Access::ReadWrite));
    let limits = SandboxLimits { memory_bytes: run.budget.memory_bytes, ..options.limits };
    let spec = SandboxSpec {
        id: format!("features-{}", uuid::Uuid::new_v4().simple()),
        // Nothing of a request is among the words.
        command: vec![python.interpreter.to_string_lossy().into_owned(), "-s".to_owned(), format!("{GUEST_IN}/runner.py")],
        environment: environment(&limits),
        directory: "/tmp".into(),
        mounts,
        limits,
    };
    backend.start(spec).await.map_err(|error| unavailable(error.into()))
}

fn prepare(input: &Path, output: &Path, dataset: &Path, spec: &str) -> io::Result<()> {
    for directory in [input, output] {
        fs::create_dir_all(directory)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    }
    let source = input.join("source.parquet");
    // A copy, because whoever is in the sandbox must be able to read it, and the stored file keeps its permissions.
    fs::copy(dataset, &source)?;
    fs::set_permissions(&source, fs::Permissions::from_mode(0o644))?;
    for (name, text) in [("spec.json", spec), ("runner.py", RUNNER)] {
        let path = input.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn environment(limits: &SandboxLimits) -> BTreeMap<String, String> {
    let threads = limits.cpu_percent.div_ceil(100).max(1).to_string();
    [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONUNBUFFERED", "1"),
        ("TMPDIR", "/tmp"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn read_result(out: &Path) -> Option<Value> {
    let mut text = Vec::new();
    open(out, "result.json", RESULT_BYTES_MAX).ok()?.take(RESULT_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok().filter(Value::is_object)
}

/// Copies a file out of a sandbox's directory. Blocks.
pub(super) fn take(out: &Path, name: &str, target: &Path, bytes_max: u64) -> io::Result<()> {
    let mut source = open(out, name, bytes_max)?.take(bytes_max.saturating_add(1));
    let mut copy = File::create(target)?;
    let copied = io::copy(&mut source, &mut copy)?;
    copy.flush()?;
    // It may have grown since it was looked at.
    if copied > bytes_max { Err(io::Error::from(io::ErrorKind::FileTooLarge)) } else { Ok(()) }
}

/// Opens a regular file below a directory that hostile code could write to: no links on the way, no device, no pipe.
fn open(directory: &Path, name: &str, bytes_max: u64) -> io::Result<File> {
    let root: OwnedFd = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = rustix::fs::openat2(&root, name, flags, Mode::empty(), resolve)?;
    let found = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if u64::try_from(found.st_size).unwrap_or(u64::MAX) > bytes_max {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(File::from(file))
}

/// The contract's answer to code that cannot be run is that of code that fails.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: RuntimeError) -> CodeFailure {
    tracing::warn!(error.cause = chain(&error), "features cannot be made by code");
    CodeFailure::Refused(cut(&format!("Code cannot be run now: {error}")))
}

fn fault(doing: &str, error: &dyn std::fmt::Display) -> CodeFailure {
    tracing::error!(%error, doing, "features could not be made by code");
    CodeFailure::Fault
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn follows_nothing_that_code_made() {
        let (out, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("taken");
        fs::write(elsewhere.path().join("secret"), "secret").unwrap();
        symlink(elsewhere.path().join("secret"), out.path().join(TABLE)).unwrap();
        assert!(take(out.path(), TABLE, &target, 100).is_err());
        fs::remove_file(out.path().join(TABLE)).unwrap();
        fs::create_dir(out.path().join(TABLE)).unwrap();
        assert!(take(out.path(), TABLE, &target, 100).is_err());
        fs::remove_dir(out.path().join(TABLE)).unwrap();
        fs::write(out.path().join(TABLE), "a\n1\n").unwrap();
        assert!(take(out.path(), TABLE, &target, 3).is_err());
        take(out.path(), TABLE, &target, 4).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "a\n1\n");
    }

    #[test]
    fn what_is_no_object_is_no_result() {
        let out = tempfile::tempdir().unwrap();
        assert_eq!(read_result(out.path()), None);
        for text in ["", "[]", "{", "7"] {
            fs::write(out.path().join("result.json"), text).unwrap();
            assert_eq!(read_result(out.path()), None, "{text:?}");
        }
        fs::write(out.path().join("result.json"), "{\"rows\": \"same\"}").unwrap();
        assert!(read_result(out.path()).is_some());
    }
}
