//! The types of casts by the names that the cast functions know.

use datafusion::{
    error::Result,
    sql::sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo},
};

use crate::error::invalid;

/// The name of a type.
pub(super) fn name(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Boolean | DataType::Bool => "bool".to_owned(),
        DataType::SmallInt(_) | DataType::Int2(_) | DataType::TinyInt(_) => "int2".to_owned(),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) | DataType::MediumInt(_) => "int4".to_owned(),
        DataType::BigInt(_) | DataType::Int8(_) => "int8".to_owned(),
        DataType::Real | DataType::Float4 => "float4".to_owned(),
        DataType::Float(ExactNumberInfo::Precision(digits)) if *digits < 25 => "float4".to_owned(),
        DataType::Float(_) | DataType::Float8 | DataType::Double(_) | DataType::DoublePrecision => "float8".to_owned(),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
        DataType::Text | DataType::String(_) | DataType::JSON | DataType::JSONB => "text".to_owned(),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => varying(length.as_ref(), "text"),
        DataType::Char(length) | DataType::Character(length) => varying(length.as_ref(), "varchar(1)"),
        DataType::Uuid => "uuid".to_owned(),
        DataType::Bytea => "bytea".to_owned(),
        DataType::Date => "date".to_owned(),
        DataType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => "time".to_owned(),
        DataType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | DataType::Datetime(_) => {
            "timestamp".to_owned()
        }
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => "timestamptz".to_owned(),
        DataType::Interval { .. } => "interval".to_owned(),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            format!("{}[]", name(element)?)
        }
        DataType::Custom(custom, _) => match custom.to_string().to_lowercase().as_str() {
            known @ ("name" | "citext" | "bpchar") => {
                let _ = known;
                "text".to_owned()
            }
            "money" => "numeric(19,2)".to_owned(),
            other => return Err(invalid(format!("type \"{other}\" does not exist"))),
        },
        other => return Err(invalid(format!("type \"{}\" is not supported", other.to_string().to_lowercase()))),
    })
}

/// What PostgreSQL calls a column after a cast to the type.
pub(super) fn shown(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Nvarchar(_) => {
            "varchar".to_owned()
        }
        DataType::Char(_) | DataType::Character(_) => "bpchar".to_owned(),
        DataType::JSON => "json".to_owned(),
        DataType::JSONB => "jsonb".to_owned(),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            return shown(element);
        }
        DataType::Custom(custom, _) => custom.to_string().to_lowercase(),
        other => name(other).ok()?.split('(').next()?.to_owned(),
    })
}

fn numeric(info: &ExactNumberInfo) -> String {
    match info {
        ExactNumberInfo::None => "numeric".to_owned(),
        ExactNumberInfo::Precision(precision) => format!("numeric({precision},0)"),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => format!("numeric({precision},{scale})"),
    }
}

fn varying(length: Option<&CharacterLength>, without: &str) -> String {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => format!("varchar({length})"),
        _ => without.to_owned(),
    }
}
