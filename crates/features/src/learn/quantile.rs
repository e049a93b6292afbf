//! Quantiles by linear interpolation, as numpy computes them, and edges from them, as pandas does.

use super::store::ValueStore;
use crate::{error::FeatureError, num};

/// Quantiles of all values, for ascending `shares` from 0 to 1. Linear interpolation between neighbours: method 7 of Hyndman
/// and Fan (1996), with the operations of `numpy.quantile` in their order, so that ties with edges fall alike.
pub(crate) fn quantiles(store: &mut ValueStore<'_>, shares: &[f64]) -> Result<Vec<f64>, FeatureError> {
    let last = num::float(store.count().saturating_sub(1));
    let places: Vec<f64> = shares.iter().map(|share| last * share).collect();
    let mut ranks: Vec<u64> = places.iter().flat_map(|place| neighbours(*place)).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let values = store.at_ranks(&ranks)?;
    let value = |rank: u64| {
        let at = ranks.partition_point(|known| *known < rank);
        values.get(at).or(values.last()).copied().unwrap_or_default()
    };
    Ok(places
        .into_iter()
        .map(|place| {
            let [below, above] = neighbours(place);
            interpolated(value(below), value(above), place - place.floor())
        })
        .collect())
}

fn neighbours(place: f64) -> [u64; 2] {
    let below = num::count(num::floor(place));
    [below, below + 1]
}

/// `_lerp` of numpy.
fn interpolated(a: f64, b: f64, share: f64) -> f64 {
    let difference = b - a;
    if !difference.is_finite() {
        // numpy would give an infinity here.
        return a * (1.0 - share) + b * share;
    }
    if share >= 0.5 { b - difference * (1.0 - share) } else { a + difference * share }
}

/// The shares at which `pandas.qcut` cuts: those of `numpy.linspace`, rounded up where they are not exact.
pub(crate) fn cutting_shares(quantiles: u32) -> Vec<f64> {
    let step = 1.0 / f64::from(quantiles);
    (0..=quantiles)
        .map(|at| {
            let share = if at == quantiles { 1.0 } else { f64::from(at) * step };
            if f64::from(quantiles) * share == f64::from(at) { share } else { share.next_up() }
        })
        .collect()
}

/// `numpy.linspace(start, stop, bins + 1)`.
pub(crate) fn evenly_spaced(start: f64, stop: f64, bins: u32) -> Vec<f64> {
    let (difference, bins_float) = (stop - start, f64::from(bins));
    let step = difference / bins_float;
    let at = |number: u32| {
        let number = f64::from(number);
        if step == 0.0 { number / bins_float * difference + start } else { number * step + start }
    };
    (0..=bins).map(|number| if number == bins { stop } else { at(number) }).collect()
}

/// The edges of `pandas.cut` with a number of bins: equal widths, the first one widened by a thousandth of the range. Around
/// a single value, a thousandth of it on both sides.
pub(crate) fn equal_width_edges(min: f64, max: f64, bins: u32) -> Vec<f64> {
    const SHARE: f64 = 0.001;
    if min == max {
        let margin = if min == 0.0 { SHARE } else { SHARE * min.abs() };
        return evenly_spaced(min - margin, max + margin, bins);
    }
    let mut edges = evenly_spaced(min, max, bins);
    if let Some(first) = edges.first_mut() {
        *first -= (max - min) * SHARE;
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[f64], shares: &[f64], expected: &[f64]) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = ValueStore::new(directory.path(), usize::MAX);
        store.push(values).unwrap();
        assert_eq!(quantiles(&mut store, shares).unwrap(), expected);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        check(&[4.0, 1.0, 3.0, 2.0], &[0.0, 0.25, 0.5, 0.75, 1.0], &[1.0, 1.75, 2.5, 3.25, 4.0]);
        check(&[7.0], &[0.0, 0.3, 1.0], &[7.0, 7.0, 7.0]);
        check(&[f64::MIN, f64::MAX], &[0.5], &[0.0]);
    }

    #[test]
    fn edges_are_those_of_pandas() {
        assert_eq!(equal_width_edges(0.0, 100.0, 5), [-0.1, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(equal_width_edges(5.0, 5.0, 2), [4.995, 5.0, 5.005]);
        assert_eq!(equal_width_edges(0.0, 0.0, 2), [-0.001, 0.0, 0.001]);
        assert_eq!(cutting_shares(4), [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn shares_are_never_below_what_they_stand_for() {
        for quantiles in 2..=1000 {
            let shares = cutting_shares(quantiles);
            assert!(shares.is_sorted() && shares.last() == Some(&1.0), "{quantiles}");
            for (share, at) in shares.iter().zip(0..) {
                assert!(share * f64::from(quantiles) >= f64::from(at), "{at} of {quantiles}");
            }
        }
    }
}
