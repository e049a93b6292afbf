//! The spool directory of one upload. Gone when dropped, unless a job has taken it over.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use gristmill_domain::JobId;
use gristmill_persistence::files::LocalFiles;

/// A spool directory that belongs to the request until [`Spool::keep`].
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    kept: bool,
}

impl Spool {
    /// Makes the directory for the upload that `job` will read.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(files: &LocalFiles, job: JobId) -> io::Result<Self> {
        let directory = files.spool_directory(job);
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, kept: false })
    }

    /// The uploaded file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("original")
    }

    /// Opens the uploaded file for writing.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(&self) -> io::Result<File> {
        File::options().create_new(true).write(true).open(self.file())
    }

    /// Hands the directory to the job: from now on its handler removes it.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.directory)
        {
            tracing::warn!(%error, "a spool directory could not be removed; the janitor will");
        }
    }
}
