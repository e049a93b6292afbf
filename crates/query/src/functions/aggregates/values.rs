//! Values that an aggregate has to keep, as they came.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute,
};
use datafusion::{common::ScalarValue, error::Result};

/// Columns of one type.
#[derive(Debug, Default)]
pub(super) struct Kept {
    arrays: Vec<ArrayRef>,
    bytes: usize,
}

impl Kept {
    /// Keeps what is not null.
    pub(super) fn add(&mut self, array: &ArrayRef) -> Result<()> {
        let array = if array.null_count() > 0 { compute::filter(array, &compute::is_not_null(array)?)? } else { array.clone() };
        if !array.is_empty() {
            self.bytes += array.get_array_memory_size();
            self.arrays.push(array);
        }
        Ok(())
    }

    /// Keeps the elements of lists, which another instance kept.
    pub(super) fn merge(&mut self, lists: &ArrayRef) -> Result<()> {
        let lists = lists.as_list::<i32>();
        for row in 0..lists.len() {
            if lists.is_valid(row) {
                self.add(&lists.value(row))?;
            }
        }
        Ok(())
    }

    /// All values as one column; none when there are none.
    pub(super) fn all(&self) -> Result<Option<ArrayRef>> {
        if self.arrays.is_empty() {
            return Ok(None);
        }
        let parts: Vec<&dyn Array> = self.arrays.iter().map(AsRef::as_ref).collect();
        Ok(Some(compute::concat(&parts)?))
    }

    /// All values as one list, for another instance.
    pub(super) fn list(&self, empty: &arrow::datatypes::DataType) -> Result<ScalarValue> {
        let values = self.all()?.unwrap_or_else(|| arrow::array::new_empty_array(empty));
        let element = values.data_type().clone();
        let scalars = (0..values.len()).map(|row| ScalarValue::try_from_array(&values, row)).collect::<Result<Vec<_>>>()?;
        Ok(ScalarValue::List(ScalarValue::new_list(&scalars, &element, true)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
