//! From checked rows to the two blocks that a graph takes: what `RawPreparer` of `gristmill_ml` does.

use std::ops::Range;

use super::{
    dates::{DatePart, Moment},
    numbers::single,
    rows::{Column, Rows},
    signature::{CategoricalInput, NumericInput, Signature},
};

/// The input of a graph for some rows, row by row.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) rows: usize,
    pub(super) numeric: Vec<f32>,
    /// Numbers in the dictionaries of the columns.
    pub(super) categorical: Vec<u32>,
}

impl Block {
    /// Prepares the rows of a range.
    pub(super) fn new(signature: &Signature, rows: &Rows, range: Range<usize>) -> Self {
        let count = range.len();
        let mut block = Self {
            rows: count,
            numeric: vec![0.0; count * signature.numeric.len()],
            categorical: vec![0; count * signature.categorical.len()],
        };
        for (place, column) in rows.columns().iter().enumerate() {
            block.fill(signature, place, column, range.clone());
        }
        block
    }

    /// Writes what the values of one feature are in the blocks; `range` are the rows of the column that are here.
    pub(super) fn fill(&mut self, signature: &Signature, feature: usize, column: &Column, range: Range<usize>) {
        let width = signature.numeric.len();
        for (place, input) in signature.numeric.iter().enumerate().filter(|(_, input)| input.feature == feature) {
            let cells = self.numeric.iter_mut().skip(place).step_by(width);
            numeric(cells, *input, column, range.clone());
        }
        let width = signature.categorical.len();
        let dictionaries = signature.categorical.iter().zip(&signature.dictionaries).enumerate();
        for (place, (input, dictionary)) in dictionaries.filter(|(_, (input, _))| input.feature == feature) {
            let Column::Texts(values) = column else { continue };
            let cells = self.categorical.iter_mut().skip(place).step_by(width);
            for (cell, value) in cells.zip(values.get(range.clone()).unwrap_or_default()) {
                *cell = code(input, dictionary, value.as_deref());
            }
        }
    }
}

fn code(input: &CategoricalInput, dictionary: &std::collections::HashMap<Box<str>, u32>, value: Option<&str>) -> u32 {
    match value {
        None => input.missing,
        Some(text) => dictionary.get(text).copied().unwrap_or(input.other),
    }
}

fn numeric<'a>(cells: impl Iterator<Item = &'a mut f32>, input: NumericInput, column: &Column, range: Range<usize>) {
    match column {
        Column::Numbers(values) => {
            for (cell, value) in cells.zip(values.get(range).unwrap_or_default()) {
                *cell = rounded(*value);
            }
        }
        Column::Flags(values) => {
            for (cell, value) in cells.zip(values.get(range).unwrap_or_default()) {
                *cell = value.map_or(f32::NAN, |flag| f32::from(u8::from(flag)));
            }
        }
        Column::Moments(values) => {
            let part = input.part.unwrap_or(DatePart::Days);
            for (cell, value) in cells.zip(values.get(range).unwrap_or_default()) {
                *cell = value.map_or(f32::NAN, |moment: Moment| rounded(moment.part(part)));
            }
        }
        Column::Texts(_) => {}
    }
}

/// Single precision, as the training fits; what is beyond it is missing.
fn rounded(value: f64) -> f32 {
    if value.abs() <= f64::from(f32::MAX) { single(value) } else { f32::NAN }
}
