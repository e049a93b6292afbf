//! The walk over the tree: every node is either known and checked, or refused.
//!
//! The matches are closed and the structs are taken apart field by field, so that a new version of the parser with a
//! new kind of table, clause or option does not compile here until somebody has decided about it. The walk also brings
//! names into the form that the engine looks up.

mod call;
mod expr;
mod limit;
mod query;
mod relation;
mod types;

use std::collections::{BTreeSet, HashSet};

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Query};
use sqlparser::tokenizer::Span;

pub(crate) use self::limit::limit_outermost;
pub use self::types::ALLOWED_TYPES;
use crate::lex::{shorten, too_complex};
use crate::limits::EXPRESSION_DEPTH_MAX;
use crate::policy::TableIndex;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};
use crate::scope::{Frame, Frames, WithScope};

/// What the walk found out.
pub(crate) struct Findings {
    pub(crate) tables: BTreeSet<String>,
    pub(crate) is_volatile: bool,
}

/// Checks a query and resolves its names.
pub(crate) fn walk(query: &mut Query, tables: &TableIndex<'_>) -> Gate<Findings> {
    let mut walker = Walker {
        tables,
        with: WithScope::default(),
        frames: Frames::default(),
        windows: None,
        projections: 0,
        used: BTreeSet::new(),
        is_volatile: false,
        depth: 0,
        with_queries: 0,
        relations: 0,
    };
    walker.query(query)?;
    Ok(Findings { tables: walker.used, is_volatile: walker.is_volatile })
}

struct Walker<'p> {
    tables: &'p TableIndex<'p>,
    with: WithScope,
    frames: Frames,
    /// Names of the windows that `OVER name` may use here. The engine looks them up in the list of a SELECT only, and
    /// by the outermost such list; elsewhere it would quietly take another window, or none.
    windows: Option<HashSet<String>>,
    /// How many SELECT lists are around.
    projections: usize,
    used: BTreeSet<String>,
    is_volatile: bool,
    /// Depth of the expression.
    depth: usize,
    with_queries: usize,
    relations: usize,
}

impl Walker<'_> {
    /// Goes one level deeper.
    fn deeper<T>(&mut self, walk: impl FnOnce(&mut Self) -> Gate<T>) -> Gate<T> {
        self.go_down(1)?;
        let result = walk(self);
        self.depth -= 1;
        result
    }

    fn go_down(&mut self, levels: usize) -> Gate<()> {
        self.depth += levels;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let what = format!("an expression is more than {EXPRESSION_DEPTH_MAX} levels deep; IN (…) or || in parts may help");
            return Err(too_complex(what, None));
        }
        Ok(())
    }

    /// Walks with the relations of a FROM clause in sight.
    fn with_frame<T>(&mut self, frame: &mut Frame, walk: impl FnOnce(&mut Self) -> Gate<T>) -> Gate<T> {
        self.frames.push(std::mem::take(frame));
        let result = walk(self);
        *frame = self.frames.pop();
        result
    }
}

/// Only plain and double-quoted names are names; the parser also takes `'x'` for one in some places. Two kinds of
/// quoted names would not print as they were written, see [`crate::ValidatedSql::text`].
fn check_ident(ident: &Ident) -> Gate<()> {
    match ident.quote_style {
        None => Ok(()),
        Some('"') if ident.value.contains("\"\"") || ident.value.contains("\\\"") => refuse(
            RefusalKind::construct_but("a name with \"\" or \\\" in it", "give the columns other names: FROM … AS t(a, b)"),
            ident.span,
        ),
        Some('"') => Ok(()),
        Some(_) => Err(syntax_near(shorten(&format!("'{}'", ident.value)), ident.span)),
    }
}

fn check_idents<'i>(idents: impl IntoIterator<Item = &'i Ident>) -> Gate<()> {
    idents.into_iter().try_for_each(check_ident)
}

fn syntax_near(near: String, span: Span) -> SqlRefusal {
    SqlRefusal::new(RefusalKind::Syntax { near: Some(near), detail: None }, span)
}

fn refuse<T>(kind: RefusalKind, span: Span) -> Gate<T> {
    Err(SqlRefusal::new(kind, span))
}

/// Refuses a clause or form; where it stands is not known.
fn refuse_construct<T>(construct: &str) -> Gate<T> {
    Err(SqlRefusal::whole(RefusalKind::construct(construct)))
}

/// Refuses the construct when it is there.
fn refuse_if(is_there: bool, construct: &str) -> Gate<()> {
    if is_there { refuse_construct(construct) } else { Ok(()) }
}

fn invalid<T>(message: impl Into<String>, position: Option<Position>) -> Gate<T> {
    Err(SqlRefusal::at(RefusalKind::Invalid(message.into()), position))
}

/// The parts of a name, when all of them are identifiers.
fn parts(name: &mut ObjectName) -> Gate<Vec<&mut Ident>> {
    name.0
        .iter_mut()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(function) => refuse(RefusalKind::construct("a computed name"), function.name.span),
        })
        .collect()
}

/// The name as a message shows it.
fn dotted(parts: &[&mut Ident]) -> String {
    shorten(&parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."))
}
