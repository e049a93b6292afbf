//! Explicit casts. The syntax tree's `x::type` and `cast(x as type)` become a call of `$cast:type`, since the engine's
//! own cast rounds, reads and writes values in another way than PostgreSQL.

mod convert;
mod target;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    error::Result,
    logical_expr::{
        Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};

pub(crate) use convert::float_digits;
pub(crate) use target::Target;

use super::Call;
use crate::scope::QueryScope;

/// What the names of casts begin with.
pub(crate) const PREFIX: &str = "$cast:";

/// The cast to the type behind the prefix.
pub(super) fn scalar(type_name: &str, scope: &Arc<QueryScope>) -> Option<Arc<ScalarUDF>> {
    let target = Target::parse(type_name)?;
    Some(Arc::new(ScalarUDF::new_from_impl(PgCast {
        name: format!("{PREFIX}{type_name}"),
        target,
        scope: scope.clone(),
        signature: Signature::any(1, Volatility::Immutable),
    })))
}

#[derive(Debug)]
struct PgCast {
    name: String,
    target: Target,
    scope: Arc<QueryScope>,
    signature: Signature,
}

impl PartialEq for PgCast {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for PgCast {}

impl Hash for PgCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for PgCast {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let from = given.first().unwrap_or(&DataType::Null);
        convert::check(from, &self.target)?;
        Ok(self.target.arrow(from))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.scope.check()?;
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let call = Call {
            args: &args.args,
            rows: if constant { 1 } else { args.number_rows },
            returns: args.return_field.data_type(),
            scope: &self.scope,
        };
        let result = convert::convert(&call, &self.target)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // Where the engine's own cast does the same, its optimiser knows more about it.
        let [arg] = args.as_slice() else { return Ok(ExprSimplifyResult::Original(args)) };
        let from = arg.get_type(info.schema())?;
        let to = self.target.arrow(&from);
        let nullable = arg.nullable(info.schema()).unwrap_or(false);
        if nullable && convert::is_plain(&from, &to) && self.target.length().is_none() {
            return Ok(ExprSimplifyResult::Simplified(if from == to {
                arg.clone()
            } else {
                Expr::Cast(Cast::new(Box::new(arg.clone()), to))
            }));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}
