//! `pg_dump` and `pg_restore`: found, and run against any database. A password goes to them in their environment, which
//! only their own user can read; never on a command line.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::{Host, SslMode};

use super::{binaries::candidates, launcher::Launcher};

/// How many lines of what a program said go into an error.
const SAID_LINES_MAX: usize = 6;
const SAID_CHARS_MAX: usize = 1000;

/// Why a database was not dumped or restored.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// There are none that can read this server.
    #[error(
        "the database is PostgreSQL {server}, and pg_dump and pg_restore of version {server} or later are needed ({found}); \
         install the package `postgresql-client-{server}`"
    )]
    ProgramsMissing {
        /// Major version of the server.
        server: u32,
        /// What was found instead.
        found: String,
    },
    /// The URL of the database cannot be read.
    #[error("DATABASE_URL is not a connection URL of PostgreSQL")]
    Url(#[source] tokio_postgres::Error),
    /// A program could not be started.
    #[error("{program} could not be started")]
    Start {
        /// Which.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The end of what it said.
        said: String,
    },
}

/// A directory with `pg_dump` and `pg_restore` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPrograms {
    directory: PathBuf,
    major: u32,
}

impl ClientPrograms {
    /// Finds the programs for a server of this major version where [`super::find_binaries`] looks, in its order: of the same
    /// version if there are some, else of the next later one. Earlier ones cannot read the server.
    ///
    /// # Errors
    /// `ProgramsMissing`.
    pub fn find(preferred: &[PathBuf], search_path: &str, server: u32) -> Result<Self, DumpError> {
        let mut found: Vec<Self> =
            candidates(preferred, search_path).iter().filter_map(|directory| Self::in_directory(directory)).collect();
        // A stable sort: of one version, the first that was found.
        found.sort_by_key(|programs| programs.major);
        let versions: Vec<String> = found.iter().map(|programs| programs.major.to_string()).collect();
        found.into_iter().find(|programs| programs.major >= server).ok_or_else(|| DumpError::ProgramsMissing {
            server,
            found: if versions.is_empty() { "none were found".to_owned() } else { format!("found: {}", versions.join(", ")) },
        })
    }

    fn in_directory(directory: &Path) -> Option<Self> {
        if !directory.join("pg_restore").exists() {
            return None;
        }
        #[expect(clippy::disallowed_methods, reason = "this module belongs to persistence::cluster")]
        let output = Command::new(directory.join("pg_dump")).arg("--version").stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        // `pg_dump (PostgreSQL) 15.18 (Debian …)`
        let version = text.split_whitespace().nth(2)?;
        Some(Self { directory: directory.to_owned(), major: version.split('.').next()?.parse().ok()? })
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Dumps a database as a snapshot sees it that another session has exported. Blocks.
    ///
    /// # Errors
    /// `Url`, `Start`, `Failed`.
    pub fn dump(&self, url: &SecretString, snapshot: &str, to: &Path) -> Result<(), DumpError> {
        let mut command = self.command("pg_dump");
        connect_to(&mut command, url)?;
        command.args(["--format=custom", "--no-owner", "--no-privileges", "--no-password"]);
        command.arg(format!("--snapshot={snapshot}")).arg("--file").arg(to);
        run("pg_dump", &mut command)
    }

    /// Restores a dump into an empty database: all of it, or nothing. Blocks.
    ///
    /// # Errors
    /// `Url`, `Start`, `Failed`.
    pub fn restore(&self, url: &SecretString, from: &Path) -> Result<(), DumpError> {
        let mut command = self.command("pg_restore");
        let database = connect_to(&mut command, url)?;
        command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"]);
        // As a connection string: a plain name may be taken for one.
        let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
        command.arg(format!("--dbname=dbname='{quoted}'")).arg(from);
        run("pg_restore", &mut command)
    }

    fn command(&self, program: &str) -> Command {
        // A dump does not outlive who asked for it.
        Launcher::Direct.command_bound_to_parent(&self.directory.join(program))
    }
}

/// Tells a program how to reach the database, and returns the database's name.
fn connect_to(command: &mut Command, url: &SecretString) -> Result<String, DumpError> {
    let config: tokio_postgres::Config = url.expose_secret().parse().map_err(DumpError::Url)?;
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
    let user = config.get_user().unwrap_or_default().to_owned();
    let database = config.get_dbname().unwrap_or(&user).to_owned();
    // What the person's own environment says of PostgreSQL is about other databases.
    for name in ["PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGOPTIONS", "PGPASSWORD", "PGPORT"] {
        command.env_remove(name);
    }
    command.env("PGHOST", hosts.join(",")).env("PGUSER", user).env("PGDATABASE", &database);
    command.env("PGAPPNAME", "gristmill").env("PGCONNECT_TIMEOUT", "10");
    if !ports.is_empty() {
        command.env("PGPORT", ports.join(","));
    }
    if let Some(options) = config.get_options() {
        command.env("PGOPTIONS", options);
    }
    if let Some(password) = config.get_password() {
        use std::os::unix::ffi::OsStrExt;
        command.env("PGPASSWORD", std::ffi::OsStr::from_bytes(password));
    }
    command.env(
        "PGSSLMODE",
        match config.get_ssl_mode() {
            SslMode::Disable => "disable",
            SslMode::Require => "require",
            _ => "prefer",
        },
    );
    Ok(database)
}

fn run(program: &'static str, command: &mut Command) -> Result<(), DumpError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| DumpError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(SAID_LINES_MAX).collect();
    let said: String = lines.join(" | ").chars().take(SAID_CHARS_MAX).collect();
    let said = if said.is_empty() { format!("it ended with {}", output.status) } else { said };
    Err(DumpError::Failed { program, said })
}
