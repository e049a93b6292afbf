//! Reading hostile files in a process of their own: what the process does ([`serve`]) and what its parent makes of its output
//! ([`collect`]). Who starts it, and with which limit of time, is the server's business.
//!
//! The process gets the file on standard input and answers on standard output, one JSON value a line, as soon as it finds
//! something: what was found before it ran out of memory or time is kept. Before it reads a byte it gives up what a parser
//! does not need: it can open no file and no socket, start no process, and take only so much memory and CPU time.

use std::{
    io::{BufWriter, Read, Write},
    panic,
};

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use serde::{Deserialize, Serialize};

use crate::parse::{Event, ParseLimits, ParsedDocument, parse_into};

/// Stack of the parser: some formats nest.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How much the process gives way to others.
const NICE: i32 = 10;

/// What one reading may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    /// Display name of the file; decides between kinds of text.
    pub filename: String,
    /// Pages that are read.
    pub pages_max: u32,
    /// Bytes of text that are kept.
    pub text_bytes_max: usize,
    /// Memory beyond what the program takes by itself, bytes.
    pub memory_bytes_max: u64,
    /// CPU time, seconds.
    pub cpu_seconds_max: u64,
}

/// The last line: nothing is missing before it.
const END: &str = "end";

/// Runs the process: limits itself, reads standard input, and writes what it finds to standard output.
///
/// # Errors
/// When a limit cannot be set, or input or output fails. Nothing was parsed without limits.
pub fn serve(limits: &WorkerLimits) -> std::io::Result<()> {
    confine(limits)?;
    // What the parser's library panics about is told in the answer.
    panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || answer(limits))?;
        parser.join().unwrap_or_else(|_| Err(std::io::Error::other("the parser panicked")))
    })
}

fn answer(limits: &WorkerLimits) -> std::io::Result<()> {
    // A thread is running now; no other may start.
    limit(Resource::Nproc, 0)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let mut output = BufWriter::with_capacity(256 * 1024, std::io::stdout().lock());
    let mut failed = None;
    let parse_limits = ParseLimits { pages_max: limits.pages_max, text_bytes_max: limits.text_bytes_max };
    parse_into(&bytes, &limits.filename, &parse_limits, &mut |event| {
        if failed.is_none() {
            failed = write_line(&mut output, &event).err();
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    write_line(&mut output, &END)?;
    output.flush()
}

fn write_line(output: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *output, value)?;
    output.write_all(b"\n")?;
    Ok(())
}

/// Gives up what parsing does not need.
fn confine(limits: &WorkerLimits) -> std::io::Result<()> {
    // Read while files can still be opened. The parser's stack comes on top of it.
    let own = address_space()?.saturating_add(u64::try_from(STACK_BYTES).unwrap_or(u64::MAX));
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    // Standard input and output are open; nothing else can be opened from here on.
    limit(Resource::Nofile, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, limits.cpu_seconds_max)?;
    limit(Resource::As, own.saturating_add(limits.memory_bytes_max))?;
    // Requests go first.
    rustix::process::nice(NICE).ok();
    Ok(())
}

/// What the program itself takes of the address space, bytes: its code counts too.
fn address_space() -> std::io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| std::io::Error::other("/proc/self/statm has no size"))?;
    Ok(pages.saturating_mul(u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX)))
}

fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// How the process ended, as its parent saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerEnd {
    /// By itself.
    Exited,
    /// By a signal: it took too much memory, or a parser's defect.
    Died,
    /// It was killed for taking too long.
    TimedOut,
    /// It was killed for writing too much.
    WroteTooMuch,
}

/// Reads the process's output. Whatever it is, there is a document: what is missing is told in its warning.
#[must_use]
pub fn collect(output: &[u8], end: WorkerEnd) -> ParsedDocument {
    let mut document = ParsedDocument::default();
    let mut whole = false;
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        // A line that was cut is not one.
        let Some(line) = line.strip_suffix(b"\n") else { break };
        if line == b"\"end\"" {
            whole = true;
            break;
        }
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => document.add(event),
            Err(error) => {
                tracing::error!(%error, "the document parser wrote something unreadable");
                break;
            }
        }
    }
    if !whole {
        let why = match end {
            WorkerEnd::TimedOut => "took too long",
            WorkerEnd::WroteTooMuch => "has too much text",
            WorkerEnd::Died | WorkerEnd::Exited => "needs too much memory, or is damaged",
        };
        let what = if document.blocks.is_empty() { "it could not be read" } else { "only a part of it was read" };
        document.warn(&format!("The document {why}; {what}"));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_end_is_kept_and_the_rest_is_told() {
        let line = "{\"format\":\"pdf\"}\n{\"pages\":3}\n{\"block\":{\"kind\":\"paragraph\",\"page\":1,\"text\":\"One.\"}}\n";
        let whole = collect(format!("{line}\"end\"\n").as_bytes(), WorkerEnd::Exited);
        assert_eq!((whole.page_count, whole.blocks.len(), whole.warning), (Some(3), 1, None));
        for (cut, end, part) in [
            (line.to_owned(), WorkerEnd::TimedOut, "took too long; only a part"),
            (format!("{line}{{\"block\":{{\"kind\":\"par"), WorkerEnd::Died, "memory, or is damaged; only a part"),
            (String::new(), WorkerEnd::Died, "it could not be read"),
            ("not json\n".to_owned(), WorkerEnd::Exited, "it could not be read"),
        ] {
            let document = collect(cut.as_bytes(), end);
            assert!(document.warning.as_deref().is_some_and(|warning| warning.contains(part)), "{document:?}");
        }
    }
}
