//! The directories of projects and places on the host. What a sandbox can write to is never followed out of.

mod exports;
mod links;
mod taken;

use std::{
    io,
    path::{Path, PathBuf},
};

use gristmill_domain::ids::ProjectId;

pub(crate) use self::{exports::take_exports, links::refresh_links, taken::take_file};
use crate::places::{PlaceKey, PlaceKind};

/// Where everything of the runtime's is, below the server's data directory.
#[derive(Debug, Clone)]
pub(crate) struct Directories {
    root: PathBuf,
}

impl Directories {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("runtime") }
    }

    /// All of it.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Sockets of kernels: a directory for each server.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.root.join("sockets")
    }

    /// Sockets of what helps with code.
    pub(crate) fn assist_sockets(&self) -> PathBuf {
        self.root.join("assist")
    }

    /// Sockets of workers that other crates bring along.
    pub(crate) fn worker_sockets(&self) -> PathBuf {
        self.root.join("workers")
    }

    /// Sockets of what installs packages.
    pub(crate) fn install_sockets(&self) -> PathBuf {
        self.root.join("installs")
    }

    /// What a sandbox shows in the place of a project's directories while it belongs to none.
    pub(crate) fn waiting(&self) -> PathBuf {
        self.root.join("waiting")
    }

    /// A package layer in which nothing is ever installed.
    pub(crate) fn no_packages(&self) -> PathBuf {
        self.root.join("no-packages")
    }

    /// All projects.
    pub(crate) fn projects(&self) -> PathBuf {
        self.root.join("projects")
    }

    /// All of a project.
    pub(crate) fn project(&self, project: ProjectId) -> PathBuf {
        self.projects().join(project.to_string())
    }

    /// The project's package layer.
    pub(crate) fn packages(&self, project: ProjectId) -> PathBuf {
        self.project(project).join("packages")
    }

    /// The names under which a project's sandboxes see its datasets.
    pub(crate) fn links(&self, project: ProjectId) -> PathBuf {
        self.project(project).join("links")
    }

    /// Exported files on their way to becoming datasets.
    pub(crate) fn exports(&self, project: ProjectId) -> PathBuf {
        self.project(project).join("exports")
    }

    /// What belongs to one place alone.
    pub(crate) fn place(&self, key: PlaceKey) -> PathBuf {
        let project = self.project(key.project);
        match key.kind {
            PlaceKind::Notebook => project.clone(),
            PlaceKind::Session(session) => project.join("sessions").join(session.to_string()),
        }
    }

    /// The place's workspace.
    pub(crate) fn workspace(&self, key: PlaceKey) -> PathBuf {
        self.place(key).join("workspace")
    }
}

/// Makes a workspace ready to be mounted: `datasets` in it must be a directory, for the links are mounted over it.
pub(crate) fn prepare_workspace(workspace: &Path) -> io::Result<()> {
    std::fs::create_dir_all(workspace)?;
    let datasets = workspace.join("datasets");
    match std::fs::symlink_metadata(&datasets) {
        Ok(found) if found.is_dir() => Ok(()),
        // Code left a file or a link of that name. It is kept, beside its place.
        Ok(_) => {
            std::fs::rename(&datasets, workspace.join(format!("datasets-{}", uuid::Uuid::new_v4().simple())))?;
            std::fs::create_dir(&datasets)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::create_dir(&datasets),
        Err(error) => Err(error),
    }
}

/// Removes a directory tree; one that is not there is fine.
pub(crate) fn remove_tree(path: &Path) {
    match std::fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), error = %error, "a directory of the runtime could not be removed"),
    }
}
