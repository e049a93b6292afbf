//! Means of a target by category and fold, from which no row's encoding knows its own target.

use std::collections::{BTreeSet, HashMap};

use arrow::array::{Array, Float64Array};

use super::Learner;
use crate::{
    category::{Categories, Keyed},
    column::Column,
    error::{FeatureError, Unlearnable},
    learned::Learned,
    make::OutOfFold,
    num,
    plan::{Input, PlannedFeature},
    table::row_ids,
};

/// Classes that a message names.
const CLASSES_SHOWN: usize = 5;

/// The two classes of each target that holds texts, in order.
pub(crate) type Classes = HashMap<String, Vec<String>>;

/// Finds the classes of targets that hold texts. No feature makes texts, so all of them are columns of the dataset.
pub(super) fn classes(learner: &Learner<'_>) -> Result<Classes, FeatureError> {
    let mut classes = Classes::new();
    for feature in &learner.plan.features {
        let Some(target) = feature.target.as_ref().filter(|target| is_text(target)) else { continue };
        if !classes.contains_key(&target.name) {
            classes.insert(target.name.clone(), classes_of(learner, feature, target)?);
        }
    }
    Ok(classes)
}

fn is_text(target: &Input) -> bool {
    target.kind == gristmill_domain::datasets::ColumnType::String
}

fn classes_of(learner: &Learner<'_>, feature: &PlannedFeature, target: &Input) -> Result<Vec<String>, FeatureError> {
    let columns = learner.table.columns();
    let is_read = |name: &str| name == target.name || name == gristmill_domain::datasets::ROW_ID_COLUMN;
    let places: Vec<usize> = columns.iter().enumerate().filter(|(_, (name, _))| is_read(name)).map(|(at, _)| at).collect();
    let mut found = BTreeSet::new();
    let mut first_row = 0;
    for batch in learner.table.batches(&places)? {
        learner.check_cancelled()?;
        let batch = batch?;
        let ids = row_ids(&batch, first_row)?;
        first_row += num::count(batch.num_rows());
        let Column::Text(texts) = super::frame(columns, &places, &batch)?.column(&target.name)? else { continue };
        for (text, id) in texts.iter().zip(ids) {
            let Some(text) = text else { continue };
            if !found.contains(text) && learner.options.held_out.as_deref().is_none_or(|held_out| !held_out.contains(&id)) {
                found.insert(text.to_owned());
            }
        }
        if found.len() > 2 {
            let shown: Vec<String> = found.into_iter().take(CLASSES_SHOWN).collect();
            let reason = Unlearnable::ManyClasses { column: target.name.clone(), classes: shown.join(", ") };
            return Err(FeatureError::unlearnable(&feature.name, reason));
        }
    }
    Ok(found.into_iter().collect())
}

/// The target as numbers; of texts, whether it is the second class.
pub(super) fn numbers(target: &Input, column: &Column, classes: &Classes) -> Option<Float64Array> {
    let Column::Text(texts) = column else { return column.numbers() };
    let second = classes.get(&target.name).and_then(|classes| classes.get(1));
    Some(texts.iter().map(|text| text.map(|text| f64::from(u8::from(Some(text) == second.map(String::as_str))))).collect())
}

/// Targets of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    count: u64,
    sum: f64,
}

impl Sum {
    fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, sum: self.sum + other.sum }
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / num::float(self.count))
    }

    /// The mean with so many rows of the overall mean added.
    fn smoothed(self, mean: f64, smoothing: f64) -> f64 {
        let weight = num::float(self.count) + smoothing;
        if weight > 0.0 { (self.sum + mean * smoothing) / weight } else { mean }
    }
}

/// Targets by category and fold. Sums of folds are kept apart and never subtracted: what is left out leaves no trace, not
/// even in the last bit.
#[derive(Debug, Clone)]
pub(crate) struct TargetSums {
    folds: u32,
    all: Vec<Sum>,
    categories: Keyed<Vec<Sum>>,
}

impl TargetSums {
    pub(super) fn new(feature: &PlannedFeature, folds: u32) -> Self {
        Self { folds, all: vec![Sum::default(); num::index(folds)], categories: Keyed::new(feature.source.kind) }
    }

    pub(super) fn categories(&self) -> &Keyed<Vec<Sum>> {
        &self.categories
    }

    /// Memory of what is kept for each category, bytes.
    pub(super) fn value_bytes(&self) -> usize {
        size_of::<Vec<Sum>>() + num::index(self.folds) * size_of::<Sum>()
    }

    /// Whether any row has a target.
    pub(super) fn has_target(&self) -> bool {
        total(&self.all).count > 0
    }

    /// Adds rows: their categories, targets and folds.
    pub(super) fn add(&mut self, source: &Column, target: &Float64Array, folds: &[u32]) {
        let of_row = |row: usize| -> Option<(usize, Sum)> {
            let value = target.is_valid(row).then(|| target.values().get(row).copied())??;
            Some((num::index(*folds.get(row)?), Sum { count: 1, sum: value }))
        };
        for row in 0..target.len() {
            add_to(&mut self.all, of_row(row));
        }
        let width = num::index(self.folds);
        self.categories.visit(source, || vec![Sum::default(); width], |row, sums| add_to(sums, of_row(row)));
    }

    pub(super) fn merge(&mut self, other: Self) {
        let add = |sums: &mut Vec<Sum>, other: Vec<Sum>| {
            for (sum, other) in sums.iter_mut().zip(other) {
                *sum = sum.and(other);
            }
        };
        add(&mut self.all, other.all);
        self.categories.merge(other.categories, add);
    }

    /// The encodings. `None` when there is no target, or its sums are not finite.
    pub(super) fn finish(self, feature: &PlannedFeature, smoothing: f64, classes: Vec<String>) -> Option<(Learned, OutOfFold)> {
        let mean = total(&self.all).mean().filter(|mean| mean.is_finite())?;
        let means: Vec<Option<f64>> = (0..self.all.len()).map(|fold| total_without(&self.all, fold).mean()).collect();
        let (categories, sums): (Categories, Vec<Vec<Sum>>) = self.categories.sorted(feature.source.kind);
        let encodings: Vec<f64> = sums.iter().map(|sums| total(sums).smoothed(mean, smoothing)).collect();
        let of_fold =
            |sums: &[Sum], fold: usize, mean: &Option<f64>| mean.map(|mean| total_without(sums, fold).smoothed(mean, smoothing));
        let out_of_fold: Vec<Option<f64>> =
            sums.iter().flat_map(|sums| means.iter().enumerate().map(|(fold, mean)| of_fold(sums, fold, mean))).collect();
        let is_finite = encodings.iter().chain(out_of_fold.iter().flatten()).all(|encoding| encoding.is_finite());
        let learned = Learned::Target { categories, encodings, mean, classes };
        is_finite.then_some((learned, OutOfFold { means, encodings: out_of_fold }))
    }
}

fn add_to(sums: &mut [Sum], row: Option<(usize, Sum)>) {
    if let Some((fold, value)) = row
        && let Some(sum) = sums.get_mut(fold)
    {
        *sum = sum.and(value);
    }
}

fn total(sums: &[Sum]) -> Sum {
    sums.iter().copied().fold(Sum::default(), Sum::and)
}

fn total_without(sums: &[Sum], fold: usize) -> Sum {
    sums.iter().enumerate().filter(|(at, _)| *at != fold).map(|(_, sum)| *sum).fold(Sum::default(), Sum::and)
}
