//! PostgreSQL's functions. A table of our own names the functions that the engine knows, each with its overloads;
//! what DataFusion has with PostgreSQL's meaning is taken over by name (`adopted`). Nothing else resolves.

mod adopted;
mod aggregates;
mod alive;
mod arithmetic;
mod call;
mod cast;
mod dates;
mod decimal;
mod encoding;
mod format;
pub(crate) mod input;
mod lists;
mod math;
pub(crate) mod output;
mod parts;
mod quantified;
mod regex;
mod series;
mod strings;
mod to_char;
pub(crate) mod types;
mod zones;

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

use arrow::{array::ArrayRef, datatypes::DataType};
use datafusion::{
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    scalar::ScalarValue,
};

pub(crate) use self::{
    aggregates::{aggregate, plan_aggregate, plan_window, window},
    alive::ALIVE,
    call::Call,
    dates::extract_name,
    series::table,
    types::Ty,
};
use crate::{error::SqlError, pg_type, scope::QueryScope};

/// One function with its overloads.
#[derive(Debug)]
pub(crate) struct Function {
    pub name: &'static str,
    pub volatility: Volatility,
    pub overloads: &'static [Overload],
}

/// One way to call a function.
#[derive(Debug)]
pub(crate) struct Overload {
    pub params: &'static [Ty],
    /// The last parameter may repeat, or be left out.
    pub variadic: bool,
    pub returns: Returns,
    pub run: fn(&Call<'_>) -> Result<ArrayRef>,
}

/// The result type of an overload.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Returns {
    /// Always this.
    Ty(Ty),
    /// Computed from the argument types.
    Of(fn(&[DataType]) -> DataType),
}

impl Overload {
    pub(crate) const fn new(params: &'static [Ty], returns: Ty, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self { params, variadic: false, returns: Returns::Ty(returns), run }
    }

    pub(crate) const fn variadic(params: &'static [Ty], returns: Ty, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Self {
        Self { params, variadic: true, returns: Returns::Ty(returns), run }
    }

    pub(crate) const fn of(
        params: &'static [Ty],
        returns: fn(&[DataType]) -> DataType,
        run: fn(&Call<'_>) -> Result<ArrayRef>,
    ) -> Self {
        Self { params, variadic: false, returns: Returns::Of(returns), run }
    }
}

impl Function {
    /// A function whose result depends on its arguments alone.
    pub(crate) const fn pure(name: &'static str, overloads: &'static [Overload]) -> Self {
        Self { name, volatility: Volatility::Immutable, overloads }
    }
}

static OWN: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    [
        alive::FUNCTIONS,
        arithmetic::FUNCTIONS,
        dates::FUNCTIONS,
        lists::FUNCTIONS,
        math::FUNCTIONS,
        quantified::FUNCTIONS,
        regex::FUNCTIONS,
        series::FUNCTIONS,
        strings::FUNCTIONS,
        to_char::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
    .map(|function| (function.name, function))
    .collect()
});

/// Finds a scalar function for one query.
pub(crate) fn scalar(name: &str, scope: &Arc<QueryScope>) -> Option<Arc<ScalarUDF>> {
    if let Some(function) = OWN.get(name) {
        return Some(Arc::new(ScalarUDF::new_from_impl(PgFunction::new(function, scope.clone()))));
    }
    if name == "date" {
        return cast::scalar("date", scope);
    }
    match name.strip_prefix(cast::PREFIX) {
        Some(type_name) => cast::scalar(type_name, scope),
        None => adopted::scalar(name),
    }
}

/// A function of the table, bound to a query.
struct PgFunction {
    function: &'static Function,
    scope: Arc<QueryScope>,
    signature: Signature,
}

impl PgFunction {
    fn new(function: &'static Function, scope: Arc<QueryScope>) -> Self {
        Self { function, scope, signature: Signature::user_defined(function.volatility) }
    }

    fn overload(&self, given: &[DataType]) -> Result<&'static Overload> {
        types::choose(self.function.overloads, |overload| (overload.params, overload.variadic), given)
            .ok_or_else(|| no_such_function(self.function.name, given))
    }
}

/// `function f(text, integer) does not exist`.
pub(crate) fn no_such_function(name: &str, given: &[DataType]) -> datafusion::error::DataFusionError {
    let names: Vec<String> = given.iter().map(pg_type::sql_name).collect();
    SqlError::Invalid(
        format!("function {name}({}) does not exist", names.join(", ")),
        Some("No function matches the given name and argument types. You might need to add explicit type casts.".to_owned()),
    )
    .into()
}

impl fmt::Debug for PgFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for PgFunction {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for PgFunction {}

impl Hash for PgFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for PgFunction {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let overload = self.overload(given)?;
        let wanted = given.iter().enumerate().map(|(index, given)| {
            types::param(overload.params, overload.variadic, index).map_or_else(|| given.clone(), |ty| ty.arrow(given))
        });
        Ok(wanted.collect())
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match self.overload(given)?.returns {
            Returns::Ty(ty) => ty.arrow(&types::NUMERIC),
            Returns::Of(of) => of(given),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.scope.check()?;
        let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
        let overload = self.overload(&given)?;
        let constant = self.function.volatility == Volatility::Immutable
            && args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let call = Call {
            args: &args.args,
            rows: if constant { 1 } else { args.number_rows },
            returns: args.return_field.data_type(),
            scope: &self.scope,
        };
        let result = (overload.run)(&call)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use gristmill_sql_safety::functions::{FunctionKind, allowed_functions};

    use super::*;
    use crate::config::EngineConfig;

    /// Written as functions, read as syntax or rewritten before the engine looks a name up.
    const SYNTAX: &[&str] = &["position", "regexp_split_to_table", "string_to_table"];

    #[test]
    fn every_function_that_the_gate_lets_through_is_there() {
        let scope = Arc::new(QueryScope::new(&EngineConfig::default(), Instant::now() + Duration::from_secs(1), 0));
        let is_there = |name: &str, kind: FunctionKind| match kind {
            FunctionKind::Scalar => scalar(name, &scope).is_some() || SYNTAX.contains(&name),
            FunctionKind::Aggregate => aggregate(name).is_some(),
            FunctionKind::Window => window(name).is_some() || aggregate(name).is_some(),
            FunctionKind::Table => name == "generate_series" || name == "unnest",
        };
        let missing: Vec<&str> =
            allowed_functions().iter().filter(|info| !is_there(info.name, info.kind)).map(|info| info.name).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
