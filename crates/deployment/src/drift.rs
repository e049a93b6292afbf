//! Drift: whether what a deployed model is asked still looks like what it was trained on.
//!
//! A [`Reference`] is read from the `baseline.json` that was written at training time. A [`Window`] is a sketch of the
//! requests of some time, in constant memory; windows of several processes and hours add up. [`report`] compares the
//! two. Nothing here reads a clock, a file or a database.
//!
//! The statistics are those of `evidently` over the same bins: the population stability index (PSI), the Jensen-Shannon
//! distance, the two-sample Kolmogorov-Smirnov test of numbers and the chi-square test of categories. The bins are not
//! always those that `evidently` would choose, because it needs every row for that: see [`bins`].
//!
//! One verdict follows from the PSI alone, for a column as for the whole: below 0.1 green, below 0.25 yellow, else red.

pub mod bins;
mod cells;
mod distance;
mod estimate;
mod number;
mod reference;
mod report;
mod sample;
mod significance;
mod values;
mod window;

pub use bins::Bin;
pub use distance::{jensen_shannon, psi};
pub use estimate::{Calibration, PerformanceEstimate};
pub use reference::{Omission, Reference, ReferenceError};
pub use report::{
    Comparison, Distribution, DriftAnswer, DriftReport, FeatureDrift, FeatureKind, MissingShares, OutOfRange, Status,
    Unavailable, report,
};
pub use significance::{TestKind, TestResult, chi_square, kolmogorov_smirnov};
pub use values::label_text;
pub use window::{Prediction, Window, WindowError};

/// Rows that a window must hold before it is compared.
pub const ROWS_MIN: u64 = 10;
/// Usable values that a test of one column needs, and rows that a bin outside the reference needs to stand on its own.
pub const VALUES_MIN: u64 = 5;
