//! Features that are made by code: a run of it in a sandbox, the table that it leaves, and what is told and kept of it.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gristmill_domain::datasets::{ColumnType, ROW_ID_COLUMN};
use gristmill_features::{CodeNote, RecipeStep};
use gristmill_ingest::{
    IngestError, IngestObserver, IngestRequest, IngestedDataset, RetypeError, derive::DatasetFile, ingest_typed,
};
use gristmill_jobs::JobContext;
use serde_json::{Value, json};

use super::{FeatureHandler, Progress, Share};
use crate::{
    datasets::{Stop, ingest_limits, run_low, stop_of_io},
    features::{
        apply::Payload,
        code::{CodeRun, TABLE, run_code, take},
        failures::{refused, stop_of_code, stop_of_ingest, stop_of_table, stop_of_taking},
        segments::CodeFeature,
    },
};

/// What code is to do.
#[derive(Debug)]
pub(super) struct CodeWork {
    pub(super) features: Vec<CodeFeature>,
    /// The rows whose targets it must not see.
    pub(super) held: Arc<HashSet<i64>>,
    pub(super) output: PathBuf,
}

impl FeatureHandler {
    /// Runs code over what has been made so far, and reads the table that it leaves.
    pub(super) async fn code(
        &self,
        context: &JobContext,
        payload: &Payload,
        before: Progress,
        CodeWork { features, held, output }: CodeWork,
        observer: Share,
    ) -> Result<Progress, Stop> {
        observer.progress(0.0, "running code");
        let types = self.types_of(&before.file).await?;
        let listed: Vec<Value> = features
            .iter()
            .map(|feature| json!({ "name": feature.spec.feature_name, "code": feature.code, "target": feature.target }))
            .collect();
        let run = CodeRun {
            python: payload.python,
            budget: payload.budget,
            dataset: &before.file,
            // Numbers of rows that are not the source's would be taken for those of the source.
            spec: json!({
                "mode": "make", "features": listed, "types": types, "isKnown": before.has_source_rows,
                "withheld": payload.withheld, "held": held.iter().collect::<Vec<_>>(),
            }),
            directory: output.with_extension("code"),
        };
        let end = run_code(&self.state, run, context.stop_token()).await.map_err(stop_of_code)?;
        let limits = ingest_limits(&self.state);
        let work = move || {
            let table = output.with_extension("csv");
            // As much as a sandbox may write has been written already.
            take(&end.out, TABLE, &table, u64::MAX - 1).map_err(|error| stop_of_taking(&error))?;
            let made: BTreeMap<String, ColumnType> =
                end.result.get("types").cloned().and_then(|types| serde_json::from_value(types).ok()).unwrap_or_default();
            let request = IngestRequest {
                source: &table,
                filename: "table.csv",
                media_type: None,
                output: &output,
                rejects: &output.with_extension("rejects"),
                limits,
            };
            // Texts stand for themselves: `NA` and `None` in the frame are texts, and only what was missing there is missing.
            let read = ingest_typed(&request, &made, &observer);
            let read = read.map_err(|error| stop_of_table(&RetypeError::from(error)))?;
            fs::remove_file(&table).map_err(|error| stop_of_io(&error))?;
            ensure_whole(&read)?;
            let rows_before = DatasetFile::open(&before.file).map_err(|error| stop_of_ingest(&error))?.row_count();
            let known = match end.result.get("rows").and_then(Value::as_str) {
                Some("same") => read.row_count == rows_before,
                Some("traced") => made.contains_key(ROW_ID_COLUMN),
                _ => false,
            };
            let has_source_rows = before.has_source_rows && known;
            let mut after = Progress { file: output, has_source_rows, ..before };
            note_code(&mut after, &features, &types, (rows_before, &read));
            after.recipe.push(step_of_code(features, &types, &read, &end.result));
            Ok::<_, Stop>(after)
        };
        run_low(&self.places, work).await.map_err(Stop::Failed)?
    }

    async fn types_of(&self, file: &Path) -> Result<BTreeMap<String, ColumnType>, Stop> {
        let file = file.to_owned();
        let work = move || Ok::<_, IngestError>(DatasetFile::open(&file)?.columns().iter().cloned().collect());
        run_low(&self.places, work).await.map_err(Stop::Failed)?.map_err(|error| stop_of_ingest(&error))
    }
}

/// Refuses a table some rows of which cannot be read: without them, it would not be what the code made.
fn ensure_whole(read: &IngestedDataset) -> Result<(), Stop> {
    let lost = read.report.rows_rejected.saturating_add(read.report.rows_too_long).saturating_add(read.report.rows_too_short);
    if lost > 0 { Err(refused(format!("{lost} rows of the table that the code left cannot be read"))) } else { Ok(()) }
}

/// What is kept of code: it is not repeated for rows that come later, so the columns that it touched must be known.
fn step_of_code(
    features: Vec<CodeFeature>,
    before: &BTreeMap<String, ColumnType>,
    read: &IngestedDataset,
    result: &Value,
) -> RecipeStep {
    let names = read.columns.iter().map(|column| &column.name).filter(|name| *name != ROW_ID_COLUMN);
    let changed = result.get("changed").and_then(Value::as_array);
    RecipeStep::Code {
        made: names.filter(|name| !before.contains_key(*name)).cloned().collect(),
        changed: match changed {
            Some(changed) => changed.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            // Any of them may have been.
            None => before.keys().cloned().collect(),
        },
        features: features
            .into_iter()
            .map(|feature| CodeNote { feature_name: feature.spec.feature_name, code: feature.code })
            .collect(),
    }
}

/// Adds what code made to what came of the features.
fn note_code(
    after: &mut Progress,
    features: &[CodeFeature],
    before: &BTreeMap<String, ColumnType>,
    (rows_before, read): (u64, &IngestedDataset),
) {
    let made = read.columns.iter().filter(|column| !before.contains_key(&column.name) && column.name != ROW_ID_COLUMN);
    let outputs: Vec<Value> =
        made.map(|column| json!({ "name": column.name, "dtype": column.dtype, "nullCount": column.null_count })).collect();
    // Code is run as a whole, so what is new is told with the last feature of a run.
    for (at, feature) in features.iter().enumerate() {
        let outputs = if at + 1 == features.len() { outputs.clone() } else { Vec::new() };
        let mut outcome = json!({
            "featureName": feature.spec.feature_name, "method": feature.spec.method,
            "sourceColumn": feature.spec.source_column, "byCode": true, "outputs": outputs,
            "rowsBefore": rows_before, "rowsAfter": read.row_count,
        });
        if let (Some(outcome), Some(id)) = (outcome.as_object_mut(), &feature.spec.id) {
            outcome.insert("id".to_owned(), json!(id));
        }
        after.outcomes.push(outcome);
    }
}
