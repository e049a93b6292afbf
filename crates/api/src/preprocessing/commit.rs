//! Measuring what a step did, and keeping it or not.

use gristmill_domain::{
    DatasetId, ErrorCode, JobId,
    datasets::Dataset,
    jobs::{Job, JobState},
    notebooks::Notebook,
    ports::StoreError,
    preprocessing::{
        Approval, BasisNow, CellsNow, Kept, PrepAnswer, PrepRun, ReasonCode, Refusal, Remarks, SchemaNow, Step, StepId,
        StepStatus, check_approval, check_commit, check_measurable, commit, reject, validate,
    },
};
use gristmill_persistence::repo::datasets::DatasetDeletion;
use gristmill_runtime::TakenFile;
use serde_json::{Map, Value, json};

use super::{
    Call,
    answer::{done, internal, step_view, store_refusal, to_json},
    code::KernelFile,
    measure::{Output, Saved},
    steps::{bindings, told},
};
use crate::{
    datasets::{CHOSEN_TYPES, ingested, submit_ingest},
    error::ApiError,
    features::pass_on_origin,
    uploads::{ReceivedFile, Spool, io_error},
};

/// How often a file is tried to be made a dataset under one key, counting tries that failed before.
const TRIES_MAX: u32 = 8;
/// Longest base of a derived dataset's name, and longest part of it that names the notebook, characters.
const BASE_CHARS_MAX: usize = 150;
const SLUG_CHARS_MAX: usize = 40;

impl Call<'_> {
    pub(super) async fn validate(&self) -> Result<PrepAnswer, Refusal> {
        let id = self.step_id()?;
        let remarks = Remarks {
            notes: self.args.text("notes").map(str::to_owned),
            asks_approval: self.args.flag("requiresApproval") == Some(true),
        };
        let run = self.run().await?;
        // Measuring takes long; what was answered before needs none.
        if let Some(earlier) = self.answered(run.id).await? {
            return Ok(earlier);
        }
        check_measurable(&run, id)?;
        let step = run.step(id)?;
        let cells = self.cells_of(step).await?.now;
        let source = self.source(step).await?;
        ensure_current(step, &source, &cells)?;
        let output = self.output(&source, &cells).await?;
        let measured = self.measure(&source, &cells, output).await?;
        self.decide(&run, |run, now| {
            validate(run, id, &cells, &measured, remarks, now)?;
            let step = run.step(id)?;
            let more = json!({ "passed": true, "datasetId": source.id, "notes": summary(step), "cellBindings": bindings(step) });
            told(run, id, more)
        })
        .await
    }

    pub(super) async fn commit(&self) -> Result<PrepAnswer, Refusal> {
        let id = self.step_id()?;
        let is_user = self.context.is_approved;
        let approved = self.args.flag("approved").or(is_user.then_some(true));
        let run = self.run().await?;
        if let Some(earlier) = self.answered(run.id).await? {
            return Ok(earlier);
        }
        let step = run.step(id)?;
        let seen = self.args.text("codeHash");
        if seen.is_some() && seen != step.code_hash.as_ref().map(|hash| hash.as_str()) {
            let message = "The step has other code by now; look at it again and decide anew.";
            return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
        }
        if approved == Some(false) {
            return self.reject(&run, id).await;
        }
        if let Some(named) = self.args.text("datasetId") {
            // It says nothing that the step does not know, but must not be another project's.
            self.named_dataset(named).await?;
        }
        if step.status == StepStatus::Applied {
            // Sent twice.
            return Ok(done(Some(run.id), committed(&run, id)?));
        }
        self.ensure_seen(step)?;
        let approval = match (approved, is_user) {
            (Some(true), true) => Approval::ByUser(self.context.caller.user_id),
            (Some(true), false) => Approval::ByAgent,
            _ => Approval::Absent,
        };
        check_approval(&run, id, approval)?;
        Box::pin(self.apply(&run, step, approval)).await
    }

    /// Refuses when the call names a state of the step that it is not in any more. Who decides does so about what was measured.
    fn ensure_seen(&self, step: &Step) -> Result<(), Refusal> {
        let now = step_view(step);
        let seen = |key: &str| self.args.0.get(key).filter(|seen| !seen.is_null());
        if ["version", "updatedAt"].into_iter().any(|key| seen(key).is_some_and(|seen| Some(seen) != now.get(key))) {
            let message = "The step was run or measured anew since it was shown; look at it again and decide anew.";
            return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(step.id));
        }
        Ok(())
    }

    /// Makes the step's output a dataset and applies the step, unless something is other than when it was measured.
    async fn apply(&self, run: &PrepRun, step: &Step, approval: Approval) -> Result<PrepAnswer, Refusal> {
        let (id, version) = (step.id, step.version);
        let source = self.source(step).await?;
        let found = self.cells_of(step).await?;
        let saved = match self.output(&source, &found.now).await? {
            Output::File(saved) => Some(saved),
            Output::Missing(_) | Output::Unusable(_) => None,
        };
        let output_hash = saved.as_ref().map(|saved| saved.hash.clone());
        let basis = BasisNow { dataset_version: Some(source.version), output_hash };
        let mut trial = run.clone();
        if let Err(refusal) = check_commit(&mut trial, id, approval, (&found.now, &basis), self.now()) {
            return self.keep_refusal(run, id, approval, (&found.now, &basis), refusal).await;
        }
        let saved = saved.ok_or_else(|| Refusal::new(ReasonCode::ProcessedDatasetNotFound, "The file is gone.").of_step(id))?;
        let derived = Box::pin(self.derive(run, step, &source, &saved, found.notebook.as_ref()))
            .await
            .map_err(|refusal| refusal.of_step(id))?;
        self.inherit(&source, &derived).await.map_err(|refusal| refusal.of_step(id))?;
        // That took a while.
        let (cells, label) = (self.cells_of(step).await?.now, self.args.text("label").map(str::to_owned));
        let source_now = self.find_dataset(source.id).await?.map(|source| source.version);
        let basis = BasisNow { dataset_version: source_now, ..basis };
        let kept = Kept {
            dataset_id: derived.id,
            dataset_version: derived.version,
            input: SchemaNow(source.types()),
            output: SchemaNow(derived.types()),
            label,
        };
        let answer = self
            .decide(run, |run, now| {
                // What was said yes to is this version, and no later one.
                if run.step(id)?.version != version {
                    return Err(changed(id));
                }
                self.ensure_seen(run.step(id)?)?;
                commit(run, id, approval, (&cells, &basis), kept, now)?;
                committed(run, id)
            })
            .await?;
        if answer.error.is_some() {
            self.discard(derived.id).await;
        }
        Ok(answer)
    }

    /// Records what was found to have changed since the step was measured.
    async fn keep_refusal(
        &self,
        run: &PrepRun,
        id: StepId,
        approval: Approval,
        facts: (&CellsNow, &BasisNow),
        refusal: Refusal,
    ) -> Result<PrepAnswer, Refusal> {
        if !refusal.is_recorded {
            return Err(refusal);
        }
        self.decide(run, |run, now| {
            check_commit(run, id, approval, facts, now)?;
            Err(changed(id))
        })
        .await
    }

    async fn reject(&self, run: &PrepRun, id: StepId) -> Result<PrepAnswer, Refusal> {
        let why = self.args.text("rejectionReason");
        // An agent that gives a step up is no person who says no.
        let by = (self.context.run.is_none() || self.context.is_approved).then_some(self.context.caller.user_id);
        self.decide(run, |run, now| {
            self.ensure_seen(run.step(id)?)?;
            reject(run, id, by, why, now)?;
            told(run, id, json!({ "rejected": true, "cellBindings": bindings(run.step(id)?) }))
        })
        .await
    }

    /// The dataset that a step reads.
    async fn source(&self, step: &Step) -> Result<Dataset, Refusal> {
        let input = step.input.ok_or_else(|| {
            Refusal::new(ReasonCode::StepExecuteRequiresCode, "The step has no code; give it some with materialize_step_code.")
        });
        self.dataset(input.map_err(|refusal| refusal.of_step(step.id))?.dataset_id).await
    }

    /// Makes a file a dataset of the project. Under one key that happens once for one output; a try that failed before is
    /// followed by another. Each commit makes a dataset of its own, so that a checkpoint can be gone back to: its dataset is
    /// never written over.
    async fn derive(
        &self,
        run: &PrepRun,
        step: &Step,
        source: &Dataset,
        saved: &Saved,
        notebook: Option<&Notebook>,
    ) -> Result<Dataset, Refusal> {
        let (root, root_name) = self.root(source).await?;
        let filename =
            derived_name(&root_name, notebook.map(|notebook| notebook.name.as_str()), &KernelFile::of(source).extension());
        let metadata = json!({
            "derivedFrom": root,
            "preprocessing": {
                "runId": run.id,
                "stepId": step.id,
                "stepTitle": step.title,
                "codeHash": step.code_hash,
                "sourceDatasetId": source.id,
                "sourceVersion": source.version,
                "previousDatasetId": run.derived_dataset_ids.last(),
            },
        });
        let mut metadata = metadata.as_object().cloned().unwrap_or_default();
        if !saved.types.is_empty() {
            metadata.insert(CHOSEN_TYPES.to_owned(), to_json(&saved.types));
        }
        let key = self.context.derived_id("derived dataset");
        // A call that is repeated after a crash may find another output, which was measured meanwhile.
        let measured = step.validation.as_ref().map_or("", |validation| validation.basis.output_hash.as_str());
        for attempt in 0..TRIES_MAX {
            let key = format!("preprocessing/{key}/{measured}/{attempt}");
            let job =
                self.submit(&saved.file, filename.clone(), metadata.clone(), key).await.map_err(|error| not_kept(&error))?;
            if matches!(job.state, JobState::Failed | JobState::Cancelled) {
                continue;
            }
            match ingested(self.state, &self.context.caller, job.id).await {
                Ok(dataset) => return Ok(dataset),
                // An earlier try succeeded, and its dataset was deleted since.
                Err(error) if error.code() == ErrorCode::DatasetNotFound => {}
                Err(error) => return Err(not_kept(&error)),
            }
        }
        Err(Refusal::new(ReasonCode::ProcessedDatasetPersistFailed, "The output could not be kept; run the step again."))
    }

    /// Divides the rows of a derived dataset as those of its source are divided: models of both are tested alike, and on no row
    /// that features of the source have learned from, as far as the rows can be told.
    async fn inherit(&self, source: &Dataset, derived: &Dataset) -> Result<(), Refusal> {
        match self.state.datasets.inherit_splits(&self.context.caller, source.id, derived).await {
            // What is gone is told when the step is applied.
            Ok(()) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(store_refusal("The dataset", ReasonCode::DatasetNotFound, &error)),
        }
        let (files, source, derived) = (self.state.files.clone(), source.clone(), derived.clone());
        let passed = tokio::task::spawn_blocking(move || pass_on_origin(&files, &source, &derived)).await;
        passed.map_err(|error| internal(&error))?.map_err(|error| internal(&error))
    }

    async fn submit(
        &self,
        file: &TakenFile,
        filename: String,
        metadata: Map<String, Value>,
        key: String,
    ) -> Result<Job, ApiError> {
        let state = self.state;
        let job_id = JobId::random();
        let spool = Spool::create(&state.files, job_id).map_err(io_error)?;
        let (from, to) = (file.path.clone(), spool.file());
        // A further try needs the file again.
        let linked = move || std::fs::hard_link(&from, &to).or_else(|_error| std::fs::copy(&from, &to).map(drop));
        tokio::task::spawn_blocking(linked).await.map_err(ApiError::internal)?.map_err(io_error)?;
        let received = ReceivedFile {
            filename,
            media_type: None,
            size_bytes: file.size_bytes,
            project_id: Some(self.context.project),
            metadata,
        };
        submit_ingest(state, &self.context.caller, job_id, spool, received, Some(key)).await
    }

    /// The dataset that all began with, and its name.
    async fn root(&self, source: &Dataset) -> Result<(DatasetId, String), Refusal> {
        let from = source.metadata.get("preprocessing").and(source.metadata.get("derivedFrom"));
        let Some(id) = from.and_then(|from| from.as_str()?.parse::<DatasetId>().ok()) else {
            return Ok((source.id, source.filename.clone()));
        };
        let name = self.find_dataset(id).await?.map_or_else(|| source.filename.clone(), |root| root.filename);
        Ok((id, name))
    }

    /// Removes a derived dataset whose step was not applied after all.
    async fn discard(&self, id: DatasetId) {
        match self.state.datasets.delete(&self.context.caller, id, self.state.clock.now()).await {
            Ok(DatasetDeletion::Deleted) => {
                self.state.row_readers.forget(id);
                self.state.file_cleaner.wake();
            }
            // Another agent has found it and works on it: it stays, as any dataset does.
            Ok(DatasetDeletion::InUse { .. }) => {}
            Err(error) => drop(internal(&error)),
        }
    }
}

/// Refuses when the cells may have read the dataset before it got the version that it has now: what they wrote would be
/// measured beside another table than the one that they read, and approved of as if it came from that one.
fn ensure_current(step: &Step, source: &Dataset, cells: &CellsNow) -> Result<(), Refusal> {
    let is_changed = step.input.is_some_and(|input| input.dataset_version != source.version);
    if is_changed && cells.began_at().is_none_or(|began| began < source.updated_at) {
        let message = "The dataset changed since the step ran. Run its cell again, then record and validate that.";
        return Err(Refusal::new(ReasonCode::StepValidateRequiresSuccessfulExecute, message).of_step(step.id));
    }
    Ok(())
}

/// What an answer says of an applied step.
fn committed(run: &PrepRun, id: StepId) -> Result<Value, Refusal> {
    let step = run.step(id)?;
    let Some(output) = step.output else {
        return Err(Refusal::new(ReasonCode::InternalError, "The step is applied without an output.").of_step(id));
    };
    let checkpoint = run.checkpoint(output.checkpoint_id)?.clone();
    let more = json!({
        "checkpointId": output.checkpoint_id,
        "checkpoint": to_json(&gristmill_api_types::preprocessing::PrepCheckpointView::from(checkpoint)),
        "cellBindings": bindings(step),
        "derivedDatasetId": output.dataset_id,
        "activeDatasetId": run.active_dataset_id,
    });
    told(run, id, more)
}

fn changed(id: StepId) -> Refusal {
    Refusal::new(ReasonCode::InvalidOperation, "The step changed meanwhile; look at it again.").of_step(id)
}

/// What was measured, in a line, with what the model remarked.
fn summary(step: &Step) -> String {
    let Some(validation) = &step.validation else { return String::new() };
    let measured = if validation.changes.is_empty() {
        "Rows, missing values and columns are as before".to_owned()
    } else {
        validation.changes.join("; ")
    };
    match &validation.notes {
        Some(notes) => format!("{measured}. {notes}"),
        None => measured,
    }
}

fn not_kept(error: &ApiError) -> Refusal {
    error.log();
    Refusal::new(ReasonCode::ProcessedDatasetPersistFailed, format!("The output could not become a dataset: {error}"))
}

/// `<base>_processed[_<notebook>]<extension>`. Notebooks that nobody gave a name are left out.
fn derived_name(root: &str, notebook: Option<&str>, extension: &str) -> String {
    let stem = root.rsplit_once('.').map_or(root, |(stem, _)| stem);
    let base = stem.split_once("_processed").map_or(stem, |(base, _)| base);
    let base: String = base.chars().take(BASE_CHARS_MAX).collect();
    let base = if base.is_empty() { "dataset".to_owned() } else { base };
    let slug = notebook.filter(|name| !is_numbered(name)).map(slug).filter(|slug| !slug.is_empty());
    match slug {
        Some(slug) => format!("{base}_processed_{slug}{extension}"),
        None => format!("{base}_processed{extension}"),
    }
}

/// Whether it is a name that the server gave.
fn is_numbered(name: &str) -> bool {
    let number = name.strip_prefix("Notebook ").or_else(|| name.strip_prefix("Untitled "));
    number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_datasets_are_named_after_what_all_began_with() {
        for (root, notebook, name) in [
            ("sales.csv", None, "sales_processed.csv"),
            ("sales.csv", Some("Notebook 12"), "sales_processed.csv"),
            ("sales.csv", Some("Clean-up: März 2026!"), "sales_processed_clean-up-m-rz-2026.csv"),
            ("a.b.csv", Some("!!!"), "a.b_processed.csv"),
            ("sales_processed_old.csv", None, "sales_processed.csv"),
            ("_processed.csv", None, "dataset_processed.csv"),
        ] {
            assert_eq!(derived_name(root, notebook, ".csv"), name, "{root} {notebook:?}");
        }
        assert!(derived_name(&"x".repeat(300), Some(&"y".repeat(300)), ".csv").len() <= 210);
    }
}
