//! Sums of products. Inputs may be in single precision; sums are in double, as the models' own are.

/// `LinearClassifier` and `LinearRegressor`: a score for each row of coefficients.
#[derive(Debug)]
pub(super) struct Linear {
    /// One row of `width` for each score.
    pub(super) coefficients: Vec<f64>,
    pub(super) intercepts: Vec<f64>,
    /// Values of a row.
    pub(super) width: usize,
}

impl Linear {
    pub(super) fn run<T: Copy + Into<f64>>(&self, rows: &[T]) -> Vec<f64> {
        let scores = self.intercepts.len();
        let mut result = Vec::with_capacity(rows.len().checked_div(self.width).unwrap_or(0) * scores);
        for row in rows.chunks_exact(self.width) {
            let weighted = self.coefficients.chunks_exact(self.width).zip(&self.intercepts);
            result.extend(weighted.map(|(weights, intercept)| intercept + product(row, weights)));
        }
        result
    }

    pub(super) fn memory_bytes(&self) -> usize {
        (self.coefficients.capacity() + self.intercepts.capacity()) * 8
    }
}

/// `Gemm`: rows times a matrix.
#[derive(Debug)]
pub(super) struct Gemm {
    /// The matrix column by column, each of `width`, with `alpha` in it.
    pub(super) columns: Vec<f64>,
    /// Values of a row.
    pub(super) width: usize,
    pub(super) beta: f64,
}

impl Gemm {
    pub(super) fn run<T: Copy + Into<f64>>(&self, rows: &[T]) -> Vec<f64> {
        let mut result = Vec::with_capacity(rows.len().checked_div(self.width).unwrap_or(0) * self.width());
        for row in rows.chunks_exact(self.width) {
            result.extend(self.columns.chunks_exact(self.width).map(|column| product(row, column)));
        }
        result
    }

    /// Columns of the result.
    pub(super) fn width(&self) -> usize {
        self.columns.len().checked_div(self.width).unwrap_or(0).max(1)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.columns.capacity() * 8
    }
}

fn product<T: Copy + Into<f64>>(row: &[T], weights: &[f64]) -> f64 {
    row.iter().zip(weights).map(|(value, weight)| (*value).into() * weight).sum()
}
