//! What is known of every row before a dataset is divided: its id, and what the split looks at.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType},
};
use gristmill_domain::models::SplitKind;
use parquet::arrow::ProjectionMask;

use crate::{
    error::ModelingError,
    split::{Rows, Side, assign},
    views::{BATCH_ROWS, ROW_ID, ViewRequest, column, open, table},
};

/// The id of every row, and where it goes; nowhere where nothing is predicted.
pub(crate) fn divide(request: &ViewRequest, schema: &SchemaRef) -> Result<(Vec<i64>, Option<Vec<Side>>), ModelingError> {
    let rows = read_rows(request, &request.dataset)?;
    if request.target.is_none() {
        return Ok((rows.ids, None));
    }
    let sides = match &request.origin {
        Some(origin) if schema.index_of(ROW_ID).is_ok() => match as_in(request, origin)? {
            Some(sides) => follow(&rows, &sides)?,
            // It lacks what the split looks at: the split is one of this dataset's own.
            None => assign(&rows, &request.split)?,
        },
        _ => assign(&rows, &request.split)?,
    };
    Ok((rows.ids, Some(sides)))
}

/// Where the rows of the dataset go that this one was derived from, by their ids. None: they cannot be divided so.
fn as_in(request: &ViewRequest, origin: &Path) -> Result<Option<HashMap<i64, Side>>, ModelingError> {
    let schema = match open(origin) {
        Ok(file) => file.schema().clone(),
        Err(ModelingError::DatasetGone) => return Ok(None),
        Err(error) => return Err(error),
    };
    let needed = request.target.iter().chain(&request.split.column);
    if needed.into_iter().any(|name| schema.index_of(name).is_err()) {
        return Ok(None);
    }
    let rows = read_rows(request, origin)?;
    let sides = assign(&rows, &request.split)?;
    Ok(Some(rows.ids.into_iter().zip(sides).collect()))
}

/// Divides rows as their origin was divided. Rows that it did not have are for training, as are those without a label.
fn follow(rows: &Rows, origin: &HashMap<i64, Side>) -> Result<Vec<Side>, ModelingError> {
    let side = |(id, labelled): (&i64, &bool)| match origin.get(id) {
        Some(Side::Test) if *labelled => Side::Test,
        _ => Side::Train,
    };
    let sides: Vec<Side> = rows.ids.iter().zip(&rows.labelled).map(side).collect();
    let refuse = |message: &str| Err(ModelingError::refused("no_common_rows", message, Some("datasetId")));
    if !sides.contains(&Side::Test) {
        return refuse("none of the rows that its source holds out is in this dataset; derive it from all rows");
    }
    if !sides.contains(&Side::Train) {
        return refuse("only rows that its source holds out are in this dataset; derive it from all rows");
    }
    Ok(sides)
}

/// Reads what the split needs to know of every row of a file.
fn read_rows(request: &ViewRequest, path: &Path) -> Result<Rows, ModelingError> {
    let builder = open(path)?;
    let has_ids = builder.schema().index_of(ROW_ID).is_ok();
    let mut names: Vec<&str> = request.target.iter().chain(&request.split.column).map(String::as_str).collect();
    if has_ids {
        names.push(ROW_ID);
    }
    let count = builder.metadata().file_metadata().num_rows();
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(table("reading the dataset"))?;
    let mut rows = Rows::default();
    for batch in reader {
        let batch = batch.map_err(table("reading the dataset"))?;
        if has_ids {
            rows.ids.extend(ids_of(column(&batch, ROW_ID)?)?);
        }
        let Some(target) = &request.target else { continue };
        let values = column(&batch, target)?;
        rows.labelled.extend((0..values.len()).map(|row| values.is_valid(row)));
        if request.classes && request.split.kind == SplitKind::Stratified {
            rows.classes.extend(texts(values)?);
        }
        match (request.split.kind, &request.split.column) {
            (SplitKind::Group, Some(name)) => rows.groups.extend(texts(column(&batch, name)?)?),
            (SplitKind::Time, Some(name)) => rows.times.extend(times(column(&batch, name)?)?),
            _ => {}
        }
    }
    if has_ids {
        check_ids(&rows.ids)?;
    } else {
        rows.ids = (0..count).collect();
    }
    Ok(rows)
}

fn ids_of(values: &ArrayRef) -> Result<Vec<i64>, ModelingError> {
    if values.data_type() != &DataType::Int64 || values.null_count() > 0 {
        return Err(bad_ids("something else"));
    }
    Ok(values.as_primitive::<Int64Type>().values().to_vec())
}

fn check_ids(ids: &[i64]) -> Result<(), ModelingError> {
    if ids.iter().any(|id| *id < 0) {
        return Err(bad_ids("a number below 0"));
    }
    let mut seen = HashSet::with_capacity(ids.len());
    if ids.iter().all(|id| seen.insert(*id)) { Ok(()) } else { Err(bad_ids("a number twice")) }
}

fn bad_ids(found: &str) -> ModelingError {
    let message = format!(
        "the column \"{ROW_ID}\" has a whole number from 0 on for each row, which no other row has, and here it has {found}; \
         leave the column out, or rename it"
    );
    ModelingError::refused("row_id_invalid", message, Some("datasetId"))
}

pub(crate) fn row_id_field() -> Field {
    Field::new(ROW_ID, DataType::Int64, false)
}

/// The rows with their ids in the first column.
pub(crate) fn with_row_ids(batch: &RecordBatch, ids: &[i64]) -> Result<RecordBatch, ModelingError> {
    let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let (mut fields, mut columns) = (vec![Arc::new(row_id_field())], vec![ids]);
    for (field, values) in batch.schema().fields().iter().zip(batch.columns()).filter(|(field, _)| field.name() != ROW_ID) {
        fields.push(Arc::clone(field));
        columns.push(Arc::clone(values));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(table("numbering the rows"))
}

pub(crate) fn texts(values: &ArrayRef) -> Result<Vec<Option<String>>, ModelingError> {
    let texts = cast(values, &DataType::Utf8).map_err(table("reading a column"))?;
    Ok(texts.as_string::<i32>().iter().map(|text| text.map(ToOwned::to_owned)).collect())
}

fn times(values: &ArrayRef) -> Result<Vec<Option<f64>>, ModelingError> {
    let numbers = match values.data_type() {
        DataType::Timestamp(_, _) => {
            // Microseconds since 1970 are exact in a float for a quarter of a million years.
            let instants: ArrayRef = Arc::new(values.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>());
            cast(&instants, &DataType::Float64)
        }
        DataType::Int64 | DataType::Float64 => cast(values, &DataType::Float64),
        _ => {
            let message = "the column of times holds neither dates nor numbers; change its type, or split by another column";
            return Err(ModelingError::refused("not_a_time", message, Some("split.column")));
        }
    };
    let numbers = numbers.map_err(table("reading a column"))?;
    Ok(numbers.as_primitive::<Float64Type>().iter().collect())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, path::PathBuf};

    use arrow::array::StringArray;
    use gristmill_domain::models::Split;
    use parquet::arrow::ArrowWriter;
    use proptest::prelude::*;

    use super::*;

    /// A row of the source.
    #[derive(Debug, Clone)]
    struct Row {
        label: Option<String>,
        group: String,
        time: i64,
    }

    fn row() -> impl Strategy<Value = Row> {
        let label = prop_oneof![1 => Just(None), 9 => (0..3).prop_map(|class| Some(format!("class {class}")))];
        (label, 0..6, 0..50_i64).prop_map(|(label, group, time)| Row { label, group: format!("group {group}"), time })
    }

    /// Writes rows with these ids, in their order; the source has none.
    fn write(path: &Path, source: &[Row], ids: &[usize], with_ids: bool) -> PathBuf {
        let rows = || ids.iter().map(|id| &source[*id]);
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("label", Arc::new(StringArray::from_iter(rows().map(|row| row.label.clone())))),
            ("group", Arc::new(StringArray::from_iter_values(rows().map(|row| row.group.clone())))),
            ("time", Arc::new(Int64Array::from_iter_values(rows().map(|row| row.time)))),
        ];
        if with_ids {
            let ids = ids.iter().map(|id| i64::try_from(*id).unwrap());
            columns.insert(1, (ROW_ID, Arc::new(Int64Array::from_iter_values(ids))));
        }
        // As nullable as a file of somebody else's is.
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, values)| (name, values, true)));
        let batch = batch.unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path.to_owned()
    }

    fn held_out(request: &ViewRequest) -> Result<HashSet<i64>, ModelingError> {
        let schema = open(&request.dataset).unwrap().schema().clone();
        let (ids, sides) = divide(request, &schema)?;
        Ok(ids.into_iter().zip(sides.unwrap()).filter(|(_, side)| *side == Side::Test).map(|(id, _)| id).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_derived_dataset_holds_out_the_rows_of_its_source(
            source in prop::collection::vec(row(), 20..120),
            order in any::<u32>(),
            kept in 0.3..1.0_f64,
            test_size in 0.05..0.5_f64,
            seed in any::<u32>(),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let all: Vec<usize> = (0..source.len()).collect();
            let mut some: Vec<usize> = crate::split::shuffled(all.len(), u64::from(order))
                .into_iter().map(|row| usize::try_from(row).unwrap()).collect();
            let whole = write(&directory.path().join("source"), &source, &all, false);
            let moved = write(&directory.path().join("moved"), &source, &some, true);
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
            some.truncate((some.len() as f64 * kept) as usize);
            let fewer = write(&directory.path().join("fewer"), &source, &some, true);
            let present: HashSet<i64> = some.iter().map(|id| i64::try_from(*id).unwrap()).collect();
            for (kind, column) in [
                (SplitKind::Random, None), (SplitKind::Stratified, None),
                (SplitKind::Group, Some("group")), (SplitKind::Time, Some("time")),
            ] {
                let split = Split { kind, column: column.map(str::to_owned), test_size, seed };
                let target = Some("label".to_owned());
                let of = |dataset: &PathBuf, origin: Option<&PathBuf>| ViewRequest {
                    dataset: dataset.clone(), origin: origin.cloned(), target: target.clone(), features: None,
                    split: split.clone(), classes: true,
                };
                let Ok(expected) = held_out(&of(&whole, None)) else { continue };
                // By their ids alone, when all rows are there; by its source's rows, when some are not.
                prop_assert_eq!(&held_out(&of(&moved, None)).unwrap(), &expected, "{:?}", kind);
                prop_assert_eq!(&held_out(&of(&moved, Some(&whole))).unwrap(), &expected, "{:?}", kind);
                let expected: HashSet<i64> = expected.intersection(&present).copied().collect();
                match held_out(&of(&fewer, Some(&whole))) {
                    Ok(found) => prop_assert_eq!(found, expected, "{:?}", kind),
                    Err(error) => prop_assert!(expected.is_empty() || expected.len() == present.len(), "{}", error),
                }
            }
        }
    }

    #[test]
    fn rows_that_the_source_lacks_are_for_training_and_a_source_without_the_target_decides_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let source: Vec<Row> =
            (0..60).map(|row| Row { label: Some(format!("class {}", row % 2)), group: "a".to_owned(), time: row }).collect();
        let first: Vec<usize> = (0..40).collect();
        let all: Vec<usize> = (0..60).collect();
        let origin = write(&directory.path().join("origin"), &source, &first, true);
        let dataset = write(&directory.path().join("dataset"), &source, &all, true);
        let split = Split { kind: SplitKind::Random, column: None, test_size: 0.25, seed: 1 };
        let request = |target: &str, origin: Option<PathBuf>| ViewRequest {
            dataset: dataset.clone(),
            origin,
            target: Some(target.to_owned()),
            features: None,
            split: split.clone(),
            classes: false,
        };
        let followed = held_out(&request("label", Some(origin.clone()))).unwrap();
        assert!(followed.len() == 10 && followed.iter().all(|id| *id < 40), "{followed:?}");
        let own = held_out(&request("label", None)).unwrap();
        assert_eq!(own.len(), 15);
        let gone = directory.path().join("gone");
        assert_eq!(held_out(&request("label", Some(gone))).unwrap(), own);
        let without = write(&directory.path().join("without"), &source, &first, true);
        let batch = open(&without).unwrap().build().unwrap().next().unwrap().unwrap();
        let batch = batch.project(&[1, 2, 3]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&without).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert_eq!(held_out(&request("label", Some(without))).unwrap(), own);
    }
}
