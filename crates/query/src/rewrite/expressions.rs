//! Expressions.

use datafusion::{
    error::Result,
    sql::sqlparser::ast::{
        BinaryOperator, CastKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Interval,
        Query, Select, SelectItem, SetExpr, UnaryOperator, Value, WindowFrameBound, WindowType,
    },
};

use super::{
    build::{as_text, call, function_name, take, text},
    type_names,
};
use crate::error::invalid;

/// Texts from this length on are handed round as one shared value, however many rows show them.
const LONG_TEXT_BYTES: usize = 256;

/// Functions whose result has the type of their arguments, so that the type of a literal matters.
const TYPED_BY_ARGUMENTS: &[&str] = &[
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "sum",
    "avg",
    "min",
    "max",
    "array_agg",
    "mode",
    "percentile_disc",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
    "abs",
];

/// Rewrites one expression, whose parts are rewritten already.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    match expr {
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, format: None, array: false } => {
            let name = format!("$cast:{}", type_names::name(data_type)?);
            *expr = call(&name, vec![take(inner)]);
        }
        Expr::TypedString(typed) => {
            let name = format!("$cast:{}", type_names::name(&typed.data_type)?);
            *expr = call(&name, vec![Expr::Value(typed.value.clone())]);
        }
        Expr::Interval(interval) => *expr = call("$cast:interval", vec![text(interval_text(interval)?)]),
        Expr::AtTimeZone { timestamp, time_zone } => {
            *expr = call("$at_time_zone", vec![take(timestamp), take(time_zone)]);
        }
        Expr::SimilarTo { negated, expr: inner, pattern, escape_char } => {
            let mut args = vec![take(inner), take(pattern)];
            args.extend(escape_char.take().map(Expr::Value));
            *expr = not_if(*negated, call("$similar", args));
        }
        Expr::Between { expr: inner, negated, low, high } => *expr = between(inner, *negated, low, high),
        Expr::BinaryOp { left, op, right } => {
            if let Some(compared) = compare_rows(left, op, right)? {
                *expr = compared;
            }
        }
        Expr::InList { expr: inner, list, negated } => {
            if let Some(compared) = row_in_list(inner, list)? {
                *expr = not_if(*negated, compared);
            }
        }
        Expr::Case { conditions, else_result, .. } => {
            for condition in conditions {
                type_literal(&mut condition.result);
            }
            if let Some(result) = else_result {
                type_literal(result);
            }
        }
        Expr::Array(array) => array.elem.iter_mut().for_each(type_literal),
        Expr::Function(function) => {
            if let Some(replacement) = rewrite_function(function)? {
                *expr = replacement;
            }
        }
        Expr::Value(value) => {
            if let Value::SingleQuotedString(long) = &value.value
                && long.len() >= LONG_TEXT_BYTES
            {
                *expr = call("$text", vec![text(long.clone())]);
            }
        }
        _ => {}
    }
    Ok(())
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// The text of an interval: `'1' day` and `'1 day'` alike.
fn interval_text(interval: &Interval) -> Result<String> {
    let unsupported = || invalid("this form of INTERVAL is not supported; write INTERVAL '1 day'");
    let value = match interval.value.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            Value::Number(number, _) => number.clone(),
            _ => return Err(unsupported()),
        },
        // A long literal was rewritten already; no interval is that long.
        _ => return Err(unsupported()),
    };
    Ok(match (&interval.leading_field, &interval.last_field) {
        (None, None) => value,
        (Some(DateTimeField::Year), Some(DateTimeField::Month)) => value,
        (Some(field), None) if value.trim().parse::<f64>().is_ok() => format!("{value} {}", field.to_string().to_lowercase()),
        (Some(_), None) => value,
        _ => return Err(unsupported()),
    })
}

/// Whether a second evaluation may give something else.
fn is_volatile(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            function_name(function).is_some_and(|name| matches!(name.as_str(), "random" | "gen_random_uuid" | "uuid"))
        }
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_volatile(inner),
        Expr::BinaryOp { left, right, .. } => is_volatile(left) || is_volatile(right),
        Expr::Subquery(_) => true,
        _ => false,
    }
}

/// `x between a and b` as two comparisons, which give literals the type of `x`.
fn between(inner: &mut Expr, negated: bool, low: &mut Expr, high: &mut Expr) -> Expr {
    if is_volatile(inner) {
        return Expr::Between { expr: Box::new(take(inner)), negated, low: Box::new(take(low)), high: Box::new(take(high)) };
    }
    let value = Expr::Nested(Box::new(take(inner)));
    let nested = |expr: &mut Expr| Expr::Nested(Box::new(take(expr)));
    let within = if negated {
        binary(
            binary(value.clone(), BinaryOperator::Lt, nested(low)),
            BinaryOperator::Or,
            binary(value, BinaryOperator::Gt, nested(high)),
        )
    } else {
        binary(
            binary(value.clone(), BinaryOperator::GtEq, nested(low)),
            BinaryOperator::And,
            binary(value, BinaryOperator::LtEq, nested(high)),
        )
    };
    Expr::Nested(Box::new(within))
}

/// `(a, b) = (1, 2)` as a comparison of each pair.
fn compare_rows(left: &mut Expr, op: &BinaryOperator, right: &mut Expr) -> Result<Option<Expr>> {
    let (Expr::Tuple(lefts), Expr::Tuple(rights)) = (&*left, &*right) else { return Ok(None) };
    match op {
        BinaryOperator::Eq => Ok(Some(equal_rows(lefts, rights)?)),
        BinaryOperator::NotEq => Ok(Some(not_if(true, equal_rows(lefts, rights)?))),
        _ => Err(invalid("rows can be compared by = and <> only")),
    }
}

fn equal_rows(lefts: &[Expr], rights: &[Expr]) -> Result<Expr> {
    if lefts.len() != rights.len() {
        return Err(invalid("unequal number of entries in row expressions"));
    }
    let pairs = lefts.iter().zip(rights).map(|(left, right)| binary(left.clone(), BinaryOperator::Eq, right.clone()));
    let all = pairs.reduce(|all, pair| binary(all, BinaryOperator::And, pair));
    Ok(Expr::Nested(Box::new(all.ok_or_else(|| invalid("a row needs columns"))?)))
}

/// `(a, b) in ((1, 2), (3, 4))`.
fn row_in_list(inner: &Expr, list: &[Expr]) -> Result<Option<Expr>> {
    let Expr::Tuple(lefts) = inner else { return Ok(None) };
    let mut any = None;
    for item in list {
        let Expr::Tuple(rights) = item else { return Err(invalid("a row can be in a list of rows only")) };
        let equal = equal_rows(lefts, rights)?;
        any = Some(match any {
            None => equal,
            Some(any) => binary(any, BinaryOperator::Or, equal),
        });
    }
    Ok(any.map(|any| Expr::Nested(Box::new(any))))
}

fn rewrite_function(function: &mut Function) -> Result<Option<Expr>> {
    let Some(name) = function_name(function) else { return Ok(None) };
    restore_frame(function);
    if TYPED_BY_ARGUMENTS.contains(&name.as_str())
        && let FunctionArguments::List(list) = &mut function.args
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
    {
        type_literal(first);
        if matches!(name.as_str(), "coalesce" | "nullif" | "greatest" | "least") {
            for arg in list.args.iter_mut().skip(1) {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                    type_literal(arg);
                }
            }
        }
    }
    for order in &mut function.within_group {
        type_literal(&mut order.expr);
    }
    match name.as_str() {
        // A function of rows, in a place where one value is expected.
        "generate_series" if function.over.is_none() => {
            let args = plain_args(function)?;
            Ok(Some(call("unnest", vec![call("$series", args)])))
        }
        "regexp_split_to_table" | "string_to_table" => {
            let list = if name == "string_to_table" { "string_to_array" } else { "regexp_split_to_array" };
            let args = plain_args(function)?;
            Ok(Some(call("unnest", vec![call(list, args)])))
        }
        _ => Ok(None),
    }
}

fn plain_args(function: &mut Function) -> Result<Vec<Expr>> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(vec![]) };
    list.args
        .iter_mut()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(take(expr)),
            _ => Err(invalid("this function takes plain arguments only")),
        })
        .collect()
}

/// The bounds of a frame must stay literals.
fn restore_frame(function: &mut Function) {
    let Some(WindowType::WindowSpec(spec)) = &mut function.over else { return };
    let Some(frame) = &mut spec.window_frame else { return };
    let bounds = std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut());
    for bound in bounds {
        if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound {
            restore_interval(expr);
        }
    }
}

pub(super) fn restore_interval(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    if function_name(function).as_deref() != Some("$cast:interval") {
        return;
    }
    let FunctionArguments::List(list) = &function.args else { return };
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_slice()
        && as_text(value).is_some()
    {
        *expr = Expr::Interval(Interval {
            value: Box::new(value.clone()),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        });
    }
}

/// Gives a whole number that fits the type `integer`, as PostgreSQL does: the parser makes all of them `bigint`, and
/// `sum(1) / 2` would be another number.
fn type_literal(expr: &mut Expr) {
    let inner = match &*expr {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => expr.as_ref(),
        other => other,
    };
    if let Expr::Value(value) = inner
        && let Value::Number(number, _) = &value.value
        && number.parse::<i32>().is_ok()
    {
        *expr = call("$int4", vec![take(expr)]);
    }
}

/// Types the literals of a select list.
pub(super) fn type_select_literals(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            type_literal(expr);
        }
    }
    for window in &mut select.named_window {
        if let datafusion::sql::sqlparser::ast::NamedWindowExpr::WindowSpec(spec) = &mut window.1
            && let Some(frame) = &mut spec.window_frame
        {
            let bounds = std::iter::once(&mut frame.start_bound).chain(frame.end_bound.as_mut());
            for bound in bounds {
                if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound {
                    restore_interval(expr);
                }
            }
        }
    }
}

/// Types the literals of `VALUES`.
pub(super) fn type_values(query: &mut Query) {
    if let SetExpr::Values(values) = query.body.as_mut() {
        for expr in values.rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
            type_literal(expr);
        }
    }
}
