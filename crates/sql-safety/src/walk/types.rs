//! Types in casts and typed literals: a closed list.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo};
use sqlparser::tokenizer::Span;

use super::refuse;
use crate::refusal::{Gate, RefusalKind};

/// The types that may be named in casts and literals, by PostgreSQL's names, without their parameters. Arrays of them
/// (`int8[]`) may be named too.
pub const ALLOWED_TYPES: &[&str] = &[
    "bigint",
    "boolean",
    "bytea",
    "char",
    "date",
    "double precision",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "text",
    "time",
    "timestamp",
    "uuid",
    "varchar",
];

/// Most dimensions of an array type.
const DIMENSIONS_MAX: usize = 6;

/// Refuses types that the product has no values for, and those that look names up (`regclass`).
pub(super) fn check_type(data_type: &DataType, span: impl FnOnce() -> Span) -> Gate<()> {
    let mut at = data_type;
    for _ in 0..DIMENSIONS_MAX {
        match at {
            DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => at = element,
            other if is_allowed(other) => return Ok(()),
            _ => break,
        }
    }
    // Only the head of it: a type of many dimensions prints as many brackets.
    let name: String = data_type.to_string().chars().take(40).collect();
    refuse(RefusalKind::UnknownType { name: name.to_lowercase() }, span())
}

fn is_allowed(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean
        | DataType::Bool
        | DataType::SmallInt(None)
        | DataType::Int2(None)
        | DataType::Int(None)
        | DataType::Int4(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::Int8(None)
        | DataType::Real
        | DataType::Float4
        | DataType::Float8
        | DataType::Float(ExactNumberInfo::None | ExactNumberInfo::Precision(_))
        | DataType::Double(ExactNumberInfo::None)
        | DataType::DoublePrecision
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_)
        | DataType::Text
        | DataType::String(None)
        | DataType::Bytea
        | DataType::Date
        | DataType::Time(..)
        | DataType::Timestamp(..)
        | DataType::Interval { fields: None, precision: None }
        | DataType::Uuid => true,
        DataType::Varchar(length)
        | DataType::CharVarying(length)
        | DataType::CharacterVarying(length)
        | DataType::Char(length)
        | DataType::Character(length) => {
            matches!(length, None | Some(CharacterLength::IntegerLength { unit: None, .. }))
        }
        _ => false,
    }
}
