//! What `x > all (select …)` and `x > any (select …)` give. The plan compares `x` with the smallest or largest value of
//! the query and counts its rows; the rest is three-valued logic.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::Int64Type,
};
use datafusion::error::Result;

use super::{
    Call, Function, Overload,
    types::Ty::{Bool, Int8},
};
use crate::error::invalid;

/// Both take how the comparison came out, the rows of the query, those that are not null, and whether `x` is null.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::pure("$all", &[Overload::new(&[Bool, Int8, Int8, Bool], Bool, all)]),
    Function::pure("$any", &[Overload::new(&[Bool, Int8, Int8, Bool], Bool, any)]),
];

fn all(call: &Call<'_>) -> Result<ArrayRef> {
    decide(call, false)
}

fn any(call: &Call<'_>) -> Result<ArrayRef> {
    decide(call, true)
}

/// `decisive` is the comparison that settles it: one true for `any`, one false for `all`.
fn decide(call: &Call<'_>, decisive: bool) -> Result<ArrayRef> {
    let (compared, is_null) = (call.array(0)?, call.array(3)?);
    let (Some(compared), Some(is_null)) = (compared.as_boolean_opt(), is_null.as_boolean_opt()) else {
        return Err(invalid("a comparison with a sub-query needs a boolean"));
    };
    let (rows, values) = (call.numbers::<Int64Type>(1)?, call.numbers::<Int64Type>(2)?);
    call.build_booleans(|row| {
        let (rows, values) = (rows.get(row).unwrap_or(0), values.get(row).unwrap_or(0));
        let unknown = values < rows || is_null.value(row);
        Ok(if rows == 0 {
            Some(!decisive)
        } else if compared.is_valid(row) && compared.value(row) == decisive {
            Some(decisive)
        } else if unknown {
            None
        } else {
            Some(!decisive)
        })
    })
}
