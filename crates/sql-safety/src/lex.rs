//! Text to tokens, and everything that can be refused on tokens alone.
//!
//! What is checked here has to be checked before the parser runs: a hostile text must not make it recurse without end
//! or build a tree too deep to be dropped. Literals, quoted names and comments are tokens of their own by now, so
//! nothing inside them is taken for SQL.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Word};

use crate::dialect::SqlDialect;
use crate::limits::{BRACKETS_DEPTH_MAX, OPERATORS_IN_A_ROW_MAX, SET_OPERATIONS_MAX, SQL_TEXT_BYTES_MAX, TOKENS_MAX};
use crate::refusal::{Gate, Position, RefusalKind, SqlRefusal};

/// Longest piece of the text that a message repeats, characters.
const SNIPPET_CHARS_MAX: usize = 40;

/// First words of statements that are refused by name. Anything else that is not a query is a syntax error.
const STATEMENT_WORDS: &[&str] = &[
    "ABORT",
    "ALTER",
    "ANALYZE",
    "ATTACH",
    "BEGIN",
    "CACHE",
    "CALL",
    "CHECKPOINT",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DENY",
    "DESC",
    "DESCRIBE",
    "DETACH",
    "DISCARD",
    "DO",
    "DROP",
    "END",
    "EXEC",
    "EXECUTE",
    "EXPLAIN",
    "EXPORT",
    "FETCH",
    "FLUSH",
    "GRANT",
    "IMPORT",
    "INSERT",
    "INSTALL",
    "KILL",
    "LISTEN",
    "LOAD",
    "LOCK",
    "MERGE",
    "MOVE",
    "MSCK",
    "NOTIFY",
    "OPTIMIZE",
    "PRAGMA",
    "PREPARE",
    "PURGE",
    "REASSIGN",
    "REFRESH",
    "REINDEX",
    "RELEASE",
    "RENAME",
    "REPLACE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SECURITY",
    "SET",
    "SHOW",
    "START",
    "SUMMARIZE",
    "TABLE",
    "TRUNCATE",
    "UNCACHE",
    "UNLISTEN",
    "UNLOAD",
    "UPDATE",
    "UPSERT",
    "USE",
    "VACUUM",
];

/// Tokens that passed, without a trailing `;`.
pub(crate) struct Lexed {
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// How many of them are neither white space nor comments.
    pub(crate) significant: usize,
}

/// Splits a user's text into tokens and applies the token rules.
pub(crate) fn lex(sql: &str) -> Gate<Lexed> {
    if sql.len() > SQL_TEXT_BYTES_MAX {
        return Err(SqlRefusal::whole(RefusalKind::TooLong { bytes: sql.len(), bytes_max: SQL_TEXT_BYTES_MAX }));
    }
    tokens(sql)
}

/// The same for a text of any length, such as one printed by the gate itself.
pub(crate) fn tokens(sql: &str) -> Gate<Lexed> {
    if sql.contains('\0') {
        return Err(SqlRefusal::whole(RefusalKind::NulCharacter));
    }
    let dialect = SqlDialect::default();
    let mut tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| unreadable(sql, &error))?;
    let significant = tokens.iter().filter(|token| is_significant(token)).count();
    if significant > TOKENS_MAX {
        return Err(too_complex(format!("more than {TOKENS_MAX} words and signs"), None));
    }
    drop_trailing_semicolons(&mut tokens);
    check_kind(&tokens)?;
    check_tokens(&tokens)?;
    check_shape(&tokens)?;
    Ok(Lexed { tokens, significant })
}

/// The token as a message shows it.
pub(crate) fn snippet(token: &Token) -> String {
    shorten(&token.to_string())
}

/// The head of a text, as a message repeats it.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(SNIPPET_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn is_significant(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

fn drop_trailing_semicolons(tokens: &mut Vec<TokenWithSpan>) {
    while tokens.last().is_some_and(|last| last.token == Token::SemiColon || !is_significant(last)) {
        tokens.pop();
    }
}

fn unreadable(sql: &str, error: &TokenizerError) -> SqlRefusal {
    let near = text_at(sql, error.location);
    let detail = Some(error.message.trim_end_matches('.').to_lowercase());
    SqlRefusal::at(RefusalKind::Syntax { near, detail }, Position::from_location(error.location))
}

/// The word of the text that starts at the location.
fn text_at(sql: &str, location: Location) -> Option<String> {
    let line = sql.lines().nth(usize::try_from(location.line.checked_sub(1)?).ok()?)?;
    let skipped = usize::try_from(location.column.checked_sub(1)?).ok()?;
    let word: String = line.chars().skip(skipped).take_while(|c| !c.is_whitespace()).take(SNIPPET_CHARS_MAX).collect();
    (!word.is_empty()).then_some(word)
}

/// Refuses what does not start like a query, and a second statement.
fn check_kind(tokens: &[TokenWithSpan]) -> Gate<()> {
    let first = tokens.iter().find(|token| is_significant(token) && token.token != Token::LParen);
    let Some(first) = first else {
        let kind = match tokens.iter().any(is_significant) {
            true => RefusalKind::Syntax { near: None, detail: Some("expected a SELECT".to_owned()) },
            false => RefusalKind::Empty,
        };
        return Err(SqlRefusal::whole(kind));
    };
    if let Token::Word(Word { value, quote_style: None, keyword }) = &first.token {
        if matches!(keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES) {
            return check_single(tokens);
        }
        let statement = value.to_ascii_uppercase();
        if STATEMENT_WORDS.contains(&statement.as_str()) {
            return Err(SqlRefusal::new(RefusalKind::Statement { statement }, first.span));
        }
    }
    let detail = Some("expected a SELECT".to_owned());
    Err(SqlRefusal::new(RefusalKind::Syntax { near: Some(snippet(&first.token)), detail }, first.span))
}

fn check_single(tokens: &[TokenWithSpan]) -> Gate<()> {
    match tokens.iter().find(|token| token.token == Token::SemiColon) {
        Some(semicolon) => Err(SqlRefusal::new(RefusalKind::ManyStatements, semicolon.span)),
        None => Ok(()),
    }
}

/// Refuses tokens and pairs of tokens that no accepted query contains.
fn check_tokens(tokens: &[TokenWithSpan]) -> Gate<()> {
    let mut before: Option<&TokenWithSpan> = None;
    for token in tokens {
        check_token(token)?;
        if let Some(before) = before {
            check_neighbours(before, token)?;
        }
        if is_significant(token) {
            before = Some(token);
        }
    }
    Ok(())
}

fn check_token(token: &TokenWithSpan) -> Gate<()> {
    let kind = match &token.token {
        Token::Placeholder(parameter) => RefusalKind::Parameter { parameter: shorten(parameter) },
        Token::HexStringLiteral(_) | Token::SingleQuotedByteStringLiteral(_) | Token::DoubleQuotedByteStringLiteral(_) => {
            RefusalKind::construct_but("a bit-string or hexadecimal literal", "decode('…', 'hex') makes bytes")
        }
        Token::Number(_, true) | Token::Char(_) | Token::Backslash => {
            RefusalKind::Syntax { near: Some(snippet(&token.token)), detail: None }
        }
        _ => return Ok(()),
    };
    Err(SqlRefusal::new(kind, token.span))
}

fn check_neighbours(before: &TokenWithSpan, token: &TokenWithSpan) -> Gate<()> {
    match (&before.token, &token.token) {
        // PostgreSQL reads `12ab` as a number with something stuck to it; the parser would read `12 AS ab`.
        (Token::Number(number, _), Token::Word(word)) if before.span.end == token.span.start && word.quote_style.is_none() => {
            let near = Some(shorten(&format!("{number}{}", word.value)));
            let detail = Some("trailing junk after a number".to_owned());
            Err(SqlRefusal::new(RefusalKind::Syntax { near, detail }, before.span))
        }
        // The parser follows types in angle brackets and table types without a bound on the depth.
        (Token::Word(Word { keyword: Keyword::ARRAY, quote_style: None, .. }), Token::Lt) => {
            Err(SqlRefusal::new(RefusalKind::construct_but("ARRAY<…>", "write the element type and []"), before.span))
        }
        (Token::Word(Word { keyword: Keyword::TABLE, quote_style: None, .. }), Token::LParen) => {
            Err(SqlRefusal::new(RefusalKind::construct("TABLE(…)"), before.span))
        }
        // So it does with these: each wraps the table before it, or reads the next as its operand.
        (Token::Word(Word { keyword: Keyword::PIVOT | Keyword::UNPIVOT, quote_style: None, .. }), Token::LParen) => {
            Err(SqlRefusal::new(RefusalKind::construct(snippet(&before.token).to_uppercase()), before.span))
        }
        (
            Token::Word(Word { keyword: Keyword::INTERVAL, quote_style: None, .. }),
            Token::Word(Word { keyword: Keyword::INTERVAL, quote_style: None, .. }),
        ) => Err(SqlRefusal::new(RefusalKind::Syntax { near: Some(snippet(&token.token)), detail: None }, token.span)),
        _ => Ok(()),
    }
}

/// One level of brackets while the shape is measured.
#[derive(Default)]
struct Level {
    /// Operators since the last comma.
    operators: u32,
    /// The deepest bracket since the last comma.
    inner: u32,
    /// The deepest part before the last comma.
    deepest: u32,
}

impl Level {
    fn depth(&self) -> u32 {
        self.deepest.max(self.operators.saturating_add(self.inner))
    }

    fn end_part(&mut self) {
        self.deepest = self.depth();
        self.operators = 0;
        self.inner = 0;
    }
}

/// Bounds the depth of brackets and, from above, the depth of the tree: within one level of brackets and between two
/// commas, every operator adds at most one to it.
fn check_shape(tokens: &[TokenWithSpan]) -> Gate<()> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let mut set_operations = 0_usize;
    for token in tokens.iter().filter(|token| is_significant(token)) {
        let position = Position::from_location(token.span.start);
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // A subscript, or another dimension of a type.
                level.operators = level.operators.saturating_add(u32::from(token.token == Token::LBracket));
                outer.push(std::mem::take(&mut level));
                if outer.len() > BRACKETS_DEPTH_MAX {
                    return Err(too_complex(format!("more than {BRACKETS_DEPTH_MAX} brackets inside each other"), position));
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                // One too many is the parser's business.
                let closed = std::mem::replace(&mut level, outer.pop().unwrap_or_default());
                level.inner = level.inner.max(closed.depth().saturating_add(1));
            }
            Token::Comma => level.end_part(),
            Token::Word(word) if is_set_operator(word) => {
                set_operations += 1;
                if set_operations > SET_OPERATIONS_MAX {
                    return Err(too_complex(format!("more than {SET_OPERATIONS_MAX} set operations"), position));
                }
            }
            other if is_operator(other) => level.operators = level.operators.saturating_add(1),
            _ => {}
        }
        if level.depth() > OPERATORS_IN_A_ROW_MAX {
            return Err(too_complex(format!("more than {OPERATORS_IN_A_ROW_MAX} operators in one expression"), position));
        }
    }
    Ok(())
}

fn is_set_operator(word: &Word) -> bool {
    word.quote_style.is_none() && matches!(word.keyword, Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS)
}

/// Everything that could make the tree deeper: all signs, and the words that the parser takes for operators.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::BETWEEN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::RLIKE
                | Keyword::REGEXP
                | Keyword::SIMILAR
                | Keyword::MATCH
                | Keyword::MEMBER
                | Keyword::OVERLAPS
                | Keyword::OPERATOR
                | Keyword::DIV
                | Keyword::AT
                | Keyword::COLLATE
                | Keyword::NOTNULL
                | Keyword::JOIN
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::Period => false,
        _ => true,
    }
}

pub(crate) fn too_complex(what: String, position: Option<Position>) -> SqlRefusal {
    SqlRefusal::at(RefusalKind::TooComplex(what), position)
}
