//! A deployment as this process knows it.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use gristmill_domain::{
    deployments::{ApiKey, DeploymentStatus, Served},
    models::{Artifact, FEATURES_FILE, MODEL_FILE},
};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{ServedFeatures, ServingError, ServingPlaces, features::FEATURES_BYTES_MAX, keys};
use crate::{
    drift::Reference,
    inference::{InferenceError, Signature, read_artifact},
};

/// The largest baseline that is read, bytes.
const BASELINE_BYTES_MAX: u64 = 64 << 20;

/// A deployment, its model and its keys, as they were read; with what its files say, once somebody needs it.
#[derive(Debug)]
pub struct Entry {
    /// What is stored.
    pub served: Served,
    pub(super) directory: PathBuf,
    places: Arc<dyn ServingPlaces>,
    signature: OnceCell<Result<Arc<Signature>, Arc<InferenceError>>>,
    features: OnceCell<Result<Arc<ServedFeatures>, Arc<InferenceError>>>,
    reference: OnceCell<Option<Arc<Reference>>>,
}

impl Entry {
    pub(super) fn new(served: Served, places: &Arc<dyn ServingPlaces>) -> Self {
        Self {
            directory: places.model(&served.model),
            served,
            places: Arc::clone(places),
            signature: OnceCell::new(),
            features: OnceCell::new(),
            reference: OnceCell::new(),
        }
    }

    /// The key of this deployment that opens it, if the sent one does.
    #[must_use]
    pub fn opened_by(&self, sent: &str, now: DateTime<Utc>) -> Option<&ApiKey> {
        keys::opening(&self.served.keys, sent, now)
    }

    /// Whether it answers where it stands.
    ///
    /// # Errors
    /// `NotServing`.
    pub fn is_serving(&self) -> Result<(), ServingError> {
        match self.served.deployment.status {
            DeploymentStatus::Healthy => Ok(()),
            status => Err(ServingError::NotServing { status, reason: self.served.deployment.error.clone() }),
        }
    }

    /// What the model takes and gives.
    ///
    /// # Errors
    /// Its file is missing, altered or wrong.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn signature(&self) -> Result<Arc<Signature>, ServingError> {
        let read = self.signature.get_or_init(|| async {
            let (directory, artifacts) = (self.directory.clone(), self.served.model.artifacts.clone());
            let read = tokio::task::spawn_blocking(move || {
                let text = read_artifact(&directory, &artifacts, "signature.json", crate::inference::SIGNATURE_BYTES_MAX)?;
                Ok(Signature::parse(&text)?)
            });
            match read.await {
                Ok(parsed) => parsed.map(Arc::new).map_err(Arc::new),
                Err(_) => Err(Arc::new(InferenceError::LoadingEnded)),
            }
        });
        read.await.clone().map_err(ServingError::Model)
    }

    /// What computes the model's engineered columns; none when it has none.
    ///
    /// # Errors
    /// Its file, or the signature's, is missing, altered or wrong.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn features(&self) -> Result<Option<Arc<ServedFeatures>>, ServingError> {
        if !self.has_features() {
            return Ok(None);
        }
        let signature = self.signature().await?;
        let read = self.features.get_or_init(|| async {
            let (directory, artifacts) = (self.directory.clone(), self.served.model.artifacts.clone());
            let places = Arc::clone(&self.places);
            let read = tokio::task::spawn_blocking(move || {
                let kept = read_artifact(&directory, &artifacts, FEATURES_FILE, FEATURES_BYTES_MAX)?;
                let features = places.features(&kept).map_err(|reason| InferenceError::Features { reason })?;
                ServedFeatures::new(features, &signature)
            });
            match read.await {
                Ok(read) => read.map(Arc::new).map_err(Arc::new),
                Err(_) => Err(Arc::new(InferenceError::LoadingEnded)),
            }
        });
        read.await.clone().map(Some).map_err(ServingError::Model)
    }

    /// Whether columns of the model may be computed.
    pub(super) fn has_features(&self) -> bool {
        self.served.model.artifact(FEATURES_FILE).is_some()
    }

    /// What the training rows looked like; none when the model has no baseline that can be read.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn reference(&self) -> Option<Arc<Reference>> {
        let read = self.reference.get_or_init(|| async {
            let (directory, artifacts) = (self.directory.clone(), self.served.model.artifacts.clone());
            let read = tokio::task::spawn_blocking(move || {
                let text = read_artifact(&directory, &artifacts, "baseline.json", BASELINE_BYTES_MAX).ok()?;
                Reference::parse(&text).ok()
            });
            read.await.ok().flatten().map(Arc::new)
        });
        read.await.clone()
    }

    /// The reference, if it was read already.
    pub(super) fn known_reference(&self) -> Option<Arc<Reference>> {
        self.reference.get().cloned().flatten()
    }

    /// Checks that the model's own file is there and is the one that was stored: Python reads it by itself.
    pub(super) async fn check_model_file(&self) -> Result<(), ServingError> {
        let (path, artifact) = (self.directory.join(MODEL_FILE), self.served.model.artifact(MODEL_FILE).cloned());
        let checking = tokio::task::spawn_blocking(move || check_file(&path, artifact.as_ref()));
        let checked = checking.await.unwrap_or(Err(InferenceError::LoadingEnded));
        checked.map_err(|error| ServingError::Model(Arc::new(error)))
    }
}

fn check_file(path: &Path, artifact: Option<&Artifact>) -> Result<(), InferenceError> {
    let file = || MODEL_FILE.to_owned();
    let artifact = artifact.ok_or_else(|| InferenceError::FileMissing { file: file() })?;
    let mut opened = fs::File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => InferenceError::FileMissing { file: file() },
        _ => InferenceError::Io { file: file(), source },
    })?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = opened.read(&mut buffer).map_err(|source| InferenceError::Io { file: file(), source })?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => hash.update(bytes),
            _ => break,
        }
    }
    let same = artifact.sha256.eq_ignore_ascii_case(&hex::encode(hash.finalize()));
    if same { Ok(()) } else { Err(InferenceError::FileAltered { file: file() }) }
}
