//! What can stand in FROM: the tables of the policy, WITH queries, subqueries, joins, and two table functions.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, TableAlias,
    TableFactor, TableFunctionArgs, TableWithJoins,
};

use super::query::check_alias;
use super::{Walker, check_ident, check_idents, dotted, invalid, parts, refuse, refuse_construct, refuse_if};
use crate::functions::{self, FunctionKind};
use crate::lex::{shorten, too_complex};
use crate::limits::RELATIONS_MAX;
use crate::names::{canonical, folded, similar};
use crate::policy::AllowedTable;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};
use crate::scope::{Frame, Relation};
use gristmill_domain::sql_names::is_reserved_table_name;

impl Walker<'_> {
    pub(super) fn table_with_joins(&mut self, table: &mut TableWithJoins, frame: &mut Frame) -> Gate<()> {
        let TableWithJoins { relation, joins } = table;
        self.table_factor(relation, frame)?;
        for Join { relation, global, join_operator } in joins {
            refuse_if(*global, "GLOBAL JOIN")?;
            self.table_factor(relation, frame)?;
            self.join_operator(join_operator, frame)?;
        }
        Ok(())
    }

    fn join_operator(&mut self, operator: &mut JoinOperator, frame: &mut Frame) -> Gate<()> {
        match operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => self.join_constraint(constraint, frame),
            JoinOperator::CrossJoin(JoinConstraint::None) => Ok(()),
            JoinOperator::CrossJoin(_) => invalid("a CROSS JOIN has no condition", None),
            JoinOperator::Semi(_)
            | JoinOperator::LeftSemi(_)
            | JoinOperator::RightSemi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::LeftAnti(_)
            | JoinOperator::RightAnti(_) => {
                Err(SqlRefusal::whole(RefusalKind::construct_but("SEMI or ANTI JOIN", "write EXISTS or NOT EXISTS")))
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => {
                Err(SqlRefusal::whole(RefusalKind::construct_but("APPLY", "write JOIN LATERAL")))
            }
            JoinOperator::AsOf { .. } => refuse_construct("ASOF JOIN"),
            JoinOperator::StraightJoin(_) => refuse_construct("STRAIGHT_JOIN"),
            JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
                refuse_construct("ARRAY JOIN")
            }
        }
    }

    fn join_constraint(&mut self, constraint: &mut JoinConstraint, frame: &mut Frame) -> Gate<()> {
        match constraint {
            JoinConstraint::On(expr) => self.with_frame(frame, |walker| walker.expr(expr)),
            JoinConstraint::Using(columns) => columns.iter_mut().try_for_each(|column| {
                let parts = parts(column)?;
                check_idents(parts.iter().map(|part| &**part))?;
                if parts.len() == 1 { Ok(()) } else { invalid("USING takes plain column names", None) }
            }),
            JoinConstraint::Natural => Ok(()),
            JoinConstraint::None => invalid("a JOIN needs ON or USING; for all pairs write CROSS JOIN", None),
        }
    }

    fn table_factor(&mut self, factor: &mut TableFactor, frame: &mut Frame) -> Gate<()> {
        self.relations += 1;
        if self.relations > RELATIONS_MAX {
            return Err(too_complex(format!("more than {RELATIONS_MAX} tables"), None));
        }
        match factor {
            TableFactor::Table { .. } => self.table(factor, frame),
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                refuse_if(sample.is_some(), "TABLESAMPLE")?;
                if *lateral {
                    self.with_frame(frame, |walker| walker.query(subquery))?;
                } else {
                    self.query(subquery)?;
                }
                push_alias(alias.as_ref(), frame)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                let mark = frame.mark();
                self.table_with_joins(table_with_joins, frame)?;
                if alias.is_some() {
                    frame.leave(mark);
                }
                push_alias(alias.as_ref(), frame)
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                refuse_if(*with_offset || with_offset_alias.is_some(), "WITH OFFSET")?;
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                self.with_frame(frame, |walker| walker.exprs(array_exprs))?;
                self.push_function("unnest", alias.as_ref(), frame)
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality, alias } => {
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                if let Some(array_exprs) = take_unnest(name, args) {
                    let alias = alias.take();
                    *factor = TableFactor::UNNEST {
                        alias,
                        array_exprs,
                        with_offset: false,
                        with_offset_alias: None,
                        with_ordinality: false,
                    };
                    self.relations -= 1;
                    return self.table_factor(factor, frame);
                }
                self.table_function(name, args, alias.as_ref(), frame)
            }
            TableFactor::TableFunction { .. } => refuse_construct("TABLE(…)"),
            TableFactor::JsonTable { .. } => refuse_construct("JSON_TABLE"),
            TableFactor::OpenJsonTable { .. } => refuse_construct("OPENJSON"),
            TableFactor::XmlTable { .. } => refuse_construct("XMLTABLE"),
            TableFactor::Pivot { .. } => refuse_construct("PIVOT"),
            TableFactor::Unpivot { .. } => refuse_construct("UNPIVOT"),
            TableFactor::MatchRecognize { .. } => refuse_construct("MATCH_RECOGNIZE"),
            TableFactor::SemanticView { .. } => refuse_construct("SEMANTIC_VIEW"),
        }
    }

    fn table(&mut self, factor: &mut TableFactor, frame: &mut Frame) -> Gate<()> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Ok(());
        };
        refuse_if(sample.is_some(), "TABLESAMPLE")?;
        refuse_if(*with_ordinality, "WITH ORDINALITY")?;
        refuse_if(!with_hints.is_empty() || !index_hints.is_empty(), "a table hint")?;
        refuse_if(version.is_some(), "a table version")?;
        refuse_if(!partitions.is_empty(), "PARTITION")?;
        refuse_if(json_path.is_some(), "a path into a table")?;
        if let Some(TableFunctionArgs { args, settings }) = args {
            refuse_if(settings.is_some(), "SETTINGS")?;
            return self.table_function(name, args, alias.as_ref(), frame);
        }
        let span = sqlparser::ast::Spanned::span(name);
        let relation = self.resolve_table(name)?;
        let relation = match alias {
            Some(alias) => {
                check_alias(alias)?;
                relation.aliased(&alias.name)
            }
            None => relation,
        };
        push(relation, Position::from_location(span.start), frame)
    }

    fn table_function(
        &mut self,
        name: &mut ObjectName,
        args: &mut [FunctionArg],
        alias: Option<&TableAlias>,
        frame: &mut Frame,
    ) -> Gate<()> {
        let mut parts = parts(name)?;
        let shown = dotted(&parts);
        let [ident] = parts.as_mut_slice() else {
            return refuse(RefusalKind::UnknownFunction { name: shown, similar: Vec::new() }, super::Span::empty());
        };
        check_ident(ident)?;
        let lower = ident.value.to_ascii_lowercase();
        let info = functions::find(&lower).filter(|info| info.kind == FunctionKind::Table);
        let Some(info) = info else {
            let similar = functions::suggestions(&lower).into_iter().filter(|name| is_table_function(name)).collect();
            return refuse(RefusalKind::UnknownFunction { name: shown, similar }, ident.span);
        };
        if info.name == "unnest" {
            // Written in quotes, it reaches the engine as a function that it does not have.
            return refuse(RefusalKind::construct_but("\"unnest\" in quotes", "write unnest(…)"), ident.span);
        }
        // The engine looks table functions up by the text of the name, quotes included.
        **ident = Ident { value: info.name.to_owned(), quote_style: None, span: ident.span };
        self.with_frame(frame, |walker| args.iter_mut().try_for_each(|arg| walker.table_function_arg(arg)))?;
        self.push_function(info.name, alias, frame)
    }

    fn table_function_arg(&mut self, arg: &mut FunctionArg) -> Gate<()> {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr),
            FunctionArg::Unnamed(_) | FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                refuse_construct("this form of argument")
            }
        }
    }

    fn push_function(&mut self, name: &str, alias: Option<&TableAlias>, frame: &mut Frame) -> Gate<()> {
        match alias {
            Some(_) => push_alias(alias, frame),
            None => push(Relation::named(name, Vec::new()), None, frame),
        }
    }

    /// Decides what a table name means, and writes the name for the engine into the tree.
    fn resolve_table(&mut self, name: &mut ObjectName) -> Gate<Relation> {
        let mut parts = parts(name)?;
        let shown = dotted(&parts);
        let is_qualified = parts.len() > 1;
        let ident = match parts.as_mut_slice() {
            [ident] => ident,
            [schema, ident] if schema.value.eq_ignore_ascii_case("public") => {
                check_ident(schema)?;
                ident
            }
            [first, _] => return refuse(RefusalKind::ForbiddenTable { name: shown }, first.span),
            [first, ..] => {
                return refuse(RefusalKind::construct(format!("a reference to another database ({shown})")), first.span);
            }
            [] => return invalid("a table without a name", None),
        };
        if ident.quote_style == Some('\'') || is_path(&ident.value) {
            return refuse(RefusalKind::ForeignSource { name: shown }, ident.span);
        }
        check_ident(ident)?;
        let written = folded(ident).into_owned();
        if !is_qualified && let Some(relation) = self.with_query(&written, ident)? {
            return Ok(relation);
        }
        let Some(table) = self.tables.exact(&written).or_else(|| self.tables.folded(&written)) else {
            return self.no_such_table(&written, shown, ident.span);
        };
        // By its logical name the engine would find the WITH query instead.
        if self.with.exact(&table.logical).is_some() {
            return refuse(RefusalKind::HiddenTable { table: table.logical.clone() }, ident.span);
        }
        let canonical = canonical(&table.logical, ident.span);
        self.used.insert(table.logical.clone());
        *name = ObjectName::from(vec![canonical]);
        Ok(table_relation(table))
    }

    /// The WITH query of that name: an exact match, or, where no table matches exactly, one of another case.
    fn with_query(&mut self, written: &str, ident: &mut Ident) -> Gate<Option<Relation>> {
        let found = match self.with.exact(written) {
            Some(query) => Some(query),
            None if self.tables.exact(written).is_none() && ident.quote_style.is_some() => self.with.any_case(written),
            None => None,
        };
        let Some(query) = found else { return Ok(None) };
        if let Some(reason) = query.barred {
            let message = format!("relation \"{}\": {reason}", shorten(&query.name));
            return invalid(message, Position::from_location(ident.span.start));
        }
        if query.name != written {
            *ident = canonical(&query.name, ident.span);
        }
        Ok(Some(Relation::named(&query.name, Vec::new())))
    }

    fn no_such_table<T>(&self, written: &str, shown: String, span: super::Span) -> Gate<T> {
        if is_reserved_table_name(written) {
            return refuse(RefusalKind::ForbiddenTable { name: shown }, span);
        }
        let similar = similar(written, self.tables.logical_names().chain(self.with.names()));
        refuse(RefusalKind::UnknownRelation { name: shown, similar }, span)
    }

    /// The `t` of `t.*`.
    pub(super) fn wildcard_qualifier(&mut self, name: &mut ObjectName) -> Gate<()> {
        let mut idents: Vec<Ident> = parts(name)?.into_iter().map(|part| part.clone()).collect();
        check_idents(&idents)?;
        self.qualifier(&mut idents)?;
        if idents.len() != 1 {
            return invalid(
                "only tables can be expanded with .*",
                idents.first().and_then(|first| Position::from_location(first.span.start)),
            );
        }
        *name = ObjectName::from(idents);
        Ok(())
    }

    /// A column of a relation in FROM: `t.c`, or `public.t.c`.
    pub(super) fn column(&mut self, idents: &mut Vec<Ident>) -> Gate<()> {
        check_idents(idents.iter())?;
        self.qualifier(idents)
    }

    /// Resolves the first part of a name against FROM and drops the schema.
    fn qualifier(&self, idents: &mut Vec<Ident>) -> Gate<()> {
        let Some(first) = idents.first_mut() else { return Ok(()) };
        if let Some(resolved) = self.frames.resolve(first) {
            *first = resolved;
            return Ok(());
        }
        if first.value.eq_ignore_ascii_case("public")
            && let Some(resolved) = idents.get(1).and_then(|second| self.frames.resolve(second))
        {
            idents.splice(..2, [resolved]);
            return Ok(());
        }
        let Some(first) = idents.first() else { return Ok(()) };
        let kind = RefusalKind::MissingFromEntry { name: shorten(&first.value), alias: self.frames.alias_for(&folded(first)) };
        refuse(kind, first.span)
    }
}

/// The arguments of `LATERAL unnest(…)`. The engine knows `unnest` only in its own form, which is lateral anyway.
fn take_unnest(name: &ObjectName, args: &mut Vec<FunctionArg>) -> Option<Vec<Expr>> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    let is_unnest = ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("unnest");
    let is_plain = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !is_unnest || args.is_empty() || !args.iter().all(is_plain) {
        return None;
    }
    let exprs = std::mem::take(args).into_iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    Some(exprs.collect())
}

fn is_table_function(name: &str) -> bool {
    functions::find(name).is_some_and(|info| info.kind == FunctionKind::Table)
}

/// A name that can only be meant as a path or an address.
fn is_path(name: &str) -> bool {
    name.contains(['/', '\\'])
}

fn table_relation(table: &AllowedTable) -> Relation {
    Relation::named(&table.logical, vec![table.physical.clone()])
}

fn push_alias(alias: Option<&TableAlias>, frame: &mut Frame) -> Gate<()> {
    let Some(alias) = alias else { return Ok(()) };
    check_alias(alias)?;
    push(Relation::named(&folded(&alias.name), Vec::new()), Position::from_location(alias.name.span.start), frame)
}

fn push(relation: Relation, position: Option<Position>, frame: &mut Frame) -> Gate<()> {
    let message = format!("table name \"{}\" specified more than once", shorten(relation.visible()));
    if frame.push(relation) { Ok(()) } else { invalid(message, position) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_paths_and_addresses() {
        for name in ["/etc/passwd", "s3://bucket/key", "C:\\data.csv", "../x"] {
            assert!(is_path(name), "{name}");
        }
        for name in ["sales", "x.parquet", "a b", "ünicode"] {
            assert!(!is_path(name), "{name}");
        }
    }

    #[test]
    fn lets_a_table_answer_to_both_names() {
        let table = AllowedTable { logical: "sales".to_owned(), physical: "sales_0c6a852e".to_owned() };
        let mut frame = Frame::default();
        assert!(frame.push(table_relation(&table)));
        let mut frames = crate::scope::Frames::default();
        frames.push(frame);
        let resolved = |ident: Ident| frames.resolve(&ident).map(|ident| ident.value);
        assert_eq!(resolved(Ident::new("Sales_0C6A852E")).as_deref(), Some("sales"));
        assert_eq!(resolved(Ident::with_quote('"', "SALES")).as_deref(), Some("sales"));
        assert_eq!(resolved(Ident::new("other")), None);
    }
}
