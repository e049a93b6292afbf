//! Features: the methods that derive columns from columns, by name.

use serde::{Deserialize, Serialize};

use crate::{datasets::ColumnType, named::named};

named! {
    /// How a feature is made from its source column.
    FeatureMethod {
        /// `ln(x + offset)`.
        LogTransform = "log_transform",
        /// `ln(1 + x)`.
        Log1pTransform = "log1p_transform",
        /// `√x`.
        SqrtTransform = "sqrt_transform",
        /// `x²`.
        SquareTransform = "square_transform",
        /// `1 / x`.
        ReciprocalTransform = "reciprocal_transform",
        /// The power of Box and Cox (1964) that makes positive numbers most normal.
        BoxCox = "box_cox",
        /// The power of Yeo and Johnson (2000) that makes numbers most normal.
        YeoJohnson = "yeo_johnson",
        /// Standard scores.
        Standardize = "standardize",
        /// Linear to a range.
        MinMaxScale = "min_max_scale",
        /// Distance from the median in interquartile ranges.
        RobustScale = "robust_scale",
        /// Share of the largest magnitude.
        MaxAbsScale = "max_abs_scale",
        /// Number of one of several ranges of equal width.
        Bucketize = "bucketize",
        /// Number of one of several ranges with equally many rows.
        QuantileBin = "quantile_bin",
        /// One boolean column a category.
        OneHotEncode = "one_hot_encode",
        /// Number of the category.
        LabelEncode = "label_encode",
        /// Mean of the target within the category, smoothed.
        TargetEncode = "target_encode",
        /// How frequent the category is.
        FrequencyEncode = "frequency_encode",
        /// The bits of the category's number.
        BinaryEncode = "binary_encode",
        /// Year of a date.
        ExtractYear = "extract_year",
        /// Month of a date, 1 to 12.
        ExtractMonth = "extract_month",
        /// Day of the month, 1 to 31.
        ExtractDay = "extract_day",
        /// Day of the week, Monday 0 to Sunday 6.
        ExtractWeekday = "extract_weekday",
        /// Hour of the day, 0 to 23.
        ExtractHour = "extract_hour",
        /// Place of a date in a cycle, as a point on a circle.
        CyclicalEncode = "cyclical_encode",
        /// Time that has passed since a date.
        TimeSince = "time_since",
        /// Powers.
        Polynomial = "polynomial",
        /// Quotient of two columns.
        Ratio = "ratio",
        /// Difference of two columns.
        Difference = "difference",
        /// Product of two columns.
        Product = "product",
        /// Number of characters.
        TextLength = "text_length",
        /// Number of words.
        WordCount = "word_count",
        /// Whether a text occurs.
        ContainsPattern = "contains_pattern",
        /// Whether there is no value.
        MissingIndicator = "missing_indicator",
    }
}

named! {
    /// The group in which a method is shown.
    FeatureCategory {
        /// Other numbers from numbers.
        NumericTransform = "numeric_transform",
        /// Other units for numbers.
        Scaling = "scaling",
        /// Numbers from categories, and categories from numbers.
        Encoding = "encoding",
        /// From dates.
        Datetime = "datetime",
        /// From several columns, or from powers of one.
        Interaction = "interaction",
        /// From texts.
        Text = "text",
        /// From what is known of whole groups of rows. No method of the catalog is in it.
        Aggregation = "aggregation",
    }
}

/// How rows may be sent to a model some of whose columns were made by feature engineering.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ServedColumns {
    /// Columns that a row may have in place of those that are computed.
    pub raw_columns: Vec<RawColumn>,
    /// Columns of the model that are computed where a row lacks them, in the order of the model's columns.
    pub computed_columns: Vec<ComputedColumn>,
    /// Engineered columns of the model that cannot be computed: every row must have them.
    pub must_be_sent: Vec<SentColumn>,
}

/// A column that others are computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RawColumn {
    /// Its name in the dataset that was engineered.
    pub name: String,
    /// Its type there.
    pub dtype: ColumnType,
    /// The columns of the model that need it.
    pub computes: Vec<String>,
    /// Whether custom code made it, so that it is in no dataset that was uploaded.
    pub by_code: bool,
}

/// A column that is computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ComputedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub dtype: ColumnType,
    /// How it is made; what it is made from may be made first.
    pub method: FeatureMethod,
    /// The raw columns that it comes from, first of all.
    pub sources: Vec<String>,
}

/// An engineered column that cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SentColumn {
    /// Its name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_33_methods_and_each_is_found_by_its_name() {
        assert_eq!(FeatureMethod::ALL.len(), 33);
        assert_eq!(FeatureMethod::ALL.iter().map(|method| method.as_str()).collect::<HashSet<_>>().len(), 33);
        for method in FeatureMethod::ALL {
            assert_eq!(FeatureMethod::from_name(method.as_str()), Some(*method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
    }
}
