//! The catalog: every method with what it needs, its parameters with their bounds, and what it makes. For forms, for tools
//! of language models, and for [`crate::Operation::parse`], which checks against the same table.

use gristmill_domain::features::{FeatureCategory, FeatureMethod};
use serde::Serialize;
use serde_json::{Value, json};

/// What a source column must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Numbers; booleans are 0 and 1.
    Numeric,
    /// Dates.
    Date,
    /// Texts; other values by the text that Python writes for them.
    Text,
    /// Anything.
    Any,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// One of `options`.
    Choice,
    /// A text, not empty.
    Text,
    /// The name of a column.
    Column,
}

/// A parameter of a method.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Its name in `params`.
    pub name: &'static str,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// Whether there is no default.
    pub required: bool,
    /// What it is when it is absent; null when it is required.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub default: Value,
    /// Smallest value that is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest value that is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Largest value that a form should offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_max: Option<f64>,
    /// The values of a choice.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub options: &'static [&'static str],
    /// What it does.
    pub description: &'static str,
}

/// A method.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogEntry {
    /// Its name.
    pub method: FeatureMethod,
    /// The group in which it is shown.
    pub category: FeatureCategory,
    /// What the source column must hold.
    pub needs: InputKind,
    /// Whether `secondaryColumn` must be given; it must hold the same.
    pub needs_secondary: bool,
    /// Whether something is learned from the data, so that the feature of a row depends on other rows.
    pub learns: bool,
    /// What it does, with what becomes of missing values.
    pub description: &'static str,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Names of the columns that it makes, where `<out>` is the feature's name.
    pub outputs: Vec<&'static str>,
}

/// Every method.
#[must_use]
pub fn catalog() -> Vec<CatalogEntry> {
    FeatureMethod::ALL.iter().map(|method| entry(*method)).collect()
}

/// One method.
#[must_use]
pub fn entry(method: FeatureMethod) -> CatalogEntry {
    CatalogEntry {
        method,
        category: category(method),
        needs: needs(method),
        needs_secondary: needs_secondary(method),
        learns: learns(method),
        description: description(method),
        parameters: parameters(method),
        outputs: outputs(method),
    }
}

fn category(method: FeatureMethod) -> FeatureCategory {
    use FeatureMethod::{
        BinaryEncode, BoxCox, Bucketize, ContainsPattern, CyclicalEncode, Difference, ExtractDay, ExtractHour, ExtractMonth,
        ExtractWeekday, ExtractYear, FrequencyEncode, LabelEncode, Log1pTransform, LogTransform, MaxAbsScale, MinMaxScale,
        MissingIndicator, OneHotEncode, Polynomial, Product, QuantileBin, Ratio, ReciprocalTransform, RobustScale, SqrtTransform,
        SquareTransform, Standardize, TargetEncode, TextLength, TimeSince, WordCount, YeoJohnson,
    };
    match method {
        LogTransform | Log1pTransform | SqrtTransform | SquareTransform | ReciprocalTransform | BoxCox | YeoJohnson => {
            FeatureCategory::NumericTransform
        }
        Standardize | MinMaxScale | RobustScale | MaxAbsScale => FeatureCategory::Scaling,
        Bucketize | QuantileBin | OneHotEncode | LabelEncode | TargetEncode | FrequencyEncode | BinaryEncode
        | MissingIndicator => FeatureCategory::Encoding,
        ExtractYear | ExtractMonth | ExtractDay | ExtractWeekday | ExtractHour | CyclicalEncode | TimeSince => {
            FeatureCategory::Datetime
        }
        Polynomial | Ratio | Difference | Product => FeatureCategory::Interaction,
        TextLength | WordCount | ContainsPattern => FeatureCategory::Text,
    }
}

/// What the source column of a method must hold.
pub(crate) fn needs(method: FeatureMethod) -> InputKind {
    match category(method) {
        FeatureCategory::NumericTransform | FeatureCategory::Scaling | FeatureCategory::Interaction => InputKind::Numeric,
        FeatureCategory::Datetime => InputKind::Date,
        FeatureCategory::Text => InputKind::Text,
        FeatureCategory::Encoding | FeatureCategory::Aggregation => match method {
            FeatureMethod::Bucketize | FeatureMethod::QuantileBin => InputKind::Numeric,
            _ => InputKind::Any,
        },
    }
}

/// Whether a method is of two columns.
pub(crate) fn needs_secondary(method: FeatureMethod) -> bool {
    matches!(method, FeatureMethod::Ratio | FeatureMethod::Difference | FeatureMethod::Product)
}

/// Whether a method learns from the data.
pub(crate) fn learns(method: FeatureMethod) -> bool {
    let is_power = matches!(method, FeatureMethod::BoxCox | FeatureMethod::YeoJohnson);
    match category(method) {
        FeatureCategory::Scaling => true,
        FeatureCategory::Encoding => method != FeatureMethod::MissingIndicator,
        _ => is_power,
    }
}

/// The parameters of a method.
pub(crate) fn parameters(method: FeatureMethod) -> Vec<Parameter> {
    match method {
        FeatureMethod::LogTransform => {
            vec![number("offset", 1.0, (-1e15, 1e15), "What is added before the logarithm.")]
        }
        FeatureMethod::MinMaxScale => vec![
            number("min", 0.0, (-1e15, 1e15), "Where the smallest value goes."),
            number("max", 1.0, (-1e15, 1e15), "Where the largest value goes; above `min`."),
        ],
        FeatureMethod::Bucketize => vec![integer("bins", 5, (2, 1000), 20, "How many ranges.")],
        FeatureMethod::QuantileBin => vec![integer("quantiles", 4, (2, 1000), 10, "How many ranges.")],
        FeatureMethod::OneHotEncode => {
            vec![flag("drop_first", false, "Whether the first category has no column, since the others tell it.")]
        }
        FeatureMethod::TargetEncode => vec![
            Parameter {
                kind: ParameterKind::Column,
                required: true,
                default: Value::Null,
                ..flag("targetColumn", false, "What is to be predicted: numbers, booleans, or texts of two classes.")
            },
            Parameter {
                suggested_max: Some(10.0),
                ..number("smoothing", 1.0, (0.0, 1e9), "How many rows with the overall mean are added to each category.")
            },
        ],
        FeatureMethod::FrequencyEncode => {
            vec![flag("normalize", true, "Whether the share among rows with a value is meant, not the number of rows.")]
        }
        FeatureMethod::CyclicalEncode => {
            vec![choice("period", &["month", "hour", "weekday", "day_of_year"], "The part of the date that comes again.")]
        }
        FeatureMethod::TimeSince => {
            vec![choice("unit", &["days", "hours", "weeks", "months"], "The unit; a month has 30.4375 days.")]
        }
        FeatureMethod::Polynomial => vec![integer("degree", 2, (2, 10), 4, "The highest power.")],
        FeatureMethod::ContainsPattern => vec![
            Parameter {
                kind: ParameterKind::Text,
                required: true,
                default: Value::Null,
                ..flag("pattern", false, "The text to look for, as it is: it is no regular expression. Not empty.")
            },
            flag("case_sensitive", false, "Whether capital letters differ from small ones."),
        ],
        _ => Vec::new(),
    }
}

fn flag(name: &'static str, default: bool, description: &'static str) -> Parameter {
    Parameter {
        name,
        kind: ParameterKind::Boolean,
        required: false,
        default: json!(default),
        min: None,
        max: None,
        suggested_max: None,
        options: &[],
        description,
    }
}

fn number(name: &'static str, default: f64, (min, max): (f64, f64), description: &'static str) -> Parameter {
    Parameter {
        kind: ParameterKind::Number,
        default: json!(default),
        min: Some(min),
        max: Some(max),
        ..flag(name, false, description)
    }
}

fn integer(name: &'static str, default: u32, (min, max): (u32, u32), suggested: u32, description: &'static str) -> Parameter {
    Parameter {
        kind: ParameterKind::Integer,
        default: json!(default),
        min: Some(f64::from(min)),
        max: Some(f64::from(max)),
        suggested_max: Some(f64::from(suggested)),
        ..flag(name, false, description)
    }
}

/// A choice; the first option is the default.
fn choice(name: &'static str, options: &'static [&'static str], description: &'static str) -> Parameter {
    Parameter { kind: ParameterKind::Choice, default: json!(options.first()), options, ..flag(name, false, description) }
}

fn outputs(method: FeatureMethod) -> Vec<&'static str> {
    match method {
        FeatureMethod::OneHotEncode => vec!["<out>_<category>"],
        FeatureMethod::BinaryEncode => vec!["<out>_bin<number>"],
        FeatureMethod::CyclicalEncode => vec!["<out>_sin", "<out>_cos"],
        FeatureMethod::Polynomial => vec!["<out>_pow<power>"],
        _ => vec!["<out>"],
    }
}

fn description(method: FeatureMethod) -> &'static str {
    match method {
        FeatureMethod::LogTransform => "Natural logarithm of the value plus an offset; missing where the sum is 0 or less.",
        FeatureMethod::Log1pTransform => "Natural logarithm of the value plus 1; missing where the sum is 0 or less.",
        FeatureMethod::SqrtTransform => "Square root; missing for negative values.",
        FeatureMethod::SquareTransform => "Square.",
        FeatureMethod::ReciprocalTransform => "1 divided by the value; missing for 0.",
        FeatureMethod::BoxCox => {
            "Power transform of values from 0 on that makes them most normal; the power is found by maximum likelihood."
        }
        FeatureMethod::YeoJohnson => {
            "Power transform of values of any sign that makes them most normal; the power is found by maximum likelihood."
        }
        FeatureMethod::Standardize => "Distance from the mean in sample standard deviations; 0 where all values are equal.",
        FeatureMethod::MinMaxScale => "Linear from the smallest and largest value to `min` and `max`; `min` where all are equal.",
        FeatureMethod::RobustScale => {
            "Distance from the median in interquartile ranges; a range of 0 counts as 1, so equal values give 0."
        }
        FeatureMethod::MaxAbsScale => "Value divided by the largest magnitude; 0 where all values are 0.",
        FeatureMethod::Bucketize => "Number, from 0, of one of several ranges of equal width.",
        FeatureMethod::QuantileBin => "Number, from 0, of one of several ranges with equally many rows; ties can leave fewer.",
        FeatureMethod::OneHotEncode => "One boolean column for each category; all false where the value is missing or new.",
        FeatureMethod::LabelEncode => "Number of the category in sorted order, from 0; -1 where the value is missing or new.",
        FeatureMethod::TargetEncode => {
            "Mean of the target within the category, drawn to the overall mean; learned from the rows of other folds only."
        }
        FeatureMethod::FrequencyEncode => "How frequent the category is among rows with a value; 0 for new ones.",
        FeatureMethod::BinaryEncode => {
            "The bits of the category's number, lowest first; all 0 where the value is missing or new."
        }
        FeatureMethod::ExtractYear => "Year.",
        FeatureMethod::ExtractMonth => "Month, 1 to 12.",
        FeatureMethod::ExtractDay => "Day of the month, 1 to 31.",
        FeatureMethod::ExtractWeekday => "Day of the week, from 0 for Monday to 6.",
        FeatureMethod::ExtractHour => "Hour of the day, 0 to 23.",
        FeatureMethod::CyclicalEncode => "Sine and cosine of the place in a cycle, so that its end is near its beginning.",
        FeatureMethod::TimeSince => "Time from the date until the features are learned; that instant stays the same afterwards.",
        FeatureMethod::Polynomial => "Powers from the second on.",
        FeatureMethod::Ratio => "Source column divided by the second column; missing where that is 0.",
        FeatureMethod::Difference => "Source column minus the second column.",
        FeatureMethod::Product => "Source column times the second column.",
        FeatureMethod::TextLength => "Number of characters; missing where there is no text.",
        FeatureMethod::WordCount => "Number of words between white space; missing where there is no text.",
        FeatureMethod::ContainsPattern => "1 where the text contains the pattern, else 0, also where there is no text.",
        FeatureMethod::MissingIndicator => "1 where the value is missing, else 0.",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lists_every_method_with_sound_parameters() {
        let catalog = catalog();
        assert_eq!(catalog.len(), 33);
        for entry in &catalog {
            let names: HashSet<_> = entry.parameters.iter().map(|parameter| parameter.name).collect();
            assert_eq!(names.len(), entry.parameters.len(), "{:?}", entry.method);
            for parameter in &entry.parameters {
                assert_eq!(parameter.required, parameter.default.is_null(), "{:?}", entry.method);
                if let (Some(min), Some(max), Some(default)) = (parameter.min, parameter.max, parameter.default.as_f64()) {
                    assert!((min..=max).contains(&default), "{:?} {}", entry.method, parameter.name);
                }
            }
        }
    }

    #[test]
    fn an_entry_is_written_as_forms_read_it() {
        assert_eq!(
            serde_json::to_value(entry(FeatureMethod::TargetEncode)).unwrap(),
            json!({
                "method": "target_encode",
                "category": "encoding",
                "needs": "any",
                "needsSecondary": false,
                "learns": true,
                "description": description(FeatureMethod::TargetEncode),
                "parameters": [
                    {
                        "name": "targetColumn",
                        "type": "column",
                        "required": true,
                        "description": "What is to be predicted: numbers, booleans, or texts of two classes.",
                    },
                    {
                        "name": "smoothing",
                        "type": "number",
                        "required": false,
                        "default": 1.0,
                        "min": 0.0,
                        "max": 1e9,
                        "suggestedMax": 10.0,
                        "description": "How many rows with the overall mean are added to each category.",
                    },
                ],
                "outputs": ["<out>"],
            })
        );
    }
}
