//! How features are learned, and within which bounds.

use std::{collections::HashSet, num::NonZeroUsize, path::PathBuf, sync::Arc, thread};

use chrono::{DateTime, Utc};

/// How features are learned.
#[derive(Debug, Clone)]
pub struct FitOptions {
    /// The instant until which `time_since` counts. It is stored, so that a row has the same feature whenever it is made.
    pub reference: DateTime<Utc>,
    /// Decides which rows share a fold. Default 0.
    pub seed: u32,
    /// How many folds target encodings are learned in, 2 to 20. Default 5.
    pub folds: u32,
    /// Ids of rows that nothing may be learned from, such as those that a model is tested on. They are made as rows are that
    /// come later. Default none.
    pub held_out: Option<Arc<HashSet<i64>>>,
    /// Where temporary files go when values do not fit into memory. Default the system's place.
    pub temporary_directory: PathBuf,
    /// Bounds.
    pub limits: FeatureLimits,
}

impl FitOptions {
    /// The defaults.
    #[must_use]
    pub fn new(reference: DateTime<Utc>) -> Self {
        Self {
            reference,
            seed: 0,
            folds: 5,
            held_out: None,
            temporary_directory: std::env::temp_dir(),
            limits: FeatureLimits::default(),
        }
    }

    /// The number of folds, within its bounds.
    pub(crate) fn folds(&self) -> u32 {
        self.folds.clamp(2, 20)
    }
}

/// Bounds of memory and width. They hold for hostile tables too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeatureLimits {
    /// Most categories that get a column each. Default 256.
    pub one_hot_categories_max: usize,
    /// Most categories that are kept for one feature. Default 200,000.
    pub categories_max: usize,
    /// Most bytes of their texts. Default 32 MiB.
    pub category_bytes_max: usize,
    /// Memory of the categories of all features together while they are learned, bytes; those of one batch of rows may take
    /// half of it. Default 512 MiB.
    pub category_memory_max: usize,
    /// Values that are held in memory in one walk for quantiles and powers, bytes; the rest goes to temporary files.
    /// Default 256 MiB.
    pub values_bytes_max: usize,
    /// Threads that learn, make and write. Default: the machine's, at most 4.
    pub threads: NonZeroUsize,
}

impl Default for FeatureLimits {
    fn default() -> Self {
        let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            one_hot_categories_max: 256,
            categories_max: 200_000,
            category_bytes_max: 32 << 20,
            category_memory_max: 512 << 20,
            values_bytes_max: 256 << 20,
            threads: NonZeroUsize::new(available.min(4)).unwrap_or(NonZeroUsize::MIN),
        }
    }
}
