//! PostgreSQL's types as the engine's Arrow types, and the choice among overloads.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

/// A parameter or result type of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ty {
    Bool,
    Int4,
    Int8,
    Float8,
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Any,
}

/// Timestamp without zone.
pub(crate) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// Time of day.
pub(crate) const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
/// Interval: months, days and nanoseconds.
pub(crate) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Timestamp with zone; the session's zone is UTC.
pub(crate) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Digits after the point where PostgreSQL has no fixed number: quotients, averages, `numeric` without a scale.
pub(crate) const FREE_SCALE: i8 = 16;
/// `numeric` without a scale.
pub(crate) const NUMERIC: DataType = DataType::Decimal128(38, FREE_SCALE);

impl Ty {
    /// The Arrow type; for `Numeric` and `Any` the one that `given` has.
    pub(crate) fn arrow(self, given: &DataType) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float8 => DataType::Float64,
            Self::Numeric => numeric_of(given),
            Self::Text => DataType::Utf8View,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => TIME,
            Self::Timestamp => TIMESTAMP,
            Self::TimestampTz => timestamptz(),
            Self::Interval => INTERVAL,
            Self::Any => given.clone(),
        }
    }

    /// How far a value of type `given` is from this one; `None` when there is no implicit cast. An untyped literal
    /// fits everything, text best.
    fn distance(self, given: &DataType) -> Option<u32> {
        let from = kind(given);
        match (from, self) {
            (Kind::Unknown, Self::Text | Self::Any) => Some(1),
            (Kind::Unknown, _) => Some(20),
            (Kind::Of(ty), wanted) if ty == wanted => Some(0),
            (Kind::Of(_) | Kind::Other, Self::Any) => Some(1),
            (Kind::Of(Self::Int4), Self::Int8) => Some(1),
            (Kind::Of(Self::Int4 | Self::Int8), Self::Numeric) => Some(3),
            (Kind::Of(Self::Int4 | Self::Int8 | Self::Numeric), Self::Float8) => Some(2),
            (Kind::Of(Self::Date), Self::Timestamp) => Some(1),
            (Kind::Of(Self::Date), Self::TimestampTz) => Some(2),
            (Kind::Of(Self::Timestamp), Self::TimestampTz) => Some(2),
            (Kind::Of(Self::TimestampTz), Self::Timestamp) => Some(3),
            (Kind::Of(Self::Time), Self::Interval) => Some(2),
            // Positions and counts are `integer` in PostgreSQL; ours are often `bigint` columns.
            (Kind::Of(Self::Int8), Self::Int4) => Some(4),
            _ => None,
        }
    }
}

/// The decimal type that holds every value of `given`.
pub(crate) fn numeric_of(given: &DataType) -> DataType {
    match given {
        DataType::Decimal128(..) => given.clone(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::Int64 => DataType::Decimal128(19, 0),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => DataType::Decimal128(20, 0),
        _ => NUMERIC,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Of(Ty),
    /// A literal without a type of its own. Text columns and the results of text functions are `Utf8View` throughout
    /// the engine, so `Utf8` is what the parser made of a literal.
    Unknown,
    Other,
}

fn kind(given: &DataType) -> Kind {
    Kind::Of(match given {
        DataType::Null | DataType::Utf8 => return Kind::Unknown,
        DataType::Boolean => Ty::Bool,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Ty::Int4,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Ty::Int8,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Ty::Float8,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => Ty::Numeric,
        DataType::Utf8View | DataType::LargeUtf8 => Ty::Text,
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => Ty::Bytes,
        DataType::Date32 | DataType::Date64 => Ty::Date,
        DataType::Time32(_) | DataType::Time64(_) => Ty::Time,
        DataType::Timestamp(_, None) => Ty::Timestamp,
        DataType::Timestamp(_, Some(_)) => Ty::TimestampTz,
        DataType::Interval(_) | DataType::Duration(_) => Ty::Interval,
        _ => return Kind::Other,
    })
}

/// Whether the type is that of an untyped literal (or of NULL).
pub(crate) fn is_unknown(given: &DataType) -> bool {
    kind(given) == Kind::Unknown
}

/// Whether the type is a number.
pub(crate) fn is_number(given: &DataType) -> bool {
    matches!(kind(given), Kind::Of(Ty::Int4 | Ty::Int8 | Ty::Float8 | Ty::Numeric))
}

/// The type as a parameter type.
pub(crate) fn ty(given: &DataType) -> Option<Ty> {
    match kind(given) {
        Kind::Of(ty) => Some(ty),
        _ => None,
    }
}

/// Picks the overload that the arguments fit best; the first of equals.
pub(crate) fn choose<'a, T>(
    overloads: impl IntoIterator<Item = &'a T>,
    params: impl Fn(&'a T) -> (&'static [Ty], bool),
    given: &[DataType],
) -> Option<&'a T>
where
    T: 'a,
{
    overloads
        .into_iter()
        .filter_map(|overload| {
            let (params, variadic) = params(overload);
            distance(params, variadic, given).map(|distance| (distance, overload))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, overload)| overload)
}

/// The parameter at `index`; a variadic function repeats its last one.
pub(crate) fn param(params: &'static [Ty], variadic: bool, index: usize) -> Option<Ty> {
    match params.get(index) {
        Some(ty) => Some(*ty),
        None if variadic => params.last().copied(),
        None => None,
    }
}

fn distance(params: &'static [Ty], variadic: bool, given: &[DataType]) -> Option<u32> {
    let enough = if variadic { given.len() + 1 >= params.len() } else { given.len() == params.len() };
    if !enough {
        return None;
    }
    given.iter().enumerate().map(|(index, given)| param(params, variadic, index)?.distance(given)).sum()
}
