//! Where `double precision` meets `numeric`, PostgreSQL goes on with `double precision`; DataFusion would take
//! `numeric`, which cuts digits off and does not hold large numbers, infinities and `NaN`. So, before the engine looks
//! for common types itself, the `numeric` sides of comparisons, `CASE`, `coalesce` and the like become floats.

use std::{cell::Cell, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    error::Result,
    logical_expr::{
        Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union, Values, expr::ScalarFunction,
        expr_rewriter::NamePreserver, lit, utils::merge_schema,
    },
};

use crate::{
    functions::{self, input, output},
    scope::QueryScope,
};

/// Functions whose arguments have a common type.
const UNIFYING: &[&str] = &["coalesce", "nullif", "greatest", "least", "make_array"];

/// Makes the numbers that meet floats floats.
pub(crate) fn prefer_floats(plan: LogicalPlan, scope: &Arc<QueryScope>) -> Result<LogicalPlan> {
    let pass = Pass { scope, changed: Cell::new(false) };
    Ok(plan.transform_up_with_subqueries(|plan| pass.node(plan))?.data)
}

struct Pass<'a> {
    scope: &'a Arc<QueryScope>,
    /// Whether a type below has changed, so that those above are stale.
    changed: Cell<bool>,
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// Whether floats and decimals are among the types.
fn is_mixed<'t>(types: impl IntoIterator<Item = &'t DataType>) -> bool {
    let (mut floats, mut decimals) = (false, false);
    for data_type in types {
        floats |= is_float(data_type);
        decimals |= is_decimal(data_type);
    }
    floats && decimals
}

impl Pass<'_> {
    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let plan = match plan {
            LogicalPlan::Values(values) => return self.values(values),
            LogicalPlan::Union(union) => self.union(union)?,
            other => {
                let schema = merge_schema(&other.inputs());
                let names = NamePreserver::new(&other);
                other.map_expressions(|expr| {
                    let name = names.save(&expr);
                    let fixed = expr.transform_up(|expr| self.expr(expr, &schema))?;
                    Ok(if fixed.transformed { fixed.update_data(|expr| name.restore(expr)) } else { fixed })
                })?
            }
        };
        if plan.transformed {
            self.changed.set(true);
        }
        if self.changed.get() { plan.map_data(LogicalPlan::recompute_schema) } else { Ok(plan) }
    }

    fn expr(&self, mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let changed = match &mut expr {
            Expr::BinaryExpr(binary) if is_comparison(binary.op) => {
                self.unify(vec![binary.left.as_mut(), binary.right.as_mut()], schema)?
            }
            Expr::Between(between) => {
                self.unify(vec![between.expr.as_mut(), between.low.as_mut(), between.high.as_mut()], schema)?
            }
            Expr::InList(list) => self.unify(std::iter::once(list.expr.as_mut()).chain(&mut list.list).collect(), schema)?,
            Expr::Case(case) => {
                let (whens, thens): (Vec<_>, Vec<_>) =
                    case.when_then_expr.iter_mut().map(|(when, then)| (when.as_mut(), then.as_mut())).unzip();
                let results = thens.into_iter().chain(case.else_expr.as_deref_mut()).collect();
                let compared = match case.expr.as_deref_mut() {
                    Some(operand) => self.unify(std::iter::once(operand).chain(whens).collect(), schema)?,
                    None => false,
                };
                self.unify(results, schema)? || compared
            }
            Expr::ScalarFunction(call) if UNIFYING.contains(&call.func.name()) => {
                self.unify(call.args.iter_mut().collect(), schema)?
            }
            _ => false,
        };
        Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
    }

    /// Makes the decimals among the expressions floats, if there are floats. Returns whether something changed.
    fn unify(&self, exprs: Vec<&mut Expr>, schema: &DFSchema) -> Result<bool> {
        // What has no type here is an error that the engine will find.
        let types: Vec<DataType> = exprs.iter().map(|expr| expr.get_type(schema).unwrap_or(DataType::Null)).collect();
        if !is_mixed(&types) {
            return Ok(false);
        }
        for (expr, data_type) in exprs.into_iter().zip(&types) {
            if is_decimal(data_type) {
                *expr = self.float(std::mem::take(expr))?;
            }
        }
        Ok(true)
    }

    fn float(&self, expr: Expr) -> Result<Expr> {
        if let Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) = &expr {
            let mut digits = String::new();
            output::write_decimal(&mut digits, *value, *scale);
            if let Some(value) = input::float8(&digits) {
                return Ok(lit(value));
            }
        }
        let cast = functions::scalar("$cast:float8", self.scope)
            .ok_or_else(|| crate::error::invalid("type \"double precision\" does not exist"))?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(cast, vec![expr])))
    }

    /// The planner has put casts into the rows already, the only ones there: those that people write are functions.
    fn values(&self, values: Values) -> Result<Transformed<LogicalPlan>> {
        let columns = values.schema.fields().len();
        let bare = |expr: &Expr| match expr {
            Expr::Cast(cast) => cast.expr.as_ref().clone(),
            other => other.clone(),
        };
        let mut mixed = vec![false; columns];
        for (at, mixed) in mixed.iter_mut().enumerate() {
            let types = values.values.iter().filter_map(|row| bare(row.get(at)?).get_type(&DFSchema::empty()).ok());
            *mixed = is_mixed(&types.collect::<Vec<_>>());
        }
        if !mixed.contains(&true) {
            return Ok(Transformed::no(LogicalPlan::Values(values)));
        }
        self.changed.set(true);
        let mut rows = Vec::with_capacity(values.values.len());
        for row in &values.values {
            let mut new = Vec::with_capacity(columns);
            for (expr, mixed) in row.iter().zip(&mixed) {
                new.push(if *mixed { self.float_value(bare(expr))? } else { bare(expr) });
            }
            rows.push(new);
        }
        LogicalPlanBuilder::values(rows)?.build().map(Transformed::yes)
    }

    /// A value of a column of floats.
    fn float_value(&self, expr: Expr) -> Result<Expr> {
        match &expr {
            Expr::Literal(value, _) if value.is_null() => Ok(expr),
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => {
                input::constant(text, &DataType::Float64, self.scope.started_us).map(lit)
            }
            _ if expr.get_type(&DFSchema::empty())? == DataType::Float64 => Ok(expr),
            _ => self.float(expr),
        }
    }

    fn union(&self, union: Union) -> Result<Transformed<LogicalPlan>> {
        let columns = union.inputs.iter().map(|input| input.schema().fields().len()).min().unwrap_or(0);
        let mixed: Vec<bool> =
            (0..columns).map(|at| is_mixed(union.inputs.iter().map(|input| input.schema().field(at).data_type()))).collect();
        if !mixed.contains(&true) {
            return Ok(Transformed::no(LogicalPlan::Union(union)));
        }
        let mut inputs = Vec::with_capacity(union.inputs.len());
        for input in &union.inputs {
            inputs.push(Arc::new(self.float_columns(input, &mixed)?));
        }
        Union::try_new_with_loose_types(inputs).map(|union| Transformed::yes(LogicalPlan::Union(union)))
    }

    fn float_columns(&self, plan: &LogicalPlan, mixed: &[bool]) -> Result<LogicalPlan> {
        let mut columns = Vec::with_capacity(mixed.len());
        for ((qualifier, field), mixed) in plan.schema().iter().zip(mixed) {
            let column = Expr::from((qualifier, field));
            columns.push(if *mixed && is_decimal(field.data_type()) {
                self.float(column)?.alias_qualified(qualifier.cloned(), field.name())
            } else {
                column
            });
        }
        LogicalPlanBuilder::from(plan.clone()).project(columns)?.build()
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
