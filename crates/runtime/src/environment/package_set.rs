//! Locked packages beside the environment, for one program: in a directory of their own, which its sandbox mounts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gristmill_domain::execution::PythonVersion;

use super::{
    EnvironmentError, ProvisionOptions, interpreter,
    provision::{cache, find_uv, lock, open_to_sandboxes, program, run},
    short_hash,
};
use crate::packages::IndexSettings;

/// Packages that one program needs beside the locked environment. What they import of it, they find there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageSet {
    /// Names it in paths and in what is told: lower-case letters and dashes.
    pub name: &'static str,
    /// The packages with versions and hashes, as pip reads them. All of them: what they require is not added. They must be
    /// wheels that work with every supported Python.
    pub lock: &'static str,
}

impl PackageSet {
    /// Where it belongs: `<cache>/packages/<name>-<hash of the lock>`.
    #[must_use]
    pub fn directory(&self, cache_dir: &Path) -> PathBuf {
        cache_dir.join("packages").join(format!("{}-{}", self.name, short_hash(self.lock)))
    }

    /// Finds it provisioned. `PYTHONPATH` names what is returned.
    #[must_use]
    pub fn locate(&self, cache_dir: &Path) -> Option<PathBuf> {
        // It comes into its place as a whole.
        Some(self.directory(cache_dir)).filter(|directory| directory.is_dir())
    }

    /// Installs it, or finds it installed. Processes that do so at once wait for each other. Blocks.
    ///
    /// `progress` is told each step in a line, and what the installer says.
    ///
    /// # Errors
    /// `NoInterpreter`, `Install`, `Cache`. Nothing that looks complete is left behind.
    pub fn provision(&self, options: &ProvisionOptions, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, EnvironmentError> {
        if let Some(found) = self.locate(&options.cache_dir) {
            return Ok(found);
        }
        let target = self.directory(&options.cache_dir);
        let parent = options.cache_dir.join("packages");
        fs::create_dir_all(&parent).map_err(cache("making the cache directory"))?;
        let _lock = lock(&parent.join(format!(".{}.lock", self.name)), progress)?;
        // Somebody else may have made it while we waited.
        if let Some(found) = self.locate(&options.cache_dir) {
            return Ok(found);
        }
        let mut versions = [PythonVersion::default()].into_iter().chain(PythonVersion::ALL);
        let Some(python) = versions.find_map(|version| interpreter::find(&options.search_path, version)) else {
            return Err(EnvironmentError::NoInterpreter { version: PythonVersion::default() });
        };
        let work = tempfile::Builder::new().prefix("fetch-").tempdir_in(&parent).map_err(cache("making a work directory"))?;
        let staged = work.path().join("staged");
        self.install(options, &python.executable, &staged, progress)?;
        open_to_sandboxes(&staged).map_err(cache("setting the modes of the packages"))?;
        fs::rename(&staged, &target).map_err(cache("filling the cache"))?;
        Ok(target)
    }

    /// Installs it into `target`; the lock is written beside it.
    fn install(
        &self,
        options: &ProvisionOptions,
        python: &Path,
        target: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), EnvironmentError> {
        const DOING: &str = "installing locked packages";
        progress(&format!("installing the packages `{}`", self.name));
        let lock = target.with_file_name("requirements.lock");
        fs::write(&lock, self.lock).map_err(cache("writing the lock"))?;
        if let Some(uv) = find_uv(options, python, progress) {
            let mut command = program(&uv);
            command.args(["pip", "install", "--no-config", "--no-build", "--no-deps", "--require-hashes", "--compile-bytecode"]);
            // uv does not read pip's configuration: a machine whose pip uses a mirror means it for us too.
            if let Some(index) = IndexSettings::of_this_machine(python).index_url {
                command.arg("--default-index").arg(index);
            }
            command.arg("--python").arg(python).arg("--target").arg(target).arg("--requirement").arg(&lock);
            match run(&mut command, DOING, progress) {
                Ok(()) => return Ok(()),
                Err(error) => progress(&format!("uv cannot do it ({error}): trying pip")),
            }
            if target.exists() {
                fs::remove_dir_all(target).map_err(cache("removing what uv left"))?;
            }
        }
        let mut command = program(python);
        command.args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes", "--progress-bar=off"]);
        run(command.arg("--target").arg(target).arg("--requirement").arg(lock), DOING, progress)
    }
}
