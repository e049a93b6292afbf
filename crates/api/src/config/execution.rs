//! Running code: sandboxes, notebooks and their sockets.

use std::time::Duration;

use gristmill_runtime::sandbox::choose::BackendSetting;

use super::{Environment, MB};

/// Running code.
#[derive(Debug, Clone)]
pub struct ExecutionConfig {
    /// `RUNTIME_BACKEND`: `auto`, `process` or `docker`.
    pub backend: BackendSetting,
    /// `DOCKER_HOST`: where the Docker engine is, `unix://…`.
    pub docker_host: Option<String>,
    /// `DOCKER_RUNTIME`: another container runtime than the engine's default, such as `runsc`.
    pub docker_runtime: Option<String>,
    /// `DOCKER_IMAGE`: a container image of one's own; `{pythonVersion}` in it stands for the version.
    pub docker_image: Option<String>,
    /// `DOCKER_BASE_IMAGE`: what the image is built from; `{pythonVersion}` in it stands for the version.
    pub docker_base_image: Option<String>,
    /// `EXECUTION_AUTO_BUILD_IMAGE`: whether an image that is missing is built.
    pub docker_builds: bool,
    /// `EXECUTION_MAX_CPU_PERCENT`: hundredths of a core for one sandbox.
    pub cpu_percent: u32,
    /// `EXECUTION_TMPFS_MB`: `/tmp` of one sandbox.
    pub tmp_bytes: u64,
    /// `EXECUTION_DISK_MB`: what one sandbox may write.
    pub disk_bytes: u64,
    /// `EXECUTION_OUTPUT_MAX_MB`: output that is kept of one run.
    pub output_bytes_max: usize,
    /// `EXECUTION_SANDBOXES_MAX`: sandboxes at once.
    pub sandboxes_max: usize,
    /// `EXECUTION_USER_SANDBOXES_MAX`: sandboxes of one user at once.
    pub user_sandboxes_max: usize,
    /// `EXECUTION_POOL_SIZE`: kernels that are kept ready for each Python version in use; 0: none.
    pub pool_size: usize,
    /// `EXECUTION_POOL_MEMORY_MB`: memory of all kernels that are kept ready.
    pub pool_memory_bytes_max: u64,
    /// `PACKAGE_LOOKUP`: whether suggestions of packages may ask the index of this machine's pip.
    pub asks_index: bool,
    /// `EXECUTION_IDLE_MS`: after this long without a run a sandbox is ended.
    pub idle_after: Duration,
    /// `KERNEL_STARTUP_TIMEOUT_MS`.
    pub startup_timeout: Duration,
}

/// Notebooks and their sockets.
#[derive(Debug, Clone)]
pub struct NotebooksConfig {
    /// `NOTEBOOK_OUTPUT_MAX_SIZE`: a text or HTML output beyond this many bytes goes to a file, with a preview in the cell.
    pub inline_bytes_max: usize,
    /// `NOTEBOOK_RUN_LEASE_MS`: after this long without a sign of life from its server a run counts as lost.
    pub run_lease: Duration,
    /// `WS_HEARTBEAT_MS`: how often sockets are pinged; one that is silent for twice as long is closed.
    pub heartbeat: Duration,
}

pub(super) fn execution(env: &mut Environment<'_>) -> ExecutionConfig {
    let named = env.text("RUNTIME_BACKEND");
    let backend = named.as_deref().map_or(Some(BackendSetting::Auto), BackendSetting::from_name).unwrap_or_else(|| {
        env.problem("RUNTIME_BACKEND", "must be `auto`, `process` or `docker`");
        BackendSetting::Auto
    });
    let asks_index = match env.text("PACKAGE_LOOKUP").as_deref() {
        None | Some("on") => true,
        Some("off") => false,
        Some(_) => {
            env.problem("PACKAGE_LOOKUP", "must be `on` or `off`");
            false
        }
    };
    ExecutionConfig {
        backend,
        asks_index,
        docker_host: env.text("DOCKER_HOST"),
        docker_runtime: env.text("DOCKER_RUNTIME"),
        docker_image: env.text("DOCKER_IMAGE"),
        docker_base_image: env.text("DOCKER_BASE_IMAGE"),
        docker_builds: env.switch("EXECUTION_AUTO_BUILD_IMAGE").unwrap_or(true),
        cpu_percent: env.number("EXECUTION_MAX_CPU_PERCENT", 10..=100_000, 100),
        tmp_bytes: env.number("EXECUTION_TMPFS_MB", 16..=1_000_000, 1024) * MB,
        disk_bytes: env.number("EXECUTION_DISK_MB", 16..=1_000_000, 4096) * MB,
        output_bytes_max: env.number("EXECUTION_OUTPUT_MAX_MB", 1..=1024, 16_usize) * 1024 * 1024,
        sandboxes_max: env.number("EXECUTION_SANDBOXES_MAX", 1..=10_000, 32),
        user_sandboxes_max: env.number("EXECUTION_USER_SANDBOXES_MAX", 1..=10_000, 8),
        pool_size: env.number("EXECUTION_POOL_SIZE", 0..=64, 2),
        pool_memory_bytes_max: env.number("EXECUTION_POOL_MEMORY_MB", 0..=1_000_000, 512) * MB,
        idle_after: Duration::from_millis(env.number("EXECUTION_IDLE_MS", 1_000..=604_800_000, 1_800_000)),
        startup_timeout: Duration::from_millis(env.number("KERNEL_STARTUP_TIMEOUT_MS", 1_000..=600_000, 30_000)),
    }
}

pub(super) fn notebooks(env: &mut Environment<'_>) -> NotebooksConfig {
    NotebooksConfig {
        inline_bytes_max: env.number("NOTEBOOK_OUTPUT_MAX_SIZE", 1024..=16_777_216, 262_144),
        run_lease: Duration::from_millis(env.number("NOTEBOOK_RUN_LEASE_MS", 300..=3_600_000, 30_000)),
        heartbeat: Duration::from_millis(env.number("WS_HEARTBEAT_MS", 100..=600_000, 30_000)),
    }
}
