//! What is wrong with a row, field by field.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

use super::graph_error::shown;

/// The most errors that are listed.
const ERRORS_MAX: usize = 100;
const INPUT_LETTERS_MAX: usize = 100;

/// What is wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The row does not have the field.
    Missing,
    /// Not a number.
    NotANumber,
    /// Not a whole number.
    NotWhole,
    /// A number, but not a finite one.
    NotFinite,
    /// Neither true nor false.
    NotABoolean,
    /// Not a text.
    NotAText,
    /// Not a date.
    NotADate,
    /// Not a date with a time.
    NotADatetime,
    /// A list or an object.
    NotPlain,
    /// A column that has not as many values as the others.
    Length,
}

impl Problem {
    /// The machine-readable name, as the contract's `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotANumber => "float_type",
            Self::NotWhole => "int_type",
            Self::NotFinite => "finite_number",
            Self::NotABoolean => "bool_parsing",
            Self::NotAText => "string_type",
            Self::NotADate => "date_parsing",
            Self::NotADatetime => "datetime_parsing",
            Self::NotPlain => "scalar_type",
            Self::Length => "length",
        }
    }
}

/// One value that cannot be used. Serialises as `{type, loc, msg, input}`.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldError {
    /// What is wrong.
    pub problem: Problem,
    /// The row, where several were sent.
    pub row: Option<usize>,
    /// The field, as the dataset spells it.
    pub field: String,
    /// What is wrong and what to send, for a person.
    pub message: String,
    /// The value, cut where it is long.
    pub input: Value,
}

impl FieldError {
    /// An error of a row that was sent alone. Long inputs are cut; of lists and objects only that is told.
    #[must_use]
    pub fn new(problem: Problem, field: &str, message: String, input: &Value) -> Self {
        let input = match input {
            Value::String(text) if text.chars().nth(INPUT_LETTERS_MAX).is_some() => {
                Value::String(text.chars().take(INPUT_LETTERS_MAX).chain(['…']).collect())
            }
            Value::Array(_) => Value::String("[…]".to_owned()),
            Value::Object(_) => Value::String("{…}".to_owned()),
            plain => plain.clone(),
        };
        Self { problem, row: None, field: field.to_owned(), message, input }
    }

    /// The path in the request: `body`, the row where several were sent, the field.
    #[must_use]
    pub fn location(&self) -> Vec<Value> {
        let row = self.row.map(Value::from);
        [Some(Value::from("body")), row, Some(Value::from(self.field.as_str()))].into_iter().flatten().collect()
    }
}

impl Serialize for FieldError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("FieldError", 4)?;
        object.serialize_field("type", self.problem.as_str())?;
        object.serialize_field("loc", &self.location())?;
        object.serialize_field("msg", &self.message)?;
        object.serialize_field("input", &self.input)?;
        object.end()
    }
}

/// Everything that is wrong with the rows of a request. There is at least one error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldErrors {
    /// The first hundred.
    pub errors: Vec<FieldError>,
    /// How many more there are.
    pub more: usize,
}

impl FieldErrors {
    pub(crate) fn push(&mut self, error: FieldError) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }
}

impl std::fmt::Display for FieldErrors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(first) = self.errors.first() else { return formatter.write_str("nothing is wrong") };
        write!(formatter, "field {:?}: {}", shown(&first.field), first.message)?;
        match self.errors.len() - 1 + self.more {
            0 => Ok(()),
            more => write!(formatter, ", and {more} more"),
        }
    }
}

impl std::error::Error for FieldErrors {}
