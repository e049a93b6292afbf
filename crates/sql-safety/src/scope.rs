//! Which names mean what at a place of the query: WITH queries by lexical scope, and the relations of FROM clauses.

use sqlparser::ast::Ident;

use crate::lex::shorten;
use crate::names::{canonical, folded, similar};

/// A WITH query in scope.
#[derive(Debug, Clone)]
pub(crate) struct WithQuery {
    /// Its folded name.
    pub(crate) name: String,
    /// Why it cannot be read here although its name is taken: the message.
    pub(crate) barred: Option<&'static str>,
}

/// The WITH queries that can be seen, innermost last.
#[derive(Debug, Default)]
pub(crate) struct WithScope {
    queries: Vec<WithQuery>,
}

impl WithScope {
    pub(crate) fn push(&mut self, name: &str, barred: Option<&'static str>) {
        self.queries.push(WithQuery { name: name.to_owned(), barred });
    }

    /// A mark to come back to with [`Self::leave`].
    pub(crate) fn mark(&self) -> usize {
        self.queries.len()
    }

    pub(crate) fn leave(&mut self, mark: usize) {
        self.queries.truncate(mark);
    }

    /// Lets the innermost WITH query be read.
    pub(crate) fn unbar_last(&mut self) {
        if let Some(last) = self.queries.last_mut() {
            last.barred = None;
        }
    }

    pub(crate) fn exact(&self, name: &str) -> Option<&WithQuery> {
        self.queries.iter().rev().find(|query| query.name == name)
    }

    pub(crate) fn any_case(&self, name: &str) -> Option<&WithQuery> {
        self.queries.iter().rev().find(|query| query.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().filter(|query| query.barred.is_none()).map(|query| query.name.as_str())
    }
}

/// Something in FROM that columns can be qualified with.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    /// The folded name that qualifiers must have.
    visible: String,
    /// Other names of the table, which qualifiers may have as long as there is no alias.
    also: Vec<String>,
    /// The table's own names when an alias hides them, for the error message.
    hidden: Vec<String>,
}

impl Relation {
    /// A table or WITH query without an alias.
    pub(crate) fn named(visible: &str, also: Vec<String>) -> Self {
        Self { visible: visible.to_owned(), also, hidden: Vec::new() }
    }

    /// The relation under an alias.
    pub(crate) fn aliased(self, alias: &Ident) -> Self {
        let mut hidden = self.also;
        hidden.push(self.visible);
        Self { visible: folded(alias).into_owned(), also: Vec::new(), hidden }
    }

    pub(crate) fn visible(&self) -> &str {
        &self.visible
    }

    fn answers_to(&self, name: &str) -> bool {
        self.visible.eq_ignore_ascii_case(name) || self.also.iter().any(|also| also.eq_ignore_ascii_case(name))
    }
}

/// The relations of one FROM clause.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    relations: Vec<Relation>,
}

impl Frame {
    /// Adds a relation. False when one of that name is there already.
    #[must_use]
    pub(crate) fn push(&mut self, relation: Relation) -> bool {
        let is_new = self.relations.iter().all(|other| other.visible != relation.visible);
        self.relations.push(relation);
        is_new
    }

    pub(crate) fn mark(&self) -> usize {
        self.relations.len()
    }

    pub(crate) fn leave(&mut self, mark: usize) {
        self.relations.truncate(mark);
    }
}

/// The FROM clauses around a place, innermost last.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: Vec<Frame>,
}

impl Frames {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(crate) fn pop(&mut self) -> Frame {
        self.frames.pop().unwrap_or_default()
    }

    fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.frames.iter().rev().flat_map(|frame| &frame.relations)
    }

    /// The name that a qualifier must have for the engine: first an exact match from the inside out, then one of any
    /// case or by another name of the table.
    pub(crate) fn resolve(&self, qualifier: &Ident) -> Option<Ident> {
        let name = folded(qualifier);
        if self.relations().any(|relation| relation.visible == name) {
            return Some(qualifier.clone());
        }
        self.relations().find(|relation| relation.answers_to(&name)).map(|relation| canonical(&relation.visible, qualifier.span))
    }

    /// The alias that hides the table of that name, or a name that is close.
    pub(crate) fn alias_for(&self, name: &str) -> Option<String> {
        let hidden = self.relations().find(|relation| relation.hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(name)));
        match hidden {
            Some(relation) => Some(shorten(&relation.visible)),
            None => similar(name, self.relations().map(|relation| relation.visible.as_str())).into_iter().next(),
        }
    }
}
