//! Building, starting, watching and stopping the server.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    docker,
    shell::{answers, cargo, run, seconds, target_dir},
};

/// How long a server may take from its start to its first healthy answer.
const READY_DEADLINE: Duration = Duration::from_secs(120);
/// How long a server may drain requests and stop its database.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// How many lines of the server's log a failure shows.
const LOG_LINES_SHOWN: usize = 40;

/// A profile of the root manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What tests, `demo` and `start` use: a new user waits for one build, and each command finds it done.
    Dev,
    /// What benchmarks use.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }

    /// The directory under the target directory.
    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// What [`build`] made.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The server.
    pub(crate) server: PathBuf,
    /// The example that was asked for.
    pub(crate) example: PathBuf,
}

/// Builds the server and one example of its package.
///
/// Always the whole workspace with an example: that turns on the features of all dev-dependencies, as the tests do,
/// so that both share every built crate. Otherwise cargo builds most of the tree a second time.
pub(crate) fn build(profile: Profile, example: &str) -> Result<Programs> {
    let mut command = cargo();
    command.args(["build", "--profile", profile.name(), "--workspace", "--bin", "gristmill", "--example", example]);
    if profile == Profile::Release {
        // What benchmarks measure on, and beside.
        command.args(["--example", "generate_csv", "--example", "bench_sql", "--example", "apply_million"]);
    }
    run(&mut command)?;
    let directory = target_dir()?.join(profile.directory());
    Ok(Programs { server: directory.join("gristmill"), example: directory.join("examples").join(example) })
}

/// Provisions what the server needs with these settings and the machine lacks. Does nothing when nothing is missing.
pub(crate) fn set_up(server: &Path, settings: &[(&str, String)]) -> Result<()> {
    run(docker::with(Command::new(server).arg("setup"), settings))
        .context("`gristmill doctor` says what is missing and how to mend it")
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server with a data directory of its own. Dropping it kills it; [`Running::stop`] is the gentle way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Starts a server with these settings on a data directory and a port of the loopback.
    pub(crate) fn start(server: &Path, data_dir: &Path, port: u16, settings: &[(&str, String)]) -> Result<Self> {
        fs::create_dir_all(data_dir)?;
        let log = data_dir.join("server.log");
        let file = File::create(&log)?;
        let mut command = bound_to_us(server);
        docker::with(&mut command, settings)
            .arg("serve")
            .env("GRISTMILL_DATA_DIR", data_dir)
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            // The person's own database is not for throwaway data.
            .env_remove("DATABASE_URL")
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file);
        let child = command.spawn().with_context(|| format!("cannot start {}", server.display()))?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), log })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the server says that it is healthy, with a line a second of waiting.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut next_line = Duration::from_secs(1);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}; the end of its log:\n{}", self.log_tail());
            }
            if is_healthy(self.address) {
                println!("    healthy at {} after {}", self.url(), seconds(start.elapsed()));
                return Ok(());
            }
            if start.elapsed() > READY_DEADLINE {
                bail!("the server is not healthy after {}; the end of its log:\n{}", seconds(READY_DEADLINE), self.log_tail());
            }
            if start.elapsed() > next_line {
                println!("    waiting for the server: {}", seconds(start.elapsed()));
                next_line += Duration::from_secs(1);
            }
            thread::sleep(POLL);
        }
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server ended with {status} when asked to stop; the end of its log:\n{}", self.log_tail());
            }
            thread::sleep(POLL);
        }
        bail!("the server did not stop within {}; the end of its log:\n{}", seconds(STOP_DEADLINE), self.log_tail());
    }

    /// The end of what the server wrote.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Its PostgreSQL is bound to it and stops by itself.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Whether the health route of a server answers 200.
pub(crate) fn is_healthy(address: SocketAddr) -> bool {
    health_status(address).is_ok_and(|status| status == "200")
}

fn health_status(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET /api/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut head = [0; 64];
    let length = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
    head.split(' ').nth(1).map(str::to_owned).context("that is not HTTP")
}

/// A command whose process the kernel stops (SIGTERM) when we are killed, where the machine has a way to ask for it.
fn bound_to_us(program: &Path) -> Command {
    if !answers("setpriv", &["--pdeathsig", "TERM", "true"]) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answering(reply: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /api/health HTTP/1.1\r\n"));
            stream.write_all(reply.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_a_200_is_healthy() {
        assert!(is_healthy(answering("HTTP/1.1 200 OK\r\n\r\n{}")));
        assert!(!is_healthy(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{}")));
        assert!(!is_healthy(answering("nonsense")));
        assert!(!is_healthy(SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()))));
    }

    #[test]
    fn a_server_that_dies_is_told_with_its_log() {
        let directory = std::env::temp_dir().join(format!("gristmill-xtask-test-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let program = directory.join("dies");
        fs::write(&program, "#!/bin/sh\necho the disk is on fire >&2\nexit 7\n").unwrap();
        run(Command::new("chmod").arg("+x").arg(&program)).unwrap();
        let mut running = Running::start(&program, &directory, free_port().unwrap(), &[]).unwrap();
        let error = running.wait_until_ready().unwrap_err().to_string();
        assert!(error.contains("exit status: 7") && error.contains("the disk is on fire"), "{error}");
        fs::remove_dir_all(&directory).unwrap();
    }
}
