//! Columns that the rows of a model lack, made from those that they have.
//!
//! Rows come as JSON, one by one or many at a time, and become one batch: what makes their features is what made those of the
//! training rows. Texts are read as an upload's are, so that a row has the values that it would have in the dataset.

mod cells;
mod reading;

use std::{collections::HashMap, ops::Range};

use gristmill_domain::{
    datasets::ColumnType,
    features::{ComputedColumn, RawColumn, ServedColumns},
};
use gristmill_ingest::read_scalar;
use serde_json::{Map, Value};

use self::reading::{Given, Reading};
use crate::{
    category::Categories,
    column::Column,
    error::FeatureError,
    fitted::{damaged, steps_of},
    make::{Frame, Mode, Step},
    num,
    recipe::{RECIPE_VERSION, ServingFeatures},
};

/// Most problems that are told one by one.
const PROBLEMS_MAX: usize = 100;
/// Elementary operations that a value takes, about, and rows whose work the batch itself is.
const OPERATIONS_A_VALUE: u64 = 128;
const ROWS_A_BATCH: u64 = 8;

/// Why columns were not made.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// Rows lack what columns are made from, or have something else there.
    #[error("{} of the rows' values cannot be used", .problems.len() + .more)]
    Rows {
        /// The first hundred.
        problems: Vec<RowProblem>,
        /// How many more there are.
        more: usize,
    },
    /// The features themselves cannot be made.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct RowProblem {
    /// Its row, from 0.
    pub row: usize,
    /// Its column.
    pub column: String,
    /// What is wrong.
    pub fault: RowFault,
    /// The value; of lists and objects only that.
    pub input: Value,
}

/// What is wrong with a value, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The row does not have it.
    #[error("Field required, because \"{feature}\" is computed from it; send null for a missing value, or send \"{feature}\"")]
    Missing {
        /// The column of the model that needs it.
        feature: String,
    },
    /// A list or an object.
    #[error("Input should be one value, not a list or an object")]
    NotPlain,
    /// No number.
    #[error("Input should be a number; send null for a missing value")]
    NotANumber,
    /// No whole number.
    #[error("Input should be a whole number of 64 bits; send null for a missing value")]
    NotWhole,
    /// Neither true nor false.
    #[error("Input should be true or false; send null for a missing value")]
    NotABoolean,
    /// No date.
    #[error("Input should be a date in ISO 8601, such as 2024-01-31 or 2024-01-31T12:30:00; send null for a missing value")]
    NotADate,
}

/// Makes columns of a model's rows. May be kept and shared by threads.
#[derive(Debug)]
pub struct RowFeatures {
    served: ServedColumns,
    steps: Vec<Step>,
    columns: Vec<Place>,
    /// Of each step, the columns that it needs, and those that it makes.
    needs: Vec<Vec<usize>>,
    makes: Vec<Range<usize>>,
    /// The places of the computed columns.
    computed: Vec<usize>,
}

/// A column that is read or made.
#[derive(Debug)]
struct Place {
    name: String,
    kind: ColumnType,
    /// The step that makes it; rows must have all others.
    maker: Option<usize>,
    /// Whether words such as `NA` are texts in it, and stand for no missing value.
    is_literal: bool,
}

impl RowFeatures {
    /// Prepares the features of a model.
    ///
    /// # Errors
    /// [`FeatureError::Fitted`] when they are damaged or of another version.
    pub fn new(features: &ServingFeatures) -> Result<Self, FeatureError> {
        if features.version != RECIPE_VERSION {
            return Err(damaged(format!("version {} is not {RECIPE_VERSION}", features.version)));
        }
        let mut known: HashMap<&str, ColumnType> = HashMap::new();
        let mut graph = Graph::default();
        let mut steps = Vec::new();
        for fitted in &features.steps {
            for input in &fitted.inputs {
                if *known.entry(&input.name).or_insert(input.dtype) != input.dtype {
                    return Err(damaged(format!("column {:?} is of two types", input.name)));
                }
                graph.input(&input.name, input.dtype);
            }
            for step in steps_of(fitted, &mut known)? {
                graph.add(&step)?;
                steps.push(step);
            }
        }
        let Graph { places, mut columns, needs, makes } = graph;
        for column in &mut columns {
            let knows = |step: &Step| step.feature.source.name == column.name && knows_words(step);
            column.is_literal = features.made_by_code.contains(&column.name) || steps.iter().any(knows);
        }
        let mut computed = Vec::with_capacity(features.computed.len());
        for name in &features.computed {
            let is_made = |place: &usize| columns.get(*place).is_some_and(|column| column.maker.is_some());
            let place = places.get(name).copied().filter(is_made);
            computed.push(place.ok_or_else(|| damaged(format!("nothing makes {name:?}")))?);
        }
        let mut made = Self { served: ServedColumns::default(), steps, columns, needs, makes, computed };
        made.served = made.served_columns(features);
        Ok(made)
    }

    /// What rows may be sent without, and what they must have in its place.
    #[must_use]
    pub fn served(&self) -> &ServedColumns {
        &self.served
    }

    /// How much work so many rows are, in elementary operations: a million take about a millisecond.
    #[must_use]
    pub fn work(&self, rows: usize) -> u64 {
        let values = num::count(self.columns.len() + self.steps.len()).saturating_mul(OPERATIONS_A_VALUE);
        num::count(rows).saturating_add(ROWS_A_BATCH).saturating_mul(values)
    }

    /// Makes the columns that rows lack: `wanted` has, for each row, places in [`ServedColumns::computed_columns`]. Gives the
    /// values of each row by the names of the columns.
    ///
    /// A column that others are made from may be computed too: where a row has it, that value is taken, and where not, it is
    /// made from what it comes from.
    ///
    /// # Errors
    /// [`RowsError::Rows`] with every column that a row lacks or has no usable value in.
    pub fn compute(&self, rows: &[Map<String, Value>], wanted: &[Vec<usize>]) -> Result<Vec<Map<String, Value>>, RowsError> {
        let mut reading = Reading::new(self, rows.len());
        for (number, (row, wanted)) in rows.iter().zip(wanted).enumerate() {
            reading.row(number, row, wanted);
        }
        let (given, runs) = reading.finish()?;
        let frame = self.run(given, &runs)?;
        Ok(self.values(&frame, wanted)?)
    }

    fn run(&self, mut given: Vec<Option<Given<'_>>>, runs: &[bool]) -> Result<Frame, FeatureError> {
        let mut frame = Frame::default();
        for (column, given) in self.columns.iter().zip(&mut given) {
            if column.maker.is_none()
                && let Some(given) = given.take()
            {
                frame.columns.insert(column.name.clone(), given.cells.into_column());
            }
        }
        for ((step, makes), runs) in self.steps.iter().zip(&self.makes).zip(runs) {
            if *runs {
                step.run(&mut frame, Mode::Serving)?;
            }
            for place in makes.clone() {
                let (Some(column), Some(given)) = (self.columns.get(place), given.get_mut(place).and_then(Option::take)) else {
                    continue;
                };
                let sent = given.cells.into_column();
                let merged = if *runs { frame.column(&column.name)?.replaced(&given.rows, &sent)? } else { sent };
                frame.columns.insert(column.name.clone(), merged);
            }
        }
        Ok(frame)
    }

    fn values(&self, frame: &Frame, wanted: &[Vec<usize>]) -> Result<Vec<Map<String, Value>>, FeatureError> {
        let names = self.computed.iter().filter_map(|place| self.columns.get(*place)).map(|column| column.name.as_str());
        let columns: Vec<(&str, Option<&Column>)> = names.map(|name| (name, frame.columns.get(name))).collect();
        let value = |row: usize, place: usize| {
            let (name, column) = columns.get(place).copied()?;
            Some((name.to_owned(), column?.value(row)))
        };
        let of_row = |(row, wanted): (usize, &Vec<usize>)| {
            wanted.iter().map(|place| value(row, *place)).collect::<Option<Map<String, Value>>>()
        };
        let rows: Option<Vec<Map<String, Value>>> = wanted.iter().enumerate().map(of_row).collect();
        rows.ok_or(FeatureError::internal("a column that is computed was not made"))
    }

    /// What of the columns is told.
    fn served_columns(&self, features: &ServingFeatures) -> ServedColumns {
        let mut computes: Vec<Vec<String>> = vec![Vec::new(); self.columns.len()];
        let mut computed_columns = Vec::with_capacity(self.computed.len());
        for place in &self.computed {
            let Some((column, step)) = self.columns.get(*place).and_then(|column| Some((column, self.steps.get(column.maker?)?)))
            else {
                continue;
            };
            let sources = self.sources(*place);
            for source in &sources {
                if let Some(computes) = computes.get_mut(*source) {
                    computes.push(column.name.clone());
                }
            }
            computed_columns.push(ComputedColumn {
                name: column.name.clone(),
                dtype: column.kind,
                method: step.feature.operation.method(),
                sources: sources.iter().filter_map(|source| Some(self.columns.get(*source)?.name.clone())).collect(),
            });
        }
        let raw = self.columns.iter().zip(computes).filter(|(column, _)| column.maker.is_none());
        ServedColumns {
            raw_columns: raw
                .map(|(column, computes)| RawColumn {
                    name: column.name.clone(),
                    dtype: column.kind,
                    computes,
                    by_code: features.made_by_code.contains(&column.name),
                })
                .collect(),
            computed_columns,
            must_be_sent: features.must_be_sent.clone(),
        }
    }

    /// The columns that nothing makes and that a column comes from, in order.
    fn sources(&self, of: usize) -> Vec<usize> {
        let mut seen = vec![false; self.columns.len()];
        let (mut stack, mut sources) = (vec![of], Vec::new());
        while let Some(place) = stack.pop() {
            let Some(seen) = seen.get_mut(place).filter(|seen| !**seen) else { continue };
            *seen = true;
            match self.columns.get(place).and_then(|column| column.maker) {
                Some(maker) => stack.extend(self.needs.get(maker).into_iter().flatten()),
                None => sources.push(place),
            }
        }
        sources.sort_unstable();
        sources
    }
}

/// The columns of all steps, while they are put together.
#[derive(Default)]
struct Graph {
    places: HashMap<String, usize>,
    columns: Vec<Place>,
    needs: Vec<Vec<usize>>,
    makes: Vec<Range<usize>>,
}

impl Graph {
    /// A column that a step has before it: its own, or one that a step before made.
    fn input(&mut self, name: &str, kind: ColumnType) {
        if !self.places.contains_key(name) {
            self.push(name, kind, None);
        }
    }

    fn add(&mut self, step: &Step) -> Result<(), FeatureError> {
        let needs = step.feature.inputs().map(|input| self.places.get(&input.name).copied());
        let needs: Option<Vec<usize>> = needs.collect();
        let maker = self.needs.len();
        self.needs.push(needs.ok_or(FeatureError::internal("a feature is made from a column that is not there"))?);
        let first = self.columns.len();
        for output in &step.outputs {
            self.push(&output.name, output.kind, Some(maker));
        }
        self.makes.push(first..self.columns.len());
        Ok(())
    }

    fn push(&mut self, name: &str, kind: ColumnType, maker: Option<usize>) {
        self.places.insert(name.to_owned(), self.columns.len());
        self.columns.push(Place { name: name.to_owned(), kind, maker, is_literal: false });
    }
}

/// Whether what was learned from had words as texts that stand for a missing value in an upload. Preprocessing leaves such
/// datasets, and so does code.
fn knows_words(step: &Step) -> bool {
    let is_word = |text: &String| !text.is_empty() && matches!(read_scalar(ColumnType::String, text), Ok(None));
    matches!(step.learned.categories(), Some(Categories::String(texts)) if texts.iter().any(is_word))
}
