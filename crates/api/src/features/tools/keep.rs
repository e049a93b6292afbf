//! `validate_feature`, `register_feature` and `checkpoint_feature_pipeline`: what a feature is worth, and which are kept.

use gristmill_domain::{
    datasets::Dataset,
    feature_runs::{FeatureCheckpoint, FeatureCommand, FeatureRun, FeatureStep, LeakageRisk, NAME_CHARS_MAX, TEXT_CHARS_MAX},
    ports::StoreError,
};
use gristmill_workflow::tools::{
    args::features::{CheckpointFeaturePipelineArgs, LeakageRiskArg, RegisterFeatureArgs, ValidateFeatureArgs},
    registry,
};
use serde_json::{Value, json};

use super::{Call, failed, plain, plain_or_none, refused};
use crate::{
    agent::Failure,
    features::measure::{Said, measure, validation},
};

/// Most ids that are named in a message.
const NAMED_MAX: usize = 20;

/// Measures a feature. Numbers in the call are compared with what is measured, and count for nothing else.
pub(super) async fn validate(call: &Call<'_>) -> Result<Value, Failure> {
    // Not among the tool's arguments: a server that knows the turn's target adds it.
    let mut args = call.args.clone();
    let told = args.remove("targetColumn");
    let args: ValidateFeatureArgs = registry::parse(&args)?;
    let (id, asked) = (args.feature_id.clone(), args.requires_approval == Some(true));
    if let Some(run) = call.earlier().await? {
        return validated(&run, &id, asked);
    }
    let (run, dataset) = (call.run().await?, call.known_dataset().await?);
    let step = run.measurable(&id).map_err(refused)?;
    let code_hash = step.code_hash.clone().unwrap_or_default();
    let target = target_of(call, told.as_ref().and_then(Value::as_str), step, &dataset).await?;
    let measured = Box::pin(measure(call.state, call.context, (&run, step), &dataset, target.as_deref())).await?;
    let said = Said {
        null_rate: args.null_rate,
        correlation: args.correlation_with_target,
        risk: args.leakage_risk.map(|risk| match risk {
            LeakageRiskArg::None => LeakageRisk::Absent,
            LeakageRiskArg::Low => LeakageRisk::Low,
            LeakageRiskArg::Medium => LeakageRisk::Medium,
            LeakageRiskArg::High => LeakageRisk::High,
        }),
        remark: args.distribution_notes,
    };
    let validation = validation(&measured, target.as_deref(), &said);
    let run = call.change(FeatureCommand::RecordValidation { feature_id: id.clone(), code_hash, validation }).await?;
    validated(&run, &id, asked)
}

/// The column to predict: that of the agent's turn, which no call can change, of the call, of the feature's parameters, else
/// the only one that rows of the dataset were ever held out for.
async fn target_of(
    call: &Call<'_>,
    told: Option<&str>,
    step: &FeatureStep,
    dataset: &Dataset,
) -> Result<Option<String>, Failure> {
    let is_column = |name: &&str| dataset.columns.iter().any(|column| column.name == **name);
    if let Some(run) = &call.context.run {
        match call.state.workflows.find_with_turn(&call.context.caller, run).await {
            Ok((_, begun)) => {
                if let Some(name) = begun.payload.get("targetColumn").and_then(Value::as_str).filter(is_column) {
                    return Ok(Some(name.to_owned()));
                }
            }
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if let Some(name) = told.filter(is_column) {
        return Ok(Some(name.to_owned()));
    }
    if let Some(name) = step.params.get("targetColumn").and_then(Value::as_str).filter(is_column) {
        return Ok(Some(name.to_owned()));
    }
    let splits = call.state.models.splits(&call.context.caller, dataset.id).await.map_err(failed)?;
    Ok(match splits.as_slice() {
        [only] => Some(only.target.clone()),
        _ => None,
    })
}

fn validated(run: &FeatureRun, id: &str, asked: bool) -> Result<Value, Failure> {
    let step = run.feature(id).map_err(refused)?;
    let validation =
        step.validation.as_ref().ok_or_else(|| Failure::new(format!("Feature {id} changed meanwhile; validate it again")))?;
    let requires_approval = asked || validation.leakage_risk == LeakageRisk::High;
    let message = if validation.leakage_risk == LeakageRisk::High {
        format!("Feature \"{}\" tells the target. Reject it, or make it from other columns.", step.name)
    } else {
        format!("Feature \"{}\" is measured. Call register_feature.", step.name)
    };
    Ok(json!({
        "status": "ok",
        "message": message,
        "featureId": step.feature_id,
        "validation": {
            "nullRate": validation.null_rate,
            "correlationWithTarget": validation.correlation_with_target,
            "leakageRisk": validation.leakage_risk,
            "distributionNotes": validation.distribution_notes,
        },
        "requiresApproval": requires_approval,
        "runId": run.id.to_string(),
    }))
}

/// Keeps a feature, or not. One that tells the target is kept only when a person approved of exactly that.
pub(super) async fn register(call: &Call<'_>) -> Result<Value, Failure> {
    let args: RegisterFeatureArgs = registry::parse(call.args)?;
    if let Some(run) = call.earlier().await? {
        return registered(&run, &args.feature_id);
    }
    let dataset = call.dataset().await?;
    let reason = || plain_or_none(args.rejection_reason.as_deref(), TEXT_CHARS_MAX).unwrap_or_else(|| "Rejected".to_owned());
    let command = FeatureCommand::Decide {
        feature_id: args.feature_id.clone(),
        dataset_id: dataset.map(|dataset| dataset.id),
        rejection: (!args.approved).then(reason),
        is_approved: call.context.is_approved,
    };
    let run = call.change(command).await?;
    registered(&run, &args.feature_id)
}

fn registered(run: &FeatureRun, id: &str) -> Result<Value, Failure> {
    let step = run.feature(id).map_err(refused)?;
    let mut answer = json!({
        "status": if step.rejection_reason.is_some() { "rejected" } else { "ok" },
        "message": match &step.rejection_reason {
            Some(_) => format!("Feature \"{}\" is not kept.", step.name),
            None => format!("Feature \"{}\" is registered.", step.name),
        },
        "featureId": step.feature_id,
        "projectId": run.project_id,
        "runId": run.id.to_string(),
    });
    if let Value::Object(fields) = &mut answer {
        fields.extend(step.dataset_id.map(|id| ("datasetId".to_owned(), json!(id))));
        fields.extend(step.rejection_reason.as_ref().map(|reason| ("rejectionReason".to_owned(), json!(reason))));
    }
    Ok(answer)
}

/// Records which features are kept.
pub(super) async fn checkpoint(call: &Call<'_>) -> Result<Value, Failure> {
    let args: CheckpointFeaturePipelineArgs = registry::parse(call.args)?;
    let dataset = call.dataset().await?;
    if let Some(run) = call.earlier().await? {
        return Ok(checkpointed(&run, args.feature_ids.as_deref(), dataset.as_ref()));
    }
    if call.run().await?.features.is_empty() {
        return Err(Failure::new("There are no features yet. Call propose_feature first"));
    }
    let at = call.state.clock.now();
    let label = plain_or_none(args.label.as_deref(), NAME_CHARS_MAX);
    let checkpoint = FeatureCheckpoint { id: format!("fe-ckpt-{}", at.timestamp_millis()), label, at };
    let run = call.change(FeatureCommand::Checkpoint(checkpoint)).await?;
    Ok(checkpointed(&run, args.feature_ids.as_deref(), dataset.as_ref()))
}

fn checkpointed(run: &FeatureRun, asked: Option<&[String]>, dataset: Option<&Dataset>) -> Value {
    let kept = run.registered();
    let is_asked = |id: &&str| asked.is_none_or(|asked| asked.iter().any(|one| one == *id));
    let ids: Vec<&str> = kept.iter().copied().filter(is_asked).collect();
    let missing: Vec<String> = asked
        .unwrap_or_default()
        .iter()
        .filter(|id| !kept.contains(&id.as_str()))
        .take(NAMED_MAX)
        .map(|id| plain(id, NAME_CHARS_MAX))
        .collect();
    let (status, message) = match (ids.len(), missing.is_empty()) {
        (0, true) => ("warning", "No feature is registered yet.".to_owned()),
        (_, false) => ("warning", format!("These features are not registered: {}.", missing.join(", "))),
        (count, true) => ("ok", format!("{count} registered features are recorded.")),
    };
    json!({
        "status": status,
        "message": message,
        "checkpointId": run.last_checkpoint.as_ref().map(|checkpoint| &checkpoint.id),
        "label": run.last_checkpoint.as_ref().and_then(|checkpoint| checkpoint.label.as_ref()),
        "featureIds": ids,
        "datasetId": dataset.map(|dataset| dataset.id),
        "runId": run.id.to_string(),
    })
}
