//! The container engine of this machine, for the half of the tests that needs one.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// What people have, and what `docker/runtime/ci-engine.sh` makes where no registry answers.
const BASE_IMAGES: [&str; 2] = ["python:3.11-slim", "gristmill-base:bookworm"];
/// `required`: the half must run; `off`: it is left out; nothing: it runs where an engine answers.
const WISH: &str = "GRISTMILL_TEST_DOCKER";
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the half of the tests that needs an engine is to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It is, or the run fails.
    Required,
    /// Where an engine answers.
    IfThere,
    /// It is not.
    Off,
}

/// What the environment says.
pub(crate) fn wish() -> Result<Wish> {
    let text = std::env::var(WISH).unwrap_or_default();
    match text.as_str() {
        "required" => Ok(Wish::Required),
        "off" => Ok(Wish::Off),
        "" => Ok(Wish::IfThere),
        other => bail!("{WISH} is `{other}`, and can be `required` or `off`"),
    }
}

/// An engine that answers.
#[derive(Debug)]
pub(crate) struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine of `DOCKER_HOST`, or of the usual socket.
    pub(crate) fn find() -> Result<Self> {
        let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let Some(socket) = address.strip_prefix("unix://") else {
            bail!("DOCKER_HOST is {address}, and sandboxes need an engine of this machine (unix://…)");
        };
        Self::at(Path::new(socket))
    }

    fn at(socket: &Path) -> Result<Self> {
        let engine = Self { socket: socket.to_owned() };
        let answer = engine.get("/_ping").with_context(|| format!("no container engine answers at {}", socket.display()))?;
        if answer != "200" {
            bail!("what answers at {} is no container engine", socket.display());
        }
        Ok(engine)
    }

    /// The status of an answer.
    fn get(&self, path: &str) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
        let mut head = [0; 64];
        let length = stream.read(&mut head)?;
        let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
        head.split(' ').nth(1).map(str::to_owned).context("that is not HTTP")
    }

    /// The settings with which server and tests find the same image.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("RUNTIME_BACKEND", "docker".to_owned())];
        if std::env::var_os("DOCKER_BASE_IMAGE").is_none() {
            let there = |image: &str| self.get(&format!("/images/{image}/json")).is_ok_and(|status| status == "200");
            // None is there: the first may be fetched.
            let base = BASE_IMAGES.into_iter().find(|image| there(image)).or(BASE_IMAGES.into_iter().next());
            settings.extend(base.map(|base| ("DOCKER_BASE_IMAGE", base.to_owned())));
        }
        settings
    }
}

/// Adds settings to a command.
pub(crate) fn with<'command>(command: &'command mut Command, settings: &[(&str, String)]) -> &'command mut Command {
    command.envs(settings.iter().map(|(name, value)| (name, value)))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use super::*;

    /// An engine that has these images.
    fn engine(name: &str, has: &'static [&'static str]) -> (PathBuf, PathBuf) {
        let directory = std::env::temp_dir().join(format!("gristmill-xtask-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let socket = directory.join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 256];
                let length = stream.read(&mut request).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap();
                let found = path == "/_ping" || has.iter().any(|image| path == format!("/images/{image}/json"));
                let status = if found { "200 OK" } else { "404 Not Found" };
                stream.write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes()).unwrap();
            }
        });
        (socket, directory)
    }

    #[test]
    fn builds_from_the_base_image_that_is_there() {
        for (name, has, expected) in [
            ("slim", &["python:3.11-slim", "gristmill-base:bookworm"][..], "python:3.11-slim"),
            ("own", &["gristmill-base:bookworm"][..], "gristmill-base:bookworm"),
            ("none", &[][..], "python:3.11-slim"),
        ] {
            let (socket, directory) = engine(name, has);
            let settings = Engine::at(&socket).unwrap().settings();
            assert!(settings.contains(&("RUNTIME_BACKEND", "docker".to_owned())));
            if std::env::var_os("DOCKER_BASE_IMAGE").is_none() {
                assert!(settings.contains(&("DOCKER_BASE_IMAGE", expected.to_owned())), "{name}: {settings:?}");
            }
            std::fs::remove_dir_all(directory).unwrap();
        }
    }

    #[test]
    fn says_that_nothing_answers() {
        let error = format!("{:#}", Engine::at(Path::new("/nowhere/docker.sock")).unwrap_err());
        assert!(error.contains("no container engine answers at /nowhere/docker.sock"), "{error}");
    }
}
