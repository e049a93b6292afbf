//! The powers that make numbers most normal, by maximum likelihood. After `scipy.stats.boxcox_normmax(method="mle")` and
//! `scipy.stats.yeojohnson_normmax` (scipy 1.17).

use super::{minimum, moments::Moments, store::ValueStore};
use crate::{error::FeatureError, num, power};

/// Where the search for Box-Cox's power begins.
const BOX_COX_START: (f64, f64) = (-2.0, 2.0);
/// Values that are transformed at a time.
const VALUES_AT_A_TIME: usize = 1024;

/// The power for Box-Cox, from the logarithms of all values and the moments of those. `None` when the likelihood has no
/// maximum.
pub(crate) fn box_cox(logarithms: &mut ValueStore<'_>, moments: &Moments) -> Result<Option<f64>, FeatureError> {
    let (count, sum) = (moments.count, moments.mean * moments.count);
    minimum::brent(
        |lambda| {
            if lambda == 0.0 {
                return Ok(count / 2.0 * moments.variance().ln() + sum);
            }
            // Relative to the largest value nothing overflows; the constant that this takes off comes back as a logarithm.
            let largest = lambda * if lambda > 0.0 { moments.max } else { moments.min };
            let transformed = transformed(logarithms, |logarithm| (lambda * logarithm - largest).exp_m1())?;
            let log_variance = transformed.variance().ln() + 2.0 * (largest - lambda.abs().ln());
            Ok(count / 2.0 * log_variance - (lambda - 1.0) * sum)
        },
        BOX_COX_START,
    )
}

/// The power for Yeo-Johnson, from the signed logarithms of all values and the moments of those; 1 where all are equal.
pub(crate) fn yeo_johnson(logarithms: &mut ValueStore<'_>, moments: &Moments) -> Result<f64, FeatureError> {
    if moments.is_constant() {
        return Ok(1.0);
    }
    let (count, sum) = (moments.count, moments.mean * moments.count);
    let (low, high) = bounds(moments);
    minimum::bounded(
        |lambda| {
            let variance = transformed(logarithms, |logarithm| power::yeo_johnson_of_log(logarithm, lambda))?.variance();
            if !variance.is_finite() || variance < f64::MIN_POSITIVE {
                return Ok(f64::INFINITY);
            }
            Ok(count / 2.0 * variance.ln() - (lambda - 1.0) * sum)
        },
        low,
        high,
    )
}

/// Powers between which values of twenty times the largest magnitude can be transformed, and their variance computed.
fn bounds(moments: &Moments) -> (f64, f64) {
    let largest = moments.min.abs().max(moments.max.abs()).exp_m1();
    let logarithm = (20.0 * largest).ln_1p();
    let epsilon = f64::EPSILON.ln();
    let (low, high) = ((f64::MIN_POSITIVE.ln() - epsilon) / 2.0 / logarithm, (f64::MAX.ln() + epsilon) / 2.0 / logarithm);
    if moments.max < 0.0 {
        (2.0 - high, 2.0 - low)
    } else if moments.min < 0.0 {
        ((2.0 - high).max(low), (2.0 - low).min(high))
    } else {
        (low, high)
    }
}

/// Moments of all values after a transform.
fn transformed(store: &mut ValueStore<'_>, transform: impl Fn(f64) -> f64) -> Result<Moments, FeatureError> {
    let mut moments = Moments::default();
    let mut buffer = Vec::with_capacity(VALUES_AT_A_TIME);
    store.visit(|values| {
        for part in values.chunks(VALUES_AT_A_TIME) {
            buffer.clear();
            buffer.extend(part.iter().map(|value| transform(*value)));
            moments = moments.and(Moments::of(&buffer));
        }
    })?;
    debug_assert!(moments.count == num::float(store.count()) || moments.count == 0.0);
    Ok(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store<'a>(values: &[f64], directory: &'a std::path::Path) -> (ValueStore<'a>, Moments) {
        let mut store = ValueStore::new(directory, usize::MAX);
        store.push(values).unwrap();
        (store, Moments::of(values))
    }

    /// Evenly spread numbers.
    fn spread(count: u32) -> impl Iterator<Item = f64> {
        (1..=count).map(move |n| f64::from(n) / f64::from(count))
    }

    #[test]
    fn squares_become_roots_of_themselves() {
        let directory = tempfile::tempdir().unwrap();
        // Logarithms of normal numbers' exponentials: the power is 0.
        let normal: Vec<f64> = spread(999).map(|share| (share / (1.0 + 1e-9 - share)).ln()).collect();
        let (mut logarithms, moments) = store(&normal, directory.path());
        let found = box_cox(&mut logarithms, &moments).unwrap().unwrap();
        assert!(found.abs() < 0.1, "{found}");
    }

    #[test]
    fn powers_stay_within_their_bounds() {
        let directory = tempfile::tempdir().unwrap();
        for values in [vec![0.0, 1.0, 2.0, 40.0], vec![-5.0, -4.0, -1.0], vec![-3.0, 0.0, 1e300], vec![1e-300, 2e-300]] {
            let logarithms: Vec<f64> = values.iter().map(|value| power::signed_log(*value)).collect();
            let (mut logarithms, moments) = store(&logarithms, directory.path());
            let found = yeo_johnson(&mut logarithms, &moments).unwrap();
            assert!(found.is_finite(), "{values:?}: {found}");
        }
    }

    #[test]
    fn equal_values_are_left_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let (mut logarithms, moments) = store(&[1.5; 10], directory.path());
        assert_eq!(yeo_johnson(&mut logarithms, &moments).unwrap(), 1.0);
    }
}
