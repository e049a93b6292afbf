//! Settings of the runtime.

use std::{path::PathBuf, time::Duration};

use crate::sandbox::{BackendKind, SandboxLimits};

/// What the server decides about running code.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The server's data directory; everything is kept below `runtime/` in it. Absolute.
    pub data_dir: PathBuf,
    /// Where provisioned Python environments are. Absolute.
    pub cache_dir: PathBuf,
    /// The backend to use; none: whichever works, Docker first.
    pub backend: Option<BackendKind>,
    /// The most that a sandbox may use; a run may ask for other memory.
    pub limits: SandboxLimits,
    /// Sandboxes at once on this server. A further one pushes out the one that idles longest, or is refused.
    pub sandboxes_max: usize,
    /// Sandboxes at once of one user.
    pub sandboxes_per_owner_max: usize,
    /// Runs that may wait at one place.
    pub queue_max: usize,
    /// After this time without a run, a sandbox is ended. Its workspace stays.
    pub idle_after: Duration,
    /// How long a kernel may take to get ready.
    pub startup_timeout: Duration,
    /// Output kept of one run, bytes.
    pub output_bytes_max: usize,
    /// Largest exported file that is taken over, bytes.
    pub export_bytes_max: u64,
    /// Ready kernels kept for the next session of projects that just started one; 0 for none.
    pub spares_max: usize,
}

impl RuntimeOptions {
    /// The defaults, with these directories.
    #[must_use]
    pub fn new(data_dir: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            data_dir,
            cache_dir,
            backend: None,
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
            queue_max: 64,
            idle_after: Duration::from_mins(30),
            startup_timeout: Duration::from_secs(30),
            output_bytes_max: 16 << 20,
            export_bytes_max: 300 << 20,
            spares_max: 2,
        }
    }
}
