//! Why features could not be made, for callers and for people.

use std::{fmt, io};

use arrow::error::ArrowError;
use gristmill_domain::{ErrorCode, datasets::ColumnType, features::FeatureMethod};
use gristmill_ingest::{IngestError, ordered::PieceError};

use crate::{catalog::InputKind, operation::ParameterFault};

/// Why features could not be made. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum FeatureError {
    /// No feature is enabled.
    #[error("no feature is enabled")]
    NoFeatures,
    /// Features cannot be made from this dataset, whatever its values are.
    #[error("{}", all(.0))]
    Refused(Vec<Problem>),
    /// A feature cannot be learned from the values that are there.
    #[error("feature {feature:?} cannot be learned: {reason}")]
    Unlearnable {
        /// Its name.
        feature: String,
        /// Why, and what to do.
        reason: Unlearnable,
    },
    /// Fitted features are damaged, or of another version.
    #[error("the fitted features cannot be used: {reason}")]
    Fitted {
        /// What is wrong.
        reason: String,
    },
    /// Rows lack a column that the features need, or have it in another type.
    #[error("the column {column:?} {reason}")]
    Column {
        /// The column.
        column: String,
        /// What is wrong with it, behind its name.
        reason: String,
    },
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Reading the dataset or writing the new one failed.
    #[error("the dataset could not be read or written")]
    Dataset(#[source] IngestError),
    /// Values that did not fit into memory could not be put aside.
    #[error("a temporary file could not be used")]
    Temporary(#[source] io::Error),
    /// Something that should not happen happened.
    #[error("internal: {context}")]
    Internal {
        /// What was going on.
        context: &'static str,
        /// What a library said.
        #[source]
        source: Option<ArrowError>,
    },
}

/// What is wrong with one feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Place of the feature in the list that was sent, from 0.
    pub index: usize,
    /// The feature's name.
    pub feature: String,
    /// The field that is wrong: `sourceColumn`, `params.bins`, …
    pub field: String,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Problem {
    /// Where the field is in the list that was sent.
    #[must_use]
    pub fn path(&self) -> String {
        format!("features[{}].{}", self.index, self.field)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "feature \"{}\": {} {}", self.feature, self.field, self.reason)
    }
}

/// What is wrong with a field, behind its name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Reason {
    /// There is no name, or one that no column can have.
    #[error("must be a name of 1 to {length_max} characters without control characters")]
    BadName {
        /// The longest.
        length_max: usize,
    },
    /// The name is that of the column which numbers rows.
    #[error("\"{name}\" is reserved for the numbers of rows")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The dataset has such a column already.
    #[error("makes a column \"{name}\", which the dataset has already; choose another name")]
    ColumnExists {
        /// The name.
        name: String,
    },
    /// Another feature makes it.
    #[error("makes a column \"{name}\", which feature \"{by}\" makes already; choose another name")]
    MadeTwice {
        /// The name.
        name: String,
        /// The feature before.
        by: String,
    },
    /// Two features have one name.
    #[error("\"{name}\" is the name of an earlier feature; choose another name")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// There is no such column.
    #[error("\"{name}\" is no column of the dataset and not made by a feature before")]
    NoColumn {
        /// The name.
        name: String,
    },
    /// A later feature makes it.
    #[error("\"{name}\" is made by a feature that comes later; put that one first")]
    MadeLater {
        /// The name.
        name: String,
    },
    /// A feature before has this name, and columns with others.
    #[error("\"{name}\" is a feature, not a column: it makes {outputs}; name one of them")]
    SeveralColumns {
        /// The name.
        name: String,
        /// The names of its columns.
        outputs: String,
    },
    /// The column holds something else than the method needs.
    #[error(
        "\"{column}\" holds {held}, and {method} needs {needed}; change the column's type, or choose another method",
        held = held(*.found), method = .method.as_str(), needed = needed(*.needs)
    )]
    WrongType {
        /// The column.
        column: String,
        /// Its type.
        found: ColumnType,
        /// The method.
        method: FeatureMethod,
        /// What it needs.
        needs: InputKind,
    },
    /// The method is of two columns.
    #[error("is required: {method} is of two columns", method = .method.as_str())]
    NoSecondary {
        /// The method.
        method: FeatureMethod,
    },
    /// A target that cannot be averaged.
    #[error("\"{column}\" holds dates; a target holds numbers, booleans, or texts of two classes")]
    DateTarget {
        /// The column.
        column: String,
    },
    /// The target would tell itself.
    #[error("\"{column}\" is the source column too; a target must not be encoded by itself")]
    TargetIsSource {
        /// The column.
        column: String,
    },
    /// A parameter is wrong.
    #[error("{0}")]
    Parameter(ParameterFault),
    /// There are too many.
    #[error("is one of more than {max} features; make fewer at a time")]
    TooMany {
        /// The most.
        max: usize,
    },
}

/// Why a feature cannot be learned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unlearnable {
    /// There is nothing to learn from.
    #[error("the column \"{column}\" has no values in the rows that it is learned from")]
    NoValues {
        /// The column.
        column: String,
    },
    /// Negative values, which have no Box-Cox transform.
    #[error("box_cox needs values from 0 on, and \"{column}\" has {count} below; use yeo_johnson instead")]
    Negative {
        /// The column.
        column: String,
        /// How many.
        count: u64,
    },
    /// One value only.
    #[error("all values of \"{column}\" are equal, so there is no power to find")]
    Constant {
        /// The column.
        column: String,
    },
    /// The likelihood has no maximum that could be found.
    #[error("no power makes \"{column}\" more normal than all others; use another method, such as quantile_bin")]
    NoMaximum {
        /// The column.
        column: String,
    },
    /// What was learned is beyond what a float holds.
    #[error("the values of \"{column}\" are too large: their sums or differences have no 64-bit number")]
    TooLarge {
        /// The column.
        column: String,
    },
    /// More categories than one column each is made for.
    #[error(
        "\"{column}\" has more than {max} categories, too many for a column each; \
         use frequency_encode, target_encode or label_encode instead"
    )]
    TooManyColumns {
        /// The column.
        column: String,
        /// The most.
        max: usize,
    },
    /// More categories than are kept.
    #[error("\"{column}\" has more than {max} categories, or very long ones; it names rows rather than groups of them")]
    TooManyCategories {
        /// The column.
        column: String,
        /// The most.
        max: usize,
    },
    /// The categories of all features together take more memory than they may.
    #[error(
        "the categories of \"{column}\" and of the features before it take too much memory; make fewer such features at a time"
    )]
    TooMuchMemory {
        /// The column.
        column: String,
    },
    /// No column would be made.
    #[error("\"{column}\" has no categories that columns could be made for; it has {found} in all")]
    NoColumns {
        /// The column.
        column: String,
        /// How many.
        found: usize,
    },
    /// A text target of many classes.
    #[error(
        "the target \"{column}\" has more than two classes ({classes}, …); make a column for the class that matters first, \
         with one_hot_encode or contains_pattern, and name that column as target, or use frequency_encode"
    )]
    ManyClasses {
        /// The target.
        column: String,
        /// Some of them.
        classes: String,
    },
    /// A column that only the data decide about has a name that is taken.
    #[error("it makes a column \"{column}\", which is there already; choose another feature name")]
    ColumnExists {
        /// The column.
        column: String,
    },
    /// A column that an earlier feature was expected to make is not there.
    #[error("there is no column \"{column}\": feature \"{by}\" did not make it from these data")]
    NoColumn {
        /// The column.
        column: String,
        /// The feature that makes such columns.
        by: String,
    },
    /// Too many columns in all.
    #[error("the dataset would have more than {max} columns")]
    TableTooWide {
        /// The most.
        max: usize,
    },
}

impl FeatureError {
    /// The code for programs.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoFeatures | Self::Refused(_) | Self::Unlearnable { .. } => ErrorCode::ValidationFailed,
            Self::Column { .. } => ErrorCode::RowsRefused,
            Self::Cancelled => ErrorCode::JobCancelled,
            Self::Dataset(error) => error.code(),
            Self::Temporary(error) if error.kind() == io::ErrorKind::StorageFull => ErrorCode::DiskFull,
            Self::Fitted { .. } | Self::Temporary(_) | Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// Says what is wrong and what to do next, for a person. Never contains a path or a library's text.
    #[must_use]
    pub fn public_message(&self) -> String {
        match self {
            Self::NoFeatures => "No feature is enabled. Enable at least one.".to_owned(),
            Self::Refused(problems) => capitalized(&format!("{}.", all(problems))),
            Self::Unlearnable { feature, reason } => format!("Feature \"{feature}\" cannot be made: {reason}."),
            Self::Column { column, reason } => format!("The column \"{column}\" {reason}."),
            Self::Cancelled => "Making the features was cancelled.".to_owned(),
            Self::Dataset(error) => error.public_message(),
            Self::Temporary(error) if error.kind() == io::ErrorKind::StorageFull => {
                "The server has no disk space left for this dataset.".to_owned()
            }
            Self::Fitted { .. } | Self::Temporary(_) | Self::Internal { .. } => {
                "The features could not be made because of a fault on the server. Try again.".to_owned()
            }
        }
    }

    /// The fields that are wrong, where it is fields.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        if let Self::Refused(problems) = self { problems } else { &[] }
    }

    pub(crate) fn unlearnable(feature: &str, reason: Unlearnable) -> Self {
        Self::Unlearnable { feature: feature.to_owned(), reason }
    }

    pub(crate) fn internal(context: &'static str) -> Self {
        Self::Internal { context, source: None }
    }

    /// Wraps what arrow says of arrays that we made ourselves.
    pub(crate) fn arrow(context: &'static str) -> impl FnOnce(ArrowError) -> Self {
        move |source| Self::Internal { context, source: Some(source) }
    }
}

impl From<IngestError> for FeatureError {
    fn from(error: IngestError) -> Self {
        if matches!(error, IngestError::Cancelled) { Self::Cancelled } else { Self::Dataset(error) }
    }
}

impl PieceError for FeatureError {
    fn is_cancellation(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    fn panicked() -> Self {
        Self::internal("a thread panicked")
    }
}

fn all(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn held(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::String => "texts",
        ColumnType::Integer | ColumnType::Float => "numbers",
        ColumnType::Boolean => "booleans",
        ColumnType::Date => "dates",
        ColumnType::Unknown => "nothing",
    }
}

fn needed(needs: InputKind) -> &'static str {
    match needs {
        InputKind::Numeric => "numbers",
        InputKind::Date => "dates",
        InputKind::Text => "texts",
        InputKind::Any => "anything",
    }
}
