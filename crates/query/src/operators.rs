//! PostgreSQL's operators: which function or engine expression stands for `left op right`, given the types.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, ScalarValue},
    error::Result,
    execution::SessionStateDefaults,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, Like, Operator,
        expr::ScalarFunction,
        lit,
        planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

use crate::{
    error::{SqlError, invalid},
    functions::{self, types},
    pg_type,
    scope::QueryScope,
};

/// The planners of expressions, ours first.
pub(crate) fn planners(scope: &Arc<QueryScope>) -> Vec<Arc<dyn ExprPlanner>> {
    let ours: Arc<dyn ExprPlanner> = Arc::new(Operators { scope: scope.clone() });
    std::iter::once(ours).chain(SessionStateDefaults::default_expr_planners()).collect()
}

#[derive(Debug)]
struct Operators {
    scope: Arc<QueryScope>,
}

/// An operand with its type.
struct Operand {
    expr: Expr,
    data_type: DataType,
}

impl Operand {
    /// Whole numbers that fit are `integer`, as in PostgreSQL; the parser makes all of them `bigint`.
    fn new(expr: Expr, schema: &DFSchema) -> Result<Self> {
        let expr = match expr {
            Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
                Ok(small) => Expr::Literal(ScalarValue::Int32(Some(small)), metadata),
                Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
            },
            Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
                Expr::Literal(ScalarValue::Decimal128(Some(value.into()), 20, 0), metadata)
            }
            other => other,
        };
        let data_type = expr.get_type(schema)?;
        Ok(Self { expr, data_type })
    }

    fn is_literal_text(&self) -> bool {
        matches!(&self.expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _))
    }

    fn is_text(&self) -> bool {
        matches!(self.data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
    }

    fn is_list(&self) -> bool {
        matches!(self.data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
    }
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        // Errors about unknown columns are better raised by the planner itself.
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        };
        let planned = match arithmetic(&op) {
            Some((name, native)) => {
                let both_floats = left_type == DataType::Float64 && right_type == DataType::Float64;
                match native {
                    Some(native) if both_floats => binary(left, native, right),
                    _ => self.call(name, Operand::new(left, schema)?, Operand::new(right, schema)?, &op)?,
                }
            }
            None => match comparison(&op) {
                Some(native) => self.compare(native, Operand::new(left, schema)?, Operand::new(right, schema)?, &op)?,
                None => return self.other(op, left, right, schema),
            },
        };
        Ok(PlannerResult::Planned(planned))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.named("$extract", args)
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.named("strpos", args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.named("substring", args)
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, _schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        self.named("make_array", exprs)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.named("overlay", args)
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        functions::plan_aggregate(expr, &self.scope)
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        functions::plan_window(expr, &self.scope)
    }
}

/// The function behind an arithmetic operator, and the engine's own operator that does the same on floats.
fn arithmetic(op: &BinaryOperator) -> Option<(&'static str, Option<Operator>)> {
    Some(match op {
        BinaryOperator::Plus => ("$add", Some(Operator::Plus)),
        BinaryOperator::Minus => ("$sub", Some(Operator::Minus)),
        BinaryOperator::Multiply => ("$mul", Some(Operator::Multiply)),
        BinaryOperator::Divide => ("$div", None),
        BinaryOperator::Modulo => ("$mod", None),
        BinaryOperator::PGExp => ("power", None),
        _ => return None,
    })
}

fn comparison(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// `operator does not exist: text = bigint`.
fn no_operator(left: &DataType, op: &BinaryOperator, right: &DataType) -> datafusion::error::DataFusionError {
    SqlError::Invalid(
        format!("operator does not exist: {} {op} {}", pg_type::sql_name(left), pg_type::sql_name(right)),
        Some("You might need to add explicit type casts.".to_owned()),
    )
    .into()
}

impl Operators {
    fn named(&self, name: &str, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(self.function(name, args)?))
    }

    fn function(&self, name: &str, args: Vec<Expr>) -> Result<Expr> {
        let function = functions::scalar(name, &self.scope).ok_or_else(|| invalid(format!("function {name} does not exist")))?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
    }

    fn call(&self, name: &str, left: Operand, right: Operand, op: &BinaryOperator) -> Result<Expr> {
        let function = functions::scalar(name, &self.scope).ok_or_else(|| invalid(format!("function {name} does not exist")))?;
        if function.coerce_types(&[left.data_type.clone(), right.data_type.clone()]).is_err() {
            return Err(no_operator(&left.data_type, op, &right.data_type));
        }
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![left.expr, right.expr])))
    }

    fn compare(&self, native: Operator, left: Operand, right: Operand, op: &BinaryOperator) -> Result<Expr> {
        let (left, right) = (self.typed(left, &right)?, right);
        let right = self.typed(right, &left)?;
        if !comparable(&left, &right) {
            return Err(no_operator(&left.data_type, op, &right.data_type));
        }
        if matches!((&left.data_type, &right.data_type), (DataType::Interval(_), DataType::Interval(_))) {
            return Ok(binary(
                self.function("$interval_us", vec![left.expr])?,
                native,
                self.function("$interval_us", vec![right.expr])?,
            ));
        }
        Ok(binary(left.expr, native, right.expr))
    }

    /// Gives a literal in quotes the type of what it is compared with.
    fn typed(&self, operand: Operand, other: &Operand) -> Result<Operand> {
        if !operand.is_literal_text() || other.is_text() || other.data_type == DataType::Null || other.is_list() {
            return Ok(operand);
        }
        let Some(wanted) = types::ty(&other.data_type) else { return Ok(operand) };
        let data_type = wanted.arrow(&other.data_type);
        let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = &operand.expr else { return Ok(operand) };
        let scalar = functions::input::constant(text, &data_type, self.scope.started_us)?;
        Ok(Operand { expr: lit(scalar), data_type })
    }

    /// Operators that are neither arithmetic nor comparisons.
    fn other(&self, op: BinaryOperator, left: Expr, right: Expr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let planned = match op {
            BinaryOperator::StringConcat => self.concat(Operand::new(left, schema)?, Operand::new(right, schema)?, &op)?,
            BinaryOperator::PGRegexMatch => self.function("$regex", vec![left, right])?,
            BinaryOperator::PGRegexIMatch => self.function("$iregex", vec![left, right])?,
            BinaryOperator::PGRegexNotMatch => !self.function("$regex", vec![left, right])?,
            BinaryOperator::PGRegexNotIMatch => !self.function("$iregex", vec![left, right])?,
            BinaryOperator::PGLikeMatch => like(left, right, false, false),
            BinaryOperator::PGILikeMatch => like(left, right, false, true),
            BinaryOperator::PGNotLikeMatch => like(left, right, true, false),
            BinaryOperator::PGNotILikeMatch => like(left, right, true, true),
            BinaryOperator::PGStartsWith => self.function("starts_with", vec![left, right])?,
            BinaryOperator::PGBitwiseXor => binary(left, Operator::BitwiseXor, right),
            op => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        Ok(PlannerResult::Planned(planned))
    }

    /// `||` on texts, on a text and anything, and on arrays.
    fn concat(&self, left: Operand, right: Operand, op: &BinaryOperator) -> Result<Expr> {
        match (left.is_list(), right.is_list()) {
            (true, true) => return self.function("array_cat", vec![left.expr, right.expr]),
            (true, false) => return self.function("array_append", vec![left.expr, right.expr]),
            (false, true) => return self.function("array_prepend", vec![left.expr, right.expr]),
            (false, false) => {}
        }
        let untyped = |operand: &Operand| operand.is_text() || operand.data_type == DataType::Null;
        if !untyped(&left) && !untyped(&right) {
            return Err(no_operator(&left.data_type, op, &right.data_type));
        }
        let as_text = |operand: Operand| -> Result<Expr> {
            if untyped(&operand) { Ok(operand.expr) } else { self.function("$cast:text", vec![operand.expr]) }
        };
        self.function("$concat", vec![as_text(left)?, as_text(right)?])
    }
}

fn like(expr: Expr, pattern: Expr, negated: bool, case_insensitive: bool) -> Expr {
    Expr::Like(Like::new(negated, Box::new(expr), Box::new(pattern), None, case_insensitive))
}

/// Whether PostgreSQL has a comparison of these types.
fn comparable(left: &Operand, right: &Operand) -> bool {
    if left.data_type == DataType::Null || right.data_type == DataType::Null {
        return true;
    }
    if left.is_text() || right.is_text() {
        return left.is_text() && right.is_text();
    }
    let number = |operand: &Operand| types::is_number(&operand.data_type);
    let moment = |operand: &Operand| matches!(operand.data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    if number(left) || number(right) {
        return number(left) && number(right);
    }
    if moment(left) || moment(right) {
        return moment(left) && moment(right);
    }
    match (types::ty(&left.data_type), types::ty(&right.data_type)) {
        (Some(left), Some(right)) => left == right,
        // Arrays and records are left to the engine.
        _ => true,
    }
}
