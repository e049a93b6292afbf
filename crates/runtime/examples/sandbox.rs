//! Runs a Python program in a sandbox, without the server:
//! `cargo run -p gristmill-runtime --example sandbox -- process 'print(1 + 1)'`, or with `docker`, or
//! `docker:<base image>` to build the image from another base first.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use gristmill_domain::execution::PythonVersion;
use gristmill_jobs::Tasks;
use gristmill_runtime::sandbox::{
    Access, Mount, SandboxBackend, SandboxLimits, SandboxSpec,
    docker::{DockerBackend, DockerOptions, SocketEngine},
    process::{ProcessBackend, ProcessOptions},
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "process".to_owned());
    let code = arguments.next().unwrap_or_else(|| "import os; print('hello from', os.getuid())".to_owned());
    let directory = tempfile::tempdir()?;
    let workspace = directory.path().join("workspace");
    std::fs::create_dir(&workspace)?;
    let tasks = Tasks::new();
    let (backend, python): (Arc<dyn SandboxBackend>, PathBuf) = if let Some(rest) = kind.strip_prefix("docker") {
        let mut options = DockerOptions::new(directory.path().join("state"), "example".to_owned());
        if let Some(base) = rest.strip_prefix(':') {
            base.clone_into(&mut options.build.base_image);
        }
        let engine = Arc::new(SocketEngine::new("unix:///var/run/docker.sock".to_owned()));
        let docker = DockerBackend::new(options, engine, tasks.clone());
        let began = Instant::now();
        docker.ensure_image(PythonVersion::default(), &|line| println!("{line}")).await?;
        println!("image {} after {:?}", docker.image(PythonVersion::default()), began.elapsed());
        let python = docker.python(PythonVersion::default())?.interpreter;
        (Arc::new(docker), python)
    } else {
        let options = ProcessOptions::new(directory.path().join("state"), "example".to_owned());
        (Arc::new(ProcessBackend::new(options, tasks.clone())), "/usr/bin/python3".into())
    };
    for measure in backend.probe().await?.measures {
        println!("- {measure}");
    }
    for _ in 0..3 {
        let began = Instant::now();
        let sandbox = backend.start(spec(&python, &code, &workspace)).await?;
        let started = began.elapsed();
        let exit = sandbox.wait().await;
        println!("started after {started:?}, {exit:?} after {:?}: {}", began.elapsed(), sandbox.log_tail().await.trim());
    }
    tasks.shutdown(std::time::Duration::from_secs(10)).await;
    Ok(())
}

fn spec(python: &std::path::Path, code: &str, workspace: &std::path::Path) -> SandboxSpec {
    SandboxSpec {
        id: uuid::Uuid::new_v4().simple().to_string(),
        command: vec![python.display().to_string(), "-c".to_owned(), code.to_owned()],
        environment: BTreeMap::from([("HOME".to_owned(), "/workspace".to_owned())]),
        directory: "/workspace".into(),
        mounts: vec![Mount { host: workspace.to_owned(), guest: "/workspace".into(), access: Access::ReadWrite }],
        limits: SandboxLimits {
            memory_bytes: 1 << 30,
            cpu_percent: 100,
            pids: 128,
            file_size_bytes: 1 << 30,
            open_files: 1024,
            tmp_bytes: 256 << 20,
            disk_bytes: 1 << 30,
        },
    }
}
