//! One throwaway PostgreSQL for a whole run of tests.
//!
//! - `testdb start --until-exit-of PID` starts it in the background, writes `TEST_DATABASE_URL` for nextest (into the
//!   file that `NEXTEST_ENV` names; without it, onto the terminal) and returns. The cluster ends with that process.
//! - `testdb` alone starts it in the foreground, to look into the databases that failed tests keep.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the person and to nextest")]
#![expect(clippy::disallowed_methods, reason = "a test tool: the runner speaks to it through the environment")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, Write},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gristmill_testkit::pg::{URL_VARIABLE, start_cluster};
use secrecy::ExposeSecret;
use tokio::signal::unix::{SignalKind, signal};

/// How often the keeper looks whether the runner is still there.
const LOOK_EVERY: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["start", "--until-exit-of", runner] => start(runner),
        ["keep", runner] => keep(runner),
        [] => foreground(),
        _ => Err(anyhow::anyhow!("usage: testdb [start --until-exit-of PID]")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testdb: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the keeper and hands on the URL.
fn start(runner: &str) -> Result<()> {
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["keep", runner])
        .stdin(Stdio::null())
        // Pipes and not our own streams: nextest waits until everybody has closed those.
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for the runner, whose end the keeper sees.
        .process_group(0)
        .spawn()?;
    let mut url = String::new();
    BufReader::new(keeper.stdout.take().context("the keeper has no output")?).read_line(&mut url)?;
    if url.is_empty() {
        let mut errors = String::new();
        keeper.stderr.take().context("the keeper has no errors")?.read_to_string(&mut errors)?;
        bail!("no throwaway PostgreSQL: {}", errors.trim().trim_start_matches("testdb: "));
    }
    let setting = format!("{URL_VARIABLE}={}", url.trim());
    match std::env::var_os("NEXTEST_ENV") {
        Some(path) => writeln!(File::options().append(true).create(true).open(path)?, "{setting}")?,
        None => println!("{setting}"),
    }
    Ok(())
}

/// Runs the cluster until the runner ends.
fn keep(runner: &str) -> Result<()> {
    let runner: u32 = runner.parse().ok().with_context(|| format!("{runner} is not a process id"))?;
    // An open file belongs to this very process: another process that gets its id later is not taken for it.
    let runner = File::open(format!("/proc/{runner}/stat")).context("the process to wait for is gone")?;
    let cluster = start_cluster()?;
    println!("{}", cluster.url().expose_secret());
    wait_for_end(Some(&runner))
}

/// Runs the cluster until Ctrl-C.
fn foreground() -> Result<()> {
    let cluster = start_cluster()?;
    println!("# a throwaway PostgreSQL in {}, until Ctrl-C; in the shell that runs the tests:", cluster.directory().display());
    println!("export {URL_VARIABLE}='{}'", cluster.url().expose_secret());
    wait_for_end(None)
}

/// Waits for a signal, or for the end of the process that a file of /proc tells of.
fn wait_for_end(runner: Option<&File>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = tick.tick() => {}
            }
            if runner.is_some_and(has_ended) {
                return Ok(());
            }
        }
    })
}

/// Whether the process of an open `/proc/PID/stat` is gone, or only waits for its parent to notice.
fn has_ended(mut stat: &File) -> bool {
    let mut text = String::new();
    if stat.rewind().is_err() || stat.read_to_string(&mut text).is_err() {
        return true;
    }
    // The name before the state may itself have parentheses.
    let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}
