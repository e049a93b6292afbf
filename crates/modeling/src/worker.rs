//! A sandbox for one command of `gristmill_ml`, started before it is known what for: it imports what the command needs, and
//! waits for its files. Until they come it sees an empty directory, nothing of anybody. It runs its one command and ends.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::FutureExt as _;
use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::{
    RuntimeError,
    packages::{FrozenLayer, GUEST_LAYER_PATH},
    sandbox::{Access, Mount, Sandbox, SandboxLimits, SandboxSpec},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    engine::{Starter, blocking},
    error::ModelingError,
    package::GUEST_PACKAGE,
};

const GUEST_IN: &str = "/in";
const GUEST_OUT: &str = "/out";
/// What a command says, one JSON object a line. A file, so that nothing is lost and nothing can hold the server up.
pub(crate) const EVENTS: &str = "events.ndjson";
/// How long a process may take to end after its command is done.
const LINGER_MAX: Duration = Duration::from_secs(10);
const SPEC: &str = "spec.json";

/// A sandbox that waits for its command's files, or works on them.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) command: &'static str,
    pub(crate) memory_bytes: u64,
    pub(crate) sandbox: Box<dyn Sandbox>,
    pub(crate) places: Places,
}

/// The two directories that a worker sees, which go with their owner.
#[derive(Debug)]
pub(crate) struct Places {
    root: PathBuf,
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "files of a sandbox were not removed; they go a day later");
        }
    }
}

impl Places {
    /// What the sandbox reads.
    pub(crate) fn input(&self) -> PathBuf {
        self.root.join("in")
    }

    /// What it writes.
    pub(crate) fn output(&self) -> PathBuf {
        self.root.join("out")
    }
}

impl Worker {
    /// Starts a sandbox that waits. Its directories are made below `parent`. One that will load a model sees the packages that
    /// the model was made with, in the place that a notebook's kernel sees them.
    ///
    /// # Errors
    /// No sandbox can be had.
    pub(crate) async fn start(
        starter: &Starter,
        command: &'static str,
        memory_bytes: u64,
        parent: &Path,
        packages: Option<&FrozenLayer>,
    ) -> Result<Self, ModelingError> {
        let id = format!("ml-{command}-{}", Uuid::new_v4().simple());
        let root = parent.join(&id);
        let places = blocking("preparing a sandbox's directories", move || {
            let places = Places { root };
            for directory in [places.input(), places.output()] {
                fs::create_dir_all(&directory)?;
                fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
            }
            Ok(places)
        })
        .await?;
        let backend = starter.runtime.backend().await?;
        let python = backend.python(PythonVersion::default()).map_err(RuntimeError::from)?;
        let package = starter.package().await?;
        let mount = |host: PathBuf, guest: &str, access| Mount { host, guest: guest.into(), access };
        let mut mounts = python.mounts;
        mounts.push(mount(places.input(), GUEST_IN, Access::ReadOnly));
        mounts.push(mount(places.output(), GUEST_OUT, Access::ReadWrite));
        mounts.push(mount(package, GUEST_PACKAGE, Access::ReadOnly));
        mounts.extend(packages.map(FrozenLayer::mount));
        let limits = SandboxLimits { memory_bytes, ..starter.options.limits };
        let spec = SandboxSpec {
            id,
            command: words(&python.interpreter, command),
            environment: environment(&limits, packages.is_some()),
            directory: "/tmp".into(),
            mounts,
            limits,
        };
        let sandbox = backend.start(spec).await.map_err(RuntimeError::from)?;
        Ok(Self { command, memory_bytes, sandbox, places })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.sandbox.wait().now_or_never().is_none()
    }

    /// Waits until nothing of it runs, after its command is done; one that lingers is ended.
    pub(crate) async fn ended(&self) {
        if tokio::time::timeout(LINGER_MAX, self.sandbox.wait()).await.is_err() {
            self.sandbox.kill().await;
        }
    }

    /// Gives it its files and its spec, which it has waited for. To be done once.
    ///
    /// # Errors
    /// A file cannot be put there.
    pub(crate) async fn give(&self, spec: &Value, files: Vec<(PathBuf, String)>) -> Result<(), ModelingError> {
        let (directory, spec) = (self.places.input(), spec.to_string());
        blocking("preparing a sandbox's files", move || fill(&directory, &spec, files)).await
    }
}

fn fill(directory: &Path, spec: &str, files: Vec<(PathBuf, String)>) -> io::Result<()> {
    let mut seen = HashSet::new();
    for (source, name) in files {
        if !seen.insert(name.clone()) {
            continue;
        }
        let target = directory.join(&name);
        // A second name costs nothing; across file systems it is copied.
        if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644))?;
    }
    // Last, and whole: the command begins when it is there.
    let partial = directory.join(format!("{SPEC}.partial"));
    fs::write(&partial, spec)?;
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o644))?;
    fs::rename(&partial, directory.join(SPEC))
}

fn words(interpreter: &Path, name: &str) -> Vec<String> {
    // The shell only sends the events to their file; nothing of a request is among its words.
    let events = format!("{GUEST_OUT}/{EVENTS}");
    let interpreter = interpreter.to_string_lossy();
    let program = ["/bin/sh", "-c", r#"exec "$@" >"$0""#, &events, &interpreter, "-s", "-m", "gristmill_ml", name];
    let places = ["--in", GUEST_IN, "--out", GUEST_OUT, "--wait"];
    program.into_iter().chain(places).map(str::to_owned).collect()
}

fn environment(limits: &SandboxLimits, with_packages: bool) -> BTreeMap<String, String> {
    // As in a kernel: a version that the project chose wins.
    let path = if with_packages { format!("{GUEST_PACKAGE}:{GUEST_LAYER_PATH}") } else { GUEST_PACKAGE.to_owned() };
    let threads = limits.cpu_percent.div_ceil(100).max(1).to_string();
    [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONPATH", &path),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONUNBUFFERED", "1"),
        ("TMPDIR", "/tmp"),
        ("OMP_NUM_THREADS", &threads),
        ("OPENBLAS_NUM_THREADS", &threads),
        ("LOKY_MAX_CPU_COUNT", &threads),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_no_part_of_the_command_line() {
        let all = words(Path::new("/opt/python"), "train");
        assert_eq!(all.last().map(String::as_str), Some("--wait"));
        assert!(all.iter().all(|word| !word.contains("spec")));
    }

    #[test]
    fn the_spec_comes_when_all_else_is_there() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let gone = (from.path().join("gone"), "train.parquet".to_owned());
        assert!(fill(to.path(), "{}", vec![gone]).is_err());
        assert!(!to.path().join(SPEC).exists(), "without its files it would begin and fail");
        fs::write(from.path().join("rows"), "rows").unwrap();
        let rows = (from.path().join("rows"), "train.parquet".to_owned());
        fill(to.path(), "{}", vec![rows.clone(), rows]).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("train.parquet")).unwrap(), "rows");
        assert_eq!(fs::read_to_string(to.path().join(SPEC)).unwrap(), "{}");
    }
}
