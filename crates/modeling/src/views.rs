//! What sandboxes see of a dataset: files that the server writes, each with just what its reader may know.
//!
//! `train.parquet` has the rows for training with their labels, `features.parquet` the test rows without theirs, and
//! `labels.parquet` the labels of the test rows and nothing else.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array},
    compute::{filter_record_batch, take},
    datatypes::{Field, Int64Type, Schema, SchemaRef},
};
use gristmill_domain::{
    datasets::ROW_ID_COLUMN,
    models::{Split, SplitKind},
};
use parquet::{
    arrow::{ArrowWriter, ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{
    error::ModelingError,
    rows::{divide, row_id_field, with_row_ids},
    split::{Side, shuffled},
};

/// The column that joins rows of different files.
pub(crate) const ROW_ID: &str = ROW_ID_COLUMN;
pub(crate) const BATCH_ROWS: usize = 16_384;

/// What to make views of.
#[derive(Debug, Clone)]
pub(crate) struct ViewRequest {
    /// The dataset's file.
    pub(crate) dataset: PathBuf,
    /// The file of the dataset that it was derived from, where it was and has its row ids: its rows are divided as those.
    pub(crate) origin: Option<PathBuf>,
    /// The column to predict.
    pub(crate) target: Option<String>,
    /// The columns to predict from; none: all others.
    pub(crate) features: Option<Vec<String>>,
    /// How rows are divided.
    pub(crate) split: Split,
    /// Whether the target is a class, for stratified splits.
    pub(crate) classes: bool,
}

/// Where views are written.
#[derive(Debug, Clone)]
pub(crate) struct ViewPlaces {
    pub(crate) train: PathBuf,
    pub(crate) features: PathBuf,
    pub(crate) labels: PathBuf,
}

impl ViewPlaces {
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self {
            train: directory.join("train.parquet"),
            features: directory.join("features.parquet"),
            labels: directory.join("labels.parquet"),
        }
    }
}

/// How many rows went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViewCounts {
    pub(crate) train: u64,
    pub(crate) test: u64,
}

/// Writes the views. Blocks.
pub(crate) fn write_views(request: &ViewRequest, places: &ViewPlaces) -> Result<ViewCounts, ModelingError> {
    let schema = open(&request.dataset)?.schema().clone();
    check_columns(&schema, request)?;
    let (ids, sides) = divide(request, &schema)?;
    let columns = Columns::of(&schema, request);
    let reader = open(&request.dataset)?.with_batch_size(BATCH_ROWS).build().map_err(table("reading the dataset"))?;
    let mut train = Writer::create(&places.train, columns.train(&schema))?;
    let mut test = match &request.target {
        Some(_) => {
            let features = Writer::create(&places.features, columns.features(&schema))?;
            Some((features, Writer::create(&places.labels, columns.labels(&schema))?))
        }
        None => None,
    };
    let mut counts = ViewCounts { train: 0, test: 0 };
    let mut first = 0;
    for batch in reader {
        let batch = batch.map_err(table("reading the dataset"))?;
        let rows = batch.num_rows();
        let with_id = with_row_ids(&batch, ids.get(first..first + rows).unwrap_or_default())?;
        let Some(sides) = &sides else {
            counts.train += train.write(&with_id)?;
            first += rows;
            continue;
        };
        let of = |side| -> BooleanArray { (first..first + rows).map(|row| Some(sides.get(row) == Some(&side))).collect() };
        let chosen = filter_record_batch(&with_id, &of(Side::Train)).map_err(table("dividing the rows"))?;
        counts.train += train.write(&chosen)?;
        if let Some((features, labels)) = &mut test {
            let held_out = filter_record_batch(&with_id, &of(Side::Test)).map_err(table("dividing the rows"))?;
            counts.test += features.write(&held_out)?;
            labels.write(&held_out)?;
        }
        first += rows;
    }
    train.close()?;
    if let Some((features, labels)) = test {
        features.close()?;
        labels.close()?;
    }
    Ok(counts)
}

/// Writes, for each feature and repeat, the column with its values in another order. Returns (feature, file name).
pub(crate) fn write_permuted(
    features: &Path,
    directory: &Path,
    columns: &[String],
    repeats: u32,
    seed: u32,
) -> Result<Vec<(String, String)>, ModelingError> {
    let mut written = Vec::new();
    for (number, name) in columns.iter().enumerate() {
        let Some((ids, values)) = read_column(features, name)? else { continue };
        for repeat in 0..repeats {
            let salt = u64::from(seed).wrapping_add(u64::try_from(number).unwrap_or(0) << 8).wrapping_add(u64::from(repeat));
            let order = UInt64Array::from(shuffled(values.len(), salt));
            let moved = take(&values, &order, None).map_err(table("shuffling a column"))?;
            let file = format!("permuted-{number}-{repeat}.parquet");
            let schema = Schema::new(vec![row_id_field(), Field::new(name, values.data_type().clone(), true)]);
            let batch =
                RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(&ids), moved]).map_err(table("shuffling a column"))?;
            let mut writer = Writer::create(&directory.join(&file), batch.schema())?;
            writer.write(&batch)?;
            writer.close()?;
            written.push((name.clone(), file));
        }
    }
    Ok(written)
}

/// The row ids of a file.
pub(crate) fn row_ids(path: &Path) -> Result<Vec<i64>, ModelingError> {
    let Some((ids, _)) = read_column(path, ROW_ID)? else { return Ok(Vec::new()) };
    Ok(ids.as_primitive::<Int64Type>().values().to_vec())
}

/// Copies the rows of `source` whose ids are in `kept`.
pub(crate) fn keep_rows(source: &Path, target: &Path, kept: &std::collections::HashSet<i64>) -> Result<u64, ModelingError> {
    let reader = open(source)?.with_batch_size(BATCH_ROWS).build().map_err(table("reading a view"))?;
    let schema = open(source)?.schema().clone();
    let mut writer = Writer::create(target, schema)?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(table("reading a view"))?;
        let Some(ids) = batch.column_by_name(ROW_ID) else { continue };
        let ids = ids.as_primitive::<Int64Type>();
        let chosen: BooleanArray = ids.values().iter().map(|id| Some(kept.contains(id))).collect();
        let batch = filter_record_batch(&batch, &chosen).map_err(table("choosing rows"))?;
        rows += writer.write(&batch)?;
    }
    writer.close()?;
    Ok(rows)
}

pub(crate) fn table<E: Into<Box<dyn std::error::Error + Send + Sync>>>(doing: &'static str) -> impl FnOnce(E) -> ModelingError {
    ModelingError::table(doing)
}

pub(crate) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ModelingError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ModelingError::DatasetGone,
        _ => ModelingError::Io { doing: "opening the dataset", source: error },
    })?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(table("reading the dataset"))
}

pub(crate) fn check_columns(schema: &SchemaRef, request: &ViewRequest) -> Result<(), ModelingError> {
    let missing = |name: &str, code: &str, field: &str| {
        let message = format!("the dataset has no column \"{name}\"");
        Err(ModelingError::refused(code, message, Some(field)))
    };
    if let Some(target) = request.target.as_deref().filter(|name| schema.index_of(name).is_err()) {
        return missing(target, "target_missing", "targetColumn");
    }
    if let Some(column) = request.split.column.as_deref().filter(|name| schema.index_of(name).is_err()) {
        return missing(column, "split_column_missing", "split.column");
    }
    let absent = request.features.iter().flatten().find(|name| schema.index_of(name).is_err());
    if let Some(name) = absent {
        return missing(name, "feature_missing", "features");
    }
    let asked = [(&request.target, "targetColumn"), (&request.split.column, "split.column")];
    let listed = request.features.iter().flatten().find(|name| *name == ROW_ID).map(|_| "features");
    let asked = asked.into_iter().find(|(name, _)| name.as_deref() == Some(ROW_ID)).map(|(_, field)| field);
    if let Some(field) = asked.or(listed) {
        let message = format!("the column \"{ROW_ID}\" numbers the rows, and says nothing about them; choose another");
        return Err(ModelingError::refused("row_id_reserved", message, Some(field)));
    }
    Ok(())
}

/// Which columns of the dataset go where.
struct Columns {
    features: Vec<String>,
    target: Option<String>,
    /// Needed for folds, but no feature.
    group: Option<String>,
}

impl Columns {
    fn of(schema: &SchemaRef, request: &ViewRequest) -> Self {
        let group = request.split.column.clone().filter(|_| request.split.kind == SplitKind::Group);
        let names = schema.fields().iter().map(|field| field.name().clone());
        let wanted: Vec<String> = match &request.features {
            Some(features) => names.filter(|name| features.contains(name)).collect(),
            None => names.collect(),
        };
        let aside = |name: &String| Some(name) == request.target.as_ref() || Some(name) == group.as_ref() || name == ROW_ID;
        Self { features: wanted.into_iter().filter(|name| !aside(name)).collect(), target: request.target.clone(), group }
    }

    /// Without row ids: nothing is joined to these rows, and where a row comes from is nothing to learn from.
    fn train(&self, schema: &SchemaRef) -> SchemaRef {
        select(Vec::new(), schema, self.features.iter().chain(&self.target).chain(&self.group))
    }

    fn features(&self, schema: &SchemaRef) -> SchemaRef {
        select(vec![Arc::new(row_id_field())], schema, &self.features)
    }

    fn labels(&self, schema: &SchemaRef) -> SchemaRef {
        select(vec![Arc::new(row_id_field())], schema, &self.target)
    }
}

fn select<'name>(mut fields: Vec<Arc<Field>>, schema: &SchemaRef, names: impl IntoIterator<Item = &'name String>) -> SchemaRef {
    fields.extend(names.into_iter().filter_map(|name| schema.fields().find(name).map(|(_, field)| Arc::clone(field))));
    Arc::new(Schema::new(fields))
}

pub(crate) fn column<'batch>(batch: &'batch RecordBatch, name: &str) -> Result<&'batch ArrayRef, ModelingError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| ModelingError::refused("column_missing", format!("there is no column \"{name}\""), None))
}

fn read_column(path: &Path, name: &str) -> Result<Option<(ArrayRef, ArrayRef)>, ModelingError> {
    let builder = open(path)?;
    if builder.schema().index_of(name).is_err() {
        return Ok(None);
    }
    let mask = ProjectionMask::columns(builder.parquet_schema(), [ROW_ID, name]);
    let reader = builder.with_projection(mask).build().map_err(table("reading a view"))?;
    let mut batches = Vec::new();
    let mut schema = None;
    for batch in reader {
        let batch = batch.map_err(table("reading a view"))?;
        schema = Some(batch.schema());
        batches.push(batch);
    }
    let Some(schema) = schema else { return Ok(None) };
    let whole = arrow::compute::concat_batches(&schema, &batches).map_err(table("reading a view"))?;
    let (Some(ids), Some(values)) = (whole.column_by_name(ROW_ID), whole.column_by_name(name)) else { return Ok(None) };
    Ok(Some((Arc::clone(ids), Arc::clone(values))))
}

/// Writes the columns of its schema, whatever else a batch has.
struct Writer {
    file: ArrowWriter<File>,
    schema: SchemaRef,
}

impl Writer {
    fn create(path: &Path, schema: SchemaRef) -> Result<Self, ModelingError> {
        let file = File::create(path).map_err(ModelingError::io("writing a view of the dataset"))?;
        let properties = WriterProperties::builder()
            .set_created_by("gristmill".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let file =
            ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(table("writing a view of the dataset"))?;
        Ok(Self { file, schema })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<u64, ModelingError> {
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        let columns: Result<Vec<ArrayRef>, ModelingError> =
            self.schema.fields().iter().map(|field| column(batch, field.name()).cloned()).collect();
        let chosen = RecordBatch::try_new(Arc::clone(&self.schema), columns?).map_err(table("writing a view of the dataset"))?;
        self.file.write(&chosen).map_err(table("writing a view of the dataset"))?;
        Ok(u64::try_from(chosen.num_rows()).unwrap_or(0))
    }

    fn close(self) -> Result<(), ModelingError> {
        self.file.close().map_err(table("writing a view of the dataset"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use arrow::{
        array::{Float64Array, Int64Array, StringArray},
        datatypes::{DataType, Float64Type},
    };
    use gristmill_domain::models::SplitKind;

    use super::*;
    use crate::rows::texts;

    fn dataset(directory: &Path) -> PathBuf {
        let schema = Schema::new(vec![
            Field::new("x", DataType::Float64, true),
            Field::new("site", DataType::Utf8, true),
            Field::new("label", DataType::Utf8, true),
        ]);
        let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..100).map(f64::from)));
        let site: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| format!("site {}", row % 5))));
        let label: ArrayRef = Arc::new(StringArray::from_iter((0..100).map(|row| (row != 7).then(|| format!("secret-{row}")))));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![x, site, label]).unwrap();
        let path = directory.join("v1.parquet");
        let mut writer = Writer::create(&path, batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }

    fn request(dataset: PathBuf, kind: SplitKind, column: Option<&str>) -> ViewRequest {
        let split = Split { kind, column: column.map(ToOwned::to_owned), test_size: 0.2, seed: 42 };
        ViewRequest { dataset, origin: None, target: Some("label".into()), features: None, split, classes: true }
    }

    fn values(path: &Path, name: &str) -> ArrayRef {
        let batches: Vec<RecordBatch> = open(path).unwrap().build().unwrap().map(|batch| batch.unwrap()).collect();
        let whole = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        Arc::clone(whole.column_by_name(name).unwrap())
    }

    /// `x` is the row's number.
    #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "they are small whole numbers")]
    fn numbers(path: &Path) -> Vec<i64> {
        values(path, "x").as_primitive::<Float64Type>().values().iter().map(|x| *x as i64).collect()
    }

    fn names(path: &Path) -> Vec<String> {
        open(path).unwrap().schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn no_view_but_the_labels_has_a_test_label() {
        let directory = tempfile::tempdir().unwrap();
        let places = ViewPlaces::in_directory(directory.path());
        let request = request(dataset(directory.path()), SplitKind::Random, None);
        let counts = write_views(&request, &places).unwrap();
        assert_eq!(counts, ViewCounts { train: 80, test: 20 });
        let train: HashSet<i64> = numbers(&places.train).into_iter().collect();
        let test: HashSet<i64> = row_ids(&places.labels).unwrap().into_iter().collect();
        assert!(train.is_disjoint(&test) && train.len() + test.len() == 100);
        assert!(train.contains(&7), "the row without a label is for training");
        assert_eq!(names(&places.train), ["x", "site", "label"], "where a row comes from is nothing to learn from");
        assert_eq!(names(&places.features), [ROW_ID, "x", "site"]);
        assert_eq!(names(&places.labels), [ROW_ID, "label"]);
        let labels = values(&places.train, "label");
        let seen: HashSet<String> = texts(&labels).unwrap().into_iter().flatten().collect();
        assert!(test.iter().all(|row| !seen.contains(&format!("secret-{row}"))));
    }

    #[test]
    fn a_column_of_groups_is_no_feature() {
        let directory = tempfile::tempdir().unwrap();
        let places = ViewPlaces::in_directory(directory.path());
        write_views(&request(dataset(directory.path()), SplitKind::Group, Some("site")), &places).unwrap();
        assert_eq!(names(&places.features), [ROW_ID, "x"]);
        assert_eq!(names(&places.train), ["x", "label", "site"]);
        let ids = row_ids(&places.labels).unwrap();
        assert_eq!(ids.iter().map(|id| id % 5).collect::<HashSet<_>>().len(), 1, "whole groups: {ids:?}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let places = ViewPlaces::in_directory(directory.path());
        let good = request(dataset(directory.path()), SplitKind::Random, None);
        let text = |request: ViewRequest| write_views(&request, &places).unwrap_err().public_message();
        assert!(text(ViewRequest { target: Some("no".into()), ..good.clone() }).contains("\"no\""));
        assert!(text(ViewRequest { features: Some(vec!["gone".into()]), ..good.clone() }).contains("\"gone\""));
        let split = Split { kind: SplitKind::Time, column: Some("site".into()), ..good.split.clone() };
        assert!(text(ViewRequest { split, ..good.clone() }).contains("neither dates nor numbers"));
        let gone = ViewRequest { dataset: directory.path().join("gone.parquet"), ..good };
        assert!(matches!(write_views(&gone, &places), Err(ModelingError::DatasetGone)));
    }

    #[test]
    fn shuffled_columns_keep_their_values_and_lose_their_rows() {
        let directory = tempfile::tempdir().unwrap();
        let places = ViewPlaces::in_directory(directory.path());
        write_views(&request(dataset(directory.path()), SplitKind::Random, None), &places).unwrap();
        let columns = ["x".to_owned(), "site".to_owned(), "gone".to_owned()];
        let files = write_permuted(&places.features, directory.path(), &columns, 2, 42).unwrap();
        assert_eq!(files.len(), 4);
        let (ids, before) = read_column(&places.features, "x").unwrap().unwrap();
        let (same_ids, after) = read_column(&directory.path().join(&files[0].1), "x").unwrap().unwrap();
        assert_eq!(&ids, &same_ids);
        let sorted = |values: &ArrayRef| {
            let mut values: Vec<u64> = values.as_primitive::<Float64Type>().values().iter().map(|x| x.to_bits()).collect();
            values.sort_unstable();
            values
        };
        assert_ne!(before.as_primitive::<Float64Type>().values(), after.as_primitive::<Float64Type>().values());
        assert_eq!(sorted(&before), sorted(&after));
    }

    /// The dataset with a column of row ids.
    fn numbered(directory: &Path, ids: ArrayRef) -> PathBuf {
        let plain = open(&dataset(directory)).unwrap().build().unwrap().next().unwrap().unwrap();
        let mut columns: Vec<(String, ArrayRef)> = vec![(ROW_ID.to_owned(), ids)];
        let names = plain.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        columns.extend(names.into_iter().zip(plain.columns().iter().cloned()));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let path = directory.join("numbered.parquet");
        let mut writer = Writer::create(&path, batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }

    #[test]
    fn row_ids_of_a_dataset_are_the_rows_ids_and_no_feature() {
        let directory = tempfile::tempdir().unwrap();
        let places = ViewPlaces::in_directory(directory.path());
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100).map(|row| 1000 + row * 3)));
        let good = request(numbered(directory.path(), ids), SplitKind::Random, None);
        write_views(&good, &places).unwrap();
        assert_eq!(names(&places.train), ["x", "site", "label"]);
        assert_eq!(names(&places.features), [ROW_ID, "x", "site"]);
        let told = row_ids(&places.features).unwrap();
        assert_eq!(told, numbers(&places.features).iter().map(|row| 1000 + row * 3).collect::<Vec<_>>());
        let asked = |request: ViewRequest| write_views(&request, &places).unwrap_err();
        let reserved = [
            asked(ViewRequest { target: Some(ROW_ID.into()), ..good.clone() }),
            asked(ViewRequest { features: Some(vec!["x".into(), ROW_ID.into()]), ..good.clone() }),
            asked(ViewRequest {
                split: Split { kind: SplitKind::Time, column: Some(ROW_ID.into()), ..good.split.clone() },
                ..good
            }),
        ];
        for error in reserved {
            assert!(error.public_message().contains("numbers the rows"), "{error}");
        }
    }

    #[test]
    fn row_ids_that_are_none_are_refused() {
        let wrong: [(&str, ArrayRef); 4] = [
            ("twice", Arc::new(Int64Array::from_iter_values((0..100).map(|row| row / 2)))),
            ("below 0", Arc::new(Int64Array::from_iter_values((0..100).map(|row| row - 1)))),
            ("something else", Arc::new(Int64Array::from_iter((0..100).map(|row| (row != 5).then_some(row))))),
            ("something else", Arc::new(StringArray::from_iter_values((0..100).map(|row| row.to_string())))),
        ];
        for (found, ids) in wrong {
            let directory = tempfile::tempdir().unwrap();
            let request = request(numbered(directory.path(), ids), SplitKind::Random, None);
            let error = write_views(&request, &ViewPlaces::in_directory(directory.path())).unwrap_err();
            assert!(error.public_message().contains(found) && error.public_message().contains("leave the column out"), "{error}");
        }
    }
}
