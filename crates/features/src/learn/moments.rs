//! Count, mean, spread and range of numbers, gathered in parts.

/// What is known of some numbers. Parts are put together by Chan, Golub and `LeVeque` (1979), which does not lose the spread
/// of numbers far from 0; the same parts in the same order give the same bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) count: f64,
    pub(crate) mean: f64,
    /// Sum of squared distances from the mean.
    pub(crate) squares: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0.0, mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

/// Numbers whose mean and spread are found in one go: few enough to stay in a cache.
const NUMBERS_AT_A_TIME: usize = 1024;

impl Moments {
    /// Of finite numbers.
    pub(crate) fn of(values: &[f64]) -> Self {
        values.chunks(NUMBERS_AT_A_TIME).map(Self::of_chunk).fold(Self::default(), Self::and)
    }

    fn of_chunk(values: &[f64]) -> Self {
        let count = crate::num::float(crate::num::count(values.len()));
        // Of equal numbers the mean is exactly theirs, since distances from the first one are added up.
        let first = values.first().copied().unwrap_or_default();
        let mean = first + values.iter().map(|value| value - first).sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let (min, max) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (v.min(min), v.max(max)));
        Self { count, mean, squares, min, max }
    }

    /// Of both parts.
    pub(crate) fn and(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let difference = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + difference * (other.count / count),
            squares: self.squares + other.squares + difference * difference * (self.count * other.count / count),
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Whether there are numbers, all of them equal.
    pub(crate) fn is_constant(&self) -> bool {
        self.min == self.max
    }

    /// Sample standard deviation, with `n − 1`; 0 of a single number and of equal ones.
    pub(crate) fn std(&self) -> f64 {
        if self.is_constant() || self.count < 2.0 { 0.0 } else { (self.squares / (self.count - 1.0)).sqrt() }
    }

    /// Mean of the squared distances from the mean.
    pub(crate) fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn far_from_zero_the_spread_stays() {
        let values: Vec<f64> = (0..5000).map(|n| 1e9 + f64::from(n % 2)).collect();
        let moments = Moments::of(&values);
        assert!((moments.std() - 0.500_050_007_500_7).abs() < 1e-9, "{}", moments.std());
        assert_eq!(moments.mean, 1e9 + 0.5);
    }

    #[test]
    fn equal_numbers_have_no_spread_and_their_own_mean() {
        for value in [0.1, 1e300, -3.3, 0.0] {
            let moments = Moments::of(&vec![value; 2500]);
            assert_eq!((moments.mean, moments.std()), (value, 0.0));
        }
    }

    proptest! {
        #[test]
        fn parts_give_what_the_whole_gives(values in prop::collection::vec(-1e6_f64..1e6, 1..3000), cut in 0.0..1.0_f64) {
            #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
            let at = (values.len() as f64 * cut) as usize;
            let (one, other) = values.split_at(at);
            let (parts, whole) = (Moments::of(one).and(Moments::of(other)), Moments::of(&values));
            prop_assert!((parts.mean - whole.mean).abs() <= 1e-9 * (1.0 + whole.mean.abs()));
            prop_assert!((parts.std() - whole.std()).abs() <= 1e-9 * (1.0 + whole.std()));
            prop_assert_eq!((parts.min, parts.max, parts.count), (whole.min, whole.max, whole.count));
        }
    }
}
