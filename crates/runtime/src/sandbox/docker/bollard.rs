//! The engine's HTTP interface, through bollard.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use ::bollard::{
    API_DEFAULT_VERSION, Docker, body_full,
    errors::Error,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount as BindMount, MountBindOptions,
        MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
    },
    query_parameters::{
        BuildImageOptionsBuilder, CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
        PruneImagesOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions, StatsOptionsBuilder,
        WaitContainerOptions,
    },
};
use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::{sync::OnceCell, time::timeout};

use super::{
    super::{Access, Mount, Usage, log::LogTail},
    engine::{ContainerEngine, ContainerSpec, ContainerState, EngineError, ImageBuild, Tell},
    profile,
};

/// The longest that any request but a wait or a build may take, seconds.
const REQUEST_SECONDS: u64 = 60;
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const BUILD_TIMEOUT: Duration = Duration::from_secs(3600);
/// As the Dockerfile labels its first stage.
const STAGE_LABEL: &str = "gristmill.stage=build";

/// An engine behind a Unix socket. It is connected to on first use, and again when it was not there.
#[derive(Debug)]
pub struct SocketEngine {
    address: String,
    client: OnceCell<Docker>,
}

impl SocketEngine {
    /// The engine at `unix://…`, as in `DOCKER_HOST`.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self { address, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Docker, EngineError> {
        let connect = async {
            let path = self
                .address
                .strip_prefix("unix://")
                .ok_or_else(|| EngineError { message: format!("\"{}\" is no Unix socket (unix://…)", self.address) })?;
            if !std::path::Path::new(path).exists() {
                return Err(EngineError { message: format!("there is no socket {path}") });
            }
            let docker = Docker::connect_with_unix(path, REQUEST_SECONDS, API_DEFAULT_VERSION).map_err(told)?;
            timeout(PROBE_TIMEOUT, docker.negotiate_version()).await.map_err(|_late| silent())?.map_err(told)
        };
        self.client.get_or_try_init(|| connect).await
    }

    /// Removes the nameless images of builds' first stages: a second copy of all packages, and pip's settings.
    async fn forget_stages(&self) {
        let filters = HashMap::from([("dangling", vec!["true"]), ("label", vec![STAGE_LABEL])]);
        let options = PruneImagesOptionsBuilder::default().filters(&filters).build();
        let pruned = match self.client().await {
            Ok(client) => client.prune_images(Some(options)).await.map_err(told).map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = pruned {
            tracing::warn!(error = %error, "what a build left behind was not removed");
        }
    }
}

#[async_trait]
impl ContainerEngine for SocketEngine {
    async fn version(&self) -> Result<String, EngineError> {
        let client = self.client().await?;
        let version = timeout(PROBE_TIMEOUT, client.version()).await.map_err(|_late| silent())?.map_err(told)?;
        Ok(version.version.unwrap_or_default())
    }

    async fn has_image(&self, image: &str) -> Result<bool, EngineError> {
        Ok(found(self.client().await?.inspect_image(image).await)?.is_some())
    }

    async fn build_image(&self, build: ImageBuild, tell: Tell<'_>) -> Result<(), EngineError> {
        let arguments: HashMap<String, String> = build.arguments.into_iter().collect();
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .t(&build.name)
            .buildargs(&arguments)
            .networkmode("host")
            .rm(true)
            .forcerm(true)
            .build();
        // Of its own: a quiet step of a build may take longer than a request.
        let path = self.address.strip_prefix("unix://").unwrap_or(&self.address);
        let client = Docker::connect_with_unix(path, BUILD_TIMEOUT.as_secs(), API_DEFAULT_VERSION).map_err(told)?;
        let client = client.negotiate_version().await.map_err(told)?;
        let mut said = LogTail::default();
        let whole = async {
            let mut steps = client.build_image(options, None, Some(body_full(build.context.into())));
            while let Some(step) = steps.next().await {
                let step = match step {
                    Ok(step) => step,
                    Err(error) => {
                        return Err(EngineError { message: format!("{error}; the build said: {}", said.text()) });
                    }
                };
                if let Some(problem) = step.error_detail.and_then(|detail| detail.message) {
                    return Err(EngineError { message: format!("{problem}; the build said: {}", said.text()) });
                }
                for line in step.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
                    tell(line);
                    said.push(line.as_bytes());
                    said.push(b"\n");
                }
            }
            Ok(())
        };
        let built = timeout(BUILD_TIMEOUT, whole).await.map_err(|_late| silent())?;
        self.forget_stages().await;
        built
    }

    async fn start(&self, container: &ContainerSpec) -> Result<(), EngineError> {
        let client = self.client().await?;
        let options = CreateContainerOptionsBuilder::default().name(&container.name).build();
        client.create_container(Some(options), body(container)).await.map_err(told)?;
        let started = client.start_container(&container.name, None::<StartContainerOptions>).await;
        if let Err(error) = started {
            if let Err(error) = self.remove(&container.name).await {
                tracing::warn!(container = container.name, error = %error, "a container that did not start stays");
            }
            return Err(told(error));
        }
        Ok(())
    }

    async fn wait(&self, name: &str) -> Result<(), EngineError> {
        // Of its own: the others have a deadline, and this may take days.
        let path = self.address.strip_prefix("unix://").unwrap_or(&self.address);
        let version = self.client().await?.client_version();
        let client = Docker::connect_with_unix(path, u64::from(u32::MAX), &version).map_err(told)?;
        match client.wait_container(name, None::<WaitContainerOptions>).next().await {
            // An exit code that is not zero comes as an error.
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => Ok(()),
            Some(Err(error)) => Err(told(error)),
            None => Err(silent()),
        }
    }

    async fn state(&self, name: &str) -> Result<Option<ContainerState>, EngineError> {
        let container = found(self.client().await?.inspect_container(name, None).await)?;
        Ok(container.and_then(|container| container.state).map(|state| ContainerState {
            running: state.running.unwrap_or(false),
            exit_code: state.exit_code.unwrap_or(0),
            out_of_memory: state.oom_killed.unwrap_or(false),
            process: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
        }))
    }

    async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.client().await?.remove_container(name, Some(options)).await {
            // 409: somebody else removes it at this moment.
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            Err(error) => Err(told(error)),
        }
    }

    async fn log_tail(&self, name: &str) -> Result<String, EngineError> {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
        let mut lines = self.client().await?.logs(name, Some(options));
        let mut tail = LogTail::default();
        // The engine keeps two files of a mebibyte.
        while let Some(line) = lines.next().await {
            tail.push(&line.map_err(told)?.into_bytes());
        }
        Ok(tail.text())
    }

    async fn usage(&self, name: &str) -> Result<Usage, EngineError> {
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let stats = self.client().await?.stats(name, Some(options)).next().await.ok_or_else(silent)?.map_err(told)?;
        let memory = stats.memory_stats.unwrap_or_default();
        let detail = memory.stats.unwrap_or_default();
        let cache = detail.get("total_inactive_file").or_else(|| detail.get("inactive_file")).copied().unwrap_or(0);
        let cpu = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage).and_then(|cpu| cpu.total_usage).unwrap_or(0);
        let pids = stats.pids_stats.and_then(|pids| pids.current).unwrap_or(0);
        Ok(Usage {
            memory_bytes: memory.usage.unwrap_or(0).saturating_sub(cache),
            cpu: Duration::from_nanos(cpu),
            pids: u32::try_from(pids).unwrap_or(u32::MAX),
        })
    }

    async fn labelled(&self, label: &str, value: &str) -> Result<Vec<(String, BTreeMap<String, String>)>, EngineError> {
        let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = self.client().await?.list_containers(Some(options)).await.map_err(told)?;
        let named = containers.into_iter().filter_map(|container| {
            let name = container.names?.first()?.trim_start_matches('/').to_owned();
            Some((name, container.labels.unwrap_or_default().into_iter().collect()))
        });
        Ok(named.collect())
    }
}

fn body(container: &ContainerSpec) -> ContainerCreateBody {
    let limits = &container.limits;
    let (memory, tmp) = (signed(limits.memory_bytes), limits.tmp_bytes.max(4096));
    let ulimit = |name: &str, value: u64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(signed(value)),
        hard: Some(signed(value)),
    };
    let mut mounts: Vec<&Mount> = container.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.guest.components().count());
    let log_options = [("max-size", "1m"), ("max-file", "2"), ("compress", "false")];
    let host = HostConfig {
        memory: Some(memory),
        // Memory and swap together: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(limits.cpu_percent.max(1)).saturating_mul(10_000_000)),
        pids_limit: Some(i64::from(limits.pids)),
        ulimits: Some(vec![
            ulimit("nofile", u64::from(limits.open_files)),
            ulimit("fsize", limits.file_size_bytes),
            ulimit("core", 0),
        ]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".to_owned(), format!("rw,exec,nosuid,nodev,size={tmp},mode=1777"))])),
        shm_size: Some(signed(tmp)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned(), format!("seccomp={}", profile::profile())]),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        init: Some(true),
        oom_score_adj: Some(900),
        runtime: container.runtime.clone(),
        mounts: Some(mounts.into_iter().map(bind).collect()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("local".to_owned()),
            config: Some(log_options.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        }),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        image: Some(container.image.clone()),
        hostname: Some("gristmill".to_owned()),
        user: Some(format!("{0}:{0}", container.user)),
        entrypoint: Some(container.command.clone()),
        cmd: Some(Vec::new()),
        env: Some(container.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: Some(container.directory.display().to_string()),
        labels: Some(container.labels.clone().into_iter().collect()),
        network_disabled: Some(true),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

fn bind(mount: &Mount) -> BindMount {
    BindMount {
        target: Some(mount.guest.display().to_string()),
        source: Some(mount.host.display().to_string()),
        typ: Some(MountType::BIND),
        read_only: Some(mount.access == Access::ReadOnly),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..BindMount::default()
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(it) => Ok(Some(it)),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(told(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn told(error: Error) -> EngineError {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        message.push_str(": ");
        message.push_str(&inner.to_string());
        cause = inner.source();
    }
    EngineError { message }
}

fn silent() -> EngineError {
    EngineError { message: "nothing in time".to_owned() }
}
