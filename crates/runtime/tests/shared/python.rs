//! The Python that tests run on. The tests of every crate that starts it include this file.

use std::path::PathBuf;

use gristmill_domain::execution::PythonVersion;
use gristmill_runtime::environment::{ProvisionOptions, PythonEnvironment, provision};

/// The user's own cache: provisioning takes minutes where nothing is cached, and happens once.
#[expect(clippy::disallowed_methods, reason = "where the user's cache is")]
pub(crate) fn cache_dir() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    cache.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache")).join("gristmill")
}

/// The locked environment of Python 3.11, provisioned when it is missing.
#[expect(clippy::disallowed_methods, reason = "provisioning uses the programs of this machine")]
pub(crate) fn python() -> PythonEnvironment {
    let options = ProvisionOptions { cache_dir: cache_dir(), search_path: std::env::var("PATH").unwrap() };
    provision(&options, PythonVersion::V3_11, &mut |line| println!("{line}")).unwrap()
}
