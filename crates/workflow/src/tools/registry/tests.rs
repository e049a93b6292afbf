use std::collections::BTreeSet;

use gristmill_domain::CellId;

use super::*;
use crate::tools::{
    args::{cells::CellTypeArg, preprocessing::RestoreOperation},
    schema::anything,
};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

/// What contract 2, section 4 says of each tool: its required arguments, and the others.
const ARGUMENTS: &[(&str, &[&str], &[&str])] = &[
    ("list_project_files", &[], &["datasetId"]),
    ("get_dataset_profile", &["datasetId"], &[]),
    ("get_dataset_sample", &["datasetId"], &[]),
    ("search_documents", &["query"], &["limit"]),
    ("list_cells", &[], &["notebookId"]),
    ("read_cell", &["cellId"], &[]),
    ("write_cell", &["content"], &["cellId", "title", "cellType", "metadata"]),
    ("edit_cell", &["cellId", "startLine", "endLine", "newContent"], &["metadata"]),
    ("run_cell", &["cellId"], &["metadata"]),
    ("delete_cell", &["cellId"], &[]),
    ("reorder_cells", &["cellIds"], &[]),
    ("insert_cell", &["position", "content"], &["title", "cellType"]),
    ("install_package", &["packageName"], &[]),
    ("uninstall_package", &["packageName"], &[]),
    ("list_packages", &[], &[]),
    ("ask_user", &["questions"], &[]),
    ("plan_exit", &["planMarkdown"], &["planName"]),
    ("list_project_datasets", &[], &["runId"]),
    ("set_active_dataset", &["datasetId"], &["runId"]),
    ("profile_active_dataset", &[], &["datasetId", "runId"]),
    ("checkpoint_dataset", &[], &["datasetId", "label", "stepIds"]),
    ("register_derived_dataset", &["datasetId"], &[]),
    ("list_checkpoints", &[], &["runId"]),
    ("restore_checkpoint", &["checkpointId"], &["operation", "replayDatasetId"]),
    ("propose_transformation_step", &["title", "intentType"], &["stepId", "rationale", "requiresApproval"]),
    ("materialize_step_code", &["stepId", "code"], &[]),
    ("execute_transformation_step", &["stepId"], &["cellId", "cellIds", "succeeded", "stdout", "stderr"]),
    (
        "validate_step_result",
        &["stepId"],
        &["rowCountBefore", "rowCountAfter", "nullCountBefore", "nullCountAfter", "schemaDrift", "notes", "requiresApproval"],
    ),
    ("commit_transformation_step", &["stepId"], &["approved", "rejectionReason", "datasetId", "label"]),
    ("detect_step_divergence", &[], &["stepId", "cellId"]),
    ("reconcile_diverged_step", &["stepId"], &["strategy", "title"]),
    ("propose_feature", &["featureName", "method", "rationale"], &["featureId", "sourceColumns", "params", "impact"]),
    ("materialize_feature_code", &["featureId", "code", "outputColumns"], &[]),
    ("execute_feature", &["featureId"], &["cellId", "succeeded", "stdout", "stderr", "executionMs", "executionSource"]),
    (
        "validate_feature",
        &["featureId"],
        &["nullRate", "correlationWithTarget", "leakageRisk", "distributionNotes", "requiresApproval"],
    ),
    ("register_feature", &["featureId"], &["approved", "rejectionReason", "datasetId"]),
    ("checkpoint_feature_pipeline", &[], &["label", "featureIds", "datasetId"]),
    (
        "configure_experiment",
        &["experimentName", "modelType", "taskType", "splitStrategy"],
        &["hyperparameters", "splitRatio", "targetColumn", "featureColumns", "randomSeed"],
    ),
    ("propose_training_plan", &["experimentId", "rationale"], &["expectedMetrics", "risks", "alternatives"]),
    (
        "execute_training",
        &["experimentId", "succeeded"],
        &["cellIds", "prepSegments", "metrics", "trainingDurationMs", "errorMessage"],
    ),
    ("evaluate_results", &["experimentId", "metrics"], &["learningCurve", "featureImportance", "notes"]),
    ("register_model", &["experimentId", "modelName", "modelType", "metrics", "artifactPath"], &["hyperparameters", "tags"]),
    ("compare_models", &["experimentIds", "primaryMetric"], &["includeHyperparameters", "sortOrder"]),
];

fn names(value: Option<&Value>) -> BTreeSet<&str> {
    match value {
        Some(Value::Object(fields)) => fields.keys().map(String::as_str).collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_tool_takes_what_the_contract_says() {
    let listed: Vec<&str> = specs().iter().map(|spec| spec.name).collect();
    let all: Vec<&str> = ToolName::ALL.iter().map(|tool| tool.as_str()).collect();
    assert_eq!(listed, all, "every tool once, in the order of the closed set");
    assert_eq!(listed, ARGUMENTS.iter().map(|(name, _, _)| *name).collect::<Vec<&str>>());
    for (spec, (name, required, optional)) in specs().iter().zip(ARGUMENTS) {
        assert_eq!(names(spec.parameters.get("required")), required.iter().copied().collect::<BTreeSet<&str>>(), "{name}");
        let properties: BTreeSet<&str> = required.iter().chain(*optional).copied().collect();
        assert_eq!(names(spec.parameters.get("properties")), properties, "{name}");
        assert_eq!(find(spec.tool.unwrap()), Some(spec));
    }
    assert_eq!(names(render_ui().parameters.get("properties")), BTreeSet::from(["payload", "message"]));
}

/// Every provider and every client must understand the schemas, so they have only what all of them know.
fn plain(schema: &Value, place: &str) {
    let fields = schema.as_object().unwrap_or_else(|| panic!("{place}: {schema}"));
    for key in fields.keys() {
        let known = [
            "type",
            "description",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "format",
            "default",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minimum",
            "maximum",
        ];
        assert!(known.contains(&key.as_str()), "{place} has {key}: {schema}");
    }
    assert!(fields.get("type").is_none_or(Value::is_string), "{place}: {schema}");
    if let Some(Value::Object(properties)) = fields.get("properties") {
        assert_eq!(fields["additionalProperties"], false, "{place}");
        for (name, property) in properties {
            let place = format!("{place}.{name}");
            let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
            assert!(!text.is_empty() && !text.contains('\n'), "{place} needs a description of one line: {property}");
            plain(property, &place);
        }
    }
    if let Some(items) = fields.get("items") {
        plain(items, &format!("{place}[]"));
    }
}

#[test]
fn schemas_have_nothing_but_what_everybody_understands() {
    for spec in specs().iter().chain([render_ui()]) {
        plain(&spec.parameters, spec.name);
        assert_eq!(spec.parameters["type"], "object", "{}", spec.name);
        assert!(spec.description.ends_with('.') && spec.description.len() < 200, "{}", spec.name);
        assert_eq!(llm_tool(spec).parameters, spec.parameters);
    }
}

#[test]
fn a_schema_is_as_one_would_write_it() {
    let schema = &find(ToolName::EditCell).unwrap().parameters;
    assert_eq!(
        schema["properties"]["startLine"],
        json!({ "description": "The first line to replace, counted from 1.", "type": "integer", "minimum": 1 })
    );
    let schema = &find(ToolName::WriteCell).unwrap().parameters;
    assert_eq!(schema["properties"]["cellType"]["enum"], json!(["code", "markdown"]));
    assert_eq!(schema["properties"]["cellId"]["format"], "uuid");
    assert_eq!(schema["properties"]["metadata"]["type"], "object");
    let schema = &find(ToolName::ExecuteTransformationStep).unwrap().parameters;
    assert_eq!(schema["properties"]["succeeded"]["default"], true);
    assert_eq!(schema["properties"]["cellIds"]["items"], json!({ "type": "string", "format": "uuid" }));
    let schema = &find(ToolName::AskUser).unwrap().parameters;
    assert_eq!(schema["properties"]["questions"]["items"]["properties"]["options"]["items"]["type"], "object");
}

#[test]
fn groups_are_the_contracts() {
    let count = |group: ToolGroup| specs().iter().filter(|spec| spec.group == group).count();
    assert_eq!(specs().iter().filter(|spec| spec.group.is_general()).count(), 15, "GET /llm/tools");
    assert_eq!((count(ToolGroup::Data), count(ToolGroup::Cells), count(ToolGroup::Packages)), (4, 8, 3));
    assert_eq!((count(ToolGroup::Preprocessing), count(ToolGroup::Features), count(ToolGroup::Training)), (14, 6, 6));
    assert_eq!(group(ToolName::PlanExit), ToolGroup::Interaction);
}

#[test]
fn callers_from_outside_name_the_project() {
    let schema = find(ToolName::WriteCell).unwrap().parameters_with_project();
    assert_eq!(schema["required"], json!(["projectId", "content"]));
    assert!(schema["properties"]["notebookId"].is_object() && schema["properties"]["projectId"].is_object());
    let schema = find(ToolName::SearchDocuments).unwrap().parameters_with_project();
    assert_eq!(schema["required"], json!(["projectId", "query"]));
    assert!(schema["properties"].get("notebookId").is_none());
}

/// Arguments that each tool takes: the required ones only.
fn least(tool: ToolName) -> Value {
    let id = "0190a6b8-1111-4222-8333-444455556666";
    match tool {
        ToolName::GetDatasetProfile
        | ToolName::GetDatasetSample
        | ToolName::SetActiveDataset
        | ToolName::RegisterDerivedDataset => json!({ "datasetId": "sales.csv" }),
        ToolName::SearchDocuments => json!({ "query": "returns" }),
        ToolName::ReadCell | ToolName::RunCell | ToolName::DeleteCell => json!({ "cellId": id }),
        ToolName::WriteCell => json!({ "content": "1" }),
        ToolName::EditCell => json!({ "cellId": id, "startLine": 1, "endLine": 2, "newContent": "" }),
        ToolName::ReorderCells => json!({ "cellIds": [id] }),
        ToolName::InsertCell => json!({ "position": 0, "content": "1" }),
        ToolName::InstallPackage | ToolName::UninstallPackage => json!({ "packageName": "humanize" }),
        ToolName::AskUser => {
            json!({ "questions": [{ "id": "q", "question": "?", "header": "h", "type": "free_text" }] })
        }
        ToolName::PlanExit => json!({ "planMarkdown": "# Project Plan" }),
        ToolName::RestoreCheckpoint => json!({ "checkpointId": "ckpt-1" }),
        ToolName::ProposeTransformationStep => json!({ "title": "Fill", "intentType": "impute_missing" }),
        ToolName::MaterializeStepCode => json!({ "stepId": "step-1", "code": "df = df" }),
        ToolName::ExecuteTransformationStep
        | ToolName::ValidateStepResult
        | ToolName::CommitTransformationStep
        | ToolName::ReconcileDivergedStep => json!({ "stepId": "step-1" }),
        ToolName::ProposeFeature => json!({ "featureName": "f", "method": "ratio", "rationale": "r" }),
        ToolName::MaterializeFeatureCode => {
            json!({ "featureId": "feat-1", "code": "df['f'] = 1", "outputColumns": ["f"] })
        }
        ToolName::ExecuteFeature | ToolName::ValidateFeature | ToolName::RegisterFeature => json!({ "featureId": "feat-1" }),
        ToolName::ConfigureExperiment => json!({
            "experimentName": "e", "modelType": "xgboost", "taskType": "regression", "splitStrategy": "kfold"
        }),
        ToolName::ProposeTrainingPlan => json!({ "experimentId": "exp-1", "rationale": "r" }),
        ToolName::ExecuteTraining => json!({ "experimentId": "exp-1", "succeeded": true }),
        ToolName::EvaluateResults => json!({ "experimentId": "exp-1", "metrics": { "rmse": 1.5 } }),
        ToolName::RegisterModel => json!({
            "experimentId": "exp-1", "modelName": "m", "modelType": "xgboost", "metrics": {}, "artifactPath": "model.joblib"
        }),
        ToolName::CompareModels => json!({ "experimentIds": ["exp-1"], "primaryMetric": "rmse" }),
        ToolName::ListProjectFiles
        | ToolName::ListCells
        | ToolName::ListPackages
        | ToolName::ListProjectDatasets
        | ToolName::ProfileActiveDataset
        | ToolName::CheckpointDataset
        | ToolName::ListCheckpoints
        | ToolName::DetectStepDivergence
        | ToolName::CheckpointFeaturePipeline => json!({}),
    }
}

/// Reads arguments as the tool's own type, so that schema and type are seen to agree.
fn read(tool: ToolName, args: &Map<String, Value>) -> Result<(), ArgsError> {
    macro_rules! read_as {
        ($($args:ident)+) => {
            match tool {
                $(<$args as ToolArgs>::TOOL => parse::<$args>(args).map(drop),)+
            }
        };
    }
    read_as!(
        ListProjectFilesArgs GetDatasetProfileArgs GetDatasetSampleArgs SearchDocumentsArgs ListCellsArgs ReadCellArgs
        WriteCellArgs EditCellArgs RunCellArgs DeleteCellArgs ReorderCellsArgs InsertCellArgs InstallPackageArgs
        UninstallPackageArgs
        ListPackagesArgs AskUserArgs PlanExitArgs ListProjectDatasetsArgs SetActiveDatasetArgs ProfileActiveDatasetArgs
        CheckpointDatasetArgs RegisterDerivedDatasetArgs ListCheckpointsArgs RestoreCheckpointArgs ProposeTransformationStepArgs
        MaterializeStepCodeArgs ExecuteTransformationStepArgs ValidateStepResultArgs CommitTransformationStepArgs
        DetectStepDivergenceArgs ReconcileDivergedStepArgs ProposeFeatureArgs MaterializeFeatureCodeArgs ExecuteFeatureArgs
        ValidateFeatureArgs RegisterFeatureArgs CheckpointFeaturePipelineArgs ConfigureExperimentArgs ProposeTrainingPlanArgs
        ExecuteTrainingArgs EvaluateResultsArgs RegisterModelArgs CompareModelsArgs
    )
}

#[test]
fn every_tool_reads_the_least_and_what_the_server_adds_and_refuses_less() {
    let added = object(json!({
        "datasetId": "sales.csv", "notebookId": "0190a6b8-1111-4222-8333-444455556666", "toolCallId": "wf-call-1",
        "approvalSource": "user", "runId": "run-1", "rationale": "because", "projectId": "another"
    }));
    for tool in ToolName::ALL {
        let least = object(least(*tool));
        read(*tool, &least).unwrap_or_else(|error| panic!("{tool:?}: {error}"));
        let mut more = added.clone();
        more.extend(least.clone());
        let taken = check(*tool, &more).unwrap_or_else(|error| panic!("{tool:?}: {error}"));
        read(*tool, &more).unwrap_or_else(|error| panic!("{tool:?}: {error}"));
        for never in ["projectId", "toolCallId", "approvalSource"] {
            assert!(!taken.contains_key(never), "{tool:?} takes {never}");
        }
        for required in least.keys().filter(|key| *key != "rationale") {
            let mut less = least.clone();
            less.remove(required);
            let refused = read(*tool, &less).unwrap_err();
            assert_eq!((refused.path.as_str(), refused.reason.as_str()), (required.as_str(), "is required"), "{tool:?}");
        }
        let mut unknown = least;
        unknown.insert("colour".into(), "red".into());
        assert!(read(*tool, &unknown).unwrap_err().to_string().starts_with("`colour` is unknown"), "{tool:?}");
    }
}

#[test]
fn what_was_lifted_out_is_not_missed() {
    let args = object(json!({ "experimentId": "exp-1" }));
    assert_eq!(parse::<ProposeTrainingPlanArgs>(&args).unwrap().rationale, "");
}

#[test]
fn values_arrive_as_their_types() {
    let id = CellId::random();
    let args = object(json!({ "cellId": id, "content": "x", "cellType": "markdown", "metadata": { "a": [1] }, "title": null }));
    let write: WriteCellArgs = parse(&args).unwrap();
    assert_eq!((write.cell_id, write.cell_type, write.title), (Some(id), Some(CellTypeArg::Markdown), None));
    let edit: EditCellArgs = parse(&object(json!({ "cellId": id, "startLine": "2", "endLine": 3.0, "newContent": "" }))).unwrap();
    assert_eq!((edit.start_line, edit.end_line), (2, 3));
    let args = object(json!({ "checkpointId": "c", "operation": "replay", "replayDatasetId": "d" }));
    assert_eq!(parse::<RestoreCheckpointArgs>(&args).unwrap().operation, Some(RestoreOperation::Replay));
    let args = object(
        json!({ "experimentId": "e", "metrics": { "rmse": 1 }, "featureImportance": [{ "feature": "a", "importance": 1 }] }),
    );
    assert_eq!(parse::<EvaluateResultsArgs>(&args).unwrap().feature_importance.unwrap()[0].importance, 1.0);
    let bad = object(json!({ "cellIds": ["nonsense"] }));
    assert!(parse::<ReorderCellsArgs>(&bad).unwrap_err().to_string().starts_with("`cellIds[0]` must be the id of one"));
}

#[test]
fn risks_are_graded() {
    let none = Map::new();
    for (tool, expected) in [
        (ToolName::GetDatasetSample, Risk::Low),
        (ToolName::WriteCell, Risk::Medium),
        (ToolName::InstallPackage, Risk::Medium),
        (ToolName::RunCell, Risk::Unknown),
        (ToolName::DeleteCell, Risk::High),
        (ToolName::UninstallPackage, Risk::High),
        (ToolName::RestoreCheckpoint, Risk::High),
        (ToolName::CommitTransformationStep, Risk::Medium),
    ] {
        assert_eq!(risk(tool, &none), expected, "{tool:?}");
    }
    let with = |key: &str, value: Value| object(json!({ key: value }));
    assert_eq!(risk(ToolName::RestoreCheckpoint, &with("operation", "compatibility_check".into())), Risk::Low);
    assert_eq!(risk(ToolName::RestoreCheckpoint, &with("operation", "replay".into())), Risk::High);
}

proptest::proptest! {
    #[test]
    fn no_arguments_make_it_panic(index in 0_usize..43, value in anything::json()) {
        let tool = ToolName::ALL[index];
        // As they come, and in the place of each known argument.
        if let Value::Object(fields) = &value {
            drop(read(tool, fields));
        }
        for key in least(tool).as_object().unwrap().keys() {
            let mut args = object(least(tool));
            args.insert(key.clone(), value.clone());
            drop(read(tool, &args));
        }
    }
}
