//! The types that one can cast to.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};

use crate::functions::types::{self, INTERVAL, NUMERIC, TIME, TIMESTAMP};

/// A type as it is written behind `::`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A type without parameters.
    Plain(DataType),
    /// `numeric`, whose places follow the value.
    Numeric,
    /// `varchar(n)`, `char(n)`.
    Text(usize),
    /// An array.
    List(Box<Target>),
    /// `uuid`, kept as text.
    Uuid,
}

impl Target {
    /// Reads the name of a type: what [`Self::name`] writes.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(element) = name.strip_suffix("[]") {
            return Some(Self::List(Box::new(Self::parse(element)?)));
        }
        let (base, parameters) = match name.split_once('(') {
            Some((base, rest)) => (base, Some(rest.strip_suffix(')')?)),
            None => (name, None),
        };
        let data_type = match (base, parameters) {
            ("numeric", None) => return Some(Self::Numeric),
            ("numeric", Some(parameters)) => {
                let (precision, scale) = parameters.split_once(',').unwrap_or((parameters, "0"));
                let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
                let fits =
                    (1..=38).contains(&precision) && scale >= 0 && u8::try_from(scale).is_ok_and(|scale| scale <= precision);
                fits.then_some(DataType::Decimal128(precision, scale))?
            }
            ("varchar", Some(length)) => return Some(Self::Text(length.parse().ok()?)),
            ("uuid", None) => return Some(Self::Uuid),
            ("bool", None) => DataType::Boolean,
            ("int2", None) => DataType::Int16,
            ("int4", None) => DataType::Int32,
            ("int8", None) => DataType::Int64,
            ("float4", None) => DataType::Float32,
            ("float8", None) => DataType::Float64,
            ("text", None) => DataType::Utf8View,
            ("bytea", None) => DataType::Binary,
            ("date", None) => DataType::Date32,
            ("time", _) => TIME,
            ("timestamp", _) => TIMESTAMP,
            ("timestamptz", _) => types::timestamptz(),
            ("interval", None) => INTERVAL,
            _ => return None,
        };
        Some(Self::Plain(data_type))
    }

    /// The engine's type for a value that comes from `from`.
    pub(crate) fn arrow(&self, from: &DataType) -> DataType {
        match self {
            Self::Plain(data_type) => data_type.clone(),
            Self::Numeric if types::is_number(from) => match types::numeric_of(from) {
                DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
                other => other,
            },
            Self::Numeric => NUMERIC,
            Self::Text(_) | Self::Uuid => DataType::Utf8View,
            Self::List(element) => {
                let from = match from {
                    DataType::List(field) => field.data_type(),
                    other => other,
                };
                DataType::List(Arc::new(Field::new_list_field(element.arrow(from), true)))
            }
        }
    }

    /// The length that a text is cut to.
    pub(crate) fn length(&self) -> Option<usize> {
        match self {
            Self::Text(length) => Some(*length),
            Self::Uuid => Some(36),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_types() {
        for (name, expected) in [
            ("int4", Some(DataType::Int32)),
            ("numeric(10,2)", Some(DataType::Decimal128(10, 2))),
            ("numeric(5)", Some(DataType::Decimal128(5, 0))),
            ("varchar(3)", Some(DataType::Utf8View)),
            ("timestamp(3)", Some(TIMESTAMP)),
            ("numeric(40,2)", None),
            ("numeric(2,5)", None),
            ("regclass", None),
        ] {
            assert_eq!(Target::parse(name).map(|target| target.arrow(&DataType::Null)), expected, "{name}");
        }
        let list = Target::parse("int8[]").unwrap().arrow(&DataType::Utf8);
        assert_eq!(list, DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true))));
    }
}
