//! Distances between two distributions over the same bins.

use super::number::share;

/// Share that an empty bin counts as, unless another bin is as small.
const EMPTY_SHARE: f64 = 0.0001;

/// The population stability index of two rows of counts: the sum of `(r - c) ln(r / c)` over the shares of the bins.
///
/// An empty bin counts as a share of 0.0001, or as a millionth of the smallest other share where one is no larger than
/// that, as in `evidently`. 0 when one side is empty.
#[must_use]
pub fn psi(reference: &[f64], current: &[f64]) -> f64 {
    let (Some(reference), Some(current)) = (shares(reference), shares(current)) else { return 0.0 };
    filled(&reference).zip(filled(&current)).map(|(reference, current)| (reference - current) * (reference / current).ln()).sum()
}

/// The Jensen-Shannon distance: the root of the divergence in natural units. Between 0 and 0.8326; 0 when one side is
/// empty.
#[must_use]
pub fn jensen_shannon(reference: &[f64], current: &[f64]) -> f64 {
    let (Some(reference), Some(current)) = (shares(reference), shares(current)) else { return 0.0 };
    let toward = |one: f64, middle: f64| if one > 0.0 { one * (one / middle).ln() } else { 0.0 };
    let divergence: f64 = reference
        .iter()
        .zip(&current)
        .map(|(reference, current)| {
            let middle = f64::midpoint(*reference, *current);
            toward(*reference, middle) + toward(*current, middle)
        })
        .sum();
    // Rounding can leave a tiny negative number for equal distributions.
    (divergence / 2.0).max(0.0).sqrt()
}

fn shares(counts: &[f64]) -> Option<Vec<f64>> {
    let whole: f64 = counts.iter().sum();
    (whole > 0.0).then(|| counts.iter().map(|count| share(*count, whole)).collect())
}

fn filled(shares: &[f64]) -> impl Iterator<Item = f64> {
    let smallest = shares.iter().copied().filter(|share| *share > 0.0).fold(f64::INFINITY, f64::min);
    let fill = if smallest <= EMPTY_SHARE { smallest / 1e6 } else { EMPTY_SHARE };
    shares.iter().map(move |share| if *share > 0.0 { *share } else { fill })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_no_distance_apart() {
        assert_eq!(psi(&[10.0, 20.0, 0.0], &[100.0, 200.0, 0.0]), 0.0);
        assert_eq!(jensen_shannon(&[10.0, 20.0, 0.0], &[100.0, 200.0, 0.0]), 0.0);
    }

    #[test]
    fn nothing_in_common_is_as_far_as_it_goes() {
        assert!((jensen_shannon(&[1.0, 0.0], &[0.0, 9.0]) - std::f64::consts::LN_2.sqrt()).abs() < 1e-12);
        let expected = 2.0 * (1.0 - 0.0001) * (1.0_f64 / 0.0001).ln();
        assert!((psi(&[1.0, 0.0], &[0.0, 9.0]) - expected).abs() < 1e-9);
    }

    #[test]
    fn a_tiny_share_makes_an_empty_bin_tinier() {
        let value = psi(&[1_000_000.0, 1.0, 0.0], &[1.0, 0.0, 1.0]);
        assert!(value.is_finite() && value > 5.0, "{value}");
    }

    #[test]
    fn an_empty_side_is_no_distance() {
        assert_eq!((psi(&[0.0], &[1.0]), jensen_shannon(&[], &[])), (0.0, 0.0));
    }
}
