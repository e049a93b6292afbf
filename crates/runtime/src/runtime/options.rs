//! Settings of the runtime.

use std::{path::PathBuf, time::Duration};

use crate::sandbox::{SandboxLimits, choose::BackendSetting};

/// What the server decides about running code.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The server's data directory; everything is kept below `runtime/` in it. Absolute.
    pub data_dir: PathBuf,
    /// Where provisioned Python environments are. Absolute.
    pub cache_dir: PathBuf,
    /// Where to look for interpreters (as in `PATH`) when no Python environment is provisioned yet: it is then made in
    /// the background. None: it is not, and [`crate::RuntimeStatus`] says how to.
    pub search_path: Option<String>,
    /// The backend to use.
    pub backend: BackendSetting,
    /// Where the Docker engine is: `unix://…`.
    pub docker_host: String,
    /// Another container runtime than the engine's default, such as `runsc`.
    pub docker_runtime: Option<String>,
    /// A container image of one's own, in which `{pythonVersion}` stands for the version; it is never built. It has the
    /// locked packages at `/opt/gristmill/python`.
    pub docker_image: Option<String>,
    /// What the image is built from, instead of `python:{pythonVersion}-slim`.
    pub docker_base_image: Option<String>,
    /// Whether an image that is missing is built.
    pub docker_builds: bool,
    /// The most that a sandbox may use; a run may ask for other memory.
    pub limits: SandboxLimits,
    /// Sandboxes at once on this server. A further one pushes out the one that idles longest, or is refused.
    pub sandboxes_max: usize,
    /// Sandboxes at once of one user.
    pub sandboxes_per_owner_max: usize,
    /// Kernels that are kept ready for each Python version in use; 0: each starts when it is needed. They need a backend
    /// that can mount into running sandboxes, and serve places with the usual memory.
    pub pool_size: usize,
    /// Memory of all kernels that are kept ready, bytes. Fewer are kept when they need more.
    pub pool_memory_bytes_max: u64,
    /// Runs that may wait at one place.
    pub queue_max: usize,
    /// After this time without a run, a sandbox is ended. Its workspace stays.
    pub idle_after: Duration,
    /// How long a kernel may take to get ready.
    pub startup_timeout: Duration,
    /// Whether suggestions of packages ask the index about names that nothing here is called.
    pub asks_index: bool,
    /// Output kept of one run, bytes.
    pub output_bytes_max: usize,
    /// Largest exported file that is taken over, bytes.
    pub export_bytes_max: u64,
}

impl RuntimeOptions {
    /// The defaults, with these directories.
    #[must_use]
    pub fn new(data_dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            data_dir,
            cache_dir,
            search_path: None,
            backend: BackendSetting::Auto,
            docker_host: "unix:///var/run/docker.sock".to_owned(),
            docker_runtime: None,
            docker_image: None,
            docker_base_image: None,
            docker_builds: true,
            limits: SandboxLimits {
                memory_bytes: 2 << 30,
                cpu_percent: 100,
                pids: 256,
                file_size_bytes: 2 << 30,
                open_files: 1024,
                tmp_bytes: 1 << 30,
                disk_bytes: 4 << 30,
            },
            sandboxes_max: 32,
            sandboxes_per_owner_max: 8,
            pool_size: 0,
            pool_memory_bytes_max: 512 << 20,
            queue_max: 64,
            idle_after: Duration::from_mins(30),
            startup_timeout: Duration::from_secs(30),
            asks_index: true,
            output_bytes_max: 16 << 20,
            export_bytes_max: 300 << 20,
        }
    }
}
