//! Arrays: building them within bounds.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListBuilder, StringViewBuilder},
    compute,
    datatypes::{DataType, Field},
};
use datafusion::error::Result;

use super::{
    Call, Function, Overload,
    types::Ty::{Any, Text},
};
use crate::error::invalid;

/// Builds a column of arrays of texts.
pub(super) fn build_texts(
    call: &Call<'_>,
    mut row: impl FnMut(usize) -> Result<Option<Vec<Option<String>>>>,
) -> Result<ArrayRef> {
    let field = Arc::new(Field::new_list_field(DataType::Utf8View, true));
    let mut builder = ListBuilder::new(StringViewBuilder::new()).with_field(field);
    let mut total = 0usize;
    for index in 0..call.rows {
        call.tick(index)?;
        match row(index)? {
            Some(elements) => {
                let bytes: usize = elements.iter().map(|element| 16 + element.as_ref().map_or(0, String::len)).sum();
                total = total.saturating_add(bytes);
                call.scope.check_value(bytes)?;
                call.scope.check_batch(total)?;
                for element in elements {
                    builder.values().append_option(element);
                }
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    Ok(Arc::new(builder.finish()))
}

pub(super) const FUNCTIONS: &[Function] = &[Function::pure("$join", &[Overload::new(&[Any, Text], Text, join)])];

/// Joins the texts of an array, as `string_agg` does: nulls are left out, and nothing gives null.
fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let lists = array.as_list_opt::<i32>().ok_or_else(|| invalid("string_agg needs texts"))?;
    let separators = call.text(1)?;
    call.build_text(|row, out| {
        let (true, Some(separator)) = (lists.is_valid(row), separators.get(row)) else { return Ok(None) };
        let values = compute::cast(&lists.value(row), &DataType::Utf8View)?;
        let mut first = true;
        for text in values.as_string_view().iter().flatten() {
            if !first {
                out.push_str(separator);
            }
            first = false;
            out.push_str(text);
            call.scope.check_value(out.len())?;
        }
        Ok((!first).then_some(()))
    })
}
