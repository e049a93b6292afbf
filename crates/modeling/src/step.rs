//! One command of `gristmill_ml` in a sandbox of its own.
//!
//! It sees `/in` (read only: its spec and the files that the server put there), `/out` (writable, empty) and the package.
//! Its events come through a file in `/out`, so that none is lost and nothing can hold the server up.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::sandbox::{Access, Exit, Mount, Sandbox, SandboxLimits, SandboxSpec};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{engine::Engine, error::ModelingError, package::GUEST_PACKAGE, results};

const GUEST_IN: &str = "/in";
const GUEST_OUT: &str = "/out";
const EVENTS: &str = "events.ndjson";
/// How often new events are looked for.
const POLL: Duration = Duration::from_millis(100);
/// How long a command may take to end by itself after it was told to; then its sandbox is ended.
const CANCEL_PATIENCE: Duration = Duration::from_millis(2500);
/// What a command may take over its own time limit before its sandbox is ended.
const TIME_PATIENCE: Duration = Duration::from_secs(20);
/// Longest line of events that is read; a longer one is passed over.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A command to be run.
pub(crate) struct Step<'a> {
    /// The command's name.
    pub(crate) command: &'static str,
    /// A directory of its own, which is made.
    pub(crate) directory: PathBuf,
    /// `spec.json`, without version and limits.
    pub(crate) spec: Value,
    /// Files for `/in`: where they are, and the name inside.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// Longest run.
    pub(crate) time: Duration,
    /// Most memory, bytes.
    pub(crate) memory_bytes: u64,
    /// Told of each event as it comes.
    pub(crate) on_event: &'a (dyn Fn(&Value) + Send + Sync),
}

/// A command that ended well.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its last event.
    pub(crate) event: Value,
    /// Where its results are.
    pub(crate) out: PathBuf,
}

/// What a sandbox said so far.
#[derive(Default)]
struct Said {
    read: u64,
    rest: Vec<u8>,
    last: Option<Value>,
    skipping: bool,
}

/// Runs a command to its end.
///
/// # Errors
/// Why there is no result.
///
/// # Cancel safety
/// Dropping the future ends the sandbox.
pub(crate) async fn run(engine: &Engine, step: Step<'_>, stop: &CancellationToken) -> Result<Done, ModelingError> {
    let (directory_in, directory_out) = (step.directory.join("in"), step.directory.join("out"));
    prepare(engine, &step, &directory_in, &directory_out).await?;
    let backend = engine.runtime.backend().await?;
    let python = backend.python(PythonVersion::default()).map_err(gristmill_runtime::RuntimeError::from)?;
    let package = engine.package().await?;
    let mount = |host: &Path, guest: &str, access| Mount { host: host.to_owned(), guest: guest.into(), access };
    let mut mounts = python.mounts;
    mounts.push(mount(&directory_in, GUEST_IN, Access::ReadOnly));
    mounts.push(mount(&directory_out, GUEST_OUT, Access::ReadWrite));
    mounts.push(mount(&package, GUEST_PACKAGE, Access::ReadOnly));
    let limits = SandboxLimits { memory_bytes: step.memory_bytes, ..engine.options.limits };
    let spec = SandboxSpec {
        id: format!("ml-{}-{}", step.command, Uuid::new_v4().simple()),
        command: command(&python.interpreter, step.command),
        environment: environment(&limits),
        directory: "/tmp".into(),
        mounts,
        limits,
    };
    let sandbox = backend.start(spec).await.map_err(gristmill_runtime::RuntimeError::from)?;
    let (exit, said) = watch(sandbox.as_ref(), &step, &directory_in, &directory_out, stop).await?;
    conclude(sandbox.as_ref(), &exit, said, directory_out, &step).await
}

async fn prepare(engine: &Engine, step: &Step<'_>, directory_in: &Path, directory_out: &Path) -> Result<(), ModelingError> {
    let mut spec = step.spec.clone();
    if let Some(spec) = spec.as_object_mut() {
        let megabytes = (step.memory_bytes / 1024 / 1024).max(128);
        let limits = serde_json::json!({ "timeSeconds": step.time.as_secs_f64(), "memoryMb": megabytes, "cpus": engine.cpus() });
        spec.insert("version".to_owned(), Value::from(1));
        spec.insert("limits".to_owned(), limits);
    }
    let (directory_in, directory_out) = (directory_in.to_owned(), directory_out.to_owned());
    let files = step.files.clone();
    let work = move || {
        for directory in [&directory_in, &directory_out] {
            fs::create_dir_all(directory)?;
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        }
        let write = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
            let path = directory_in.join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
        };
        write("spec.json", spec.to_string().as_bytes())?;
        let mut seen = HashSet::new();
        for (source, name) in files {
            if !seen.insert(name.clone()) {
                continue;
            }
            let target = directory_in.join(&name);
            // A second name costs nothing; across file systems it is copied.
            if fs::hard_link(&source, &target).is_err() {
                fs::copy(&source, &target)?;
            }
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644))?;
        }
        Ok(())
    };
    crate::engine::blocking("preparing a sandbox's files", work).await
}

fn command(interpreter: &Path, name: &str) -> Vec<String> {
    // The shell only sends the events to their file; nothing of the request is among its words.
    let events = format!("{GUEST_OUT}/{EVENTS}");
    let interpreter = interpreter.to_string_lossy();
    [
        "/bin/sh",
        "-c",
        r#"exec "$@" >"$0""#,
        &events,
        &interpreter,
        "-s",
        "-m",
        "gristmill_ml",
        name,
        "--in",
        GUEST_IN,
        "--out",
        GUEST_OUT,
    ]
    .map(str::to_owned)
    .to_vec()
}

fn environment(limits: &SandboxLimits) -> BTreeMap<String, String> {
    let threads = limits.cpu_percent.div_ceil(100).max(1).to_string();
    [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("PYTHONPATH", GUEST_PACKAGE),
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

/// Waits for the end, passing events on, and ends it when it is told to stop or overruns its time.
async fn watch(
    sandbox: &dyn Sandbox,
    step: &Step<'_>,
    directory_in: &Path,
    directory_out: &Path,
    stop: &CancellationToken,
) -> Result<(Exit, Said), ModelingError> {
    let mut said = Said::default();
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let overdue = Instant::now() + step.time + TIME_PATIENCE;
    let mut deadline = overdue;
    let mut stopping = false;
    let exit = loop {
        tokio::select! {
            biased;
            exit = sandbox.wait() => break exit,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                deadline = Instant::now() + CANCEL_PATIENCE;
                fs::write(directory_in.join("cancel"), "").map_err(ModelingError::io("stopping a sandbox"))?;
            }
            () = tokio::time::sleep_until(deadline) => {
                sandbox.kill().await;
                if !stopping {
                    let seconds = step.time.as_secs();
                    return Err(ModelingError::OutOfBudget(format!("it took longer than {seconds} seconds; give it fewer rows or more time")));
                }
                break Exit::Killed;
            }
            _ = ticks.tick() => said.read_more(directory_out, step.on_event),
        }
    };
    said.read_more(directory_out, step.on_event);
    if stopping && said.last.as_ref().is_none_or(|event| event["type"] != "done") {
        return Err(ModelingError::Stopped);
    }
    Ok((exit, said))
}

async fn conclude(sandbox: &dyn Sandbox, exit: &Exit, said: Said, out: PathBuf, step: &Step<'_>) -> Result<Done, ModelingError> {
    let last = said.last.unwrap_or(Value::Null);
    let kind = text(&last, "type");
    match (exit, kind.as_deref()) {
        (Exit::Code(0), Some("done")) => return Ok(Done { event: last, out }),
        (Exit::Code(2), Some("error")) => {
            return Err(ModelingError::Refused {
                code: text(&last, "code").unwrap_or_else(|| "invalid_request".to_owned()),
                message: text(&last, "message").unwrap_or_else(|| "the data cannot be used so".to_owned()),
                field: text(&last, "field"),
            });
        }
        (Exit::Code(3), _) => return Err(ModelingError::Stopped),
        (Exit::Code(4), Some("error")) => {
            return Err(ModelingError::OutOfBudget(
                text(&last, "message").unwrap_or_else(|| "the time or memory was used up".to_owned()),
            ));
        }
        (Exit::OutOfMemory, _) => {
            let megabytes = step.memory_bytes / 1024 / 1024;
            return Err(ModelingError::OutOfBudget(format!(
                "it needs more than {megabytes} MB of memory; give it fewer rows or columns, or raise the memory in the settings"
            )));
        }
        (Exit::OutOfDisk, _) => {
            return Err(ModelingError::OutOfBudget("it wrote more than a sandbox may; give it fewer rows or columns".to_owned()));
        }
        _ => {}
    }
    let log = sandbox.log_tail().await;
    tracing::warn!(step.command, ?exit, event = %last, log, "a command of gristmill_ml failed");
    let why = match exit {
        Exit::Signal(number) => format!("it was ended by signal {number}"),
        Exit::Killed => "it was ended".to_owned(),
        Exit::Code(_) => text(&last, "message")
            .or_else(|| log.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned))
            .unwrap_or_else(|| "it gave no reason".to_owned()),
        Exit::OutOfMemory | Exit::OutOfDisk => "it used more than it may".to_owned(),
    };
    Err(ModelingError::Died(why.chars().take(500).collect()))
}

fn text(event: &Value, key: &str) -> Option<String> {
    event[key].as_str().map(str::to_owned)
}

impl Said {
    /// Reads what was written since, and passes whole lines on. Bounded: a sandbox that writes without end runs into its
    /// disk limit.
    fn read_more(&mut self, out: &Path, on_event: &(dyn Fn(&Value) + Send + Sync)) {
        let Ok(mut file) = results::open(out, EVENTS, results::FILE_BYTES_MAX) else { return };
        if std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(self.read)).is_err() {
            return;
        }
        let mut buffer = vec![0; 1 << 16];
        loop {
            let Ok(count) = file.read(&mut buffer) else { return };
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return };
            self.read += u64::try_from(count).unwrap_or(0);
            for byte in bytes {
                self.byte(*byte, on_event);
            }
        }
    }

    fn byte(&mut self, byte: u8, on_event: &(dyn Fn(&Value) + Send + Sync)) {
        if byte == b'\n' {
            let line = std::mem::take(&mut self.rest);
            if !std::mem::take(&mut self.skipping) {
                self.line(&line, on_event);
            }
        } else if self.rest.len() < LINE_BYTES_MAX {
            self.rest.push(byte);
        } else {
            self.skipping = true;
        }
    }

    fn line(&mut self, line: &[u8], on_event: &(dyn Fn(&Value) + Send + Sync)) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else { return };
        on_event(&event);
        self.last = Some(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_are_read_once_and_whole() {
        let out = tempfile::tempdir().unwrap();
        let heard = Mutex::new(Vec::new());
        let on_event = |event: &Value| heard.lock().unwrap().push(event["n"].clone());
        let mut said = Said::default();
        said.read_more(out.path(), &on_event);
        let path = out.path().join(EVENTS);
        fs::write(&path, "{\"n\":1}\nnot json\n{\"n\"").unwrap();
        said.read_more(out.path(), &on_event);
        fs::write(&path, "{\"n\":1}\nnot json\n{\"n\":2}\n").unwrap();
        said.read_more(out.path(), &on_event);
        said.read_more(out.path(), &on_event);
        assert_eq!(*heard.lock().unwrap(), [Value::from(1), Value::from(2)]);
        assert_eq!(said.last.unwrap()["n"], 2);
    }

    #[test]
    fn the_request_is_no_part_of_the_command_line() {
        let words = command(Path::new("/opt/python"), "train");
        assert_eq!(words.last().map(String::as_str), Some("/out"));
        assert!(words.iter().all(|word| !word.contains("spec")));
    }
}
