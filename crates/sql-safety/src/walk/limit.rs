//! LIMIT, OFFSET and FETCH: constants, in one form, and on the outermost query always there.

use sqlparser::ast::{BinaryOperator, CastKind, Expr, Fetch, LimitClause, Offset, Query, SetExpr, UnaryOperator, Value};
use sqlparser::tokenizer::Span;

use super::{invalid, refuse_if};
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};

/// What a LIMIT or OFFSET says.
enum Count {
    /// ALL or NULL.
    Unbounded,
    /// Rows.
    Rows(u64),
}

/// Brings the limit of a query into the one form that the engine knows: `LIMIT <number> OFFSET <number>`.
pub(super) fn normalise(clause: &mut Option<LimitClause>, fetch: &mut Option<Fetch>) -> Gate<()> {
    let (mut limit, mut offset) = match clause.take() {
        None => (None, None),
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
            refuse_if(!limit_by.is_empty(), "LIMIT … BY")?;
            (limit, offset)
        }
        Some(LimitClause::OffsetCommaLimit { .. }) => {
            return Err(SqlRefusal::whole(RefusalKind::construct_but("LIMIT with a comma", "write LIMIT … OFFSET …")));
        }
    };
    if let Some(fetch) = fetch.take() {
        if limit.is_some() {
            return invalid("LIMIT and FETCH cannot be used together", None);
        }
        limit = Some(fetched(fetch)?);
    }
    if let Some(expr) = limit.take() {
        limit = constant(expr, "LIMIT")?;
    }
    if let Some(Offset { value, rows }) = offset.take() {
        offset = constant(value, "OFFSET")?.map(|value| Offset { value, rows });
    }
    if limit.is_some() || offset.is_some() {
        *clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() });
    }
    Ok(())
}

/// Adds the default limit to a query without one. A limit of the user's own stays as it is; the engine cuts the rows.
pub(crate) fn limit_outermost(query: &mut Query, limit_default: u32) {
    strip_parentheses(query);
    let added = Expr::value(Value::Number(limit_default.to_string(), false));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => {
            limit.get_or_insert(added);
        }
        // Anything else was refused or rewritten by `normalise`.
        clause => *clause = Some(LimitClause::LimitOffset { limit: Some(added), offset: None, limit_by: Vec::new() }),
    }
}

/// Takes `(select …)` out of its parentheses, so that its own LIMIT is the outermost one.
fn strip_parentheses(query: &mut Query) {
    loop {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        let is_bare = with.is_none()
            && order_by.is_none()
            && limit_clause.is_none()
            && fetch.is_none()
            && locks.is_empty()
            && for_clause.is_none()
            && settings.is_none()
            && format_clause.is_none()
            && pipe_operators.is_empty();
        let SetExpr::Query(inner) = body.as_mut() else { return };
        if !is_bare {
            return;
        }
        let taken = std::mem::replace(inner.as_mut(), empty_query());
        *query = taken;
    }
}

fn empty_query() -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Values(sqlparser::ast::Values { explicit_row: false, value_keyword: false, rows: Vec::new() })),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn fetched(fetch: Fetch) -> Gate<Expr> {
    let Fetch { with_ties, percent, quantity } = fetch;
    refuse_if(with_ties, "FETCH … WITH TIES")?;
    refuse_if(percent, "FETCH … PERCENT")?;
    Ok(quantity.unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false))))
}

/// The limit as the number it stands for; `None` where there is no bound.
fn constant(expr: Expr, clause: &str) -> Gate<Option<Expr>> {
    let span = sqlparser::ast::Spanned::span(&expr);
    match evaluate(&expr, clause, span)? {
        Count::Unbounded => Ok(None),
        Count::Rows(rows) => match &expr {
            Expr::Value(value) if matches!(&value.value, Value::Number(..)) => Ok(Some(expr)),
            _ => Ok(Some(Expr::Value(Value::Number(rows.to_string(), false).with_span(span)))),
        },
    }
}

fn evaluate(expr: &Expr, clause: &str, span: Span) -> Gate<Count> {
    let position = Position::from_location(span.start);
    if let Expr::Value(value) = expr
        && value.value == Value::Null
    {
        return Ok(Count::Unbounded);
    }
    let Some(number) = integer(expr, 0) else {
        return invalid(format!("{clause} must be a constant whole number of at most 9223372036854775807"), position);
    };
    match u64::try_from(number) {
        Ok(rows) => Ok(Count::Rows(rows)),
        Err(_) => invalid(format!("{clause} must not be negative"), position),
    }
}

/// Computes a constant; `None` for anything that is not one, and on overflow.
fn integer(expr: &Expr, depth: usize) -> Option<i64> {
    if depth > 16 {
        return None;
    }
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) if digits.bytes().all(|b| b.is_ascii_digit() || b == b'_') => {
                digits.replace('_', "").parse().ok()
            }
            _ => None,
        },
        Expr::Nested(inner) => integer(inner, depth + 1),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => integer(expr, depth + 1),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => integer(expr, depth + 1)?.checked_neg(),
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, array: false, format: None } => {
            let is_integer = matches!(
                data_type,
                sqlparser::ast::DataType::Int(None)
                    | sqlparser::ast::DataType::Integer(None)
                    | sqlparser::ast::DataType::Int4(None)
                    | sqlparser::ast::DataType::Int8(None)
                    | sqlparser::ast::DataType::BigInt(None)
            );
            if is_integer { integer(expr, depth + 1) } else { None }
        }
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (integer(left, depth + 1)?, integer(right, depth + 1)?);
            match op {
                BinaryOperator::Plus => left.checked_add(right),
                BinaryOperator::Minus => left.checked_sub(right),
                BinaryOperator::Multiply => left.checked_mul(right),
                BinaryOperator::Divide => left.checked_div(right),
                _ => None,
            }
        }
        _ => None,
    }
}
