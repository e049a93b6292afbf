//! Programs of others, unmodified, as people use them with our servers: `xtask/python/peers.lock`, beside the packages that
//! sandboxes have.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::environment;

use crate::support::sandbox_settings;

/// Where they are.
pub(crate) struct Peers {
    python: PathBuf,
    packages: PathBuf,
}

impl Peers {
    /// Finds them; they are installed when they are missing. A machine that cannot do so fails the test.
    fn find() -> Self {
        let cache = sandbox_settings().into_iter().find(|(name, _)| name == "XDG_CACHE_HOME").map(|(_, path)| path);
        let found = environment::locate(&Path::new(&cache.unwrap()).join("gristmill"), PythonVersion::default());
        let python = found.unwrap_or_else(|error| panic!("{error}; run `cargo xtask test` once")).interpreter();
        let output = installer().arg("peers").arg(&python).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "without these programs nothing can be tried; `cargo xtask peers` said:\n{errors}");
        let told = String::from_utf8(output.stdout).unwrap();
        Self { python, packages: PathBuf::from(told.trim().lines().last().unwrap()) }
    }

    /// Runs a script with them.
    pub(crate) async fn run(script: &str, variables: &[(&str, &str)]) -> Output {
        let (script, variables) =
            (script.to_owned(), variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let variables: Vec<(String, String)> = variables.collect();
        let ended = tokio::task::spawn_blocking(move || {
            let peers = Self::find();
            // From elsewhere: Python would import what lies in the directory of the test.
            let mut command = command(&peers.python);
            command.arg(script).envs(variables).env("PYTHONPATH", &peers.packages).current_dir(std::env::temp_dir());
            command.output().unwrap()
        });
        ended.await.unwrap()
    }
}

/// `cargo xtask`, as it was built last where it is there: through cargo this would wait for whoever builds into the same
/// directory, and that can take minutes.
fn installer() -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).map(|profile| profile.join("xtask")).filter(|program| program.exists());
    let Some(program) = built else {
        let mut cargo = command(Path::new(env!("CARGO")));
        cargo.args(["--quiet", "xtask"]);
        return cargo;
    };
    let mut built = command(&program);
    // Of this checkout, should others share the directory.
    built.env("CARGO_MANIFEST_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/../../xtask"));
    built
}

#[expect(clippy::disallowed_methods, reason = "the test runs another program")]
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // One thread each: other tests run beside this one.
    command.envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]);
    for name in ["VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"] {
        command.env_remove(name);
    }
    command
}
