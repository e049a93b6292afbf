//! Spells the names of columns as they are in the file.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, JoinConstraint, JoinOperator, Select, Statement, VisitMut, VisitorMut};

/// Every unquoted `folded` becomes the quoted `actual`. Returns whether there was one.
pub(crate) fn respell(statement: &mut Statement, folded: &str, actual: &str) -> bool {
    let mut visitor = Respell { folded, actual, done: false };
    // The visitor never breaks off.
    let _: ControlFlow<()> = statement.visit(&mut visitor);
    visitor.done
}

struct Respell<'a> {
    folded: &'a str,
    actual: &'a str,
    done: bool,
}

impl Respell<'_> {
    fn ident(&mut self, ident: &mut Ident) {
        if ident.quote_style.is_none() && ident.value.to_lowercase() == self.folded {
            *ident = Ident { value: self.actual.to_owned(), quote_style: Some('"'), span: ident.span };
            self.done = true;
        }
    }
}

impl VisitorMut for Respell<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.ident(ident),
            Expr::CompoundIdentifier(idents) => {
                if let Some(last) = idents.last_mut() {
                    self.ident(last);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for join in select.from.iter_mut().flat_map(|table| &mut table.joins) {
            if let JoinOperator::Join(JoinConstraint::Using(names))
            | JoinOperator::Inner(JoinConstraint::Using(names))
            | JoinOperator::Left(JoinConstraint::Using(names))
            | JoinOperator::LeftOuter(JoinConstraint::Using(names))
            | JoinOperator::Right(JoinConstraint::Using(names))
            | JoinOperator::RightOuter(JoinConstraint::Using(names))
            | JoinOperator::FullOuter(JoinConstraint::Using(names)) = &mut join.join_operator
            {
                for name in names {
                    if let [datafusion::sql::sqlparser::ast::ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
                        self.ident(ident);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}
