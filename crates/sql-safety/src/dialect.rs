//! The SQL that the gate reads: PostgreSQL's, without what this product has no use for.
//!
//! Why not one of sqlparser's own dialects, both of which were tried:
//! - `GenericDialect` reads `^` as exclusive or, and lets in much that no PostgreSQL user writes: back-quoted and
//!   `@variable` names, `FROM t SELECT …`, pipe operators, `SETTINGS`, `FORMAT`, `PREWHERE`, `CONNECT BY`,
//!   `MATCH_RECOGNIZE`, `ARRAY JOIN`, `LIMIT 1, 2`, `* EXCEPT (…)` (which hides the set operation), struct, map and
//!   dictionary literals, lambdas, hints in comments.
//! - `PostgreSqlDialect` reads the right language, but takes time exponential in the depth of nested calls (20 levels
//!   of `f(f(…))` hang it, because each argument is first tried as a named one), glues `>-` in `a>-1` into a custom
//!   operator, binds `^` tighter than a sign, and reads everything after `IS DISTINCT FROM` as its operand,
//!   `AND` included.
//!
//! So [`SqlDialect`] says it is PostgreSQL (for the places where the parser asks for a dialect by name), takes over its
//! words, literals and precedences, switches off its geometric and custom operators, XML, named-argument guessing and
//! hints, and mends the two operators.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::{Expr, UnaryOperator};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};
/// Between `COLLATE` (120) and `[` (130) of PostgreSQL's table: a sign binds tighter than `^`, looser than `::` and `[]`.
const SIGN_PRECEDENCE: u8 = 125;

/// The dialect of the gate, for programs that parse [`crate::ValidatedSql::text`] again. One value serves one parse.
#[derive(Debug)]
pub struct SqlDialect {
    /// How many more operands may be parsed. The parser tries alternatives at several places, and a hostile text can
    /// make the attempts multiply; this ends them.
    operands_left: Cell<u32>,
    /// Set between `IS [NOT] DISTINCT FROM` and its operand; see [`Dialect::prec_unknown`] below.
    in_distinct_from: Cell<bool>,
}

impl Default for SqlDialect {
    fn default() -> Self {
        Self::with_operands_max(u32::MAX)
    }
}

impl SqlDialect {
    /// A dialect that stops the parser after so many attempts to read an operand.
    #[must_use]
    pub fn with_operands_max(operands_max: u32) -> Self {
        Self { operands_left: Cell::new(operands_max), in_distinct_from: Cell::new(false) }
    }

    /// Tells whether the parser was stopped.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.operands_left.get() == 0
    }

    fn sign(parser: &mut Parser, op: UnaryOperator) -> Result<Expr, ParserError> {
        parser.advance_token();
        let operand = parser.parse_subexpr(SIGN_PRECEDENCE)?;
        // Printed as it stands, `- -1` would become a comment.
        let operand = match operand {
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => Expr::Nested(Box::new(operand)),
            other => other,
        };
        Ok(Expr::UnaryOp { op, expr: Box::new(operand) })
    }
}

fn is_keyword(token: &Token, keyword: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.keyword == keyword && word.quote_style.is_none())
}

impl Dialect for SqlDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(kw)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        POSTGRES.prec_value(prec)
    }

    /// The precedence with which the parser starts an expression. It asks for it exactly once after
    /// `IS [NOT] DISTINCT FROM`, and then gets that operator's own, so that a following `AND` stays outside.
    fn prec_unknown(&self) -> u8 {
        if self.in_distinct_from.take() { self.prec_value(Precedence::Is) } else { POSTGRES.prec_unknown() }
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let left = self.operands_left.get();
        if left == 0 {
            // The one error that the parser passes up at once instead of trying something else.
            return Some(Err(ParserError::RecursionLimitExceeded));
        }
        self.operands_left.set(left - 1);
        match parser.peek_token_ref().token {
            Token::Minus => Some(Self::sign(parser, UnaryOperator::Minus)),
            Token::Plus => Some(Self::sign(parser, UnaryOperator::Plus)),
            _ => None,
        }
    }

    fn parse_infix(&self, parser: &mut Parser, _left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        if is_keyword(&parser.peek_token_ref().token, Keyword::IS) {
            let negated = is_keyword(&parser.peek_nth_token_ref(1).token, Keyword::NOT);
            let at = if negated { 2 } else { 1 };
            let distinct_from = is_keyword(&parser.peek_nth_token_ref(at).token, Keyword::DISTINCT)
                && is_keyword(&parser.peek_nth_token_ref(at + 1).token, Keyword::FROM);
            self.in_distinct_from.set(distinct_from);
        }
        None
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_empty_projections(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}
