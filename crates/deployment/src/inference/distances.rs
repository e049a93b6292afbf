//! The nearest of stored points: what `Scan`, `Transpose` and `TopK` are in the graph of k nearest neighbours.

/// How far two points are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// The square of the distance; its root has the same order.
    Euclidean,
    Manhattan,
}

/// Stored points, of which the nearest are looked for.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// One row of `width` for each point; the file has them in single precision.
    pub(super) points: Vec<f32>,
    pub(super) width: usize,
    pub(super) metric: Metric,
    /// How many are wanted; at most as many as there are.
    pub(super) count: usize,
}

impl Neighbours {
    /// The numbers of the nearest points of each row, nearest first; of two equally near ones the earlier.
    pub(super) fn run(&self, rows: &[f64]) -> Vec<i64> {
        let mut result = Vec::new();
        let mut nearest: Vec<(f64, i64)> = Vec::with_capacity(self.count + 1);
        for row in rows.chunks_exact(self.width) {
            nearest.clear();
            for (number, point) in (0_i64..).zip(self.points.chunks_exact(self.width)) {
                let distance = self.metric.between(row, point);
                let distance = if distance.is_nan() { f64::INFINITY } else { distance };
                let full = nearest.len() == self.count;
                if full && nearest.last().is_none_or(|worst| distance >= worst.0) {
                    continue;
                }
                let place = nearest.partition_point(|one| one.0 <= distance);
                nearest.insert(place, (distance, number));
                nearest.truncate(self.count);
            }
            result.extend(nearest.iter().map(|one| one.1));
        }
        result
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.points.capacity() * 4
    }
}

impl Metric {
    fn between(self, row: &[f64], point: &[f32]) -> f64 {
        match self {
            Self::Euclidean => total(row, point, |apart| apart * apart),
            Self::Manhattan => total(row, point, f64::abs),
        }
    }
}

/// The sum over all columns, in eight parts that the processor adds side by side.
fn total(row: &[f64], point: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let ((rows, row_rest), (points, point_rest)) = (row.as_chunks::<8>(), point.as_chunks::<8>());
    let mut parts = [0.0; 8];
    for (row, point) in rows.iter().zip(points) {
        for (part, (one, two)) in parts.iter_mut().zip(row.iter().zip(point)) {
            *part += of(one - f64::from(*two));
        }
    }
    let rest: f64 = row_rest.iter().zip(point_rest).map(|(one, two)| of(one - f64::from(*two))).sum();
    parts.iter().sum::<f64>() + rest
}
