//! Function calls: the allow-list, and which clauses a kind of function may have.
//!
//! The engine ignores DISTINCT, FILTER, ORDER BY and OVER on functions that have no use for them; PostgreSQL refuses
//! them, and so does this.

use std::collections::HashSet;

use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Spanned, WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Span;

use super::{Walker, check_ident, dotted, invalid, parts, refuse, refuse_construct, refuse_if};
use crate::functions::{self, FunctionInfo, FunctionKind};
use crate::lex::{shorten, too_complex};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::names::folded;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};

impl Walker<'_> {
    pub(super) fn call(&mut self, function: &mut Function) -> Gate<()> {
        let span = function.name.span();
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } = function;
        refuse_if(*uses_odbc_syntax, "{fn …}")?;
        refuse_if(*parameters != FunctionArguments::None, "a second list of arguments")?;
        let info = find_function(name, args)?;
        self.is_volatile |= info.volatile;

        let clauses = Clauses {
            distinct: is_distinct(args),
            order_by: has_order_by(args),
            filter: filter.is_some(),
            nulls: null_treatment.is_some() || has_null_treatment(args),
            over: over.is_some(),
            within_group: !within_group.is_empty(),
        };
        clauses.check(info, Position::from_location(span.start))?;
        self.arguments(info, args, span)?;
        if let Some(filter) = filter {
            self.expr(filter)?;
        }
        self.order_by_exprs(within_group)?;
        match over {
            None => Ok(()),
            Some(WindowType::WindowSpec(spec)) => self.window_spec(spec),
            Some(WindowType::NamedWindow(window)) => self.named_window(window),
        }
    }

    fn arguments(&mut self, info: &FunctionInfo, args: &mut FunctionArguments, span: Span) -> Gate<()> {
        let list = match args {
            FunctionArguments::None => return Ok(()),
            FunctionArguments::Subquery(_) => return refuse(RefusalKind::construct("a subquery without parentheses"), span),
            FunctionArguments::List(list) => list,
        };
        let FunctionArgumentList { duplicate_treatment: _, args, clauses } = list;
        if args.len() > LIST_ELEMENTS_MAX {
            return Err(too_complex(format!("more than {LIST_ELEMENTS_MAX} arguments"), None));
        }
        // With one argument it counts from today.
        self.is_volatile |= info.name == "age" && args.len() == 1;
        for arg in args {
            self.argument(info, arg, span)?;
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::OrderBy(exprs) => self.order_by_exprs(exprs)?,
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                FunctionArgumentClause::Limit(_)
                | FunctionArgumentClause::OnOverflow(_)
                | FunctionArgumentClause::Having(_)
                | FunctionArgumentClause::Separator(_)
                | FunctionArgumentClause::JsonNullClause(_)
                | FunctionArgumentClause::JsonReturningClause(_) => {
                    return refuse(RefusalKind::construct("this clause among the arguments"), span);
                }
            }
        }
        Ok(())
    }

    fn argument(&mut self, info: &FunctionInfo, arg: &mut FunctionArg, span: Span) -> Gate<()> {
        let arg = match arg {
            FunctionArg::Unnamed(arg) => arg,
            FunctionArg::Named { name, arg, operator: FunctionArgOperator::RightArrow } => {
                check_ident(name)?;
                arg
            }
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                return refuse(RefusalKind::construct_but("this form of named argument", "write name => value"), span);
            }
        };
        match arg {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            FunctionArgExpr::Wildcard if info.name == "count" => Ok(()),
            FunctionArgExpr::QualifiedWildcard(table) if info.name == "count" => self.wildcard_qualifier(table),
            FunctionArgExpr::Wildcard | FunctionArgExpr::QualifiedWildcard(_) => {
                invalid(format!("{}(*) is not possible, only count(*) is", info.name), Position::from_location(span.start))
            }
            FunctionArgExpr::WildcardWithOptions(_) => refuse_construct("an option of *"),
        }
    }

    /// `OVER name`.
    fn named_window(&mut self, window: &Ident) -> Gate<()> {
        check_ident(window)?;
        let is_defined = |windows: &HashSet<String>| windows.contains(folded(window).as_ref());
        match &self.windows {
            Some(windows) if is_defined(windows) => Ok(()),
            Some(_) => {
                let message = format!("window \"{}\" does not exist", shorten(&window.value));
                invalid(message, Position::from_location(window.span.start))
            }
            None => refuse(RefusalKind::construct_but("a named window outside the SELECT list", "write OVER (…)"), window.span),
        }
    }

    pub(super) fn window_spec(&mut self, spec: &mut WindowSpec) -> Gate<()> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        if let Some(name) = window_name {
            // The engine would ignore it.
            let kind = RefusalKind::construct_but("a window that extends another", "write PARTITION BY and ORDER BY out");
            return Err(SqlRefusal::new(kind, name.span));
        }
        self.exprs(partition_by)?;
        self.order_by_exprs(order_by)?;
        let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame else { return Ok(()) };
        self.frame_bound(start_bound)?;
        end_bound.as_mut().map_or(Ok(()), |bound| self.frame_bound(bound))
    }

    fn frame_bound(&mut self, bound: &mut WindowFrameBound) -> Gate<()> {
        match bound {
            WindowFrameBound::CurrentRow | WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => Ok(()),
            WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) => self.expr(expr),
        }
    }
}

/// Finds a function of the allow-list. A quoted name is brought to lower case, as the engine compares it exactly.
fn find_function(name: &mut ObjectName, args: &FunctionArguments) -> Gate<&'static FunctionInfo> {
    let mut parts = parts(name)?;
    let shown = dotted(&parts);
    let [ident] = parts.as_mut_slice() else {
        let span = parts.first().map_or_else(Span::empty, |first| first.span);
        return refuse(RefusalKind::UnknownFunction { name: shown, similar: Vec::new() }, span);
    };
    check_ident(ident)?;
    let lower = ident.value.to_ascii_lowercase();
    let is_bare = *args == FunctionArguments::None;
    let Some(info) = functions::find(&lower).filter(|info| !is_bare || functions::is_bare(info.name)) else {
        // `user` without parentheses is a function in PostgreSQL, and more often meant as a column.
        let similar = if is_bare { Vec::new() } else { functions::suggestions(&lower) };
        return refuse(RefusalKind::UnknownFunction { name: shown, similar }, ident.span);
    };
    if info.kind == FunctionKind::Table && info.name != "unnest" {
        let message = format!("function {} can only be called in FROM", info.name);
        return invalid(message, Position::from_location(ident.span.start));
    }
    if ident.quote_style.is_some() {
        ident.value = lower;
    }
    Ok(info)
}

fn is_distinct(args: &FunctionArguments) -> bool {
    matches!(args, FunctionArguments::List(list) if list.duplicate_treatment == Some(DuplicateTreatment::Distinct))
}

fn has_order_by(args: &FunctionArguments) -> bool {
    matches!(args, FunctionArguments::List(list)
        if list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_))))
}

fn has_null_treatment(args: &FunctionArguments) -> bool {
    matches!(args, FunctionArguments::List(list)
        if list.clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_))))
}

/// What a call has besides arguments.
struct Clauses {
    distinct: bool,
    order_by: bool,
    filter: bool,
    nulls: bool,
    over: bool,
    within_group: bool,
}

impl Clauses {
    fn check(&self, info: &FunctionInfo, position: Option<Position>) -> Gate<()> {
        let name = info.name;
        let complaint = match info.kind {
            FunctionKind::Scalar | FunctionKind::Table => {
                self.first().map(|clause| format!("{clause} specified, but {name} is not an aggregate function"))
            }
            FunctionKind::Window if !self.over => Some(format!("window function {name} requires an OVER clause")),
            FunctionKind::Window if self.distinct || self.order_by || self.filter || self.within_group => {
                Some(format!("DISTINCT, FILTER or ORDER BY specified, but {name} is a window function"))
            }
            FunctionKind::Aggregate if self.within_group && !functions::is_ordered_set(name) => {
                Some(format!("{name} is not an ordered-set aggregate, so it cannot have WITHIN GROUP"))
            }
            FunctionKind::Aggregate if self.within_group && (self.over || self.distinct || self.order_by) => {
                Some("WITHIN GROUP goes with neither OVER, DISTINCT nor ORDER BY".to_owned())
            }
            FunctionKind::Window | FunctionKind::Aggregate => None,
        };
        complaint.map_or(Ok(()), |complaint| invalid(complaint, position))
    }

    fn first(&self) -> Option<&'static str> {
        [
            (self.distinct, "DISTINCT"),
            (self.order_by, "ORDER BY"),
            (self.filter, "FILTER"),
            (self.nulls, "IGNORE or RESPECT NULLS"),
            (self.over, "OVER"),
            (self.within_group, "WITHIN GROUP"),
        ]
        .into_iter()
        .find_map(|(is_there, clause)| is_there.then_some(clause))
    }
}
