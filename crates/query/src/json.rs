//! Writes the rows of a result as JSON, straight from the columns.
//!
//! | type | JSON |
//! |---|---|
//! | `int2 int4 int8 numeric` | number up to 2^53 in magnitude, else a string: JavaScript's numbers are exact up to there |
//! | `float4 float8` | number; `NaN` and the infinities are null |
//! | `timestamp timestamptz date` | `"2024-01-31T10:00:00.000Z"`, in UTC |
//! | `time` | `"10:00:00"` |
//! | `interval` | `{"years":1,"months":2,"days":3,"hours":4,"minutes":5,"seconds":6,"milliseconds":7}`, without zeros |
//! | `bytea` | `"\\x0aff"` |
//! | arrays, records | array, object |
//!
//! Columns of one name would hide each other in an object, so [`crate::OutputColumn::name`] numbers them.

mod encoder;
mod write;

use crate::{error::QueryError, output::QueryOutput};
use encoder::Encoder;

/// Writes `[{"a":1,"b":"x"},…]`.
///
/// # Errors
/// `Internal` for a column type that has no JSON form.
pub fn rows(output: &QueryOutput) -> Result<String, QueryError> {
    let keys: Vec<Vec<u8>> = output
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let mut key = if index == 0 { b"{".to_vec() } else { b",".to_vec() };
            write::text(&mut key, &column.name);
            key.push(b':');
            key
        })
        .collect();
    write_rows(output, &keys, if keys.is_empty() { b"{}" } else { b"}" })
}

/// Writes `[[1,"x"],…]`, in the order of the columns.
///
/// # Errors
/// `Internal` for a column type that has no JSON form.
pub fn rows_as_arrays(output: &QueryOutput) -> Result<String, QueryError> {
    let keys: Vec<Vec<u8>> =
        (0..output.columns.len()).map(|index| if index == 0 { b"[".to_vec() } else { b",".to_vec() }).collect();
    write_rows(output, &keys, if keys.is_empty() { b"[]" } else { b"]" })
}

fn write_rows(output: &QueryOutput, keys: &[Vec<u8>], end: &[u8]) -> Result<String, QueryError> {
    let mut out = Vec::with_capacity(64 * output.row_count * keys.len().max(1) / 2 + 2);
    out.push(b'[');
    let mut first = true;
    for batch in &output.batches {
        let encoders = batch.columns().iter().map(|column| Encoder::new(column.as_ref())).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if !first {
                out.push(b',');
            }
            first = false;
            for (key, encoder) in keys.iter().zip(&encoders) {
                out.extend_from_slice(key);
                encoder.write(&mut out, row);
            }
            out.extend_from_slice(end);
        }
    }
    out.push(b']');
    // Only whole texts and ASCII were written.
    String::from_utf8(out).map_err(|error| QueryError::Internal { source: error.into() })
}
