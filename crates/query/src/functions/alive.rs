//! A condition that is true as long as the query may run.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray},
    buffer::BooleanBuffer,
};
use datafusion::{error::Result, logical_expr::Volatility};

use super::{Call, Function, Overload, types::Ty::Bool};

/// Its name.
pub(crate) const ALIVE: &str = "$alive";

/// Volatile, so that the engine asks again for every batch.
pub(super) const FUNCTIONS: &[Function] =
    &[Function { name: ALIVE, volatility: Volatility::Volatile, overloads: &[Overload::new(&[], Bool, alive)] }];

/// Every call of a function looks at the deadline first.
fn alive(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(Arc::new(BooleanArray::new(BooleanBuffer::new_set(call.rows), None)))
}
