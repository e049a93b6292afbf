//! The cells in which the values of a numeric column are counted.

use super::number::{float, size};

/// Share of the reference in one bin of its histogram above which the quantiles are used instead: one outlier is enough
/// to put nearly all of a skewed column into one of twenty bins of equal width, and then nothing could be seen in it.
const LOPSIDED_SHARE: f64 = 0.5;

/// Adjacent intervals: each holds its lower bound, and reaches to the next one's; the last holds `high` too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    /// Ascending, at least one.
    lower: Vec<f64>,
    high: f64,
    /// The reference's rows in each.
    pub(super) counts: Vec<f64>,
}

/// Where a value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Below,
    Cell(usize),
    Above,
}

impl Cells {
    /// The bins of a histogram, or what the quantiles give where they see more.
    pub(super) fn choose(edges: &[f64], counts: &[u64], quantiles: &[f64]) -> Option<Self> {
        let histogram = Self::of_histogram(edges, counts)?;
        let rows: f64 = histogram.counts.iter().sum();
        let (fullest, most) = histogram.counts.iter().copied().enumerate().max_by(|one, other| one.1.total_cmp(&other.1))?;
        if most <= LOPSIDED_SHARE * rows {
            return Some(histogram);
        }
        let (low, high) = histogram.bounds(fullest)?;
        let mut inside = quantiles.iter().filter(|value| (low..high).contains(*value));
        let first = inside.next();
        if inside.all(|value| Some(value) == first) { Some(histogram) } else { Self::of_quantiles(quantiles, rows) }
    }

    fn of_histogram(edges: &[f64], counts: &[u64]) -> Option<Self> {
        let (high, lower) = edges.split_last()?;
        if lower.is_empty() || lower.len() != counts.len() || !ascending(edges) || counts.iter().all(|count| *count == 0) {
            return None;
        }
        Some(Self { lower: lower.to_vec(), high: *high, counts: counts.iter().map(|count| float(*count)).collect() })
    }

    /// One cell between any two different quantiles, and one for the greatest value where many rows have it.
    fn of_quantiles(quantiles: &[f64], rows: f64) -> Option<Self> {
        let last = quantiles.len().checked_sub(1).filter(|last| *last > 0)?;
        let high = *quantiles.last()?;
        let mut starts: Vec<(usize, f64)> = Vec::new();
        for (place, value) in quantiles.iter().enumerate() {
            if starts.last().is_none_or(|(_, before)| before < value) {
                starts.push((place, *value));
            }
        }
        if starts.len() > 1 && starts.last().is_some_and(|(place, _)| *place == last) {
            starts.pop();
        }
        let ends = starts.iter().skip(1).map(|(place, _)| *place).chain([last]);
        let counts = starts.iter().zip(ends).map(|((start, _), end)| size(end - start) / size(last) * rows).collect();
        Some(Self { lower: starts.into_iter().map(|(_, value)| value).collect(), high, counts })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lower.len()
    }

    /// Where a finite value belongs.
    pub(super) fn place(&self, value: f64) -> Place {
        if value > self.high {
            return Place::Above;
        }
        self.lower.partition_point(|lower| *lower <= value).checked_sub(1).map_or(Place::Below, Place::Cell)
    }

    /// Lower and upper bound of a cell.
    pub(super) fn bounds(&self, cell: usize) -> Option<(f64, f64)> {
        Some((*self.lower.get(cell)?, self.lower.get(cell + 1).copied().unwrap_or(self.high)))
    }

    /// All bounds, one more than cells.
    pub(super) fn edges(&self) -> Vec<f64> {
        self.lower.iter().copied().chain([self.high]).collect()
    }
}

fn ascending(edges: &[f64]) -> bool {
    edges.iter().all(|edge| edge.is_finite()) && edges.windows(2).all(|pair| matches!(pair, [one, other] if one < other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_place() {
        let cells = Cells::choose(&[0.0, 1.0, 2.0], &[3, 3], &[]).unwrap();
        let places = [-0.1, 0.0, 0.5, 1.0, 2.0, 2.1].map(|value| cells.place(value));
        let cell = Place::Cell;
        assert_eq!(places, [Place::Below, cell(0), cell(0), cell(1), cell(1), Place::Above]);
        assert_eq!(cells.edges(), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn an_outlier_does_not_hide_the_others() {
        let mut quantiles: Vec<f64> = (0..100).map(|percent| f64::from(percent) / 10.0).collect();
        quantiles.push(1e6);
        let cells = Cells::choose(&[0.0, 5e5, 1e6], &[999, 1], &quantiles).unwrap();
        assert_eq!(cells.len(), 100);
        assert!(cells.counts.iter().all(|count| (*count - 10.0).abs() < 1e-9), "{:?}", cells.counts);
        assert_eq!((cells.place(0.05), cells.place(9.95), cells.place(1e6)), (Place::Cell(0), Place::Cell(99), Place::Cell(99)));
    }

    #[test]
    fn one_frequent_value_is_no_reason_for_quantiles() {
        let quantiles: Vec<f64> = (0..=100).map(|percent| if percent < 80 { 0.0 } else { 1.0 }).collect();
        assert_eq!(Cells::choose(&[0.0, 0.5, 1.0], &[8, 2], &quantiles).unwrap().edges(), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn a_frequent_greatest_value_has_a_cell() {
        let quantiles = [0.0, 0.1, 0.2, 5.0, 5.0];
        let cells = Cells::of_quantiles(&quantiles, 100.0).unwrap();
        assert_eq!(cells.counts, [25.0, 25.0, 25.0, 25.0]);
        assert_eq!((cells.place(4.0), cells.place(5.0)), (Place::Cell(2), Place::Cell(3)));
    }

    #[test]
    fn nonsense_makes_no_cells() {
        for (edges, counts) in
            [(&[0.0, 1.0][..], &[0][..]), (&[1.0, 0.0], &[1]), (&[0.0], &[]), (&[], &[]), (&[0.0, f64::NAN], &[1])]
        {
            assert_eq!(Cells::choose(edges, counts, &[]), None, "{edges:?}");
        }
    }
}
