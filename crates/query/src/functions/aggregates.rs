//! Aggregate and window functions.

mod mode;
mod percentile_disc;
mod retyped;
mod values;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    error::Result,
    logical_expr::{
        AggregateUDF, Cast, Expr, WindowFunctionDefinition, WindowUDF,
        expr::{AggregateFunction, ScalarFunction, WindowFunction, WindowFunctionParams},
        lit,
        planner::{PlannerResult, RawAggregateExpr, RawWindowExpr},
    },
};

use super::decimal;
use crate::{error::invalid, scope::QueryScope};

/// DataFusion's aggregates that mean what PostgreSQL's do.
const ADOPTED_NAMES: &[&str] = &[
    "array_agg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "grouping",
    "max",
    "median",
    "min",
    "percentile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "var_pop",
    "approx_distinct",
    "approx_median",
    "approx_percentile_cont",
    "first_value",
    "last_value",
    "nth_value",
    "any_value",
    "var",
];

/// Other names for them.
const OTHER_NAMES: &[(&str, &str)] =
    &[("every", "bool_and"), ("stddev_samp", "stddev"), ("variance", "var"), ("var_samp", "var")];

static ADOPTED: LazyLock<HashMap<&'static str, Arc<AggregateUDF>>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for function in datafusion::functions_aggregate::all_default_aggregate_functions() {
        if let Some(name) = ADOPTED_NAMES.iter().find(|name| **name == function.name()) {
            found.insert(*name, function);
        }
    }
    for (other, name) in OTHER_NAMES {
        if let Some(function) = found.get(name).cloned() {
            found.insert(other, function);
        }
    }
    found.insert("sum", retyped::sum());
    found.insert("avg", retyped::avg());
    found.insert("mode", mode::function());
    found.insert("percentile_disc", percentile_disc::function());
    // A stand-in: the planner turns it into `array_agg` with the texts joined.
    if let Some(array_agg) = found.get("array_agg").cloned() {
        found.insert("string_agg", retyped::string_agg(&array_agg));
    }
    found
});

static WINDOWS: LazyLock<HashMap<String, Arc<WindowUDF>>> = LazyLock::new(|| {
    datafusion::functions_window::all_default_window_functions()
        .into_iter()
        .map(|function| (function.name().to_owned(), function))
        .collect()
});

/// Finds an aggregate function.
pub(crate) fn aggregate(name: &str) -> Option<Arc<AggregateUDF>> {
    ADOPTED.get(name).cloned()
}

/// Finds a window function.
pub(crate) fn window(name: &str) -> Option<Arc<WindowUDF>> {
    WINDOWS.get(name).cloned()
}

/// A decimal constant as a float: the engine wants the fraction of a percentile to be one.
fn as_float(expr: Expr) -> Expr {
    match &expr {
        Expr::Literal(ScalarValue::Decimal128(Some(_), ..) | ScalarValue::Int64(Some(_)) | ScalarValue::Int32(Some(_)), _) => {
            let Expr::Literal(scalar, _) = &expr else { return expr };
            scalar.cast_to(&DataType::Float64).map_or_else(|_| expr.clone(), lit)
        }
        _ => expr,
    }
}

/// The separator of `string_agg`, which is a function of the rows in PostgreSQL, but never used as one.
fn separator(args: &[Expr]) -> Result<(Expr, Expr)> {
    match args {
        [value, separator @ Expr::Literal(..)] => Ok((value.clone(), separator.clone())),
        [_, _] => Err(invalid("the separator of string_agg must be a constant")),
        _ => Err(invalid("string_agg takes a text and a separator")),
    }
}

fn join(list: Expr, separator: Expr, scope: &Arc<QueryScope>) -> Result<Expr> {
    let function = super::scalar("$join", scope).ok_or_else(|| invalid("function string_agg does not exist"))?;
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![list, separator])))
}

fn array_agg() -> Result<Arc<AggregateUDF>> {
    aggregate("array_agg").ok_or_else(|| invalid("function array_agg does not exist"))
}

/// Plans an aggregate.
pub(crate) fn plan_aggregate(mut raw: RawAggregateExpr, scope: &Arc<QueryScope>) -> Result<PlannerResult<RawAggregateExpr>> {
    match raw.func.name() {
        "percentile_cont" | "percentile_disc" | "approx_percentile_cont" => {
            if raw.order_by.is_empty() && raw.func.name() != "approx_percentile_cont" {
                return Err(invalid(format!("WITHIN GROUP is required for ordered-set aggregate {}", raw.func.name())));
            }
            raw.args =
                raw.args.into_iter().enumerate().map(|(index, arg)| if index == 1 { as_float(arg) } else { arg }).collect();
            Ok(PlannerResult::Original(raw))
        }
        "string_agg" => {
            let (value, separator) = separator(&raw.args)?;
            let list = AggregateFunction::new_udf(array_agg()?, vec![value], raw.distinct, raw.filter, raw.order_by, None);
            Ok(PlannerResult::Planned(join(Expr::AggregateFunction(list), separator, scope)?))
        }
        _ => Ok(PlannerResult::Original(raw)),
    }
}

/// Plans a window function: ranks and counts are `bigint`, buckets `integer`.
pub(crate) fn plan_window(raw: RawWindowExpr, scope: &Arc<QueryScope>) -> Result<PlannerResult<RawWindowExpr>> {
    let name = raw.func_def.name().to_owned();
    let result = match name.as_str() {
        "row_number" | "rank" | "dense_rank" => Some(DataType::Int64),
        "ntile" => Some(DataType::Int32),
        "string_agg" => None,
        _ => return Ok(PlannerResult::Original(raw)),
    };
    let mut params = WindowFunctionParams {
        args: raw.args,
        partition_by: raw.partition_by,
        order_by: raw.order_by,
        window_frame: raw.window_frame,
        filter: raw.filter,
        null_treatment: raw.null_treatment,
        distinct: raw.distinct,
    };
    let Some(result) = result else {
        let (value, separator) = separator(&params.args)?;
        params.args = vec![value];
        let list = WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(array_agg()?), params };
        return Ok(PlannerResult::Planned(join(Expr::WindowFunction(Box::new(list)), separator, scope)?));
    };
    let inner = Expr::WindowFunction(Box::new(WindowFunction { fun: raw.func_def, params }));
    Ok(PlannerResult::Planned(Expr::Cast(Cast::new(Box::new(inner), result))))
}

/// The scale of a decimal type, for the modules below.
fn scale(data_type: &DataType) -> i8 {
    decimal::scale(data_type)
}
