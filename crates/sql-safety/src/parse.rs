//! Tokens to a tree, with the parser's complaints in PostgreSQL's words.

use sqlparser::ast::Query;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::dialect::SqlDialect;
use crate::lex::{Lexed, snippet, too_complex};
use crate::limits::NESTING_DEPTH_MAX;
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};

/// Operands that the parser may try for each token, and at least. What people write needs less than one a token.
const OPERANDS_PER_TOKEN: usize = 2;
const OPERANDS_MIN: usize = 2_000;
/// How far back to look for the token that a complaint is about, white space included.
const LATE_TOKENS_MAX: usize = 8;

/// Parses exactly one query.
pub(crate) fn parse(lexed: Lexed) -> Gate<Box<Query>> {
    let operands_max = lexed.significant.saturating_mul(OPERANDS_PER_TOKEN).saturating_add(OPERANDS_MIN);
    let dialect = SqlDialect::with_operands_max(u32::try_from(operands_max).unwrap_or(u32::MAX));
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(NESTING_DEPTH_MAX)
        .with_options(ParserOptions::new().with_trailing_commas(false))
        .with_tokens_with_locations(lexed.tokens);
    match parser.parse_query() {
        Ok(query) => {
            let next = parser.peek_token_ref();
            match next.token {
                Token::EOF => Ok(query),
                _ => Err(syntax(next, Some("expected the end of the query".to_owned()))),
            }
        }
        Err(_) if dialect.is_exhausted() => Err(too_complex("the parser gave up".to_owned(), None)),
        Err(ParserError::RecursionLimitExceeded) => Err(too_complex("it is nested too deeply".to_owned(), None)),
        Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => Err(explain(&message, parser)),
    }
}

fn syntax(token: &TokenWithSpan, detail: Option<String>) -> SqlRefusal {
    let near = (token.token != Token::EOF).then(|| snippet(&token.token));
    SqlRefusal::new(RefusalKind::Syntax { near, detail }, token.span)
}

/// Turns `Expected: X, found: Y at Line: 1, Column: 8` into the words and the place of the offending token.
fn explain(message: &str, parser: Parser<'_>) -> SqlRefusal {
    let (complaint, location) = split_location(message);
    let (expected, found) = match complaint.split_once(", found: ") {
        Some((expected, found)) => (expected, Some(found)),
        None => (complaint, None),
    };
    let expected = expected.strip_prefix("Expected").unwrap_or(expected).trim_start_matches([':', ' ']);
    let detail = Some(format!("expected {}", expected.trim_start_matches("expected ")));
    let tokens = parser.into_tokens();
    let at = location.and_then(|location| tokens.iter().position(|token| token.span.start == location));
    let Some(at) = at else {
        let end = tokens.last().and_then(|last| Position::from_location(last.span.end));
        return SqlRefusal::at(RefusalKind::Syntax { near: None, detail }, end);
    };
    // Some complaints come a token late; then the token that they name stands before the place.
    let is_found = |token: &&TokenWithSpan| found.is_none_or(|found| token.token.to_string() == found);
    let named = tokens.iter().take(at + 1).rev().take(LATE_TOKENS_MAX).find(is_found).or_else(|| tokens.get(at));
    match named {
        Some(token) => syntax(token, detail),
        None => SqlRefusal::whole(RefusalKind::Syntax { near: None, detail }),
    }
}

fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((complaint, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let location = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? }));
    (complaint, location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_place_out_of_a_complaint() {
        assert_eq!(split_location("Expected: x, found: y at Line: 3, Column: 14").1, Some(Location { line: 3, column: 14 }));
        assert_eq!(split_location("Expected: x, found: EOF"), ("Expected: x, found: EOF", None));
        // A literal in the complaint cannot fake the place: the last one counts.
        assert_eq!(
            split_location("found: ' at Line: 9, Column: 9' at Line: 1, Column: 2").1,
            Some(Location { line: 1, column: 2 })
        );
    }
}
