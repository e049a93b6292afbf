//! Why a query is not run: a kind for programs, words for people, and the place in the text.
//!
//! The words follow PostgreSQL where clients look for them: `syntax error at or near`, `does not exist`,
//! `missing FROM-clause entry`.

use std::fmt::Write;

use gristmill_domain::ErrorCode;
use sqlparser::tokenizer::{Location, Span};

pub(crate) type Gate<T> = Result<T, SqlRefusal>;

/// A place in the query's text, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// `None` for the empty locations of parts that the parser made up.
    pub(crate) fn from_location(location: Location) -> Option<Self> {
        let line = u32::try_from(location.line).ok().filter(|line| *line > 0)?;
        let column = u32::try_from(location.column).ok().filter(|column| *column > 0)?;
        Some(Self { line, column })
    }
}

/// A refused query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SqlRefusal {
    kind: RefusalKind,
    position: Option<Position>,
}

impl SqlRefusal {
    pub(crate) fn new(kind: RefusalKind, span: Span) -> Self {
        Self { kind, position: Position::from_location(span.start) }
    }

    pub(crate) fn at(kind: RefusalKind, position: Option<Position>) -> Self {
        Self { kind, position }
    }

    /// A refusal that belongs to the whole query.
    pub(crate) fn whole(kind: RefusalKind) -> Self {
        Self { kind, position: None }
    }

    /// `SqlRefused` when a rule forbids the query, `SqlInvalid` when it means nothing.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.kind.code()
    }

    /// What to tell the user: lower case, no final period.
    #[must_use]
    pub fn message(&self) -> String {
        self.kind.to_string()
    }

    /// Where in the text, when it can be told.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The rule that was broken.
    #[must_use]
    pub fn kind(&self) -> &RefusalKind {
        &self.kind
    }
}

/// The rule that a query breaks. The texts are public.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalKind {
    /// Nothing but white space and comments.
    #[error("the query is empty: write a SELECT")]
    Empty,
    /// Longer than [`crate::limits::SQL_TEXT_BYTES_MAX`].
    #[error("the query is too long: {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// Length, bytes.
        bytes: usize,
        /// Longest allowed, bytes.
        bytes_max: usize,
    },
    /// A NUL character, in the text or written as an escape in a literal.
    #[error("the query contains a NUL character")]
    NulCharacter,
    /// It does not parse.
    #[error("{}", syntax_words(near.as_deref(), detail.as_deref()))]
    Syntax {
        /// The token at which parsing stopped; `None` at the end of the text.
        near: Option<String>,
        /// What was expected there.
        detail: Option<String>,
    },
    /// More than one statement.
    #[error("only one statement can be run at a time")]
    ManyStatements,
    /// Not a query, at the top or inside WITH.
    #[error("{statement} is not allowed: only SELECT queries can be run")]
    Statement {
        /// The statement's first word, upper case.
        statement: String,
    },
    /// A clause, operator or form that is not offered.
    #[error("{construct} is not available{}", advice_words(*advice))]
    Construct {
        /// What was written.
        construct: String,
        /// What to write instead.
        advice: Option<&'static str>,
    },
    /// `$1`, `?` or `:name`.
    #[error("parameters such as {parameter} are not available: write the value into the query")]
    Parameter {
        /// The parameter as written.
        parameter: String,
    },
    /// No table of the project and no WITH query has the name.
    #[error("relation \"{name}\" does not exist{}", similar_words(similar.as_slice()))]
    UnknownRelation {
        /// The name as written.
        name: String,
        /// The closest names that can be used.
        similar: Vec<String>,
    },
    /// A system table, or a table of a schema other than `public`.
    #[error("access to table \"{name}\" is not allowed")]
    ForbiddenTable {
        /// The name as written, with its schema.
        name: String,
    },
    /// A path or an address where a table is wanted.
    #[error("files and addresses cannot be read as tables: \"{name}\"")]
    ForeignSource {
        /// The name as written.
        name: String,
    },
    /// A WITH query has the name under which the engine knows the table.
    #[error("table \"{table}\" is hidden by a WITH query of that name: rename the WITH query")]
    HiddenTable {
        /// The table's logical name.
        table: String,
    },
    /// A qualifier names nothing in FROM.
    #[error("missing FROM-clause entry for table \"{name}\"{}", alias_words(alias.as_deref()))]
    MissingFromEntry {
        /// The qualifier as written.
        name: String,
        /// The alias under which the table is known here.
        alias: Option<String>,
    },
    /// A function outside the allow-list.
    #[error("function {name} is not available{}", similar_words(similar.as_slice()))]
    UnknownFunction {
        /// The name as written.
        name: String,
        /// The closest functions that can be used.
        similar: Vec<String>,
    },
    /// A type outside the allow-list.
    #[error("type {name} is not available")]
    UnknownType {
        /// The type as written.
        name: String,
    },
    /// It parses, but means nothing.
    #[error("{0}")]
    Invalid(String),
    /// The parser broke down over it, which it should not.
    #[error("the query cannot be read")]
    Unreadable,
    /// A bound of [`crate::limits`] is passed.
    #[error("the query is too complex: {0}")]
    TooComplex(String),
}

impl RefusalKind {
    /// The error code of the kind.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Empty
            | Self::NulCharacter
            | Self::Syntax { .. }
            | Self::UnknownRelation { .. }
            | Self::MissingFromEntry { .. }
            | Self::Invalid(_) => ErrorCode::SqlInvalid,
            Self::TooLong { .. }
            | Self::ManyStatements
            | Self::Statement { .. }
            | Self::Construct { .. }
            | Self::Parameter { .. }
            | Self::ForbiddenTable { .. }
            | Self::ForeignSource { .. }
            | Self::HiddenTable { .. }
            | Self::UnknownFunction { .. }
            | Self::UnknownType { .. }
            | Self::Unreadable
            | Self::TooComplex(_) => ErrorCode::SqlRefused,
        }
    }

    pub(crate) fn construct(construct: impl Into<String>) -> Self {
        Self::Construct { construct: construct.into(), advice: None }
    }

    pub(crate) fn construct_but(construct: impl Into<String>, advice: &'static str) -> Self {
        Self::Construct { construct: construct.into(), advice: Some(advice) }
    }
}

// PostgreSQL says `syntax error at end of input`; the frontend looks for `at or near` in every syntax error.
fn syntax_words(near: Option<&str>, detail: Option<&str>) -> String {
    let mut words = match near {
        Some(token) => format!("syntax error at or near \"{token}\""),
        None => "syntax error at or near end of input".to_owned(),
    };
    if let Some(detail) = detail {
        words.push_str(": ");
        words.push_str(detail);
    }
    words
}

fn advice_words(advice: Option<&str>) -> String {
    advice.map(|advice| format!(": {advice}")).unwrap_or_default()
}

fn alias_words(alias: Option<&str>) -> String {
    alias.map(|alias| format!("; perhaps you meant the alias \"{alias}\"")).unwrap_or_default()
}

fn similar_words(similar: &[String]) -> String {
    let mut words = String::new();
    for (at, name) in similar.iter().enumerate() {
        words.push_str(if at == 0 { "; did you mean " } else { " or " });
        // Writing to a String cannot fail.
        let _ = write!(words, "\"{name}\"");
    }
    if !words.is_empty() {
        words.push('?');
    }
    words
}
