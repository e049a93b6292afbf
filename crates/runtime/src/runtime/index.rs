//! The package index, asked about single names.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gristmill_domain::{
    execution::{PackageInfo, PythonVersion},
    ids::ProjectId,
};
use tokio::sync::oneshot;

use super::inner::{Inner, blocking};
use crate::{
    error::RuntimeError,
    packages::{Layer, Next, PackageIndex},
};

/// How long suggestions wait for the list of what is installed. It is made once.
const LIST_PATIENCE: Duration = Duration::from_secs(1);

/// The index of this machine's pip.
#[derive(Debug)]
pub(super) struct Index<'runtime> {
    pub(super) inner: &'runtime Arc<Inner>,
}

#[async_trait]
impl PackageIndex for Index<'_> {
    async fn find(&self, name: &str) -> Option<PackageInfo> {
        match self.inner.lookups.next(name) {
            Next::Known(answer) => return answer,
            Next::Nothing => return None,
            Next::Ask => {}
        }
        let (reply, answer) = oneshot::channel();
        let (inner, name) = (Arc::clone(self.inner), name.to_owned());
        // It goes on when nobody waits any more: what it brings is there for the next key.
        self.inner.tasks.spawn_until_stopped("runtime.package index", async move {
            let found = inner.look_up(&name).await;
            if let Err(error) = &found {
                tracing::debug!(error = %error, "the package index could not be asked");
            }
            let answer = found.as_ref().ok().cloned().flatten();
            inner.lookups.told(&name, found);
            let _ = reply.send(answer);
        });
        answer.await.ok().flatten()
    }
}

impl Inner {
    async fn look_up(&self, name: &str) -> Result<Option<PackageInfo>, RuntimeError> {
        self.packages().await?.look_up(name).await
    }

    /// The packages that kernels of a project, or of any, can import, when the list is there soon.
    pub(super) async fn installed(self: &Arc<Self>, project: Option<ProjectId>) -> Vec<PackageInfo> {
        match tokio::time::timeout(LIST_PATIENCE, self.list_installed(project)).await {
            Ok(Ok(list)) => list.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Lists them, whether somebody waits for it or not: the list is kept.
    pub(super) fn list_installed(self: &Arc<Self>, project: Option<ProjectId>) -> oneshot::Receiver<Arc<[PackageInfo]>> {
        let (reply, list) = oneshot::channel();
        let inner = Arc::clone(self);
        self.tasks.spawn_until_stopped("runtime.package list", async move {
            let listing = async {
                let directory = project.map_or_else(|| inner.directories.no_packages(), |id| inner.directories.packages(id));
                let layer = blocking("opening a layer", move || Layer::open(directory)).await?;
                inner.packages().await?.list(&layer, PythonVersion::default()).await
            };
            match listing.await {
                Ok(list) => drop(reply.send(list)),
                Err(error) => tracing::debug!(error = %error, "the installed packages could not be listed"),
            }
        });
        list
    }
}
