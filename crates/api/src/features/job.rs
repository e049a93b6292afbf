//! Making a dataset with features, as a job: file by file, in the order in which the features were asked for.

mod by_code;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use actix_web::web;
use async_trait::async_trait;
use gristmill_domain::{
    Caller, ErrorCode, ProjectId,
    datasets::{ROW_ID_COLUMN, iso_millis},
    jobs::{Job, JobError, JobKind, JobOutcome, JobProgress},
    ports::StoreError,
};
use gristmill_features::{FeatureError, FeatureSpec, FitOptions, RECIPE_VERSION, Recipe, RecipeStep, apply, plan};
use gristmill_ingest::{
    IngestError, IngestObserver, IngestedDataset,
    derive::{DatasetFile, describe},
    export,
};
use gristmill_jobs::{EventWriter, JobContext, JobHandler, JobVerdict};
use gristmill_persistence::{
    files::DatasetFiles,
    repo::datasets::{DatasetCreate, DatasetLineage, DerivedDataset},
};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::by_code::CodeWork;
use super::{
    apply::Payload,
    failures::{refused, stop_of_division, stop_of_features, stop_of_ingest},
    segments::{Segment, segments},
    splits::{Origin, held_out, origin_of},
};
use crate::{
    datasets::{Stop, content_of, failed, ingest_limits, not_stored, run_low, runs_again, stop_of_io, sync_directory},
    quota::check_room,
    state::AppState,
};

/// Where the progress bar stands when all features are made, and when the dataset is described.
const MADE_SHARE: f64 = 0.7;
const DESCRIBED_SHARE: f64 = 0.9;
const UNTRACED: &str = "The code changed the rows so that they cannot be matched with those of the source: models trained on this \
                        dataset are tested on other rows than models of the source, of which target encodings may know the \
                        targets. Keep the frame's index to avoid that.";

/// Runs [`JobKind::FeatureApply`].
#[derive(Debug)]
pub struct FeatureHandler {
    state: web::Data<AppState>,
    places: Arc<Semaphore>,
}

/// What has been made so far.
#[derive(Debug)]
struct Progress {
    /// The newest file.
    file: PathBuf,
    /// What was learned or run, for rows that come later.
    recipe: Vec<RecipeStep>,
    /// What came of each feature.
    outcomes: Vec<Value>,
    /// Whether each row is a known one of the source.
    has_source_rows: bool,
}

/// A dataset that is ready to be stored.
#[derive(Debug)]
struct Made {
    ingested: IngestedDataset,
    size_bytes: u64,
    more_bytes: u64,
    progress: Progress,
}

impl FeatureHandler {
    /// A handler that shares `places` with the ingest.
    #[must_use]
    pub fn new(state: web::Data<AppState>, places: Arc<Semaphore>) -> Self {
        Self { state, places }
    }

    async fn make(&self, context: &JobContext, project: ProjectId, payload: &Payload, work: &Path) -> Result<Made, Stop> {
        let job = context.job();
        let source = self.state.files.dataset(job.owner_id, Some(project), payload.source_id);
        let file = source.parquet(payload.source_version);
        let mut options = FitOptions::new(payload.reference);
        options.temporary_directory = work.to_owned();
        options.limits.threads = ingest_limits(&self.state).threads;
        let segments = segments(payload.features.clone(), !payload.splits.is_empty());
        let share = MADE_SHARE / f64::from(u32::try_from(segments.len()).unwrap_or(u32::MAX).max(1));
        let mut progress = Progress { file, recipe: Vec::new(), outcomes: Vec::new(), has_source_rows: true };
        for (number, segment) in (0_u32..).zip(segments) {
            let observer = Share::of(context, share * f64::from(number), share);
            let output = work.join(format!("step-{number}.parquet"));
            progress = match segment {
                Segment::Native { specs, learns_targets } => {
                    let mut options = options.clone();
                    if learns_targets {
                        options.held_out = Some(self.held_out(job, project, payload, &progress).await?);
                    }
                    self.native(progress, specs, options, output, observer).await?
                }
                Segment::Code(features) => {
                    // Models are tested on these: no code may know their targets, not even to learn from them.
                    let held = if features.iter().any(|feature| feature.target.is_some()) {
                        self.held_out(job, project, payload, &progress).await?
                    } else {
                        Arc::default()
                    };
                    let work = CodeWork { features, held, output };
                    self.code(context, payload, progress, work, observer).await?
                }
            };
        }
        self.finish(context, project, payload, progress).await
    }

    /// The rows that features must not learn targets from, told from what has been made so far: a target may be among that.
    async fn held_out(
        &self,
        job: &Job,
        project: ProjectId,
        payload: &Payload,
        before: &Progress,
    ) -> Result<Arc<HashSet<i64>>, Stop> {
        let (splits, file, files) = (payload.splits.clone(), before.file.clone(), self.state.files.clone());
        let (owner, source, is_known) = (job.owner_id, payload.source_id, before.has_source_rows);
        let work = move || {
            // Rows that are not the source's are divided by their places, as trainings on the new dataset divide them.
            let origin = is_known.then(|| origin_of(&files, owner, project, source)).flatten();
            held_out(&file, origin.as_deref(), &splits)
        };
        let found = run_low(&self.places, work).await.map_err(Stop::Failed)?;
        found.map(Arc::new).map_err(stop_of_division)
    }

    async fn native(
        &self,
        before: Progress,
        specs: Vec<FeatureSpec>,
        options: FitOptions,
        output: PathBuf,
        observer: Share,
    ) -> Result<Progress, Stop> {
        let work = move || {
            let plan = plan(&specs, DatasetFile::open(&before.file)?.columns())?;
            let applied = apply(&plan, &before.file, &output, &options, &observer)?;
            let Progress { mut recipe, mut outcomes, has_source_rows, .. } = before;
            recipe.push(RecipeStep::Native { fitted: applied.fitted });
            outcomes.extend(applied.report.features.iter().map(|outcome| json!(outcome)));
            Ok::<_, FeatureError>(Progress { file: output, recipe, outcomes, has_source_rows })
        };
        let made = run_low(&self.places, work).await.map_err(Stop::Failed)?;
        made.map_err(stop_of_features)
    }

    /// Puts the newest file in its place, describes it, and writes what else a dataset has.
    async fn finish(&self, context: &JobContext, project: ProjectId, payload: &Payload, made: Progress) -> Result<Made, Stop> {
        let job = context.job();
        let files = self.state.files.dataset(job.owner_id, Some(project), payload.dataset_id);
        let source = self.state.files.dataset(job.owner_id, Some(project), payload.source_id);
        let origin = Origin { dataset_id: payload.source_id, version: payload.source_version };
        let describing = Share::of(context, MADE_SHARE, DESCRIBED_SHARE - MADE_SHARE);
        let (file_type, exporting) = (payload.file_type, Share::of(context, DESCRIBED_SHARE, 1.0 - DESCRIBED_SHARE));
        let threads = ingest_limits(&self.state).threads;
        let work = move || {
            put_in_place(&made.file, &files).map_err(|error| stop_of_io(&error))?;
            let ingested = describe(&files.parquet(1), threads, &describing).map_err(|error| stop_of_ingest(&error))?;
            let names: Vec<&str> = ingested.columns.iter().map(|column| column.name.as_str()).collect();
            if !has_new_column(&source.parquet(origin.version), &names).map_err(|error| stop_of_ingest(&error))? {
                return Err(refused("The features made no new column. Code must add a column to df."));
            }
            let size_bytes =
                export(&files.parquet(1), file_type, &files.original(), &exporting).map_err(|error| stop_of_ingest(&error))?;
            // Nothing of it is ever rejected.
            fs::write(files.rejects(1), "").map_err(|error| stop_of_io(&error))?;
            let recipe = Recipe { version: RECIPE_VERSION, steps: made.recipe };
            let learned = serde_json::to_vec(&recipe).map_err(|error| stop_of_io(&error.into()))?;
            let made = Progress { recipe: recipe.steps, ..made };
            fs::write(files.features(), &learned).map_err(|error| stop_of_io(&error))?;
            if made.has_source_rows {
                Origin::read(&source).unwrap_or(origin).write(&files).map_err(|error| stop_of_io(&error))?;
            } else {
                // An earlier run may have had them.
                remove_if_there(&files.origin()).map_err(|error| stop_of_io(&error))?;
            }
            sync_directory(files.directory()).map_err(|error| stop_of_io(&error))?;
            let more_bytes = u64::try_from(learned.len()).unwrap_or(u64::MAX);
            Ok(Made { ingested, size_bytes, more_bytes, progress: made })
        };
        run_low(&self.places, work).await.map_err(Stop::Failed)?
    }

    async fn store(&self, context: &JobContext, project: ProjectId, payload: &Payload, made: Made) -> JobVerdict {
        let job = context.job();
        let caller = Caller::of_job(job.owner_id, job.id);
        let now = self.state.clock.now();
        let bytes = made.size_bytes.saturating_add(made.ingested.parquet_bytes).saturating_add(made.more_bytes);
        if let Err(error) = check_room(&self.state, &caller, Some(project), bytes).await {
            let failure = JobError::new(error.code(), error.to_string());
            return match error.code() {
                ErrorCode::DatabaseUnavailable => JobVerdict::Finished(JobOutcome::Retry(failure)),
                _ => failed(failure),
            };
        }
        let files = self.state.files.dataset(job.owner_id, Some(project), payload.dataset_id);
        let mut content = content_of(made.ingested, &files.rejects(1));
        content.derived_bytes = content.derived_bytes.saturating_add(made.more_bytes);
        let engineering = json!({ "featureCount": payload.features.len(), "createdAt": iso_millis::format(now) });
        let metadata = Map::from_iter([
            ("derivedFrom".to_owned(), json!(payload.source_id)),
            ("featureEngineering".to_owned(), engineering),
        ]);
        let derived = DerivedDataset {
            create: DatasetCreate {
                id: payload.dataset_id,
                project_id: Some(project),
                filename: payload.filename.clone(),
                file_type: payload.file_type,
                size_bytes: made.size_bytes,
                metadata,
                content,
            },
            lineage: DatasetLineage {
                source_id: payload.source_id,
                source_version: payload.source_version,
                features: Value::Array(made.progress.outcomes),
                warning: (!made.progress.has_source_rows).then(|| UNTRACED.to_owned()),
            },
            has_source_rows: made.progress.has_source_rows,
            learned_by: payload.splits.iter().map(|split| split.declared(payload.dataset_id, job.owner_id, now)).collect(),
        };
        // Nothing may be appended after the closing event, which the transaction below writes.
        if context.events().flush().await.is_err() {
            return JobVerdict::Stopped;
        }
        match self.state.datasets.create_derived_from_job(context.lease(), job.owner_id, derived, now).await {
            Ok(dataset) => {
                crate::nl::prepare_suggestions(&self.state, &caller, dataset.project_id);
                JobVerdict::Recorded
            }
            Err(error) => not_stored(context, error),
        }
    }

    /// Whether there is no such dataset, so that nobody needs its files: another run may have ended better than one that was
    /// taken for dead. Where that cannot be told, the janitor removes them.
    async fn is_missing(&self, job: &Job, payload: &Payload) -> bool {
        let caller = Caller::of_job(job.owner_id, job.id);
        matches!(self.state.datasets.find(&caller, payload.dataset_id).await, Err(StoreError::NotFound))
    }

    /// A directory of this run's own: a worker that was taken for dead may still write to another.
    async fn work_directory(&self, context: &JobContext) -> io::Result<PathBuf> {
        let directory = self.state.files.spool_directory(context.job().id).join(format!("run-{}", context.lease().epoch));
        let made = move || {
            let directory = std::path::absolute(directory)?;
            fs::create_dir_all(&directory)?;
            Ok(directory)
        };
        tokio::task::spawn_blocking(made).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl JobHandler for FeatureHandler {
    fn kind(&self) -> JobKind {
        JobKind::FeatureApply
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let job = context.job();
        let (payload, project) = match read_payload(job) {
            Ok(read) => read,
            Err(error) => return failed(error),
        };
        let work = match self.work_directory(&context).await {
            Ok(work) => work,
            Err(error) => {
                let Stop::Failed(error) = stop_of_io(&error) else { return JobVerdict::Stopped };
                return failed(error);
            }
        };
        let verdict = match Box::pin(self.make(&context, project, &payload, &work)).await {
            Ok(made) => self.store(&context, project, &payload, made).await,
            Err(Stop::Cancelled) => JobVerdict::Stopped,
            Err(Stop::Failed(error)) => failed(error),
        };
        let kept = match &verdict {
            JobVerdict::Recorded => true,
            JobVerdict::Stopped => runs_again(&context),
            JobVerdict::Finished(outcome) => matches!(outcome, JobOutcome::Retry(_)),
        };
        let files = self.state.files.dataset(job.owner_id, Some(project), payload.dataset_id);
        let unwanted = !kept && self.is_missing(job, &payload).await;
        let unwanted = unwanted.then(|| files.directory().to_owned());
        let removed = tokio::task::spawn_blocking(move || clean_up(&work, unwanted.as_deref()));
        drop(removed.await);
        verdict
    }
}

fn read_payload(job: &Job) -> Result<(Payload, ProjectId), JobError> {
    let broken = || JobError::new(ErrorCode::Internal, "The features could not be made");
    let payload: Payload = serde_json::from_value(job.payload.clone()).map_err(|error| {
        tracing::error!(%error, job.id = %job.id, "a job's payload is not readable");
        broken()
    })?;
    Ok((payload, job.project_id.ok_or_else(broken)?))
}

/// Removes the files of a run, and those of a dataset that there will not be.
fn clean_up(work: &Path, dataset: Option<&Path>) {
    for path in [Some(work), dataset].into_iter().flatten() {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "files of a run that made features could not be removed");
            }
            _ => {}
        }
    }
    // The job's own, when no other run is in it.
    if let Some(parent) = work.parent() {
        drop(fs::remove_dir(parent));
    }
}

fn put_in_place(file: &Path, files: &DatasetFiles) -> io::Result<()> {
    fs::create_dir_all(files.directory())?;
    let target = files.parquet(1);
    // Another file system is possible, though not usual.
    fs::rename(file, &target).or_else(|_error| fs::copy(file, &target).map(drop))
}

fn remove_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn has_new_column(source: &Path, names: &[&str]) -> Result<bool, IngestError> {
    let source = DatasetFile::open(source)?;
    let before: HashSet<&str> = source.columns().iter().map(|(name, _)| name.as_str()).collect();
    Ok(names.iter().any(|name| !before.contains(name) && *name != ROW_ID_COLUMN))
}

/// Reports a share of the job's progress, and stops the engine when the job must stop.
#[derive(Debug)]
struct Share {
    events: EventWriter,
    stop: CancellationToken,
    from: f64,
    share: f64,
}

impl Share {
    fn of(context: &JobContext, from: f64, share: f64) -> Self {
        Self { events: context.events().clone(), stop: context.stop_token().clone(), from, share }
    }
}

impl IngestObserver for Share {
    fn progress(&self, fraction: f64, stage: &str) {
        let fraction = Some(self.from + self.share * fraction);
        self.events.progress(JobProgress { fraction, message: Some(stage.to_owned()) });
    }

    fn is_cancelled(&self) -> bool {
        self.stop.is_cancelled()
    }
}
