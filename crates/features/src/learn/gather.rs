//! What features gather from rows, batch by batch, and what they make of it.

use std::path::Path;

use arrow::array::{Array, Float64Array};

use super::{
    likelihood,
    moments::Moments,
    quantile,
    store::ValueStore,
    target::{self, Classes, TargetSums},
};
use crate::{
    category::Keyed,
    error::{FeatureError, Unlearnable},
    learned::Learned,
    make::{Frame, OutOfFold},
    num,
    operation::Operation,
    options::FeatureLimits,
    plan::PlannedFeature,
    power::{self, BOX_COX_SHIFT},
};

/// What a feature has gathered.
#[derive(Debug)]
pub(crate) enum Gathering<'a> {
    Moments(Moments),
    Values(ValueStore<'a>),
    /// The logarithms of all values, with moments of both, and how many have none.
    Logarithms {
        store: ValueStore<'a>,
        moments: Moments,
        of_values: Moments,
        not_positive: u64,
    },
    /// How many rows have each category, and what was measured of the categories last.
    Counts(Keyed<u64>, Measured),
    Target(TargetSums, Measured),
}

/// What was measured of categories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// How many there were.
    count: usize,
    /// Memory that they took, bytes.
    memory: usize,
}

/// What a feature gathered from one batch.
#[derive(Debug)]
pub(crate) enum Part {
    Moments(Moments),
    Values(Vec<f64>),
    Logarithms { logarithms: Vec<f64>, moments: Moments, of_values: Moments, not_positive: u64 },
    Counts(Keyed<u64>),
    Target(TargetSums),
}

impl Part {
    /// Memory that its categories take, bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Counts(counts) => counts.memory(size_of::<u64>()),
            Self::Target(sums) => sums.categories().memory(sums.value_bytes()),
            Self::Moments(_) | Self::Values(_) | Self::Logarithms { .. } => 0,
        }
    }
}

/// What a feature has learned.
pub(crate) struct Finished {
    pub(crate) learned: Learned,
    pub(crate) out_of_fold: Option<OutOfFold>,
    /// Remarks for people.
    pub(crate) notes: Vec<String>,
}

impl Finished {
    fn new(learned: Learned) -> Self {
        Self { learned, out_of_fold: None, notes: Vec::new() }
    }

    fn noting(mut self, is_so: bool, note: impl Into<String>) -> Self {
        if is_so {
            self.notes.push(note.into());
        }
        self
    }
}

/// What an operation looks at.
enum Wants {
    Moments,
    Values,
    Logarithms(fn(f64) -> f64),
    Counts,
    Target,
}

fn wants(operation: &Operation) -> Wants {
    match operation {
        Operation::BoxCox => Wants::Logarithms(|x| (x + BOX_COX_SHIFT).ln()),
        Operation::YeoJohnson => Wants::Logarithms(power::signed_log),
        Operation::RobustScale | Operation::QuantileBin { .. } => Wants::Values,
        Operation::OneHotEncode { .. } | Operation::LabelEncode | Operation::FrequencyEncode { .. } | Operation::BinaryEncode => {
            Wants::Counts
        }
        Operation::TargetEncode { .. } => Wants::Target,
        _ => Wants::Moments,
    }
}

/// Nothing yet, for features that learn in one walk; they share the memory for values.
pub(super) fn begin<'a>(
    features: &[&PlannedFeature],
    limits: &FeatureLimits,
    folds: u32,
    directory: &'a Path,
) -> Vec<Gathering<'a>> {
    let stores = features.iter().filter(|feature| matches!(wants(&feature.operation), Wants::Values | Wants::Logarithms(_)));
    let values_max = limits.values_bytes_max / size_of::<f64>() / stores.count().max(1);
    let store = || ValueStore::new(directory, values_max);
    let begin = |feature: &&PlannedFeature| match wants(&feature.operation) {
        Wants::Moments => Gathering::Moments(Moments::default()),
        Wants::Values => Gathering::Values(store()),
        Wants::Logarithms(_) => {
            Gathering::Logarithms { store: store(), moments: Moments::default(), of_values: Moments::default(), not_positive: 0 }
        }
        Wants::Counts => Gathering::Counts(Keyed::new(feature.source.kind), Measured::default()),
        Wants::Target => Gathering::Target(TargetSums::new(feature, folds), Measured::default()),
    };
    features.iter().map(begin).collect()
}

/// Gathers from the rows of a frame, which are in these folds.
pub(super) fn part(
    feature: &PlannedFeature,
    frame: &Frame,
    folds: &[u32],
    fold_count: u32,
    classes: &Classes,
) -> Result<Part, FeatureError> {
    let misfit = || FeatureError::internal("a feature and its column do not fit");
    let source = frame.column(&feature.source.name)?;
    let values = || source.numbers().map(|numbers| present(&numbers)).ok_or_else(misfit);
    Ok(match wants(&feature.operation) {
        Wants::Moments => Part::Moments(Moments::of(&values()?)),
        Wants::Values => Part::Values(values()?),
        Wants::Logarithms(logarithm) => {
            let values = values()?;
            let logarithms: Vec<f64> = values.iter().map(|x| logarithm(*x)).filter(|logarithm| logarithm.is_finite()).collect();
            let not_positive = num::count(values.len() - logarithms.len());
            Part::Logarithms { moments: Moments::of(&logarithms), of_values: Moments::of(&values), logarithms, not_positive }
        }
        Wants::Counts => {
            let mut counts = Keyed::new(feature.source.kind);
            counts.visit(&source, || 0, |_, count| *count += 1);
            Part::Counts(counts)
        }
        Wants::Target => {
            let target = feature.target.as_ref().ok_or_else(misfit)?;
            let numbers = target::numbers(target, &frame.column(&target.name)?, classes).ok_or_else(misfit)?;
            let mut sums = TargetSums::new(feature, fold_count);
            sums.add(&source, &numbers, folds);
            Part::Target(sums)
        }
    })
}

/// The values that are there; both zeros are one.
fn present(numbers: &Float64Array) -> Vec<f64> {
    if numbers.null_count() == 0 {
        return numbers.values().iter().map(|value| value + 0.0).collect();
    }
    numbers.iter().flatten().map(|value| value + 0.0).collect()
}

impl Gathering<'_> {
    /// Takes in a part; parts come in the order of their rows.
    pub(super) fn merge(&mut self, part: Part, feature: &PlannedFeature, limits: &FeatureLimits) -> Result<(), FeatureError> {
        match (self, part) {
            (Self::Moments(all), Part::Moments(part)) => *all = all.and(part),
            (Self::Values(all), Part::Values(part)) => all.push(&part)?,
            (
                Self::Logarithms { store, moments, of_values, not_positive },
                Part::Logarithms { logarithms, moments: part, of_values: part_of_values, not_positive: part_not_positive },
            ) => {
                store.push(&logarithms)?;
                *moments = moments.and(part);
                *of_values = of_values.and(part_of_values);
                *not_positive += part_not_positive;
            }
            (Self::Counts(all, measured), Part::Counts(part)) => {
                all.merge(part, |count, more| *count += more);
                check_categories((&*all, size_of::<u64>()), measured, feature, limits)?;
            }
            (Self::Target(all, measured), Part::Target(part)) => {
                all.merge(part);
                check_categories((all.categories(), all.value_bytes()), measured, feature, limits)?;
            }
            _ => return Err(FeatureError::internal("parts of different kinds")),
        }
        Ok(())
    }

    /// Memory that its categories take, bytes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Counts(_, measured) | Self::Target(_, measured) => measured.memory,
            Self::Moments(_) | Self::Values(_) | Self::Logarithms { .. } => 0,
        }
    }

    /// Learns from all rows.
    pub(super) fn finish(
        self,
        feature: &PlannedFeature,
        limits: &FeatureLimits,
        classes: &Classes,
    ) -> Result<Finished, FeatureError> {
        let column = || feature.source.name.clone();
        let refuse = |reason| Err(FeatureError::unlearnable(&feature.name, reason));
        match self {
            Self::Moments(moments) if moments.count == 0.0 => refuse(Unlearnable::NoValues { column: column() }),
            Self::Values(store) if store.count() == 0 => refuse(Unlearnable::NoValues { column: column() }),
            Self::Logarithms { of_values, .. } if of_values.count == 0.0 => refuse(Unlearnable::NoValues { column: column() }),
            Self::Moments(moments) => finite(of_moments(&feature.operation, &moments), feature)
                .map(|finished| finished.noting(moments.is_constant(), "All values are equal.")),
            Self::Values(store) => finite(of_values(&feature.operation, store)?, feature),
            Self::Logarithms { not_positive, .. } if not_positive > 0 => {
                refuse(Unlearnable::Negative { column: column(), count: not_positive })
            }
            Self::Logarithms { store, moments, of_values, .. } => power_of(feature, store, &moments, &of_values),
            Self::Counts(counts, _) => {
                let max = limits.one_hot_categories_max;
                if matches!(feature.operation, Operation::OneHotEncode { .. }) && counts.len() > max {
                    return refuse(Unlearnable::TooManyColumns { column: column(), max });
                }
                let (categories, counts) = counts.sorted(feature.source.kind);
                Ok(Finished::new(match feature.operation {
                    Operation::FrequencyEncode { .. } => Learned::Frequencies { categories, counts },
                    _ => Learned::Categories { categories },
                }))
            }
            Self::Target(sums, _) => target_of(feature, sums, classes),
        }
    }
}

/// Refuses a feature with which the categories of all features take more memory than they may: many that are made from one
/// column would keep its values once each.
pub(super) fn check_memory(memory: usize, max: usize, feature: &PlannedFeature) -> Result<(), FeatureError> {
    if memory <= max {
        return Ok(());
    }
    Err(FeatureError::unlearnable(&feature.name, Unlearnable::TooMuchMemory { column: feature.source.name.clone() }))
}

fn check_categories<V>(
    (all, value_bytes): (&Keyed<V>, usize),
    measured: &mut Measured,
    feature: &PlannedFeature,
    limits: &FeatureLimits,
) -> Result<(), FeatureError> {
    let column = || feature.source.name.clone();
    if all.len() == measured.count {
        return Ok(());
    }
    *measured = Measured { count: all.len(), memory: all.memory(value_bytes) };
    let (max, one_hot_max) = (limits.categories_max, limits.one_hot_categories_max);
    if matches!(feature.operation, Operation::OneHotEncode { .. }) && all.len() > one_hot_max {
        return Err(FeatureError::unlearnable(&feature.name, Unlearnable::TooManyColumns { column: column(), max: one_hot_max }));
    }
    if all.len() > max || all.text_bytes() > limits.category_bytes_max {
        return Err(FeatureError::unlearnable(&feature.name, Unlearnable::TooManyCategories { column: column(), max }));
    }
    Ok(())
}

fn of_moments(operation: &Operation, moments: &Moments) -> Learned {
    match operation {
        Operation::Standardize => Learned::Standard { mean: moments.mean, std: moments.std() },
        Operation::MaxAbsScale => Learned::Magnitude { max: moments.min.abs().max(moments.max.abs()) },
        Operation::Bucketize { bins } => Learned::Edges { edges: quantile::equal_width_edges(moments.min, moments.max, *bins) },
        _ => Learned::Range { min: moments.min, max: moments.max },
    }
}

fn of_values(operation: &Operation, mut store: ValueStore<'_>) -> Result<Learned, FeatureError> {
    if let Operation::QuantileBin { quantiles } = operation {
        let mut edges = quantile::quantiles(&mut store, &quantile::cutting_shares(*quantiles))?;
        edges.dedup();
        return Ok(Learned::Edges { edges });
    }
    let quartiles = quantile::quantiles(&mut store, &[0.25, 0.5, 0.75])?;
    match quartiles.as_slice() {
        [lower, median, upper] => Ok(Learned::Quartiles { lower: *lower, median: *median, upper: *upper }),
        _ => Err(FeatureError::internal("three quantiles are not three")),
    }
}

/// What was learned, unless a difference or a sum in it is beyond a float.
fn finite(learned: Learned, feature: &PlannedFeature) -> Result<Finished, FeatureError> {
    let is_finite = match &learned {
        Learned::Standard { mean, std } => mean.is_finite() && std.is_finite(),
        Learned::Range { min, max } => (max - min).is_finite(),
        Learned::Quartiles { lower, upper, .. } => (upper - lower).is_finite(),
        Learned::Edges { edges } => edges.iter().all(|edge| edge.is_finite()) && edges.is_sorted(),
        _ => true,
    };
    if !is_finite {
        return Err(FeatureError::unlearnable(&feature.name, Unlearnable::TooLarge { column: feature.source.name.clone() }));
    }
    let ranges = match &learned {
        Learned::Edges { edges } => edges.len().saturating_sub(1).max(1),
        _ => 0,
    };
    let wanted = match &feature.operation {
        Operation::QuantileBin { quantiles } => num::index(*quantiles),
        _ => ranges,
    };
    Ok(Finished::new(learned).noting(ranges < wanted, format!("Equal values leave {ranges} ranges of {wanted}.")))
}

fn power_of(
    feature: &PlannedFeature,
    mut store: ValueStore<'_>,
    moments: &Moments,
    of_values: &Moments,
) -> Result<Finished, FeatureError> {
    let column = feature.source.name.clone();
    let lambda = if matches!(feature.operation, Operation::BoxCox) {
        if moments.is_constant() {
            return Err(FeatureError::unlearnable(&feature.name, Unlearnable::Constant { column }));
        }
        likelihood::box_cox(&mut store, moments)?
    } else {
        Some(likelihood::yeo_johnson(&mut store, moments)?)
    };
    let transform = if matches!(feature.operation, Operation::BoxCox) { power::box_cox } else { power::yeo_johnson };
    // What it was learned from must have a transform.
    let fits = |lambda: &f64| [of_values.min, of_values.max].iter().all(|x| transform(*x, *lambda).is_finite());
    match lambda.filter(fits) {
        Some(lambda) => {
            let finished = Finished::new(Learned::Power { lambda });
            Ok(finished.noting(moments.is_constant(), "All values are equal, so they are left as they are."))
        }
        None => Err(FeatureError::unlearnable(&feature.name, Unlearnable::NoMaximum { column })),
    }
}

fn target_of(feature: &PlannedFeature, sums: TargetSums, classes: &Classes) -> Result<Finished, FeatureError> {
    let target = feature.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
    let smoothing = if let Operation::TargetEncode { smoothing, .. } = &feature.operation { *smoothing } else { 0.0 };
    let classes = classes.get(&target).cloned().unwrap_or_default();
    let one_class = classes.len() == 1;
    let has_target = sums.has_target();
    match sums.finish(feature, smoothing, classes) {
        Some((learned, out_of_fold)) => {
            let finished = Finished { learned, out_of_fold: Some(out_of_fold), notes: Vec::new() };
            Ok(finished.noting(one_class, "The target has one class only, so every encoding is 0."))
        }
        None if has_target => Err(FeatureError::unlearnable(&feature.name, Unlearnable::TooLarge { column: target })),
        None => Err(FeatureError::unlearnable(&feature.name, Unlearnable::NoValues { column: target })),
    }
}
