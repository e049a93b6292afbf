//! How probable a difference is when nothing has changed: the two tests and their p-values.

use serde::{Deserialize, Serialize};

use super::number::size;

/// Which test a value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestKind {
    /// Two-sample Kolmogorov-Smirnov, two-sided.
    Ks,
    /// Chi-square, of the current counts against those that the reference's shares let expect.
    Chi2,
}

/// A test's result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestResult {
    /// The statistic; infinite when something occurs that the reference says cannot.
    pub statistic: f64,
    /// Probability of a statistic at least as large when nothing has changed.
    pub p_value: f64,
}

/// The two-sample Kolmogorov-Smirnov test, two-sided. Both sides sorted ascending, without NaN.
///
/// The p-value is exact: the probability that a random order of all values has a gap at least as large, counted over
/// lattice paths. That takes time in proportion to the product of both sizes, so both should be at most some thousands.
#[must_use]
pub fn kolmogorov_smirnov(reference: &[f64], current: &[f64]) -> Option<TestResult> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    let gap = largest_gap(reference, current);
    let scale = size(reference.len()) * size(current.len());
    Some(TestResult { statistic: size(gap) / scale, p_value: path_outside(reference.len(), current.len(), gap) })
}

/// The largest `|i·n - j·m|`, where `i` of the `m` reference values and `j` of the `n` current ones are at most some value.
fn largest_gap(reference: &[f64], current: &[f64]) -> usize {
    let (mut reference_rest, mut current_rest) = (reference, current);
    let mut largest = 0;
    while let (Some(one), Some(other)) = (reference_rest.first(), current_rest.first()) {
        let value = one.min(*other);
        reference_rest = after(reference_rest, value);
        current_rest = after(current_rest, value);
        let passed = (reference.len() - reference_rest.len()) * current.len();
        largest = largest.max(passed.abs_diff((current.len() - current_rest.len()) * reference.len()));
    }
    largest
}

fn after(sorted: &[f64], value: f64) -> &[f64] {
    sorted.get(sorted.partition_point(|one| *one <= value)..).unwrap_or_default()
}

/// The probability that a random path of unit steps from (0, 0) to (m, n) touches a point with `|i·n - j·m| >= gap`.
///
/// All orders are equally probable, so the last step to (i, j) came from the left with probability i / (i + j). Only
/// sums of positive terms: a small probability keeps its digits.
fn path_outside(m: usize, n: usize, gap: usize) -> f64 {
    if gap == 0 {
        return 1.0;
    }
    let mut column: Vec<f64> = vec![0.0; n + 1];
    for i in 0..=m {
        let mut below = 0.0;
        for (j, cell) in column.iter_mut().enumerate() {
            *cell = if (i * n).abs_diff(j * m) >= gap {
                1.0
            } else if i + j == 0 {
                0.0
            } else {
                let (from_left, from_below) = (size(i), size(j));
                (*cell * from_left + below * from_below) / (from_left + from_below)
            };
            below = *cell;
        }
    }
    column.last().copied().unwrap_or(1.0).min(1.0)
}

/// The chi-square test of counts against the shares of a reference. The sides are over the same categories.
///
/// A category that the reference does not have makes the statistic infinite and the p-value 0. `None` without rows on
/// either side; one category alone differs from nothing (statistic 0, p-value 1).
#[must_use]
pub fn chi_square(reference: &[f64], current: &[f64]) -> Option<TestResult> {
    let (expected_sum, observed_sum): (f64, f64) = (reference.iter().sum(), current.iter().sum());
    if expected_sum <= 0.0 || observed_sum <= 0.0 {
        return None;
    }
    let scale = observed_sum / expected_sum;
    let mut statistic = 0.0;
    let mut categories = 0_u32;
    for (expected, observed) in reference.iter().map(|count| count * scale).zip(current) {
        if expected > 0.0 {
            statistic += (observed - expected).powi(2) / expected;
        } else if *observed > 0.0 {
            statistic = f64::INFINITY;
        } else {
            continue;
        }
        categories += 1;
    }
    Some(TestResult { statistic, p_value: chi_square_tail(statistic, categories.saturating_sub(1)) })
}

/// The probability that a chi-square variable is larger: the regularised upper incomplete gamma function Q(k/2, x/2),
/// built up from Q(1/2, h) = erfc(√h) or Q(1, h) = e^-h by Q(a + 1, h) = Q(a, h) + h^a e^-h / Γ(a + 1).
fn chi_square_tail(statistic: f64, degrees: u32) -> f64 {
    if degrees == 0 || statistic <= 0.0 {
        return 1.0;
    }
    if statistic.is_infinite() {
        return 0.0;
    }
    let half = statistic / 2.0;
    let target = f64::from(degrees) / 2.0;
    let odd = degrees % 2 == 1;
    let mut order = if odd { 0.5 } else { 1.0 };
    let mut tail = if odd { libm::erfc(half.sqrt()) } else { (-half).exp() };
    while order < target {
        // In logarithms: a power alone overflows where the exponential underflows.
        tail += (order * half.ln() - half - libm::lgamma(order + 1.0)).exp();
        order += 1.0;
    }
    tail.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12 + 1e-10 * right.abs(), "{left} and {right}");
    }

    // Expected values: scipy 1.16, `chi2.sf` and `ks_2samp`.
    #[test]
    fn the_chi_square_tail_is_right_for_odd_and_even_degrees() {
        close(chi_square_tail(3.841_458_820_694_124, 1), 0.05);
        close(chi_square_tail(5.991_464_547_107_979, 2), 0.05);
        close(chi_square_tail(67.504_806_549_541_19, 50), 0.05);
        close(chi_square_tail(2000.0, 3), 0.0);
        close(chi_square_tail(0.0, 3), 1.0);
    }

    #[test]
    fn small_samples_can_be_counted_by_hand() {
        // Of the two orders of one value each both have the gap 1; of six orders of two and two, two keep apart.
        close(kolmogorov_smirnov(&[1.0], &[2.0]).unwrap().p_value, 1.0);
        let apart = kolmogorov_smirnov(&[1.0, 2.0], &[3.0, 4.0]).unwrap();
        close(apart.statistic, 1.0);
        close(apart.p_value, 1.0 / 3.0);
    }

    #[test]
    fn ties_are_one_step() {
        let same = kolmogorov_smirnov(&[1.0, 1.0, 2.0], &[1.0, 1.0, 2.0]).unwrap();
        assert_eq!((same.statistic, same.p_value), (0.0, 1.0));
    }

    #[test]
    fn a_hopeless_difference_keeps_its_digits() {
        let reference: Vec<f64> = (0..200).map(f64::from).collect();
        let current: Vec<f64> = (1000..1100).map(f64::from).collect();
        let result = kolmogorov_smirnov(&reference, &current).unwrap();
        assert!(result.p_value > 0.0 && result.p_value < 1e-70, "{result:?}");
    }

    #[test]
    fn an_unknown_category_cannot_be_explained() {
        let result = chi_square(&[5.0, 0.0], &[5.0, 1.0]).unwrap();
        assert_eq!((result.statistic, result.p_value), (f64::INFINITY, 0.0));
        assert_eq!(chi_square(&[5.0], &[9.0]).unwrap(), TestResult { statistic: 0.0, p_value: 1.0 });
        assert_eq!(chi_square(&[], &[]), None);
    }
}
