//! Tables made, written, and read again.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type},
};
use chrono::{DateTime, Utc};
use gristmill_domain::features::FeatureMethod;
use gristmill_features::{Applied, FeatureError, FeatureSpec, FitOptions, Fitted, MemoryTable, TableReader, apply, fit, plan};
use gristmill_ingest::{Unobserved, derive::DatasetFile};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use tempfile::TempDir;

/// A generator with a fixed seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// From 0 on, below 1.
    #[expect(clippy::as_conversions, reason = "53 bits are exact in a float")]
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }

    /// The value, or none in one of `one_in` cases.
    pub(crate) fn unless<T>(&mut self, one_in: u64, value: T) -> Option<T> {
        (self.below(one_in) > 0).then_some(value)
    }
}

pub(crate) fn array(values: impl Array + 'static) -> ArrayRef {
    Arc::new(values)
}

pub(crate) fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Float64Array>())
}

pub(crate) fn integers(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<Int64Array>())
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringArray>())
}

pub(crate) fn flags(values: impl IntoIterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<BooleanArray>())
}

pub(crate) fn dates(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<TimestampMicrosecondArray>())
}

pub(crate) fn table<'a>(columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

pub(crate) fn write(path: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

pub(crate) fn read(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

pub(crate) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(crate) fn options() -> FitOptions {
    FitOptions::new(instant("2024-06-01T12:00:00Z"))
}

pub(crate) fn spec(method: FeatureMethod, source: &str, name: &str) -> FeatureSpec {
    FeatureSpec::new(method, source, name)
}

/// A dataset with features, and where it is.
pub(crate) struct Made {
    pub(crate) applied: Applied,
    pub(crate) rows: RecordBatch,
    _directory: TempDir,
}

impl Made {
    pub(crate) fn column(&self, name: &str) -> &ArrayRef {
        self.rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name:?}"))
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        numbers(self.column(name))
    }

    pub(crate) fn outcome(&self, name: &str) -> serde_json::Value {
        let outcome = self.applied.report.features.iter().find(|outcome| outcome.feature_name == name).unwrap();
        serde_json::to_value(outcome).unwrap()
    }
}

/// Any column as numbers.
pub(crate) fn numbers(array: &ArrayRef) -> Vec<Option<f64>> {
    let numbers = cast(array, &DataType::Float64).unwrap();
    numbers.as_primitive::<Float64Type>().iter().collect()
}

/// Makes features of a table by way of files.
pub(crate) fn make(rows: &RecordBatch, specs: &[FeatureSpec], options: &FitOptions) -> Result<Made, FeatureError> {
    let directory = tempfile::tempdir().unwrap();
    let (source, output) = (directory.path().join("source.parquet"), directory.path().join("output.parquet"));
    write(&source, rows);
    let plan = plan(specs, DatasetFile::open(&source).unwrap().columns())?;
    let applied = apply(&plan, &source, &output, options, &Unobserved);
    if applied.is_err() {
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["source.parquet"], "an error leaves nothing behind");
    }
    let applied = applied?;
    assert_eq!(applied.parquet_bytes, output.metadata().unwrap().len());
    Ok(Made { applied, rows: read(&output), _directory: directory })
}

/// The features of one column of numbers, with the defaults of their method.
pub(crate) fn of_numbers(method: FeatureMethod, values: &[Option<f64>]) -> Vec<Option<f64>> {
    let rows = table([("x", floats(values.iter().copied()))]);
    make(&rows, &[spec(method, "x", "out")], &options()).unwrap().numbers("out")
}

/// Learns features of a table in memory.
pub(crate) fn fitted(rows: &RecordBatch, specs: &[FeatureSpec]) -> Result<Fitted, FeatureError> {
    let table = MemoryTable::new(vec![rows.clone()])?;
    let plan = plan(specs, table.columns())?;
    fit(&plan, &table, &options(), &Unobserved)
}

pub(crate) fn message(result: Result<impl Sized, FeatureError>) -> String {
    result.map(drop).unwrap_err().public_message()
}

/// Whether an array has numbers that are not finite.
pub(crate) fn has_wild_numbers(array: &ArrayRef) -> bool {
    let numbers = array.as_primitive_opt::<Float64Type>();
    numbers.is_some_and(|numbers| numbers.iter().flatten().any(|number| !number.is_finite()))
}

/// Where there are values.
pub(crate) fn presence(array: &ArrayRef) -> Vec<bool> {
    (0..array.len()).map(|row| array.is_valid(row)).collect()
}
