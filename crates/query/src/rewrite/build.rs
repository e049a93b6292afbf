//! Pieces of syntax trees.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident,
    ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
    UnaryOperator, Value, helpers::attached_token::AttachedToken,
};

/// Names that no statement can spell.
const VALUES: &str = "\u{1}values";
const VALUE: &str = "\u{1}value";

/// `name(args)`. Names with a `$` are the engine's own.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('"', name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The lower-case name of a function, if it is a plain one.
pub(super) fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        }),
        _ => None,
    }
}

/// `(select <projection> from (<query>) as q (<column>))`, where the column's name is [`VALUE`].
pub(super) fn select_from(projection: Expr, query: Query, where_: Option<Expr>) -> Expr {
    let alias = TableAlias {
        explicit: true,
        name: Ident::with_quote('"', VALUES),
        columns: vec![TableAliasColumnDef { name: Ident::with_quote('"', VALUE), data_type: None }],
        at: None,
    };
    let from = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    subquery(projection, vec![TableWithJoins { relation: from, joins: vec![] }], where_)
}

/// `(select <projection> from <from> where <where_>)`.
pub(super) fn subquery(projection: Expr, from: Vec<TableWithJoins>, where_: Option<Expr>) -> Expr {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: vec![],
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: vec![SelectItem::UnnamedExpr(projection)],
        exclude: None,
        into: None,
        from,
        lateral_views: vec![],
        prewhere: None,
        selection: where_,
        connect_by: vec![],
        group_by: GroupByExpr::Expressions(vec![], vec![]),
        cluster_by: vec![],
        distribute_by: vec![],
        sort_by: vec![],
        having: None,
        named_window: vec![],
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Expr::Subquery(Box::new(Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    }))
}

/// The column of [`select_from`].
pub(super) fn value_column() -> Expr {
    Expr::Identifier(Ident::with_quote('"', VALUE))
}

/// `count(*)`.
pub(super) fn count_rows() -> Expr {
    let mut count = call("count", vec![]);
    if let Expr::Function(function) = &mut count
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Wildcard));
    }
    count
}

/// A whole number.
pub(super) fn number(value: u32) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

/// `left op right`.
pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// `not expr`, if `negated`.
pub(super) fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

/// A literal in quotes.
pub(super) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

/// The text of a literal in quotes.
pub(super) fn as_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Takes an expression out, leaving NULL.
pub(super) fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}
