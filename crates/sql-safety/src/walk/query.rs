//! Queries, WITH, set operations and SELECT.

use std::collections::HashSet;

use sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, LockType, NamedWindowDefinition, NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind, Query,
    Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, TableAlias,
    Values, WildcardAdditionalOptions, With,
};

use super::{Walker, check_ident, check_idents, invalid, limit, refuse, refuse_construct, refuse_if};
use crate::lex::{shorten, too_complex};
use crate::limits::{LIST_ELEMENTS_MAX, WITH_QUERIES_MAX};
use crate::names::folded;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};
use crate::scope::Frame;

const SELF_REFERENCE: &str = "recursive query does not have the form non-recursive-term UNION [ALL] recursive-term";
const NON_RECURSIVE_TERM: &str = "a recursive reference must not appear within the non-recursive term";
const FORWARD_REFERENCE: &str = "in WITH RECURSIVE, a WITH query must come before those that read it";

impl Walker<'_> {
    pub(super) fn query(&mut self, query: &mut Query) -> Gate<()> {
        // Windows belong to one SELECT; a subquery starts without any.
        let windows = self.windows.take();
        let mark = self.with.mark();
        let result = self.query_parts(query);
        self.with.leave(mark);
        self.windows = windows;
        result
    }

    fn query_parts(&mut self, query: &mut Query) -> Gate<()> {
        let Query { with, body, order_by, limit_clause, fetch, locks, for_clause, settings, format_clause, pipe_operators } =
            query;
        if let Some(lock) = locks.first() {
            let construct = match lock.lock_type {
                LockType::Update => "FOR UPDATE",
                LockType::Share => "FOR SHARE",
            };
            return refuse_construct(construct);
        }
        refuse_if(for_clause.is_some(), "FOR XML, FOR JSON or FOR BROWSE")?;
        refuse_if(settings.is_some(), "SETTINGS")?;
        refuse_if(format_clause.is_some(), "FORMAT")?;
        refuse_if(!pipe_operators.is_empty(), "the operator |>")?;
        if let Some(with) = with {
            self.with_clause(with)?;
        }
        let mut frame = self.set_expr(body)?;
        if let Some(order_by) = order_by {
            self.with_frame(&mut frame, |walker| walker.order_by(order_by))?;
        }
        limit::normalise(limit_clause, fetch)
    }

    fn with_clause(&mut self, with: &mut With) -> Gate<()> {
        let With { with_token: _, recursive, cte_tables } = with;
        self.with_queries += cte_tables.len();
        if self.with_queries > WITH_QUERIES_MAX {
            return Err(too_complex(format!("more than {WITH_QUERIES_MAX} WITH queries"), None));
        }
        let mut names = Vec::with_capacity(cte_tables.len());
        for cte in cte_tables.iter() {
            let name = with_query_name(cte)?;
            if names.contains(&name) {
                let message = format!("WITH query name \"{}\" specified more than once", shorten(&name));
                return invalid(message, Position::from_location(cte.alias.name.span.start));
            }
            names.push(name);
        }
        for (at, cte) in cte_tables.iter_mut().enumerate() {
            let (name, later) = match names.get(at..) {
                Some([name, later @ ..]) => (name, later),
                _ => continue,
            };
            let mark = self.with.mark();
            if *recursive {
                later.iter().for_each(|name| self.with.push(name, Some(FORWARD_REFERENCE)));
                self.recursive_query(name, &mut cte.query)?;
            } else {
                self.query(&mut cte.query)?;
            }
            self.with.leave(mark);
            self.with.push(name, None);
        }
        Ok(())
    }

    /// A WITH query that may read itself. How deep the recursion goes is bounded by the engine, not here.
    ///
    /// The engine takes every `UNION` in `WITH RECURSIVE` apart and plans its two sides by themselves, whether the query
    /// reads itself or not. It then drops what else the query has, so a WITH, ORDER BY or LIMIT there is refused: a name
    /// would mean one thing here and another in the engine.
    fn recursive_query(&mut self, name: &str, query: &mut Query) -> Gate<()> {
        let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = query.body.as_mut() else {
            self.with.push(name, Some(SELF_REFERENCE));
            return self.query(query);
        };
        refuse_if(query.with.is_some(), "WITH inside a recursive query")?;
        refuse_if(query.order_by.is_some(), "ORDER BY in a recursive query")?;
        let is_limited = query.limit_clause.is_some() || query.fetch.is_some();
        refuse_if(is_limited, "LIMIT or OFFSET in a recursive query")?;
        check_quantifier(*set_quantifier)?;
        let windows = self.windows.take();
        self.with.push(name, Some(NON_RECURSIVE_TERM));
        self.set_expr(left)?;
        self.with.unbar_last();
        self.set_expr(right)?;
        self.windows = windows;
        // Everything else that a query can have is checked here; both sides were.
        let Query {
            with: _,
            body: _,
            order_by: _,
            limit_clause: _,
            fetch: _,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let is_plain = locks.is_empty()
            && for_clause.is_none()
            && settings.is_none()
            && format_clause.is_none()
            && pipe_operators.is_empty();
        refuse_if(!is_plain, "a clause after a recursive query")
    }

    /// Returns the relations that an ORDER BY after it may name: those of a single SELECT.
    fn set_expr(&mut self, body: &mut SetExpr) -> Gate<Frame> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query).map(|()| Frame::default()),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                if *op == SetOperator::Minus {
                    return Err(SqlRefusal::whole(RefusalKind::construct_but("MINUS", "write EXCEPT")));
                }
                check_quantifier(*set_quantifier)?;
                self.set_expr(left)?;
                self.set_expr(right)?;
                Ok(Frame::default())
            }
            SetExpr::Values(values) => self.values(values).map(|()| Frame::default()),
            SetExpr::Insert(statement) => refuse_statement("INSERT", statement.span()),
            SetExpr::Update(statement) => refuse_statement("UPDATE", statement.span()),
            SetExpr::Delete(statement) => refuse_statement("DELETE", statement.span()),
            SetExpr::Merge(statement) => refuse_statement("MERGE", statement.span()),
            SetExpr::Table(_) => Err(SqlRefusal::whole(RefusalKind::Statement { statement: "TABLE".to_owned() })),
        }
    }

    fn values(&mut self, values: &mut Values) -> Gate<()> {
        let Values { explicit_row, value_keyword, rows } = values;
        refuse_if(*explicit_row, "VALUES ROW(…)")?;
        refuse_if(*value_keyword, "VALUE")?;
        for row in rows {
            if row.content.len() > LIST_ELEMENTS_MAX {
                return Err(too_complex(format!("more than {LIST_ELEMENTS_MAX} values in a row"), None));
            }
            self.exprs(&mut row.content)?;
        }
        Ok(())
    }

    fn select(&mut self, select: &mut Select) -> Gate<Frame> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        refuse_if(into.is_some(), "SELECT INTO")?;
        refuse_if(!optimizer_hints.is_empty(), "a hint")?;
        refuse_if(select_modifiers.is_some(), "a MySQL modifier of SELECT")?;
        if top.is_some() {
            return Err(SqlRefusal::whole(RefusalKind::construct_but("TOP", "write LIMIT")));
        }
        refuse_if(exclude.is_some(), "EXCLUDE")?;
        refuse_if(!lateral_views.is_empty(), "LATERAL VIEW")?;
        refuse_if(prewhere.is_some(), "PREWHERE")?;
        refuse_if(!connect_by.is_empty(), "CONNECT BY")?;
        refuse_if(!cluster_by.is_empty() || !distribute_by.is_empty() || !sort_by.is_empty(), "CLUSTER, DISTRIBUTE or SORT BY")?;
        refuse_if(value_table_mode.is_some(), "SELECT AS")?;
        refuse_if(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;

        let mut frame = Frame::default();
        for item in from {
            self.table_with_joins(item, &mut frame)?;
        }
        self.with_frame(&mut frame, |walker| {
            walker.distinct(distinct)?;
            walker.optional(selection.as_mut())?;
            walker.group_by(group_by)?;
            walker.optional(having.as_mut())?;
            walker.optional(qualify.as_mut())?;
            let windows = walker.named_windows(named_window)?;
            walker.projection(projection, windows)
        })?;
        Ok(frame)
    }

    fn optional(&mut self, expr: Option<&mut Expr>) -> Gate<()> {
        expr.map_or(Ok(()), |expr| self.expr(expr))
    }

    fn distinct(&mut self, distinct: &mut Option<Distinct>) -> Gate<()> {
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => Ok(()),
            Some(Distinct::On(exprs)) => self.exprs(exprs),
        }
    }

    fn group_by(&mut self, group_by: &mut GroupByExpr) -> Gate<()> {
        let (exprs, modifiers) = match group_by {
            GroupByExpr::All(modifiers) => (None, modifiers),
            GroupByExpr::Expressions(exprs, modifiers) => (Some(exprs), modifiers),
        };
        refuse_if(!modifiers.is_empty(), "GROUP BY … WITH")?;
        exprs.map_or(Ok(()), |exprs| self.exprs(exprs))
    }

    /// Checks the WINDOW clause and returns the names that it defines.
    fn named_windows(&mut self, definitions: &mut [NamedWindowDefinition]) -> Gate<HashSet<String>> {
        let mut names = HashSet::new();
        for NamedWindowDefinition(name, definition) in definitions {
            check_ident(name)?;
            if !names.insert(folded(name).into_owned()) {
                let message = format!("window \"{}\" is already defined", shorten(&name.value));
                return invalid(message, Position::from_location(name.span.start));
            }
            match definition {
                NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec)?,
                NamedWindowExpr::NamedWindow(other) => {
                    return refuse(RefusalKind::construct("a window that is another window"), other.span);
                }
            }
        }
        Ok(names)
    }

    fn projection(&mut self, items: &mut [SelectItem], windows: HashSet<String>) -> Gate<()> {
        self.windows = (self.projections == 0).then_some(windows);
        self.projections += 1;
        for item in items {
            self.select_item(item)?;
        }
        self.projections -= 1;
        self.windows = None;
        Ok(())
    }

    fn select_item(&mut self, item: &mut SelectItem) -> Gate<()> {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expr(expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                check_ident(alias)?;
                self.expr(expr)
            }
            SelectItem::ExprWithAliases { expr: _, aliases } => refuse(
                RefusalKind::construct("a list of aliases"),
                aliases.first().map_or_else(super::Span::empty, |alias| alias.span),
            ),
            SelectItem::Wildcard(options) => check_wildcard(options),
            SelectItem::QualifiedWildcard(kind, options) => {
                check_wildcard(options)?;
                match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => self.wildcard_qualifier(name),
                    SelectItemQualifiedWildcardKind::Expr(_) => refuse_construct("(…).*"),
                }
            }
        }
    }

    pub(super) fn order_by(&mut self, order_by: &mut OrderBy) -> Gate<()> {
        let OrderBy { kind, interpolate } = order_by;
        refuse_if(interpolate.is_some(), "INTERPOLATE")?;
        match kind {
            OrderByKind::Expressions(exprs) => self.order_by_exprs(exprs),
            OrderByKind::All(_) => refuse_construct("ORDER BY ALL"),
        }
    }

    pub(super) fn order_by_exprs(&mut self, exprs: &mut [OrderByExpr]) -> Gate<()> {
        for OrderByExpr { expr, options: _, with_fill } in exprs {
            refuse_if(with_fill.is_some(), "WITH FILL")?;
            self.expr(expr)?;
        }
        Ok(())
    }
}

fn refuse_statement<T>(statement: &str, span: super::Span) -> Gate<T> {
    refuse(RefusalKind::Statement { statement: statement.to_owned() }, span)
}

fn check_quantifier(quantifier: SetQuantifier) -> Gate<()> {
    match quantifier {
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => Ok(()),
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => refuse_construct("BY NAME"),
    }
}

fn check_wildcard(options: &WildcardAdditionalOptions) -> Gate<()> {
    let WildcardAdditionalOptions { wildcard_token: _, opt_ilike, opt_exclude, opt_except, opt_replace, opt_rename, opt_alias } =
        options;
    let is_plain = opt_ilike.is_none()
        && opt_exclude.is_none()
        && opt_except.is_none()
        && opt_replace.is_none()
        && opt_rename.is_none()
        && opt_alias.is_none();
    refuse_if(!is_plain, "an option of *")
}

/// Checks what is around a WITH query and returns its folded name.
fn with_query_name(cte: &Cte) -> Gate<String> {
    // MATERIALIZED is a hint that changes no result; the engine ignores it.
    let Cte { alias, query: _, from, materialized: _, closing_paren_token: _ } = cte;
    refuse_if(from.is_some(), "WITH … FROM")?;
    check_alias(alias)?;
    Ok(folded(&alias.name).into_owned())
}

/// An alias with names only: no types, no `AT`.
pub(super) fn check_alias(alias: &TableAlias) -> Gate<()> {
    let TableAlias { explicit: _, name, columns, at } = alias;
    check_ident(name)?;
    check_idents(columns.iter().map(|column| &column.name))?;
    refuse_if(columns.iter().any(|column| column.data_type.is_some()), "an alias with types")?;
    refuse_if(at.is_some(), "AT after an alias")
}
