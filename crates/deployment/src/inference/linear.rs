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

/// The sum of products, in eight parts that the processor adds side by side.
fn product<T: Copy + Into<f64>>(row: &[T], weights: &[f64]) -> f64 {
    let ((rows, row_rest), (columns, column_rest)) = (row.as_chunks::<8>(), weights.as_chunks::<8>());
    let mut parts = [0.0; 8];
    for (row, column) in rows.iter().zip(columns) {
        for (part, (value, weight)) in parts.iter_mut().zip(row.iter().zip(column)) {
            *part += (*value).into() * weight;
        }
    }
    let rest: f64 = row_rest.iter().zip(column_rest).map(|(value, weight)| (*value).into() * weight).sum();
    parts.iter().sum::<f64>() + rest
}
