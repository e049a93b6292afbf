//! Making the locked environment.
//!
//! A virtual environment cannot be moved, so it is made where it will stay, under a lock, and counts only once its
//! marker is written: what a cut-off provisioning leaves is removed by the next.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gristmill_domain::execution::PythonVersion;
use rustix::fs::{FlockOperation, flock};

use super::{EnvironmentError, LOCK, MARKER, Marker, PythonEnvironment, directory, interpreter, locate};
use crate::packages::IndexSettings;

/// The installer, for machines that have none.
const UV_LOCK: &str = include_str!("../../python/environment/uv.lock");
/// How much of what a failed installer said is kept.
const LINES_KEPT: usize = 12;

/// Where to provision, and from what.
#[derive(Debug, Clone)]
pub struct ProvisionOptions {
    /// The per-user cache.
    pub cache_dir: PathBuf,
    /// Directories to look for `python3.11`, `uv` and the like, as in `PATH`.
    pub search_path: String,
}

/// Makes the environment of a version, or finds it made. Processes that do so at once wait for each other.
///
/// `progress` is told each step in a line, and what the installer says.
///
/// # Errors
/// `NoInterpreter`, `Install`, `Cache`. Nothing that looks complete is left behind.
pub fn provision(
    options: &ProvisionOptions,
    version: PythonVersion,
    progress: &mut dyn FnMut(&str),
) -> Result<PythonEnvironment, EnvironmentError> {
    if let Ok(found) = locate(&options.cache_dir, version) {
        return Ok(found);
    }
    let root = directory(&options.cache_dir, version);
    let parent = options.cache_dir.join("python");
    fs::create_dir_all(&parent).map_err(cache("making the cache directory"))?;
    let _lock = lock(&parent.join(format!(".{}.lock", version.as_str())), progress)?;
    // Somebody else may have made it while we waited.
    if let Ok(found) = locate(&options.cache_dir, version) {
        return Ok(found);
    }
    let Some(base) = interpreter::find(&options.search_path, version) else {
        return Err(EnvironmentError::NoInterpreter { version });
    };
    if root.exists() {
        progress("removing what an earlier set-up left incomplete");
        fs::remove_dir_all(&root).map_err(cache("removing an incomplete Python environment"))?;
    }
    progress(&format!("making the Python {} environment from {}", version.as_str(), base.executable.display()));
    let settings = IndexSettings::of_this_machine(&base.executable);
    let uv = find_uv(options, &base.executable, progress);
    create(&base.executable, &root, uv.as_deref(), progress)?;
    install(&root, uv.as_deref(), &settings, progress)?;
    open_to_sandboxes(&root).map_err(cache("setting the modes of the Python environment"))?;
    let marker = serde_json::to_vec(&Marker { base: base.prefixes })
        .map_err(|error| EnvironmentError::Cache { doing: "writing the marker", source: error.into() })?;
    write_atomically(&root.join(MARKER), &marker).map_err(cache("writing the marker"))?;
    locate(&options.cache_dir, version)
}

/// Takes the lock that lets one process at a time provision. It ends with the process.
pub(super) fn lock(path: &Path, progress: &mut dyn FnMut(&str)) -> Result<File, EnvironmentError> {
    let file = File::create(path).map_err(cache("opening the provisioning lock"))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress("waiting for another process that provisions the same environment");
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| EnvironmentError::Cache { doing: "taking the provisioning lock", source: error.into() })?;
    }
    Ok(file)
}

/// The uv of this machine, else one fetched into the cache; none where that fails, for pip can do its work.
pub(super) fn find_uv(options: &ProvisionOptions, python: &Path, progress: &mut dyn FnMut(&str)) -> Option<PathBuf> {
    let on_path = std::env::split_paths(&options.search_path).map(|directory| directory.join("uv")).find(|uv| uv.is_file());
    if on_path.is_some() {
        return on_path;
    }
    let target = options.cache_dir.join("uv").join(super::short_hash(UV_LOCK));
    let program = target.join("bin/uv");
    if program.is_file() {
        return Some(program);
    }
    progress("fetching the installer uv");
    match fetch_uv(&target, python, progress) {
        Ok(()) => Some(program),
        Err(error) => {
            progress(&format!("uv cannot be fetched ({error}): pip does it, more slowly"));
            None
        }
    }
}

fn fetch_uv(target: &Path, python: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), EnvironmentError> {
    let parent = target.parent().unwrap_or(target);
    fs::create_dir_all(parent).map_err(cache("making the cache directory"))?;
    let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(parent).map_err(cache("making a work directory"))?;
    let lock = work.path().join("uv.lock");
    fs::write(&lock, UV_LOCK).map_err(cache("writing the lock"))?;
    let staged = work.path().join("uv");
    let mut command = program(python);
    command.args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes", "--target"]).arg(&staged);
    run(command.arg("--requirement").arg(&lock), "fetching uv", progress)?;
    match fs::rename(&staged, target) {
        // Somebody else was faster: theirs is the same.
        Err(_) if target.join("bin/uv").is_file() => Ok(()),
        result => result.map_err(cache("filling the cache")),
    }
}

fn create(python: &Path, root: &Path, uv: Option<&Path>, progress: &mut dyn FnMut(&str)) -> Result<(), EnvironmentError> {
    let mut command = match uv {
        Some(uv) => {
            let mut command = program(uv);
            command.args(["venv", "--no-project", "--no-python-downloads", "--python"]).arg(python);
            command
        }
        None => {
            let mut command = program(python);
            command.args(["-I", "-m", "venv"]);
            command
        }
    };
    run(command.arg(root), "making the virtual environment", progress)
}

fn install(
    root: &Path,
    uv: Option<&Path>,
    settings: &IndexSettings,
    progress: &mut dyn FnMut(&str),
) -> Result<(), EnvironmentError> {
    let python = root.join("bin/python");
    let lock = root.join("requirements.lock");
    fs::write(&lock, LOCK).map_err(cache("writing the lock"))?;
    progress("installing the locked packages (about 350 MB to fetch where they are not cached)");
    if let Some(uv) = uv {
        let mut command = program(uv);
        command.args(["pip", "install", "--no-config", "--no-build", "--require-hashes", "--compile-bytecode"]);
        // uv does not read pip's configuration: a machine whose pip uses a mirror means it for us too.
        if let Some(index) = &settings.index_url {
            command.arg("--default-index").arg(index);
        }
        command.arg("--python").arg(&python).arg("--requirement").arg(&lock);
        match run(&mut command, "installing the locked packages", progress) {
            Ok(()) => return Ok(()),
            Err(error) => progress(&format!("uv cannot do it ({error}): trying pip")),
        }
        run(program(&python).args(["-I", "-m", "ensurepip"]), "installing pip", progress)?;
    }
    let mut command = program(&python);
    command.args(["-m", "pip", "install", "--only-binary=:all:", "--require-hashes", "--progress-bar=off"]);
    run(command.arg("--requirement").arg(&lock), "installing the locked packages", progress)
}

/// A sandbox's user must be able to read everything, whatever the umask of whoever provisioned it.
pub(super) fn open_to_sandboxes(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_to_sandboxes(&entry.path())?;
        } else if kind.is_file() {
            open_up(&entry.path(), 0o444)?;
        }
    }
    open_up(directory, 0o555)
}

fn open_up(path: &Path, bits: u32) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    // What the owner may run, everybody may.
    let wanted = mode | bits | if mode & 0o100 == 0 { 0 } else { 0o111 };
    if wanted == mode { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(wanted)) }
}

/// Writes a file that is either whole or not there.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::other("a file without a directory"))?;
    let mut staged = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o644)).tempfile_in(parent)?;
    io::Write::write_all(&mut staged, content)?;
    staged.persist(path)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "set-up calls the machine's Python and installer")]
pub(super) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    // An activated environment or a module path of the caller would leak into ours.
    for name in ["VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"] {
        command.env_remove(name);
    }
    command
}

/// Runs a program to its end, telling its lines.
pub(super) fn run(command: &mut Command, doing: &'static str, progress: &mut dyn FnMut(&str)) -> Result<(), EnvironmentError> {
    let failed = |reason: String| EnvironmentError::Install { doing, reason };
    let (reader, writer) = io::pipe().map_err(cache("making a pipe"))?;
    let errors = writer.try_clone().map_err(cache("making a pipe"))?;
    command.stdin(Stdio::null()).stdout(writer).stderr(errors);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    // The command keeps the pipe's other end until it is told otherwise: reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.map_err(cache("reading what the installer says"))?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if line.is_empty() {
            continue;
        }
        progress(&line);
        last.push_back(line);
        if last.len() > LINES_KEPT {
            last.pop_front();
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(last.make_contiguous().join("\n"))) }
}

pub(super) fn cache(doing: &'static str) -> impl FnOnce(io::Error) -> EnvironmentError {
    move |source| EnvironmentError::Cache { doing, source }
}
