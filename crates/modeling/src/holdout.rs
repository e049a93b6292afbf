//! Which rows a training would hold out, for whoever learns something from a dataset before there is a training.

use std::{collections::HashSet, path::Path};

use gristmill_domain::models::{Split, SplitKind};

use crate::{
    error::ModelingError,
    rows::divide,
    split::Side,
    views::{ViewRequest, check_columns, open},
};

/// The ids of the rows that a training for `target` with this split holds out: their numbers in the dataset, or what its
/// column of row ids says. `origin` is the dataset that it was derived from, where it has that one's row ids. Blocks.
///
/// # Errors
/// [`ModelingError::Refused`] when the rows cannot be divided so, [`ModelingError::DatasetGone`], and errors of reading.
pub fn held_out_ids(dataset: &Path, origin: Option<&Path>, target: &str, split: &Split) -> Result<HashSet<i64>, ModelingError> {
    let request = ViewRequest {
        dataset: dataset.to_owned(),
        origin: origin.map(Path::to_owned),
        target: Some(target.to_owned()),
        features: None,
        split: split.clone(),
        // Of other kinds it does not matter.
        classes: split.kind == SplitKind::Stratified,
    };
    let schema = open(&request.dataset)?.schema().clone();
    check_columns(&schema, &request)?;
    let (ids, sides) = divide(&request, &schema)?;
    let held_out = ids.into_iter().zip(sides.unwrap_or_default()).filter(|(_, side)| *side == Side::Test);
    Ok(held_out.map(|(id, _)| id).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::Arc};

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::views::{ViewPlaces, row_ids, write_views};

    #[test]
    fn they_are_the_rows_that_a_training_does_not_see() {
        let directory = tempfile::tempdir().unwrap();
        let dataset = directory.path().join("v1.parquet");
        let labels: ArrayRef = Arc::new(StringArray::from_iter_values((0..200).map(|row| ["a", "b", "c"][row % 3])));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
        let batch = RecordBatch::try_from_iter([("label", labels), ("x", numbers)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&dataset).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        for kind in [SplitKind::Random, SplitKind::Stratified] {
            let split = Split { kind, column: None, test_size: 0.2, seed: 42 };
            let found = held_out_ids(&dataset, None, "label", &split).unwrap();
            let request = ViewRequest {
                dataset: dataset.clone(),
                origin: None,
                target: Some("label".to_owned()),
                features: None,
                split: split.clone(),
                classes: true,
            };
            let places = ViewPlaces::in_directory(directory.path());
            write_views(&request, &places).unwrap();
            let expected: HashSet<i64> = row_ids(&places.labels).unwrap().into_iter().collect();
            assert_eq!(found, expected, "{kind:?}");
            assert!((35..=45).contains(&found.len()), "{}", found.len());
        }
        let split = Split { kind: SplitKind::Random, column: None, test_size: 0.2, seed: 42 };
        assert!(held_out_ids(&dataset, None, "gone", &split).unwrap_err().public_message().contains("\"gone\""));
    }
}
