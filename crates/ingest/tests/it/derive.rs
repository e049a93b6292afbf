//! Datasets that are made from datasets.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use gristmill_domain::{ErrorCode, datasets::ColumnType};
use gristmill_ingest::{
    IngestError, IngestedDataset, Unobserved,
    derive::{DatasetFile, Derivation, DerivedColumn, describe, write_derived},
};

use crate::support::{Ingested, all_rows, csv};

const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// Some rows with a column of each type.
fn source(rows: usize) -> Ingested {
    let row = |n: usize| format!("{n},{}.5,word {},{},2024-01-{:02}\n", n % 7, n % 13, n.is_multiple_of(2), n % 28 + 1);
    csv(format!("number,half,word,even,day\n{}", (0..rows).map(row).collect::<String>()))
}

/// Writes a dataset anew with the doubles of its first column behind its others.
fn double(source: &Path, output: &Path, fail_at: u64) -> Result<u64, IngestError> {
    let file = DatasetFile::open(source)?;
    let mut columns = file.derived_columns();
    columns.push(DerivedColumn { name: "double".to_owned(), kind: ColumnType::Integer, is_repetitive: false });
    let mut batches = file.batches(&[0, 1, 2, 3, 4])?;
    let derivation = Derivation { output, columns: &columns, file_type: file.file_type(), threads: TWO };
    let mut rows = 0;
    write_derived(
        &derivation,
        || batches.next().transpose(),
        |batch: RecordBatch| {
            let doubles: Int64Array = batch.column(0).as_primitive::<Int64Type>().unary(|number| number * 2);
            let mut arrays = batch.columns().to_vec();
            arrays.push(Arc::new(doubles));
            Ok((arrays, batch.num_rows()))
        },
        |count: usize| {
            rows += u64::try_from(count).unwrap();
            if rows > fail_at { Err(IngestError::Cancelled) } else { Ok(()) }
        },
    )
}

#[test]
fn rows_stay_where_they_are_and_new_columns_come_behind() {
    let source = source(150_000);
    let output = source.place.path("derived");
    let bytes = double(&source.place.output(), &output, u64::MAX).unwrap();
    assert_eq!(bytes, output.metadata().unwrap().len());
    let (before, after) = (source.rows(), all_rows(&output));
    assert_eq!(before.len(), after.len());
    for (before, mut after) in before.into_iter().zip(after) {
        let double = after.remove("double").unwrap();
        assert_eq!(double.as_i64(), before["number"].as_i64().map(|number| number * 2));
        assert_eq!(before, after);
    }
}

#[test]
fn a_dataset_is_described_as_its_upload_was() {
    let source = source(3000);
    let described = describe(&source.place.output(), TWO, &Unobserved).unwrap();
    assert_eq!((described.report.rows_read, described.report.rejects_complete), (3000, true));
    assert_eq!(IngestedDataset { report: source.dataset.report.clone(), ..described }, source.dataset);
}

#[test]
fn an_error_leaves_nothing_behind() {
    let source = source(100_000);
    let output = source.place.path("derived");
    assert!(matches!(double(&source.place.output(), &output, 70_000), Err(IngestError::Cancelled)));
    let missing = double(&source.place.path("none"), &output, u64::MAX).unwrap_err();
    assert_eq!(missing.code(), ErrorCode::FileMissing);
    let left = std::fs::read_dir(output.parent().unwrap()).unwrap().count();
    assert_eq!(left, 3, "the source, the dataset and its rejects");
}

#[test]
fn a_row_group_of_other_columns_is_refused() {
    let source = source(10);
    let output = source.place.path("derived");
    let columns = [DerivedColumn { name: "n".to_owned(), kind: ColumnType::Float, is_repetitive: true }];
    let derivation = Derivation { output: &output, columns: &columns, file_type: source.dataset.file_type, threads: TWO };
    let mut pieces = Some(());
    let array: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let result =
        write_derived(&derivation, || Ok::<_, IngestError>(pieces.take()), |()| Ok((vec![Arc::clone(&array)], ())), |()| Ok(()));
    assert!(matches!(result, Err(IngestError::Internal { .. })));
}

#[test]
fn long_rows_come_in_small_batches() {
    let long = "x".repeat(100_000);
    let source = csv(format!("n,text\n{}", (0..1000).map(|n| format!("{n},{long}{n}\n")).collect::<String>()));
    let file = DatasetFile::open(&source.place.output()).unwrap();
    let largest = |columns: &[usize]| file.batches(columns).unwrap().map(|batch| batch.unwrap().num_rows()).max();
    assert!(largest(&[0, 1]).unwrap() < 400, "{:?}", largest(&[0, 1]));
    assert_eq!(largest(&[0]), Some(1000));
}
