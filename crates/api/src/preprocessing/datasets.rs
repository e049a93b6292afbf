//! Datasets of the project: which are there, and which one is worked on.

use gristmill_domain::{
    DatasetId,
    datasets::{ColumnProfile, Dataset, Row},
    ports::StoreError,
    preprocessing::{PrepAnswer, PrepRun, ReasonCode, Refusal, register_derived, set_active_dataset},
};
use serde_json::{Map, Value, json};

use super::{
    Call,
    answer::{done, store_refusal, to_json},
    short,
};

/// Most columns of a dataset that are described.
const COLUMNS_MAX: usize = 50;
/// Most columns of a dataset in a list.
const LISTED_COLUMNS_MAX: usize = 200;
/// Rows that are shown, and how much of a text in them.
const SAMPLE_ROWS: usize = 5;
const SAMPLE_CHARS_MAX: usize = 200;

impl Call<'_> {
    pub(super) async fn list_datasets(&self) -> Result<PrepAnswer, Refusal> {
        let run = self.known_run().await?;
        let active = run.as_ref().and_then(|run| run.active_dataset_id).or(self.context.dataset);
        let datasets = self.datasets().await?;
        let listed: Vec<Value> = datasets.iter().map(|dataset| summary(dataset, active)).collect();
        Ok(done(run.map(|run| run.id), json!({ "activeDatasetId": active, "datasets": listed })))
    }

    pub(super) async fn set_active(&self) -> Result<PrepAnswer, Refusal> {
        let wanted = self.args.required("datasetId")?;
        let run = self.run().await?;
        let dataset = self.named_dataset(wanted).await?;
        let fields = json!({ "datasetId": dataset.id, "dataset": summary(&dataset, Some(dataset.id)) });
        self.decide(&run, |run, now| {
            set_active_dataset(run, dataset.id, now);
            Ok(fields)
        })
        .await
    }

    pub(super) async fn profile_active(&self) -> Result<PrepAnswer, Refusal> {
        let run = self.run().await?;
        let dataset = self.dataset_or_active(&run).await?;
        let fields = json!({ "datasetId": dataset.id, "dataset": profile(&dataset) });
        self.decide(&run, |run, now| {
            set_active_dataset(run, dataset.id, now);
            Ok(fields)
        })
        .await
    }

    pub(super) async fn register_derived(&self) -> Result<PrepAnswer, Refusal> {
        let wanted = self.args.required("datasetId")?;
        let run = self.run().await?;
        let dataset = self.named_dataset(wanted).await?;
        self.decide(&run, |run, now| {
            register_derived(run, dataset.id, now);
            Ok(json!({ "datasetId": dataset.id, "derivedDatasetIds": run.derived_dataset_ids }))
        })
        .await
    }

    /// The dataset that the call names, else the one that is worked on. The server adds the person's dataset to calls: as long
    /// as the person stays with that one, the run goes on with what it has made of it.
    pub(super) async fn dataset_or_active(&self, run: &PrepRun) -> Result<Dataset, Refusal> {
        let named = self.args.text("datasetId");
        let is_added = |named: &str| self.context.dataset.is_some_and(|chosen| chosen.to_string() == named);
        match named {
            Some(named) if !is_added(named) => self.named_dataset(named).await,
            _ => self.active(run).await,
        }
    }

    /// The dataset that is worked on.
    pub(super) async fn active(&self, run: &PrepRun) -> Result<Dataset, Refusal> {
        let active = self.chosen(run).await?.or(run.active_dataset_id);
        let active = active.ok_or_else(|| {
            Refusal::new(ReasonCode::DatasetNotFound, "No dataset is chosen. Choose one with set_active_dataset.")
        })?;
        self.dataset(active).await
    }

    /// One of the project's datasets.
    pub(super) async fn dataset(&self, id: DatasetId) -> Result<Dataset, Refusal> {
        self.find_dataset(id).await?.ok_or_else(|| missing(&id.to_string()))
    }

    /// One of the project's datasets, if it is there.
    pub(super) async fn find_dataset(&self, id: DatasetId) -> Result<Option<Dataset>, Refusal> {
        match self.state.datasets.find(&self.context.caller, id).await {
            Ok(dataset) => Ok(Some(dataset).filter(|dataset| dataset.project_id == Some(self.context.project))),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(store_refusal("The dataset", ReasonCode::DatasetNotFound, &error)),
        }
    }

    /// The dataset of the project with this id or name; the extension may be left out.
    pub(super) async fn named_dataset(&self, wanted: &str) -> Result<Dataset, Refusal> {
        if let Ok(id) = wanted.parse::<DatasetId>() {
            return self.dataset(id).await;
        }
        let datasets = self.datasets().await?;
        let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase();
        let fits: [&dyn Fn(&Dataset) -> bool; 3] = [
            &|dataset: &Dataset| dataset.filename == wanted,
            &|dataset: &Dataset| dataset.filename.to_lowercase() == wanted.to_lowercase(),
            &|dataset: &Dataset| stem(&dataset.filename) == wanted.to_lowercase() || dataset.sql_name == wanted,
        ];
        for fits in fits {
            let found: Vec<&Dataset> = datasets.iter().filter(|dataset| fits(dataset)).collect();
            match found.as_slice() {
                [] => {}
                [one] => return Ok((*one).clone()),
                several => {
                    let ids: Vec<String> = several.iter().map(|dataset| dataset.id.to_string()).collect();
                    let message = format!("{} datasets have this name; name one by its id: {}.", several.len(), ids.join(", "));
                    return Err(Refusal::new(ReasonCode::DatasetNotFound, message));
                }
            }
        }
        Err(missing(wanted))
    }

    async fn datasets(&self) -> Result<Vec<Dataset>, Refusal> {
        let datasets = self.state.datasets.list(&self.context.caller, Some(self.context.project)).await;
        datasets.map_err(|error| store_refusal("The project", ReasonCode::DatasetNotFound, &error))
    }
}

fn missing(wanted: &str) -> Refusal {
    let message = format!("The project has no dataset {}. list_project_datasets tells which there are.", short(wanted));
    Refusal::new(ReasonCode::DatasetNotFound, message)
}

fn summary(dataset: &Dataset, active: Option<DatasetId>) -> Value {
    let columns = dataset.columns.iter().take(LISTED_COLUMNS_MAX);
    let columns: Vec<Value> = columns.map(|column| json!({ "name": column.name, "dtype": column.dtype })).collect();
    json!({
        "datasetId": dataset.id,
        "filename": dataset.filename,
        "fileType": dataset.file_type,
        "tableName": dataset.sql_name,
        "nRows": dataset.row_count,
        "nCols": dataset.columns.len(),
        "columns": columns,
        "isActive": active == Some(dataset.id),
    })
}

fn profile(dataset: &Dataset) -> Value {
    let columns: Vec<&ColumnProfile> = dataset.columns.iter().take(COLUMNS_MAX).collect();
    let is_truncated = dataset.columns.len() > columns.len();
    let sample: Vec<Row> = dataset.sample.iter().take(SAMPLE_ROWS).map(|row| sample_row(row, &columns)).collect();
    let mut fields = json!({
        "datasetId": dataset.id,
        "filename": dataset.filename,
        "fileType": dataset.file_type,
        "tableName": dataset.sql_name,
        "nRows": dataset.row_count,
        "nCols": dataset.columns.len(),
        "columns": columns,
        "sample": sample,
        "version": dataset.version,
        "derivedFrom": dataset.metadata.get("derivedFrom"),
    });
    if let (true, Value::Object(fields)) = (is_truncated, &mut fields) {
        fields.insert("_truncated".to_owned(), true.into());
        fields.insert("_totalColumns".to_owned(), to_json(&dataset.columns.len()));
    }
    fields
}

fn sample_row(row: &Row, columns: &[&ColumnProfile]) -> Row {
    let cut = |value: &Value| match value {
        Value::String(text) => Value::from(text.chars().take(SAMPLE_CHARS_MAX).collect::<String>()),
        other => other.clone(),
    };
    let cells = columns.iter().filter_map(|column| Some((column.name.clone(), cut(row.get(&column.name)?))));
    cells.collect::<Map<String, Value>>()
}
