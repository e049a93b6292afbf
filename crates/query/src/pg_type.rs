//! The names and numbers by which PostgreSQL's clients know the types of columns.

use arrow::datatypes::{DataType, TimeUnit};

/// The catalogue name (`int8`) and the object id of an engine type.
pub(crate) fn name_and_oid(data_type: &DataType) -> (String, u32) {
    if let DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) = data_type {
        let (name, oid) = name_and_oid(field.data_type());
        // Arrays of arrays have the type of their innermost element's array.
        if name.ends_with("[]") {
            return (name, oid);
        }
        return (format!("{name}[]"), array_oid(oid));
    }
    let (name, oid) = match data_type {
        DataType::Boolean => ("bool", 16),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => ("int2", 21),
        DataType::Int32 | DataType::UInt16 => ("int4", 23),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ("int8", 20),
        DataType::Float16 | DataType::Float32 => ("float4", 700),
        DataType::Float64 => ("float8", 701),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            ("numeric", 1700)
        }
        DataType::Date32 | DataType::Date64 => ("date", 1082),
        DataType::Time32(_) | DataType::Time64(_) => ("time", 1083),
        DataType::Timestamp(_, None) => ("timestamp", 1114),
        DataType::Timestamp(_, Some(_)) => ("timestamptz", 1184),
        DataType::Interval(_) | DataType::Duration(_) => ("interval", 1186),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => ("bytea", 17),
        DataType::Struct(_) => ("record", 2249),
        DataType::Map(..) => ("jsonb", 3802),
        DataType::Dictionary(_, value) => return name_and_oid(value),
        _ => ("text", 25),
    };
    (name.to_owned(), oid)
}

fn array_oid(element: u32) -> u32 {
    match element {
        16 => 1000,
        17 => 1001,
        20 => 1016,
        21 => 1005,
        23 => 1007,
        700 => 1021,
        701 => 1022,
        1082 => 1182,
        1083 => 1183,
        1114 => 1115,
        1184 => 1185,
        1186 => 1187,
        1700 => 1231,
        2249 => 2287,
        3802 => 3807,
        _ => 1009,
    }
}

/// The name as error messages spell it: `bigint`, `timestamp without time zone`.
pub(crate) fn sql_name(data_type: &DataType) -> String {
    match data_type {
        // The type of a literal before the context gives it one.
        DataType::Utf8 | DataType::Null => return "unknown".to_owned(),
        DataType::List(field) | DataType::LargeList(field) => return format!("{}[]", sql_name(field.data_type())),
        _ => {}
    }
    let (name, _) = name_and_oid(data_type);
    match name.as_str() {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        other => other,
    }
    .to_owned()
}

/// The type to which the engine brings a column of a data file, so that the functions have few types to know.
pub(crate) fn engine_type(file_type: &DataType) -> DataType {
    match file_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::BinaryView,
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Date64 => DataType::Date32,
        DataType::Dictionary(_, value) => engine_type(value),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn types_have_postgresqls_names_and_numbers() {
        let list = |inner: DataType| DataType::List(Arc::new(Field::new("item", inner, true)));
        for (data_type, name, oid) in [
            (DataType::Int64, "int8", 20),
            (DataType::Utf8View, "text", 25),
            (DataType::Decimal128(38, 16), "numeric", 1700),
            (DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp", 1114),
            (list(DataType::Int64), "int8[]", 1016),
            (list(list(DataType::Utf8View)), "text[]", 1009),
        ] {
            assert_eq!(name_and_oid(&data_type), (name.to_owned(), oid));
        }
        assert_eq!(sql_name(&DataType::Int64), "bigint");
        assert_eq!(sql_name(&list(DataType::Float64)), "double precision[]");
    }
}
