//! Makes the columns of one feature from the columns that it needs.

mod dates;
mod encode;
mod numeric;
mod texts;

use std::collections::{BTreeMap, HashMap};

use arrow::{
    array::{Array, ArrayRef},
    buffer::NullBuffer,
};
use gristmill_domain::datasets::ColumnType;
use gristmill_ingest::derive::DerivedColumn;
use serde::Serialize;

pub(crate) use self::encode::OutOfFold;
use crate::{
    category::Keyed, column::Column, error::FeatureError, learned::Learned, num, operation::Operation, outputs::Outputs,
    plan::PlannedFeature,
};

/// Why a value has no feature, though there is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A logarithm or Box-Cox of 0 or less.
    NotPositive,
    /// The root of a negative number.
    Negative,
    /// A division by 0.
    DivisionByZero,
    /// The result is too large for a 64-bit number.
    TooLarge,
    /// No row of another fold has a target.
    NoOtherFold,
}

/// How many values became missing, and why.
pub(crate) type Lost = BTreeMap<Cause, u64>;

/// The columns of a feature in one batch.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) columns: Vec<Column>,
    pub(crate) lost: Lost,
}

impl Made {
    fn one(column: Column) -> Self {
        Self { columns: vec![column], lost: Lost::new() }
    }
}

/// How a batch is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode<'a> {
    /// Rows that nothing was learned from.
    Serving,
    /// Rows of the dataset that was learned from: the fold of each, `None` for rows that were left out.
    Training(&'a [Option<u32>]),
}

/// A feature with what it has learned, ready to be made.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) feature: PlannedFeature,
    pub(crate) learned: Learned,
    pub(crate) outputs: Vec<DerivedColumn>,
    /// For dates: the instant until which time is counted, microseconds.
    pub(crate) reference: i64,
    lookup: Option<Keyed<u32>>,
    pub(crate) out_of_fold: Option<OutOfFold>,
}

impl Step {
    pub(crate) fn new(feature: PlannedFeature, learned: Learned, out_of_fold: Option<OutOfFold>, reference: i64) -> Self {
        let outputs = Outputs::made(&feature.operation, &feature.name, feature.kinds(), &learned);
        let lookup = learned.categories().map(|categories| categories.lookup());
        Self { feature, learned, outputs, reference, lookup, out_of_fold }
    }

    /// Makes the columns of a batch, and puts them into the frame.
    pub(crate) fn run(&self, frame: &mut Frame, mode: Mode<'_>) -> Result<Lost, FeatureError> {
        let source = frame.column(&self.feature.source.name)?;
        let made = match &self.feature.secondary {
            Some(secondary) => {
                numeric::of_two(&self.feature.operation, self.feature.kinds(), &source, &frame.column(&secondary.name)?)
            }
            None => self.of_one(&source, mode),
        };
        let Made { columns, lost } = made.ok_or(FeatureError::internal("a feature and its column do not fit"))?;
        if columns.len() != self.outputs.len() {
            return Err(FeatureError::internal("a feature has made other columns than it says"));
        }
        for (output, column) in self.outputs.iter().zip(columns) {
            frame.columns.insert(output.name.clone(), column);
        }
        Ok(lost)
    }

    /// `None` where the column's type is not what was planned for.
    fn of_one(&self, source: &Column, mode: Mode<'_>) -> Option<Made> {
        let (operation, learned) = (&self.feature.operation, &self.learned);
        match operation {
            Operation::ExtractYear
            | Operation::ExtractMonth
            | Operation::ExtractDay
            | Operation::ExtractWeekday
            | Operation::ExtractHour
            | Operation::CyclicalEncode { .. }
            | Operation::TimeSince { .. } => dates::make(operation, source, self.reference),
            Operation::TextLength | Operation::WordCount | Operation::ContainsPattern { .. } => {
                Some(texts::make(operation, source))
            }
            Operation::MissingIndicator => Some(Made::one(missing(source))),
            Operation::OneHotEncode { .. }
            | Operation::LabelEncode
            | Operation::TargetEncode { .. }
            | Operation::FrequencyEncode { .. }
            | Operation::BinaryEncode => {
                let encoder = encode::Encoder { operation, learned, outputs: self.outputs.len() };
                encoder.make(source, &self.lookup.as_ref()?.numbers(source), self.out_of_fold.as_ref(), mode)
            }
            _ => numeric::of_one(operation, learned, &source.numbers()?),
        }
    }
}

/// 1 where there is no value.
fn missing(source: &Column) -> Column {
    let rows = source.len();
    let nulls = source.nulls().unwrap_or_else(|| NullBuffer::new_valid(rows));
    Column::Integer(nulls.iter().map(|is_valid| Some(i64::from(!is_valid))).collect())
}

/// The columns of a batch by name: those of the dataset that are needed, and those that are made of them.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    pub(crate) columns: HashMap<String, Column>,
}

impl Frame {
    /// Reads the columns of a batch.
    pub(crate) fn read<'a>(arrays: impl Iterator<Item = (&'a str, ColumnType, &'a ArrayRef)>) -> Result<Self, FeatureError> {
        let mut columns = HashMap::new();
        for (name, kind, array) in arrays {
            let misfit = |reason| FeatureError::Column { column: name.to_owned(), reason };
            columns.insert(name.to_owned(), Column::read(array, kind).map_err(misfit)?);
        }
        Ok(Self { columns })
    }

    pub(crate) fn column(&self, name: &str) -> Result<Column, FeatureError> {
        self.columns.get(name).cloned().ok_or(FeatureError::internal("a column that was planned is not there"))
    }

    /// Rows without a value in any of a feature's columns.
    pub(crate) fn nulls_in(&self, feature: &PlannedFeature) -> Result<u64, FeatureError> {
        let mut nulls: Option<NullBuffer> = None;
        for input in feature.inputs() {
            nulls = NullBuffer::union(nulls.as_ref(), self.column(&input.name)?.nulls().as_ref());
        }
        Ok(num::count(nulls.map_or(0, |nulls| nulls.null_count())))
    }
}

/// The rows without a value of either column.
fn either(one: &impl Array, other: &impl Array) -> Option<NullBuffer> {
    NullBuffer::union(one.nulls(), other.nulls())
}
