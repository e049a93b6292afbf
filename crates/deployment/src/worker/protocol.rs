//! The lines between the server and a worker. What a worker says is hostile, and is parsed into narrow types.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Rows of one request line, as many as `gristmill_ml` takes.
pub(super) const ROWS_MAX: usize = 10_000;
/// More than what stands around the rows of a line.
pub(super) const ENVELOPE_BYTES: usize = 256;
/// Longest text in an answer: a label, a column's name, a message.
const TEXT_BYTES_MAX: usize = 4096;
const LABELS_MAX: usize = 10_000;
const COLUMNS_MAX: usize = 20_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Predict,
    Explain,
    Health,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Predictions(Vec<PredictedRow>),
    Explanation(Explanation),
    Healthy,
}

/// A class or a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// A class's text.
    Text(String),
    /// A number; of clustering, the cluster.
    Number(f64),
}

/// The model's answer for a row.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedRow {
    /// What it predicts.
    pub prediction: Label,
    /// For classification, the probability of each class, in the model's order, where it gives any.
    pub probabilities: Option<Vec<(String, f64)>>,
}

/// Why the model answers so.
#[derive(Debug, Clone, PartialEq)]
pub enum Explanation {
    /// An entry for each row.
    Available {
        /// What values and base add up to: `probability`, `log_odds` or `value`.
        output: String,
        /// `tree`, `linear` or `permutation`.
        explainer: String,
        /// The rows, in order.
        rows: Vec<ExplainedRow>,
    },
    /// The model cannot be explained.
    Unavailable(
        /// Why.
        String,
    ),
}

/// A row's SHAP values.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRow {
    /// The class that the values speak for; none for a number.
    pub class: Option<String>,
    /// What the model answers without knowing anything.
    pub base: f64,
    /// How much each column of the dataset moves the answer.
    pub values: Vec<(String, f64)>,
}

/// A line that could be read.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Reply(Reply),
    Rejected { code: String, message: String, field: Option<String> },
}

/// What a worker says once it has loaded the model.
#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    field: Option<String>,
}

#[derive(Deserialize)]
struct PredictionLine {
    prediction: Scalar,
    #[serde(default)]
    probabilities: Option<Pairs>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(f64),
}

#[derive(Deserialize)]
struct ExplanationLine {
    available: bool,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<f64>>,
    #[serde(default)]
    base: Vec<f64>,
    #[serde(default)]
    classes: Vec<Option<String>>,
    #[serde(default)]
    output: String,
    #[serde(default)]
    explainer: String,
}

#[derive(Deserialize)]
struct Health {
    ready: bool,
}

/// An object in its own order, without the cost of a tree of values.
struct Pairs(Vec<(String, f64)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() >= LABELS_MAX {
                        return Err(serde::de::Error::custom("too many labels"));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The line of a request; `rows` holds rows of JSON with commas between them.
pub(super) fn request(id: u64, operation: Operation, rows: &[&str]) -> Vec<u8> {
    let op = match operation {
        Operation::Predict => "predict",
        Operation::Explain => "explain",
        Operation::Health => "health",
    };
    let mut line = format!("{{\"id\":{id},\"op\":\"{op}\",\"rows\":[");
    line.push_str(&rows.join(","));
    line.push_str("]}\n");
    line.into_bytes()
}

/// Whether a line says that the model is loaded.
pub(super) fn is_ready(line: &[u8]) -> bool {
    serde_json::from_slice::<Ready>(line).is_ok_and(|line| line.ready)
}

/// Reads the answer to a request of so many rows; `None` when it is anything else.
pub(super) fn answer(line: &[u8], id: u64, operation: Operation, rows: usize) -> Option<Answer> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    if line.id != Some(id) {
        return None;
    }
    match (line.result, line.error) {
        (Some(result), None) => reply(result.get(), operation, rows).map(Answer::Reply),
        (None, Some(error)) => {
            let field = error.field.map(|field| clean(&field));
            Some(Answer::Rejected { code: clean(&error.code), message: clean(&error.message), field })
        }
        _ => None,
    }
}

fn reply(result: &str, operation: Operation, rows: usize) -> Option<Reply> {
    match operation {
        Operation::Health => serde_json::from_str::<Health>(result).ok()?.ready.then_some(Reply::Healthy),
        Operation::Predict => {
            let lines: Vec<PredictionLine> = serde_json::from_str(result).ok()?;
            let predictions: Option<Vec<PredictedRow>> = lines.into_iter().map(prediction).collect();
            predictions.filter(|predictions| predictions.len() == rows).map(Reply::Predictions)
        }
        Operation::Explain => explanation(serde_json::from_str(result).ok()?, rows).map(Reply::Explanation),
    }
}

fn prediction(line: PredictionLine) -> Option<PredictedRow> {
    let prediction = match line.prediction {
        Scalar::Text(text) => Label::Text(bounded(text)?),
        Scalar::Number(number) => Label::Number(number),
    };
    let probabilities = match line.probabilities {
        None => None,
        Some(Pairs(pairs)) => {
            let fine = |(label, chance): &(String, f64)| label.len() <= TEXT_BYTES_MAX && (0.0..=1.0).contains(chance);
            if !pairs.iter().all(fine) {
                return None;
            }
            Some(pairs)
        }
    };
    Some(PredictedRow { prediction, probabilities })
}

fn explanation(line: ExplanationLine, rows: usize) -> Option<Explanation> {
    if !line.available {
        return Some(Explanation::Unavailable(clean(&line.reason.unwrap_or_else(|| "it gives no reason".to_owned()))));
    }
    let columns = line.columns.len();
    let shapes = [line.values.len(), line.base.len(), line.classes.len()];
    if columns > COLUMNS_MAX || shapes != [rows; 3] || line.columns.iter().any(|name| name.len() > TEXT_BYTES_MAX) {
        return None;
    }
    let mut explained = Vec::with_capacity(rows);
    for ((values, base), class) in line.values.into_iter().zip(line.base).zip(line.classes) {
        if values.len() != columns {
            return None;
        }
        let class = match class {
            Some(class) => Some(bounded(class)?),
            None => None,
        };
        explained.push(ExplainedRow { class, base, values: line.columns.iter().cloned().zip(values).collect() });
    }
    Some(Explanation::Available { output: clean(&line.output), explainer: clean(&line.explainer), rows: explained })
}

fn bounded(text: String) -> Option<String> {
    (text.len() <= TEXT_BYTES_MAX).then_some(text)
}

/// A text for people: at most 500 characters, none of which moves a cursor.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicted(result: &str) -> Option<Vec<PredictedRow>> {
        let line = format!("{{\"id\":7,\"result\":{result}}}");
        match answer(line.as_bytes(), 7, Operation::Predict, 1)? {
            Answer::Reply(Reply::Predictions(rows)) => Some(rows),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_one_line() {
        let line = request(3, Operation::Predict, &["{\"a\":1},{\"a\":2}", "{\"a\":null}"]);
        assert_eq!(line, b"{\"id\":3,\"op\":\"predict\",\"rows\":[{\"a\":1},{\"a\":2},{\"a\":null}]}\n");
    }

    #[test]
    fn predictions_keep_the_order_of_the_labels() {
        let rows = predicted(r#"[{"prediction":"no","probabilities":{"no":0.75,"maybe":0.25}}]"#).unwrap();
        assert_eq!(rows[0].prediction, Label::Text("no".to_owned()));
        assert_eq!(rows[0].probabilities.as_deref(), Some(&[("no".to_owned(), 0.75), ("maybe".to_owned(), 0.25)][..]));
        let rows = predicted(r#"[{"prediction":-3}]"#).unwrap();
        assert_eq!((&rows[0].prediction, &rows[0].probabilities), (&Label::Number(-3.0), &None));
    }

    #[test]
    fn anything_else_is_no_answer() {
        let long = format!(r#"[{{"prediction":"{}"}}]"#, "x".repeat(TEXT_BYTES_MAX + 1));
        let many: Vec<String> = (0..=LABELS_MAX).map(|label| format!("\"{label}\":0")).collect();
        let many = format!(r#"[{{"prediction":"a","probabilities":{{{}}}}}]"#, many.join(","));
        for nonsense in [
            "[]",
            "{}",
            "null",
            r#"[{"prediction":null}]"#,
            r#"[{"prediction":true}]"#,
            r#"[{"prediction":["a"]}]"#,
            r#"[{"prediction":1},{"prediction":2}]"#,
            r#"[{"prediction":"a","probabilities":{"a":1.5}}]"#,
            r#"[{"prediction":"a","probabilities":{"a":"1"}}]"#,
            r#"[{"prediction":"a","probabilities":[1]}]"#,
            &long,
            &many,
        ] {
            assert_eq!(predicted(nonsense), None, "{:.60}", nonsense);
        }
        for line in [
            "",
            "null",
            "[",
            r#"{"id":8,"result":[]}"#,
            r#"{"result":[]}"#,
            r#"{"id":7}"#,
            r#"{"id":7,"result":[],"error":{"code":"a","message":"b"}}"#,
        ] {
            assert_eq!(answer(line.as_bytes(), 7, Operation::Predict, 0), None, "{line}");
        }
    }

    #[test]
    fn refusals_are_cleaned() {
        let line = br#"{"id":1,"error":{"code":"column_type","message":"no\u001b[31m number","field":"columns.a"}}"#;
        let expected = Answer::Rejected {
            code: "column_type".to_owned(),
            message: "no[31m number".to_owned(),
            field: Some("columns.a".to_owned()),
        };
        assert_eq!(answer(line, 1, Operation::Predict, 1), Some(expected));
    }

    #[test]
    fn explanations_have_a_value_for_each_row_and_column() {
        let line = |values: &str| {
            format!(
                r#"{{"id":1,"result":{{"available":true,"columns":["a","b"],"values":{values},"base":[0.5],"classes":["x"],"output":"probability","explainer":"tree"}}}}"#
            )
        };
        let read = |text: &str| answer(text.as_bytes(), 1, Operation::Explain, 1);
        let Some(Answer::Reply(Reply::Explanation(Explanation::Available { rows, .. }))) = read(&line("[[1,2]]")) else {
            panic!()
        };
        assert_eq!(rows[0].values, [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]);
        assert_eq!((rows[0].class.as_deref(), rows[0].base), (Some("x"), 0.5));
        assert_eq!([read(&line("[[1]]")), read(&line("[]")), read(&line("[[1,null]]"))], [None, None, None]);
        let none = read(r#"{"id":1,"result":{"available":false,"reason":"a cluster"}}"#);
        assert_eq!(none, Some(Answer::Reply(Reply::Explanation(Explanation::Unavailable("a cluster".to_owned())))));
    }
}
