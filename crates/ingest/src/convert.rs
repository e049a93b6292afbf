//! From the texts of one column of a batch to an array of the column's type. Counts every value on the way.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, NullBufferBuilder, PrimitiveArray, StringArray},
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use gristmill_domain::datasets::ColumnType;

use crate::{
    error::IngestError,
    infer::ColumnCounts,
    num,
    table::{Span, SpanTable},
    value::{
        self, Class,
        date::{self, DateText},
        number::Number,
    },
};

/// A value that does not fit its column's type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Misfit {
    /// Row of the batch.
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) span: Span,
}

/// The arrow type in which values of a dataset's column are stored.
#[must_use]
pub fn storage_type(kind: ColumnType) -> DataType {
    match kind {
        ColumnType::String | ColumnType::Unknown => DataType::Utf8,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

/// Why a value does not fit, behind the value: "x" is not an integer.
pub(crate) fn misfit_reason(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Integer => "is not a 64-bit integer",
        ColumnType::Float => "is not a number",
        ColumnType::Boolean => "is neither true nor false",
        ColumnType::Date => "is not a date",
        ColumnType::String | ColumnType::Unknown => "is not text",
    }
}

/// Where the values of a batch come from.
pub(crate) struct ColumnTexts<'a> {
    pub(crate) block: &'a [u8],
    pub(crate) table: &'a SpanTable,
    pub(crate) column: usize,
    /// Whether texts stand for themselves: words such as `N/A` are no missing values then.
    pub(crate) is_literal: bool,
}

impl ColumnTexts<'_> {
    /// The texts in order, as they are stored; empty where there is none.
    fn texts(&self) -> impl Iterator<Item = (Span, &[u8])> {
        self.table.column(self.column).map(|span| (span, span.text(self.block).unwrap_or_default()))
    }

    /// Only counts the values.
    pub(crate) fn survey(&self, counts: &mut ColumnCounts) {
        for (_, text) in self.texts() {
            counts.add(&value::classify(value::trim(text)));
        }
    }

    /// Makes an array of the given type. Values that do not fit become null and are listed.
    pub(crate) fn convert(
        &self,
        kind: ColumnType,
        counts: &mut ColumnCounts,
        misfits: &mut Vec<Misfit>,
    ) -> Result<ArrayRef, IngestError> {
        match kind {
            ColumnType::String | ColumnType::Unknown => self.strings(counts),
            ColumnType::Integer => Ok(self.primitives::<Int64Type>(counts, misfits, plain_integer, |class| match class {
                Class::Number(number) => as_integer(number),
                _ => None,
            })),
            ColumnType::Float => Ok(self.primitives::<Float64Type>(counts, misfits, no_shortcut, |class| match class {
                Class::Number(number) => as_float(number),
                _ => None,
            })),
            ColumnType::Date => {
                Ok(self.primitives::<TimestampMicrosecondType>(counts, misfits, plain_date, |class| match class {
                    Class::Date(micros) => Some(*micros),
                    _ => None,
                }))
            }
            ColumnType::Boolean => Ok(self.booleans(counts, misfits)),
        }
    }

    /// Numbers and dates: by the shortcut when it knows the value, else by the value's class.
    fn primitives<T: ArrowPrimitiveType>(
        &self,
        counts: &mut ColumnCounts,
        misfits: &mut Vec<Misfit>,
        shortcut: impl Fn(&[u8], &mut ColumnCounts) -> Option<T::Native>,
        fit: impl Fn(&Class) -> Option<T::Native>,
    ) -> ArrayRef {
        let mut values = Vec::with_capacity(self.table.rows());
        let mut validity = NullBufferBuilder::new(self.table.rows());
        for (row, (span, text)) in self.texts().enumerate() {
            let text = value::trim(text);
            if let Some(value) = shortcut(text, counts) {
                values.push(value);
                validity.append_non_null();
                continue;
            }
            let class = value::classify(text);
            counts.add(&class);
            match fit(&class) {
                Some(value) => {
                    values.push(value);
                    validity.append_non_null();
                }
                None => {
                    values.push(T::default_value());
                    validity.append_null();
                    if class != Class::Missing {
                        misfits.push(Misfit { row, column: self.column, span });
                    }
                }
            }
        }
        Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), validity.finish()))
    }

    fn booleans(&self, counts: &mut ColumnCounts, misfits: &mut Vec<Misfit>) -> ArrayRef {
        let rows = self.table.rows();
        let (mut values, mut validity) = (BooleanBufferBuilder::new(rows), NullBufferBuilder::new(rows));
        for (row, (span, text)) in self.texts().enumerate() {
            let class = value::classify(value::trim(text));
            counts.add(&class);
            let value = as_boolean(&class);
            values.append(value.unwrap_or_default());
            validity.append(value.is_some());
            if value.is_none() && class != Class::Missing {
                misfits.push(Misfit { row, column: self.column, span });
            }
        }
        Arc::new(BooleanArray::new(values.finish(), validity.finish()))
    }

    fn strings(&self, counts: &mut ColumnCounts) -> Result<ArrayRef, IngestError> {
        let rows = self.table.rows();
        let (mut bytes, mut ends) = (Vec::with_capacity(rows * 8), Vec::with_capacity(rows + 1));
        let mut validity = NullBufferBuilder::new(rows);
        ends.push(0_i32);
        for (_, text) in self.texts() {
            let trimmed = value::trim(text);
            let class = if is_surely_text(trimmed) { Class::Text } else { value::classify(trimmed) };
            counts.add(&class);
            let is_present = if self.is_literal { !text.is_empty() } else { class != Class::Missing };
            if is_present {
                bytes.extend_from_slice(text);
            }
            validity.append(is_present);
            // A batch is part of a block, and blocks are far below 2 GiB.
            ends.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        }
        string_array(ends, bytes, validity.finish())
    }
}

fn string_array(ends: Vec<i32>, bytes: Vec<u8>, validity: Option<NullBuffer>) -> Result<ArrayRef, IngestError> {
    StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), bytes.into(), validity)
        .map(|array| -> ArrayRef { Arc::new(array) })
        .map_err(|_error| IngestError::Internal { context: "text that is not UTF-8 reached a column" })
}

/// Letters that begin no number, date, boolean or word for "missing".
fn is_surely_text(text: &[u8]) -> bool {
    text.first().is_some_and(|first| {
        *first >= 0x80 || (first.is_ascii_alphabetic() && !matches!(first, b't' | b'T' | b'y' | b'Y' | b'f' | b'F' | b'n' | b'N'))
    })
}

fn no_shortcut<T>(_text: &[u8], _counts: &mut ColumnCounts) -> Option<T> {
    None
}

/// Digits with an optional minus, without needless zeros, that cannot overflow.
fn plain_integer(text: &[u8], counts: &mut ColumnCounts) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 18 || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    let value = if negative { -value } else { value };
    counts.add_plain_integer(value);
    Some(value)
}

fn plain_date(text: &[u8], counts: &mut ColumnCounts) -> Option<i64> {
    match date::parse(text)? {
        DateText::Instant(micros) => {
            counts.values += 1;
            counts.dates += 1;
            Some(micros)
        }
        DateText::DayFirst => None,
    }
}

/// The integer that a number is. Zeros in front are no obstacle here: a column with such values becomes a number only
/// when somebody asks for it.
pub(crate) fn as_integer(number: &Number) -> Option<i64> {
    match number {
        Number::Integer(value) | Number::Integral(value) => Some(*value),
        Number::LeadingZero { integer, .. } => *integer,
        Number::Real(_) | Number::Huge(_) | Number::Overflow | Number::Ambiguous => None,
    }
}

/// The float that a number is, rounded where it has more digits.
pub(crate) fn as_float(number: &Number) -> Option<f64> {
    match number {
        Number::Integer(value) | Number::Integral(value) => Some(num::float_signed(*value)),
        Number::Real(value) | Number::Huge(value) | Number::LeadingZero { real: value, .. } => Some(*value),
        Number::Overflow | Number::Ambiguous => None,
    }
}

/// The truth value that a class stands for.
pub(crate) fn as_boolean(class: &Class) -> Option<bool> {
    match class {
        Class::Boolean(value) => Some(*value),
        Class::Number(Number::Integer(0)) => Some(false),
        Class::Number(Number::Integer(1)) => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::{array::AsArray, datatypes::Int64Type};

    use super::*;

    fn convert(values: &[&str], kind: ColumnType) -> (ArrayRef, ColumnCounts, Vec<usize>) {
        let mut table = SpanTable::new(1);
        let mut block = Vec::new();
        for value in values {
            table.push(Span::new(block.len(), block.len() + value.len()));
            block.extend_from_slice(value.as_bytes());
            table.end_row(1);
        }
        let (mut counts, mut misfits) = (ColumnCounts::default(), Vec::new());
        let texts = ColumnTexts { block: &block, table: &table, column: 0, is_literal: false };
        let array = texts.convert(kind, &mut counts, &mut misfits).unwrap();
        (array, counts, misfits.iter().map(|misfit| misfit.row).collect())
    }

    #[test]
    fn counting_does_not_depend_on_the_assumed_type() {
        let values = [
            "1",
            "0",
            "-5",
            "007",
            "2.5",
            "1e3",
            "yes",
            "2024-01-01",
            "31/12/2024",
            "N/A",
            "",
            "text",
            "1,5",
            "99999999999999999999",
        ];
        let (_, expected, _) = convert(&values, ColumnType::String);
        for kind in ColumnType::ALL {
            assert_eq!(convert(&values, kind).1, expected, "{kind:?}");
        }
    }

    #[test]
    fn misfits_become_null_and_are_listed() {
        let (array, _, misfits) = convert(&["1", "x", "", " 3 ", "4.0", "1,234"], ColumnType::Integer);
        let values: Vec<_> = array.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(values, [Some(1), None, None, Some(3), Some(4), Some(1234)]);
        assert_eq!(misfits, [1]);
    }

    #[test]
    fn text_keeps_its_blanks_and_loses_missing_words() {
        let (array, ..) = convert(&[" a ", "N/A", "é"], ColumnType::String);
        assert_eq!(array.as_string::<i32>().iter().collect::<Vec<_>>(), [Some(" a "), None, Some("é")]);
    }
}
