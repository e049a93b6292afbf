//! Single values, read as those of an upload are: for rows that come later.

use gristmill_domain::datasets::ColumnType;

use crate::{
    convert::{as_boolean, as_float, as_integer},
    value::{self, Class},
};

/// What a text is in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// A whole number.
    Integer(i64),
    /// A finite number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// An instant, microseconds since 1970 in UTC.
    Date(i64),
    /// The text itself, with its blanks.
    Text,
}

/// A text that is no value of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is no value of the column's type")]
pub struct NoValue;

/// Reads a text as a value of a column of this type. `None`: it is one of the words for "no value", or empty.
///
/// # Errors
/// [`NoValue`] when an upload with this text in such a column would have no value there.
///
/// # Examples
/// ```
/// use gristmill_domain::datasets::ColumnType;
/// use gristmill_ingest::{NoValue, Scalar, read_scalar};
///
/// assert_eq!(read_scalar(ColumnType::Float, " 1.5 "), Ok(Some(Scalar::Float(1.5))));
/// assert_eq!(read_scalar(ColumnType::String, "NA"), Ok(None));
/// assert_eq!(read_scalar(ColumnType::Date, "soon"), Err(NoValue));
/// ```
pub fn read_scalar(kind: ColumnType, text: &str) -> Result<Option<Scalar>, NoValue> {
    let class = value::classify(value::trim(text.as_bytes()));
    let scalar = match (kind, &class) {
        (_, Class::Missing) => return Ok(None),
        (ColumnType::String | ColumnType::Unknown, _) => Some(Scalar::Text),
        (ColumnType::Integer, Class::Number(number)) => as_integer(number).map(Scalar::Integer),
        (ColumnType::Float, Class::Number(number)) => as_float(number).map(Scalar::Float),
        (ColumnType::Boolean, class) => as_boolean(class).map(Scalar::Boolean),
        (ColumnType::Date, Class::Date(micros)) => Some(Scalar::Date(*micros)),
        (ColumnType::Integer | ColumnType::Float | ColumnType::Date, _) => None,
    };
    scalar.map(Some).ok_or(NoValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_in_an_upload() {
        for (kind, text, expected) in [
            (ColumnType::Integer, "1,234", Ok(Some(Scalar::Integer(1234)))),
            (ColumnType::Integer, "4.0", Ok(Some(Scalar::Integer(4)))),
            (ColumnType::Integer, "4.5", Err(NoValue)),
            (ColumnType::Integer, "", Ok(None)),
            (ColumnType::Float, "3", Ok(Some(Scalar::Float(3.0)))),
            (ColumnType::Float, "n/a", Ok(None)),
            (ColumnType::Float, "wide", Err(NoValue)),
            (ColumnType::Float, "1e999", Err(NoValue)),
            (ColumnType::Boolean, "Yes", Ok(Some(Scalar::Boolean(true)))),
            (ColumnType::Boolean, "0", Ok(Some(Scalar::Boolean(false)))),
            (ColumnType::Boolean, "maybe", Err(NoValue)),
            (ColumnType::Date, "1970-01-02", Ok(Some(Scalar::Date(86_400_000_000)))),
            (ColumnType::Date, "1970-01-01T00:00:01.5Z", Ok(Some(Scalar::Date(1_500_000)))),
            (ColumnType::Date, "31/12/2024", Err(NoValue)),
            (ColumnType::String, " a ", Ok(Some(Scalar::Text))),
            (ColumnType::String, "12", Ok(Some(Scalar::Text))),
            (ColumnType::String, "NULL", Ok(None)),
            (ColumnType::Unknown, "new", Ok(Some(Scalar::Text))),
        ] {
            assert_eq!(read_scalar(kind, text), expected, "{kind:?} {text:?}");
        }
    }
}
