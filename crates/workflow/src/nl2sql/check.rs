//! Checking a statement: the gate, names that need quotes, and what the statement says of joins and values.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use gristmill_domain::{datasets::ColumnType, nl::NlJoinType};
use gristmill_sql_safety::{
    SqlRefusal, ValidatedSql,
    sqlparser::ast::{
        BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, SelectItem, Statement,
        TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
    },
    validate,
};

use super::context::is_complete;
use crate::ports::{ProjectSchema, TableProfile};

/// A statement that may run, and what is seen in it.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) sql: ValidatedSql,
    /// Names that were written without the quotes or the case that they need.
    pub(crate) names_quoted: Vec<String>,
    /// Pairs of columns of two tables that it compares.
    pub(crate) joins: Vec<FoundJoin>,
    /// Values that it asks for and that their columns do not have.
    pub(crate) missing_values: Vec<MissingValue>,
}

/// Two columns that a statement joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundJoin {
    pub(crate) left: (String, String),
    pub(crate) right: (String, String),
    pub(crate) join_type: NlJoinType,
}

/// A value that its column does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingValue {
    pub(crate) column: String,
    pub(crate) value: String,
    pub(crate) known: Vec<String>,
}

/// Lets a model's statement through, or not.
///
/// # Errors
/// The gate's refusal.
pub(crate) fn check(sql: &str, schema: &ProjectSchema) -> Result<Checked, SqlRefusal> {
    let policy = schema.policy();
    let mut sql = validate(sql, &policy)?;
    let tables: Vec<&TableProfile> = sql.tables().iter().filter_map(|name| schema.table(name)).collect();
    let mut mender = Mender { spellings: spellings(&tables), own: own_names(sql.statement()), mended: BTreeSet::new() };
    let mut statement = sql.statement().clone();
    let _ = VisitMut::visit(&mut statement, &mut mender);
    if !mender.mended.is_empty() {
        // What runs is always what the gate has read.
        sql = validate(&statement.to_string(), &policy)?;
    }
    let mut reader = Reader::new(&tables);
    let _ = Visit::visit(sql.statement(), &mut reader);
    Ok(Checked { names_quoted: mender.mended.into_iter().collect(), joins: reader.joins(), missing_values: reader.missing, sql })
}

/// The spellings of each column name, by its lower-case form.
fn spellings<'t>(tables: &[&'t TableProfile]) -> BTreeMap<String, BTreeSet<&'t str>> {
    let mut spellings: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for column in tables.iter().flat_map(|table| &table.columns) {
        spellings.entry(column.name.to_lowercase()).or_default().insert(&column.name);
    }
    spellings
}

/// Names that the statement itself makes: they are not columns of tables, whatever those are called.
fn own_names(statement: &Statement) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Names {
        fn add(&mut self, ident: &Ident) {
            self.0.insert(ident.value.to_lowercase());
        }
    }
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            for item in &select.projection {
                if let SelectItem::ExprWithAlias { alias, .. } = item {
                    self.add(alias);
                }
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_query(&mut self, query: &gristmill_sql_safety::sqlparser::ast::Query) -> ControlFlow<()> {
            for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
                cte.alias.columns.iter().for_each(|column| self.add(&column.name));
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let alias = match factor {
                TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => alias.as_ref(),
                _ => None,
            };
            for column in alias.iter().flat_map(|alias| &alias.columns) {
                self.add(&column.name);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = Visit::visit(statement, &mut names);
    names.0
}

/// Quotes names of columns that were written without the quotes or the case that they need. It works on the tree, so that
/// text in literals and comments is never touched.
struct Mender<'t> {
    spellings: BTreeMap<String, BTreeSet<&'t str>>,
    own: BTreeSet<String>,
    mended: BTreeSet<String>,
}

impl Mender<'_> {
    fn mend(&mut self, ident: &mut Ident) {
        let lower = ident.value.to_lowercase();
        if self.own.contains(&lower) {
            return;
        }
        let Some(spellings) = self.spellings.get(&lower) else { return };
        let meant = if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() };
        if spellings.contains(meant.as_str()) {
            return;
        }
        // Two columns that differ only by case: which one is meant is not for us to say.
        let mut only = spellings.iter();
        if let (Some(name), None) = (only.next(), only.next()) {
            ident.value = (*name).to_owned();
            ident.quote_style = Some('"');
            self.mended.insert((*name).to_owned());
        }
    }
}

impl VisitorMut for Mender<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.mend(ident),
            Expr::CompoundIdentifier(parts) if parts.len() > 1 => {
                if let Some(last) = parts.last_mut() {
                    self.mend(last);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some((JoinConstraint::Using(columns), _)) = constraint_mut(&mut join.join_operator) {
                for part in columns.iter_mut().filter_map(|column| column.0.last_mut()) {
                    if let ObjectNamePart::Identifier(ident) = part {
                        self.mend(ident);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn constraint_mut(operator: &mut JoinOperator) -> Option<(&mut JoinConstraint, NlJoinType)> {
    match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => Some((on, NlJoinType::Inner)),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => Some((on, NlJoinType::Left)),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => Some((on, NlJoinType::Right)),
        JoinOperator::FullOuter(on) => Some((on, NlJoinType::Full)),
        _ => None,
    }
}

fn constraint(operator: &JoinOperator) -> Option<(&JoinConstraint, NlJoinType)> {
    match operator {
        JoinOperator::Join(on) | JoinOperator::Inner(on) => Some((on, NlJoinType::Inner)),
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => Some((on, NlJoinType::Left)),
        JoinOperator::Right(on) | JoinOperator::RightOuter(on) => Some((on, NlJoinType::Right)),
        JoinOperator::FullOuter(on) => Some((on, NlJoinType::Full)),
        _ => None,
    }
}

/// A table or its alias, and a column of it.
type Qualified = (Ident, Ident);

/// Reads joins and values out of a statement. Scopes are not told apart: where one alias stands for two tables, neither
/// is believed.
struct Reader<'t> {
    tables: Vec<&'t TableProfile>,
    /// Alias to table; `None` when it stands for several.
    visible: BTreeMap<String, Option<&'t TableProfile>>,
    pairs: Vec<(Qualified, Qualified, NlJoinType)>,
    using: Vec<(String, Ident, NlJoinType)>,
    missing: Vec<MissingValue>,
    literals: Vec<(Option<Ident>, Ident, String)>,
}

impl<'t> Reader<'t> {
    fn new(tables: &[&'t TableProfile]) -> Self {
        Self {
            tables: tables.to_vec(),
            visible: BTreeMap::new(),
            pairs: Vec::new(),
            using: Vec::new(),
            missing: Vec::new(),
            literals: Vec::new(),
        }
    }

    fn table(&self, alias: &Ident) -> Option<&'t TableProfile> {
        self.visible.get(&folded(alias)).copied().flatten()
    }

    fn pair(&mut self, expr: &Expr, join_type: NlJoinType) {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                if let (Some(left), Some(right)) = (qualified(left), qualified(right)) {
                    self.pairs.push((left, right, join_type));
                }
            }
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.pair(left, join_type);
                self.pair(right, join_type);
            }
            Expr::Nested(inner) => self.pair(inner, join_type),
            _ => {}
        }
    }

    fn joins(&mut self) -> Vec<FoundJoin> {
        let mut found: Vec<FoundJoin> = Vec::new();
        for (left, right, join_type) in &self.pairs {
            let (Some(left_table), Some(right_table)) = (self.table(&left.0), self.table(&right.0)) else { continue };
            if left_table.name != right_table.name {
                let join = FoundJoin {
                    left: (left_table.name.clone(), folded(&left.1)),
                    right: (right_table.name.clone(), folded(&right.1)),
                    join_type: *join_type,
                };
                if !found.iter().any(|known| known.left == join.left && known.right == join.right) {
                    found.push(join);
                }
            }
        }
        for (right, column, join_type) in &self.using {
            let name = folded(column);
            let has = |table: &&&TableProfile| table.columns.iter().any(|column| column.name == name);
            let left = self.tables.iter().filter(|table| table.name != *right).find(has);
            if let Some(left) = left {
                found.push(FoundJoin {
                    left: (left.name.clone(), name.clone()),
                    right: (right.clone(), name),
                    join_type: *join_type,
                });
            }
        }
        self.missing = self.missing_values();
        found
    }

    fn missing_values(&self) -> Vec<MissingValue> {
        let mut missing = Vec::new();
        for (alias, column, value) in &self.literals {
            let name = folded(column);
            let tables: Vec<&TableProfile> = match alias {
                Some(alias) => self.table(alias).into_iter().collect(),
                None => self.tables.clone(),
            };
            let columns: Vec<_> =
                tables.iter().filter_map(|table| table.columns.iter().find(|column| column.name == name)).collect();
            let [profile] = columns.as_slice() else { continue };
            let known: Vec<String> = profile.top_values.iter().map(|top| top.value.clone()).collect();
            if profile.dtype == ColumnType::String && is_complete(profile) && !known.contains(value) {
                missing.push(MissingValue { column: name, value: value.clone(), known });
            }
        }
        missing
    }
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor
            && let Some(table) = last_name(name)
        {
            let visible = alias.as_ref().map_or_else(|| table.clone(), |alias| folded(&alias.name));
            let known = self.tables.iter().find(|known| known.name == table).copied();
            self.visible
                .entry(visible)
                .and_modify(|earlier| {
                    if earlier.map(|table| &table.name) != known.map(|table| &table.name) {
                        *earlier = None;
                    }
                })
                .or_insert(known);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for join in select.from.iter().flat_map(|from| &from.joins) {
            match constraint(&join.join_operator) {
                Some((JoinConstraint::On(on), join_type)) => self.pair(on, join_type),
                Some((JoinConstraint::Using(columns), join_type)) => {
                    if let TableFactor::Table { name, .. } = &join.relation
                        && let Some(right) = last_name(name)
                    {
                        let idents = columns.iter().filter_map(last_ident).cloned();
                        self.using.extend(idents.map(|ident| (right.clone(), ident, join_type)));
                    }
                }
                _ => {}
            }
        }
        if let Some(condition) = &select.selection {
            self.pair(condition, NlJoinType::Inner);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                if let Some((alias, column)) = column_of(left)
                    && let Some(value) = text_of(right)
                {
                    self.literals.push((alias, column, value));
                }
            }
            Expr::InList { expr, list, negated: false } => {
                if let Some((alias, column)) = column_of(expr) {
                    let values = list.iter().filter_map(text_of);
                    self.literals.extend(values.map(|value| (alias.clone(), column.clone(), value)));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn last_ident(name: &ObjectName) -> Option<&Ident> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => Some(ident),
        _ => None,
    }
}

fn last_name(name: &ObjectName) -> Option<String> {
    last_ident(name).map(folded)
}

/// The name as the engine looks it up.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() }
}

fn qualified(expr: &Expr) -> Option<(Ident, Ident)> {
    match column_of(expr) {
        Some((Some(alias), column)) => Some((alias, column)),
        _ => None,
    }
}

fn column_of(expr: &Expr) -> Option<(Option<Ident>, Ident)> {
    match expr {
        Expr::Identifier(column) => Some((None, column.clone())),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [alias, column] => Some((Some(alias.clone()), column.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}
