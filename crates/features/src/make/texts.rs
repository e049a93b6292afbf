//! Numbers from texts. Values that are no texts count as what Python writes for them.

use std::borrow::Cow;

use arrow::array::Int64Array;

use super::Made;
use crate::{
    column::Column,
    num,
    operation::Operation,
    text::{self, Pattern},
};

/// Features of any column. Where there is no value there is no length and no number of words, and no pattern occurs.
pub(super) fn make(operation: &Operation, source: &Column) -> Made {
    let numbers: Int64Array = match operation {
        Operation::ContainsPattern { pattern, case_sensitive } => {
            let pattern = Pattern::new(pattern, *case_sensitive);
            texts(source).map(|text| Some(i64::from(text.is_some_and(|text| pattern.is_in(&text))))).collect()
        }
        Operation::WordCount => texts(source).map(|text| Some(num::whole(text::words(&text?)))).collect(),
        _ => texts(source).map(|text| Some(num::whole(text::length(&text?)))).collect(),
    };
    Made::one(Column::Integer(numbers))
}

fn texts(column: &Column) -> Box<dyn Iterator<Item = Option<Cow<'_, str>>> + '_> {
    match column {
        Column::Text(texts) => Box::new(texts.iter().map(|text| text.map(Cow::Borrowed))),
        Column::Float(values) => Box::new(values.iter().map(|value| Some(text::float(value?).into()))),
        Column::Integer(values) => Box::new(values.iter().map(|value| Some(value?.to_string().into()))),
        Column::Boolean(values) => Box::new(values.iter().map(|value| Some(text::boolean(value?).into()))),
        Column::Date(values) => Box::new(values.iter().map(|value| Some(text::instant(value?).into()))),
        Column::Unknown(rows) => Box::new(std::iter::repeat_n(None, *rows)),
    }
}
