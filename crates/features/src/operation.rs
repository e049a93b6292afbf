//! Methods with their parameters, read and checked.

use gristmill_domain::features::FeatureMethod;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    catalog::{self, Parameter, ParameterKind},
    num,
};

/// Parameters that older clients send and that change nothing.
const IGNORED: [&str; 1] = ["include_bias"];

/// The part of a date that comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Month of 12.
    Month,
    /// Hour of 24.
    Hour,
    /// Day of 7, from Monday.
    Weekday,
    /// Day of 365; the last day of a leap year goes beyond the circle by one step.
    DayOfYear,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// 24 hours.
    Days,
    /// 3600 seconds.
    Hours,
    /// 7 days.
    Weeks,
    /// 30.4375 days: a twelfth of the mean year of the Julian calendar, 365.25 days.
    Months,
}

impl TimeUnit {
    /// Its length, microseconds.
    #[must_use]
    pub fn micros(self) -> f64 {
        const DAY: f64 = 86_400e6;
        match self {
            Self::Days => DAY,
            Self::Hours => 3_600e6,
            Self::Weeks => 7.0 * DAY,
            Self::Months => 30.4375 * DAY,
        }
    }
}

/// A method with its parameters. All are within the bounds of the catalog.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// `ln(x + offset)`.
    LogTransform {
        /// What is added.
        offset: f64,
    },
    /// `ln(1 + x)`.
    Log1pTransform,
    /// `√x`.
    SqrtTransform,
    /// `x²`.
    SquareTransform,
    /// `1 / x`.
    ReciprocalTransform,
    /// Box and Cox's power of `x + 1e-10`.
    BoxCox,
    /// Yeo and Johnson's power.
    YeoJohnson,
    /// `(x − mean) / std`.
    Standardize,
    /// Linear to `[min, max]`.
    MinMaxScale {
        /// Where the smallest value goes.
        min: f64,
        /// Where the largest value goes.
        max: f64,
    },
    /// `(x − median) / (q75 − q25)`.
    RobustScale,
    /// `x / max|x|`.
    MaxAbsScale,
    /// Ranges of equal width.
    Bucketize {
        /// How many.
        bins: u32,
    },
    /// Ranges with equally many rows.
    QuantileBin {
        /// How many.
        quantiles: u32,
    },
    /// A boolean column a category.
    OneHotEncode {
        /// Whether the first category has none.
        drop_first: bool,
    },
    /// The category's number.
    LabelEncode,
    /// The target's mean in the category.
    TargetEncode {
        /// What is to be predicted.
        target_column: String,
        /// How many rows with the overall mean are added.
        smoothing: f64,
    },
    /// How frequent the category is.
    FrequencyEncode {
        /// Whether as a share.
        normalize: bool,
    },
    /// The bits of the category's number.
    BinaryEncode,
    /// Year.
    ExtractYear,
    /// Month.
    ExtractMonth,
    /// Day of the month.
    ExtractDay,
    /// Day of the week.
    ExtractWeekday,
    /// Hour of the day.
    ExtractHour,
    /// A point on a circle.
    CyclicalEncode {
        /// The cycle.
        period: Period,
    },
    /// Time until the reference instant.
    TimeSince {
        /// The unit.
        unit: TimeUnit,
    },
    /// Powers.
    Polynomial {
        /// The highest.
        degree: u32,
    },
    /// `a / b`.
    Ratio,
    /// `a − b`.
    Difference,
    /// `a · b`.
    Product,
    /// Characters.
    TextLength,
    /// Words.
    WordCount,
    /// Whether a text occurs.
    ContainsPattern {
        /// The text.
        pattern: String,
        /// Whether capital letters differ from small ones.
        case_sensitive: bool,
    },
    /// Whether there is no value.
    MissingIndicator,
}

/// A parameter that is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{parameter} {fault}")]
pub struct ParameterError {
    /// Its name.
    pub parameter: String,
    /// What is wrong.
    pub fault: ParameterFault,
}

/// What is wrong with a parameter, as the end of a sentence that begins with its name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParameterFault {
    /// The method has no such parameter.
    #[error("is no parameter of {method}, which has {known}", method = .method.as_str())]
    Unknown {
        /// The method.
        method: FeatureMethod,
        /// Those that it has.
        known: String,
    },
    /// It has no default and is absent.
    #[error("is required")]
    Missing,
    /// It is something else.
    #[error("must be {expected}")]
    WrongType {
        /// What it should be.
        expected: &'static str,
    },
    /// It is too small or too large.
    #[error("must be from {min} to {max}")]
    OutOfBounds {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// It is none of the options.
    #[error("must be one of {options}")]
    NoOption {
        /// The options.
        options: String,
    },
    /// `max` is not above `min`.
    #[error("must be above min")]
    NotAboveMin,
}

impl Operation {
    /// Reads the parameters of a method.
    ///
    /// # Errors
    /// The first parameter that is unknown, absent without a default, of another type or out of bounds.
    pub fn parse(method: FeatureMethod, params: &Map<String, Value>) -> Result<Self, ParameterError> {
        let reader = Reader::new(method, params)?;
        Ok(match method {
            FeatureMethod::LogTransform => Self::LogTransform { offset: reader.number("offset")? },
            FeatureMethod::Log1pTransform => Self::Log1pTransform,
            FeatureMethod::SqrtTransform => Self::SqrtTransform,
            FeatureMethod::SquareTransform => Self::SquareTransform,
            FeatureMethod::ReciprocalTransform => Self::ReciprocalTransform,
            FeatureMethod::BoxCox => Self::BoxCox,
            FeatureMethod::YeoJohnson => Self::YeoJohnson,
            FeatureMethod::Standardize => Self::Standardize,
            FeatureMethod::MinMaxScale => reader.range()?,
            FeatureMethod::RobustScale => Self::RobustScale,
            FeatureMethod::MaxAbsScale => Self::MaxAbsScale,
            FeatureMethod::Bucketize => Self::Bucketize { bins: reader.integer("bins")? },
            FeatureMethod::QuantileBin => Self::QuantileBin { quantiles: reader.integer("quantiles")? },
            FeatureMethod::OneHotEncode => Self::OneHotEncode { drop_first: reader.flag("drop_first")? },
            FeatureMethod::LabelEncode => Self::LabelEncode,
            FeatureMethod::TargetEncode => {
                Self::TargetEncode { target_column: reader.text("targetColumn")?, smoothing: reader.number("smoothing")? }
            }
            FeatureMethod::FrequencyEncode => Self::FrequencyEncode { normalize: reader.flag("normalize")? },
            FeatureMethod::BinaryEncode => Self::BinaryEncode,
            FeatureMethod::ExtractYear => Self::ExtractYear,
            FeatureMethod::ExtractMonth => Self::ExtractMonth,
            FeatureMethod::ExtractDay => Self::ExtractDay,
            FeatureMethod::ExtractWeekday => Self::ExtractWeekday,
            FeatureMethod::ExtractHour => Self::ExtractHour,
            FeatureMethod::CyclicalEncode => Self::CyclicalEncode { period: reader.choice("period")? },
            FeatureMethod::TimeSince => Self::TimeSince { unit: reader.choice("unit")? },
            FeatureMethod::Polynomial => Self::Polynomial { degree: reader.integer("degree")? },
            FeatureMethod::Ratio => Self::Ratio,
            FeatureMethod::Difference => Self::Difference,
            FeatureMethod::Product => Self::Product,
            FeatureMethod::TextLength => Self::TextLength,
            FeatureMethod::WordCount => Self::WordCount,
            FeatureMethod::ContainsPattern => {
                Self::ContainsPattern { pattern: reader.text("pattern")?, case_sensitive: reader.flag("case_sensitive")? }
            }
            FeatureMethod::MissingIndicator => Self::MissingIndicator,
        })
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> FeatureMethod {
        match self {
            Self::LogTransform { .. } => FeatureMethod::LogTransform,
            Self::Log1pTransform => FeatureMethod::Log1pTransform,
            Self::SqrtTransform => FeatureMethod::SqrtTransform,
            Self::SquareTransform => FeatureMethod::SquareTransform,
            Self::ReciprocalTransform => FeatureMethod::ReciprocalTransform,
            Self::BoxCox => FeatureMethod::BoxCox,
            Self::YeoJohnson => FeatureMethod::YeoJohnson,
            Self::Standardize => FeatureMethod::Standardize,
            Self::MinMaxScale { .. } => FeatureMethod::MinMaxScale,
            Self::RobustScale => FeatureMethod::RobustScale,
            Self::MaxAbsScale => FeatureMethod::MaxAbsScale,
            Self::Bucketize { .. } => FeatureMethod::Bucketize,
            Self::QuantileBin { .. } => FeatureMethod::QuantileBin,
            Self::OneHotEncode { .. } => FeatureMethod::OneHotEncode,
            Self::LabelEncode => FeatureMethod::LabelEncode,
            Self::TargetEncode { .. } => FeatureMethod::TargetEncode,
            Self::FrequencyEncode { .. } => FeatureMethod::FrequencyEncode,
            Self::BinaryEncode => FeatureMethod::BinaryEncode,
            Self::ExtractYear => FeatureMethod::ExtractYear,
            Self::ExtractMonth => FeatureMethod::ExtractMonth,
            Self::ExtractDay => FeatureMethod::ExtractDay,
            Self::ExtractWeekday => FeatureMethod::ExtractWeekday,
            Self::ExtractHour => FeatureMethod::ExtractHour,
            Self::CyclicalEncode { .. } => FeatureMethod::CyclicalEncode,
            Self::TimeSince { .. } => FeatureMethod::TimeSince,
            Self::Polynomial { .. } => FeatureMethod::Polynomial,
            Self::Ratio => FeatureMethod::Ratio,
            Self::Difference => FeatureMethod::Difference,
            Self::Product => FeatureMethod::Product,
            Self::TextLength => FeatureMethod::TextLength,
            Self::WordCount => FeatureMethod::WordCount,
            Self::ContainsPattern { .. } => FeatureMethod::ContainsPattern,
            Self::MissingIndicator => FeatureMethod::MissingIndicator,
        }
    }

    /// All its parameters, so that [`Operation::parse`] gives the same again.
    #[must_use]
    pub fn params(&self) -> Map<String, Value> {
        let pairs: Vec<(&str, Value)> = match self {
            Self::LogTransform { offset } => vec![("offset", json!(offset))],
            Self::MinMaxScale { min, max } => vec![("min", json!(min)), ("max", json!(max))],
            Self::Bucketize { bins } => vec![("bins", json!(bins))],
            Self::QuantileBin { quantiles } => vec![("quantiles", json!(quantiles))],
            Self::OneHotEncode { drop_first } => vec![("drop_first", json!(drop_first))],
            Self::TargetEncode { target_column, smoothing } => {
                vec![("targetColumn", json!(target_column)), ("smoothing", json!(smoothing))]
            }
            Self::FrequencyEncode { normalize } => vec![("normalize", json!(normalize))],
            Self::CyclicalEncode { period } => vec![("period", json!(period))],
            Self::TimeSince { unit } => vec![("unit", json!(unit))],
            Self::Polynomial { degree } => vec![("degree", json!(degree))],
            Self::ContainsPattern { pattern, case_sensitive } => {
                vec![("pattern", json!(pattern)), ("case_sensitive", json!(case_sensitive))]
            }
            _ => Vec::new(),
        };
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Reads parameters as the catalog has them.
struct Reader<'a> {
    method: FeatureMethod,
    params: &'a Map<String, Value>,
    known: Vec<Parameter>,
}

impl<'a> Reader<'a> {
    fn new(method: FeatureMethod, params: &'a Map<String, Value>) -> Result<Self, ParameterError> {
        let reader = Self { method, params, known: catalog::parameters(method) };
        let is_known = |name: &str| IGNORED.contains(&name) || reader.known.iter().any(|known| known.name == name);
        match params.keys().find(|name| !is_known(name)) {
            Some(unknown) => Err(reader.unknown(unknown)),
            None => Ok(reader),
        }
    }

    fn unknown(&self, parameter: &str) -> ParameterError {
        let names: Vec<&str> = self.known.iter().map(|known| known.name).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ParameterError { parameter: parameter.to_owned(), fault: ParameterFault::Unknown { method: self.method, known } }
    }

    /// The parameter with what was sent for it, or its default.
    fn value(&self, name: &str) -> Result<(&Parameter, &Value), ParameterError> {
        let known = self.known.iter().find(|known| known.name == name).ok_or_else(|| self.unknown(name))?;
        match self.params.get(name).filter(|value| !value.is_null()) {
            Some(sent) => Ok((known, sent)),
            None if known.required => Err(fault(name, ParameterFault::Missing)),
            None => Ok((known, &known.default)),
        }
    }

    fn number(&self, name: &str) -> Result<f64, ParameterError> {
        let (known, value) = self.value(name)?;
        let value = value.as_f64().ok_or_else(|| fault(name, ParameterFault::WrongType { expected: expected(known.kind) }))?;
        let (min, max) = (known.min.unwrap_or(f64::MIN), known.max.unwrap_or(f64::MAX));
        if (min..=max).contains(&value) { Ok(value) } else { Err(fault(name, ParameterFault::OutOfBounds { min, max })) }
    }

    fn integer(&self, name: &str) -> Result<u32, ParameterError> {
        let value = self.number(name)?;
        if value.fract() != 0.0 {
            return Err(fault(name, ParameterFault::WrongType { expected: expected(ParameterKind::Integer) }));
        }
        Ok(num::number(num::floor(value)))
    }

    fn range(&self) -> Result<Operation, ParameterError> {
        let (min, max) = (self.number("min")?, self.number("max")?);
        if min < max { Ok(Operation::MinMaxScale { min, max }) } else { Err(fault("max", ParameterFault::NotAboveMin)) }
    }

    fn flag(&self, name: &str) -> Result<bool, ParameterError> {
        let (known, value) = self.value(name)?;
        value.as_bool().ok_or_else(|| fault(name, ParameterFault::WrongType { expected: expected(known.kind) }))
    }

    fn text(&self, name: &str) -> Result<String, ParameterError> {
        let (known, value) = self.value(name)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| fault(name, ParameterFault::WrongType { expected: expected(known.kind) }))?;
        Ok(text.to_owned())
    }

    fn choice<T: DeserializeOwned>(&self, name: &str) -> Result<T, ParameterError> {
        let (known, value) = self.value(name)?;
        let chosen = serde_json::from_value(value.clone()).ok();
        chosen.ok_or_else(|| fault(name, ParameterFault::NoOption { options: known.options.join(", ") }))
    }
}

fn fault(parameter: &str, fault: ParameterFault) -> ParameterError {
    ParameterError { parameter: parameter.to_owned(), fault }
}

fn expected(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Number => "a number",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Boolean => "true or false",
        ParameterKind::Choice => "one of its options",
        ParameterKind::Text => "a text that is not empty",
        ParameterKind::Column => "the name of a column",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: FeatureMethod, params: Value) -> Result<Operation, String> {
        let Value::Object(params) = params else { panic!("an object") };
        Operation::parse(method, &params).map_err(|error| error.to_string())
    }

    /// With what is required.
    fn least(method: FeatureMethod) -> Map<String, Value> {
        let required = catalog::parameters(method).into_iter().filter(|parameter| parameter.required);
        required.map(|parameter| (parameter.name.to_owned(), json!("x"))).collect()
    }

    #[test]
    fn every_method_has_defaults_and_comes_back_from_its_parameters() {
        for method in FeatureMethod::ALL {
            let operation = Operation::parse(*method, &least(*method)).unwrap();
            assert_eq!(operation.method(), *method);
            let params = operation.params();
            assert_eq!(params.len(), catalog::parameters(*method).len(), "{method:?}");
            assert_eq!(Operation::parse(*method, &params), Ok(operation));
        }
    }

    #[test]
    fn unknown_parameters_are_named_and_the_bias_is_ignored() {
        let error = parse(FeatureMethod::Bucketize, json!({"bin": 3})).unwrap_err();
        assert_eq!(error, "bin is no parameter of bucketize, which has bins");
        let error = parse(FeatureMethod::Standardize, json!({"ddof": 0})).unwrap_err();
        assert_eq!(error, "ddof is no parameter of standardize, which has none");
        assert_eq!(parse(FeatureMethod::Polynomial, json!({"include_bias": true})), Ok(Operation::Polynomial { degree: 2 }));
    }

    #[test]
    fn refuses_what_is_out_of_bounds_or_of_another_type() {
        for (method, params, expected) in [
            (FeatureMethod::Bucketize, json!({"bins": 1}), "bins must be from 2 to 1000"),
            (FeatureMethod::Bucketize, json!({"bins": 2.5}), "bins must be a whole number"),
            (FeatureMethod::Bucketize, json!({"bins": "5"}), "bins must be a whole number"),
            (FeatureMethod::Polynomial, json!({"degree": 11}), "degree must be from 2 to 10"),
            (FeatureMethod::TargetEncode, json!({}), "targetColumn is required"),
            (FeatureMethod::TargetEncode, json!({"targetColumn": 3}), "targetColumn must be the name of a column"),
            (
                FeatureMethod::TargetEncode,
                json!({"targetColumn": "y", "smoothing": -1}),
                "smoothing must be from 0 to 1000000000",
            ),
            (FeatureMethod::ContainsPattern, json!({"pattern": ""}), "pattern must be a text that is not empty"),
            (FeatureMethod::OneHotEncode, json!({"drop_first": 1}), "drop_first must be true or false"),
            (FeatureMethod::TimeSince, json!({"unit": "years"}), "unit must be one of days, hours, weeks, months"),
            (FeatureMethod::MinMaxScale, json!({"min": 1, "max": 1}), "max must be above min"),
        ] {
            assert_eq!(parse(method, params).unwrap_err(), expected);
        }
    }

    #[test]
    fn whole_floats_are_whole_numbers_and_null_is_the_default() {
        assert_eq!(parse(FeatureMethod::Bucketize, json!({"bins": 7.0})), Ok(Operation::Bucketize { bins: 7 }));
        assert_eq!(parse(FeatureMethod::Bucketize, json!({"bins": null})), Ok(Operation::Bucketize { bins: 5 }));
        let month = parse(FeatureMethod::CyclicalEncode, json!({})).unwrap();
        assert_eq!(month, Operation::CyclicalEncode { period: Period::Month });
    }
}
