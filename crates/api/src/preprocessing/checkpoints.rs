//! States that one can go back to.

use gristmill_api_types::preprocessing::PrepCheckpointView;
use gristmill_domain::{
    datasets::Dataset,
    preprocessing::{
        Checkpoint, CheckpointId, PrepAnswer, PrepRun, ReasonCode, Refusal, SchemaNow, StepId, checkpoint, code_at,
        compatibility, record_compatibility, restore, set_active_dataset,
    },
};
use serde_json::{Value, json};

use super::{
    Call,
    answer::{done, to_json},
    code::{KernelFile, bare, cell_content},
    replay, short,
};

/// What is done with a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Restore,
    Replay,
    Check,
}

impl Call<'_> {
    pub(super) async fn checkpoint_dataset(&self) -> Result<PrepAnswer, Refusal> {
        let steps = match self.args.texts("stepIds") {
            Some(texts) if !texts.is_empty() => {
                let parse = |text: &str| StepId::parse(text).ok_or_else(|| Refusal::no_step(&short(text)));
                Some(texts.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?)
            }
            _ => None,
        };
        let label = self.args.text("label");
        let run = self.run().await?;
        let dataset = self.dataset_or_active(&run).await?;
        self.decide(&run, |run, now| {
            let id = checkpoint(run, (dataset.id, dataset.version), label, steps, now)?;
            Ok(json!({ "checkpointId": id, "checkpoint": view(run.checkpoint(id)?) }))
        })
        .await
    }

    pub(super) async fn list_checkpoints(&self) -> Result<PrepAnswer, Refusal> {
        let Some(run) = self.known_run().await? else {
            let nothing = json!({ "eventCount": 0, "lastEventSequence": 0 });
            return Ok(done(None, json!({ "checkpoints": [], "replay": nothing })));
        };
        let checkpoints: Vec<Value> = run.checkpoints.iter().map(view).collect();
        Ok(done(Some(run.id), json!({ "checkpoints": checkpoints, "replay": replay(&run) })))
    }

    pub(super) async fn restore_checkpoint(&self) -> Result<PrepAnswer, Refusal> {
        let text = self.args.required("checkpointId")?;
        let id = CheckpointId::parse(text).ok_or_else(|| Refusal::no_checkpoint(&short(text)))?;
        let operation = match self.args.text("operation").unwrap_or("restore") {
            "restore" => Operation::Restore,
            "replay" => Operation::Replay,
            "compatibility_check" => Operation::Check,
            other => {
                let message = format!("There is no operation {}: restore, replay or compatibility_check.", short(other));
                return Err(Refusal::new(ReasonCode::InvalidOperation, message));
            }
        };
        let run = self.run().await?;
        run.checkpoint(id)?;
        match operation {
            Operation::Restore => self.restore(&run, id).await,
            Operation::Replay | Operation::Check => self.compare(&run, id, operation).await,
        }
    }

    async fn restore(&self, run: &PrepRun, id: CheckpointId) -> Result<PrepAnswer, Refusal> {
        let dataset = self.find_dataset(run.checkpoint(id)?.dataset_id).await?;
        let (there, version) = (dataset.as_ref().map(|dataset| dataset.id), dataset.map(|dataset| dataset.version));
        self.decide(run, |run, now| {
            restore(run, id, there, now)?;
            let restored = run.checkpoint(id)?;
            Ok(json!({
                "restoredCheckpoint": view(restored),
                "activeDatasetId": run.active_dataset_id,
                // Types may have been changed since.
                "datasetChanged": version != Some(restored.dataset_version),
                "replay": replay(run),
            }))
        })
        .await
    }

    /// Compares the steps with a dataset. A replay then works on that dataset, and tells the code of each step for it.
    async fn compare(&self, run: &PrepRun, id: CheckpointId, operation: Operation) -> Result<PrepAnswer, Refusal> {
        let wanted = self.args.text("replayDatasetId").ok_or_else(|| {
            Refusal::new(ReasonCode::ReplayTargetDatasetRequired, "Name the dataset: replayDatasetId, an id or a file name.")
        })?;
        let target = self.named_dataset(wanted).await?;
        let schema = SchemaNow(target.types());
        self.decide(run, |run, now| {
            let issues = compatibility(run, id, &schema)?;
            record_compatibility(run, id, target.id, &issues, now);
            if !issues.is_empty() {
                let message = format!("{} columns of the dataset do not fit the steps: see compatibilityIssues.", issues.len());
                let refusal = Refusal::new(ReasonCode::ReplayIncompatibleDataset, message);
                return Err(Refusal { issues, is_recorded: true, ..refusal });
            }
            let mut told = replay(run);
            if let (Operation::Replay, Value::Object(told)) = (operation, &mut told) {
                set_active_dataset(run, target.id, now);
                told.insert("steps".to_owned(), steps_for(run, run.checkpoint(id)?, &target).into());
            }
            Ok(json!({ "datasetId": target.id, "compatibilityIssues": [], "compatible": true, "replay": told }))
        })
        .await
    }
}

fn view(checkpoint: &Checkpoint) -> Value {
    to_json(&PrepCheckpointView::from(checkpoint.clone()))
}

/// The steps that led to a checkpoint, with code that begins at the target. Only the first does: each later one begins where
/// the one before it ends, so that its code is told without a dataset.
fn steps_for(run: &PrepRun, checkpoint: &Checkpoint, target: &Dataset) -> Vec<Value> {
    let steps = checkpoint.step_ids.iter().filter_map(|id| run.step(*id).ok());
    steps
        .enumerate()
        .map(|(place, step)| {
            let code = bare(code_at(run, checkpoint, step.id).or(step.code.as_deref()).unwrap_or_default());
            let code = if place == 0 { cell_content(&code, &KernelFile::of(target)) } else { code };
            json!({ "stepId": step.id, "title": step.title, "intentType": step.intent_type, "code": code })
        })
        .collect()
}
