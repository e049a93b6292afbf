//! One command of `gristmill_ml` in a sandbox of its own: its files go in, its events and its end come out.
//!
//! It sees `/in` (read only: its spec and the files that the server put there), `/out` (writable, empty at first) and the
//! package. How the sandbox starts is in [`crate::worker`].

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use gristmill_runtime::{
    packages::FrozenLayer,
    sandbox::{Exit, Sandbox},
};
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::Engine,
    error::ModelingError,
    results,
    worker::{EVENTS, Worker},
};

/// How often new events are looked for.
const POLL: Duration = Duration::from_millis(10);
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

/// A command that ended well. Its results go with it.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its last event.
    pub(crate) event: Value,
    worker: Worker,
}

impl Done {
    /// Where its results are.
    pub(crate) fn out(&self) -> PathBuf {
        self.worker.places.output()
    }
}

/// What a sandbox said so far.
#[derive(Default)]
struct Said {
    read: u64,
    rest: Vec<u8>,
    last: Option<Value>,
    skipping: bool,
}

/// Runs a command to its end, in a sandbox whose files are below `directory`.
///
/// # Errors
/// Why there is no result.
///
/// # Cancel safety
/// Dropping the future ends the sandbox.
pub(crate) async fn run(
    engine: &Engine,
    directory: &Path,
    step: Step<'_>,
    stop: &CancellationToken,
) -> Result<Done, ModelingError> {
    run_with(engine, directory, None, step, stop).await
}

/// As [`run`], in a sandbox that sees packages of a project's: for a command that loads a model which was made with them.
/// Nothing else may see them, they are code of anybody's.
pub(crate) async fn run_with(
    engine: &Engine,
    directory: &Path,
    packages: Option<&FrozenLayer>,
    step: Step<'_>,
    stop: &CancellationToken,
) -> Result<Done, ModelingError> {
    let worker = Worker::start(&engine.starter, step.command, step.memory_bytes, directory, packages).await?;
    let event = run_in(engine, &worker, step, stop).await?;
    worker.ended().await;
    Ok(Done { event, worker })
}

/// As [`run`], in a sandbox that waits for this command; returns its last event. The results are all there then; what is
/// left of the sandbox ends by itself.
pub(crate) async fn run_in(
    engine: &Engine,
    worker: &Worker,
    step: Step<'_>,
    stop: &CancellationToken,
) -> Result<Value, ModelingError> {
    let mut spec = step.spec.clone();
    if let Some(spec) = spec.as_object_mut() {
        let megabytes = (step.memory_bytes / 1024 / 1024).max(128);
        let limits = serde_json::json!({ "timeSeconds": step.time.as_secs_f64(), "memoryMb": megabytes, "cpus": engine.cpus() });
        spec.insert("version".to_owned(), Value::from(1));
        spec.insert("limits".to_owned(), limits);
    }
    worker.give(&spec, step.files.clone()).await?;
    let (exit, said) = watch(worker, &step, stop).await?;
    match (exit, said.last) {
        (None, Some(event)) => Ok(event),
        (exit, last) => conclude(worker.sandbox.as_ref(), &exit.unwrap_or(Exit::Killed), last, &step).await,
    }
}

/// Waits until it is done (none) or has ended, passing events on, and ends it when it is told to stop or overruns its time.
async fn watch(worker: &Worker, step: &Step<'_>, stop: &CancellationToken) -> Result<(Option<Exit>, Said), ModelingError> {
    let (sandbox, out) = (worker.sandbox.as_ref(), worker.places.output());
    let mut said = Said::default();
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let overdue = Instant::now() + step.time + TIME_PATIENCE;
    let mut deadline = overdue;
    let mut stopping = false;
    let exit = loop {
        tokio::select! {
            biased;
            exit = sandbox.wait() => break Some(exit),
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                deadline = Instant::now() + CANCEL_PATIENCE;
                fs::write(worker.places.input().join("cancel"), "").map_err(ModelingError::io("stopping a sandbox"))?;
            }
            () = tokio::time::sleep_until(deadline) => {
                sandbox.kill().await;
                if !stopping {
                    let seconds = step.time.as_secs();
                    return Err(ModelingError::OutOfBudget(format!("it took longer than {seconds} seconds; give it fewer rows or more time")));
                }
                break Some(Exit::Killed);
            }
            _ = ticks.tick() => {
                said.read_more(&out, step.on_event);
                if said.is_done() {
                    break None;
                }
            }
        }
    };
    said.read_more(&out, step.on_event);
    if stopping && !said.is_done() {
        return Err(ModelingError::Stopped);
    }
    Ok((exit, said))
}

async fn conclude(sandbox: &dyn Sandbox, exit: &Exit, last: Option<Value>, step: &Step<'_>) -> Result<Value, ModelingError> {
    let last = last.unwrap_or(Value::Null);
    let kind = text(&last, "type");
    match (exit, kind.as_deref()) {
        (Exit::Code(0), Some("done")) => return Ok(last),
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
    /// Whether the command said that its results are there: it says nothing after that.
    fn is_done(&self) -> bool {
        self.last.as_ref().is_some_and(|event| event["type"] == "done")
    }

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
}
