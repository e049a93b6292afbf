//! Workers of other crates' programs, on the runtime's backend.

use std::sync::Arc;

use async_trait::async_trait;
use gristmill_domain::execution::PythonVersion;

use super::inner::Inner;
use crate::{
    resident::{
        GUEST_SOCKET, Launch, Launched, ResidentError, ResidentPlan, ResidentWorker, any_python, blocking, connect,
        python_environment, read_only,
    },
    sandbox::SandboxSpec,
};

/// Where a worker sees its program.
const PROGRAM: &str = "/opt/gristmill/program";

/// Starts the worker of a plan.
#[derive(Debug)]
struct Launcher {
    inner: Arc<Inner>,
    plan: ResidentPlan,
}

pub(super) fn worker(inner: Arc<Inner>, plan: ResidentPlan) -> ResidentWorker {
    let (settings, tasks) = (plan.settings, inner.tasks.clone());
    ResidentWorker::new(Arc::new(Launcher { inner, plan }), settings, tasks)
}

#[async_trait]
impl Launch<()> for Launcher {
    fn name(&self) -> &'static str {
        self.plan.name
    }

    async fn launch(&self, _: &()) -> Result<Launched, ResidentError> {
        let plan = &self.plan;
        let backend = self.inner.backend().await.map_err(|error| ResidentError::Unavailable(error.to_string()))?;
        let python = any_python(&*backend, PythonVersion::default())?;
        let package = plan.package;
        let target = self.inner.options.cache_dir.join(plan.name).join(package.version());
        let program = blocking(move || {
            package.install(&target)?;
            Ok(target)
        })
        .await?;
        let mut mounts = python.mounts;
        mounts.push(read_only(program, PROGRAM));
        mounts.extend(plan.shows.iter().map(|(host, guest)| read_only(host.clone(), guest)));
        let interpreter = python.interpreter.to_string_lossy();
        let words = [&*interpreter, "-s", "-m", package.name, "serve", GUEST_SOCKET];
        let modules: Vec<&str> = [PROGRAM].into_iter().chain(plan.python_path.iter().map(String::as_str)).collect();
        let spec = SandboxSpec {
            id: format!("{}-{}", plan.name, uuid::Uuid::new_v4().simple()),
            command: words.into_iter().map(str::to_owned).chain(plan.arguments.iter().cloned()).collect(),
            environment: python_environment(&modules.join(":"), &plan.limits),
            directory: "/tmp".into(),
            mounts,
            limits: plan.limits,
        };
        connect(&*backend, &self.inner.directories.worker_sockets(), spec).await
    }
}
