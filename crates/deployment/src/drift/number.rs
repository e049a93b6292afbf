//! Counts as floats.

/// A count as a float.
#[expect(clippy::as_conversions, reason = "counts of rows are exact in a float")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// A number of things in memory as a float.
#[expect(clippy::as_conversions, reason = "what fits into memory is exact in a float")]
pub(super) fn size(count: usize) -> f64 {
    count as f64
}

/// A share of what is there; 0 of nothing.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
