//! A server process of the release build.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) started_in: Duration,
    data_dir: PathBuf,
    own_dir: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts the program that lies beside this one, on a directory of its own or the given one.
    pub(crate) fn start(data_dir: Option<&Path>) -> Result<Self> {
        // Kernels that get ready meanwhile would be measured too.
        Self::start_with(data_dir, &[("EXECUTION_POOL_SIZE", "0")])
    }

    /// As [`Self::start`], with these variables and the defaults otherwise.
    pub(crate) fn start_with(data_dir: Option<&Path>, variables: &[(&str, &str)]) -> Result<Self> {
        let own_dir = if data_dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let data_dir = data_dir.or(own_dir.as_ref().map(tempfile::TempDir::path)).context("a directory")?.to_owned();
        let program = std::env::current_exe()?.ancestors().nth(2).context("the target directory")?.join("gristmill");
        let began = Instant::now();
        let mut child = Command::new(program)
            .arg("serve")
            .env_remove("DATABASE_URL")
            .envs([("PORT", "0"), ("LOG_LEVEL", "warn"), ("LOGINS_PER_MINUTE", "1000000")])
            .env("GRISTMILL_DATA_DIR", &data_dir)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .context("build the program first: cargo build --release --bin gristmill")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let url = lines
            .find_map(|line| line.ok()?.strip_prefix("Gristmill listens on ").map(ToOwned::to_owned))
            .context("the server did not start")?;
        Ok(Self { child, url, started_in: began.elapsed(), data_dir, own_dir })
    }

    /// Stops it in order and keeps its directory.
    pub(crate) fn stop(mut self) -> Result<(PathBuf, Option<tempfile::TempDir>)> {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok((self.data_dir.clone(), self.own_dir.take()))
    }

    /// The one Parquet file in its store.
    pub(crate) fn parquet(&self) -> Result<PathBuf> {
        let mut open = vec![self.data_dir.join("store")];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path)?.flatten().map(|entry| entry.path()));
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                return Ok(path);
            }
        }
        anyhow::bail!("the server has stored no Parquet file")
    }

    /// A line of `/proc/PID/status`, in megabytes.
    pub(crate) fn memory_mb(&self, key: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
