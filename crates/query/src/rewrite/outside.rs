//! Changes of a statement's own expressions, not of those in its sub-queries: their names may be their own.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

/// Changes an expression and its parts, from the innermost outwards; sub-queries stay as they are.
pub(super) fn change(expr: &mut Expr, change: impl FnMut(&mut Expr)) {
    // The visitor never breaks off.
    let _: ControlFlow<()> = expr.visit(&mut Outside { change, depth: 0 });
}

struct Outside<F> {
    change: F,
    /// Sub-queries around what is visited.
    depth: usize,
}

impl<F: FnMut(&mut Expr)> VisitorMut for Outside<F> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            (self.change)(expr);
        }
        ControlFlow::Continue(())
    }
}
