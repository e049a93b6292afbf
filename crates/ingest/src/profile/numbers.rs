//! Statistics of numbers that come in ascending order with their counts.

use gristmill_domain::eda::Bucket;

use crate::num;

/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = 15;

/// Statistics of a numeric column. All are finite.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NumberStats {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) std_dev: f64,
    pub(crate) skewness: f64,
    pub(crate) q1: f64,
    pub(crate) q3: f64,
    pub(crate) outliers: u64,
    pub(crate) buckets: Vec<Bucket>,
}

/// First walk over the numbers: extremes, quantiles and the mean.
#[derive(Debug)]
pub(crate) struct FirstWalk {
    total: u64,
    seen: u64,
    min: f64,
    max: f64,
    /// Wanted ranks, and the values found there.
    ranks: [u64; 6],
    found: [f64; 6],
    /// The smallest rank that was not reached yet.
    next_rank: u64,
    sum: Sum,
    scale: f64,
}

impl FirstWalk {
    /// `extreme` is the largest magnitude among `total` numbers.
    pub(crate) fn new(total: u64, extreme: f64) -> Self {
        let rank = |quarters: u64| {
            let place = u128::from(quarters) * u128::from(total.saturating_sub(1));
            let low = u64::try_from(place / 4).unwrap_or(u64::MAX);
            [low, low + u64::from(place % 4 != 0)]
        };
        let ([a, b], [c, d], [e, f]) = (rank(1), rank(2), rank(3));
        // Powers beyond this overflow or vanish when they are cubed.
        let scale = if extreme == 0.0 || (1e-90..1e90).contains(&extreme) { 1.0 } else { extreme };
        Self {
            total,
            seen: 0,
            min: 0.0,
            max: 0.0,
            // Of two numbers, the quartiles lie between the same ranks as the median: they do not ascend.
            ranks: [a, b, c, d, e, f],
            found: [0.0; 6],
            next_rank: a,
            sum: Sum::default(),
            scale,
        }
    }

    /// Takes the next number in ascending order.
    pub(crate) fn add(&mut self, value: f64, count: u64) {
        if self.seen == 0 {
            self.min = value;
        }
        self.max = value;
        let before = self.seen;
        self.seen += count;
        if self.seen > self.next_rank {
            self.next_rank = u64::MAX;
            for (rank, found) in self.ranks.iter().zip(&mut self.found) {
                if *rank >= self.seen {
                    self.next_rank = self.next_rank.min(*rank);
                } else if *rank >= before {
                    *found = value;
                }
            }
        }
        self.sum.add(value / self.scale * num::float(count));
    }

    /// Ends the walk.
    pub(crate) fn finish(&self) -> SecondWalk {
        let [a, b, c, d, e, f] = self.found;
        let between = |low: f64, high: f64, quarters: u64| {
            let place = u128::from(quarters) * u128::from(self.total.saturating_sub(1)) % 4;
            between(low, high, num::float(u64::try_from(place).unwrap_or_default()) / 4.0)
        };
        let (q1, median, q3) = (between(a, b, 1), between(c, d, 2), between(e, f, 3));
        let reach = 1.5 * (q3 - q1);
        SecondWalk {
            total: self.total,
            scale: self.scale,
            scaled_mean: self.sum.value() / num::float(self.total.max(1)),
            squares: Sum::default(),
            cubes: Sum::default(),
            fences: (q1 - reach, q3 + reach),
            stats: NumberStats {
                min: self.min,
                max: self.max,
                mean: 0.0,
                median,
                std_dev: 0.0,
                skewness: 0.0,
                q1,
                q3,
                outliers: 0,
                buckets: buckets(self.min, self.max),
            },
        }
    }
}

/// Second walk over the same numbers: what needs the mean, the quartiles and the extremes.
#[derive(Debug)]
pub(crate) struct SecondWalk {
    total: u64,
    scale: f64,
    scaled_mean: f64,
    squares: Sum,
    cubes: Sum,
    fences: (f64, f64),
    stats: NumberStats,
}

impl SecondWalk {
    pub(crate) fn add(&mut self, value: f64, count: u64) {
        let weight = num::float(count);
        let distance = value / self.scale - self.scaled_mean;
        self.squares.add(distance * distance * weight);
        self.cubes.add(distance * distance * distance * weight);
        if value < self.fences.0 || value > self.fences.1 {
            self.stats.outliers += count;
        }
        let place = bucket_of(&self.stats.buckets, value);
        if let Some(bucket) = self.stats.buckets.get_mut(place) {
            bucket.count += count;
        }
    }

    pub(crate) fn finish(mut self) -> NumberStats {
        let total = num::float(self.total);
        let variance = if self.total > 1 { self.squares.value().max(0.0) / (total - 1.0) } else { 0.0 };
        let scaled_deviation = variance.sqrt();
        // Equal values whose mean was rounded have no deviation.
        let is_constant = self.stats.min == self.stats.max;
        self.stats.mean = if is_constant { self.stats.min } else { finite(self.scaled_mean * self.scale) };
        self.stats.std_dev = if is_constant { 0.0 } else { finite(scaled_deviation * self.scale) };
        let cube = scaled_deviation * scaled_deviation * scaled_deviation;
        self.stats.skewness = if is_constant || cube == 0.0 { 0.0 } else { finite(self.cubes.value() / total / cube) };
        self.stats
    }
}

/// A sum that keeps what a plain one would round away (Neumaier).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// The nearest number that JSON can hold.
pub(crate) fn finite(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) }
}

/// A point between two numbers, also when they are so far apart that their difference overflows.
fn between(low: f64, high: f64, part: f64) -> f64 {
    let distance = high - low;
    if distance.is_finite() { low + distance * part } else { low * (1.0 - part) + high * part }
}

fn buckets(min: f64, max: f64) -> Vec<Bucket> {
    if min == max {
        return vec![Bucket { start: min, end: max, count: 0 }];
    }
    let edge = |at: usize| {
        if at == BUCKETS { max } else { between(min, max, num::float(num::count(at)) / num::float(num::count(BUCKETS))) }
    };
    (0..BUCKETS).map(|at| Bucket { start: edge(at), end: edge(at + 1), count: 0 }).collect()
}

/// The bucket that a value belongs to: division finds it nearly, and the edges decide.
fn bucket_of(buckets: &[Bucket], value: f64) -> usize {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return 0 };
    let half_range = last.end / 2.0 - first.start / 2.0;
    let share = if half_range > 0.0 { (value / 2.0 - first.start / 2.0) / half_range } else { 0.0 };
    let mut place = num::floor(share * num::float(num::count(buckets.len()))).min(buckets.len() - 1);
    while place > 0 && buckets.get(place).is_some_and(|bucket| value < bucket.start) {
        place -= 1;
    }
    while place + 1 < buckets.len() && buckets.get(place).is_some_and(|bucket| value >= bucket.end) {
        place += 1;
    }
    place
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stats(values: &[f64]) -> NumberStats {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let extreme = values.iter().fold(0.0_f64, |extreme, value| extreme.max(value.abs()));
        let mut first = FirstWalk::new(num::count(sorted.len()), extreme);
        sorted.iter().for_each(|value| first.add(*value, 1));
        let mut second = first.finish();
        sorted.iter().for_each(|value| second.add(*value, 1));
        second.finish()
    }

    #[test]
    fn matches_values_worked_out_by_hand() {
        let found = stats(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((found.min, found.max, found.mean, found.median), (2.0, 9.0, 5.0, 4.5));
        assert_eq!((found.q1, found.q3), (4.0, 5.5));
        assert!((found.std_dev - 2.138_089_935).abs() < 1e-9);
        assert!((found.skewness - 0.537_1).abs() < 1e-3, "{}", found.skewness);
        assert_eq!(found.outliers, 1);
    }

    #[test]
    fn quartiles_of_few_numbers_lie_between_them() {
        for (values, expected) in [
            (vec![5.0], (5.0, 5.0, 5.0)),
            (vec![0.0, 1.0], (0.25, 0.5, 0.75)),
            (vec![0.0, 1.0, 2.0], (0.5, 1.0, 1.5)),
            (vec![0.0, 1.0, 2.0, 3.0], (0.75, 1.5, 2.25)),
            (vec![0.0, 0.0, 0.0, 8.0, 8.0], (0.0, 0.0, 8.0)),
        ] {
            let found = stats(&values);
            assert_eq!((found.q1, found.median, found.q3), expected, "{values:?}");
        }
    }

    #[test]
    fn one_value_and_equal_values_have_no_deviation() {
        for values in [vec![0.1], vec![0.1; 7]] {
            let found = stats(&values);
            assert_eq!((found.mean, found.std_dev, found.skewness, found.outliers), (0.1, 0.0, 0.0, 0));
            assert_eq!(found.buckets, [Bucket { start: 0.1, end: 0.1, count: num::count(values.len()) }]);
        }
    }

    #[test]
    fn extremes_stay_finite() {
        for values in [[f64::MIN, 0.0, f64::MAX], [1e-300, 2e-300, 5e-300], [f64::MAX, f64::MAX, 1.0]] {
            let found = stats(&values);
            for number in [found.mean, found.median, found.std_dev, found.skewness, found.q1, found.q3] {
                assert!(number.is_finite(), "{values:?}: {found:?}");
            }
            assert_eq!(found.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 3);
        }
        assert!(stats(&[1e-300, 2e-300, 5e-300]).std_dev > 0.0);
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_computation(values in proptest::collection::vec(-1e6..1e6_f64, 2..200)) {
            let found = stats(&values);
            let n = num::float(num::count(values.len()));
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!((found.mean - mean).abs() < 1e-6);
            prop_assert!((found.std_dev - variance.sqrt()).abs() < 1e-6);
            let skewness = values.iter().map(|v| ((v - mean) / variance.sqrt()).powi(3)).sum::<f64>() / n;
            prop_assert!((found.skewness - skewness).abs() < 1e-6);
            prop_assert_eq!(found.buckets.iter().map(|b| b.count).sum::<u64>(), num::count(values.len()));
            for bucket in &found.buckets {
                let last = bucket.end == found.max;
                let inside = values.iter().filter(|v| **v >= bucket.start && (**v < bucket.end || (last && **v <= bucket.end))).count();
                prop_assert_eq!(bucket.count, num::count(inside));
            }
        }
    }
}
