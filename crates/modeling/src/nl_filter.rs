//! Filters of models in plain words, by a grammar: no language model is needed for it.
//!
//! `accuracy above 90% and f1 >= 0.8`, `high recall`, `random forest models that failed`, `r2 between 0.5 and 0.9`. What is
//! not understood is left out: the list is then less filtered, never wrongly empty.

use std::collections::BTreeMap;

use serde::Serialize;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operator {
    /// Greater.
    Gt,
    /// Less.
    Lt,
    /// Equal, texts without regard to case.
    Eq,
    /// Greater or equal.
    Gte,
    /// Less or equal.
    Lte,
    /// Has it as a part, without regard to case.
    Contains,
}

/// What is compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// One condition; a model must meet all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Predicate {
    /// A metric, or `algorithm`, `name`, `taskType`, `status`.
    pub field: String,
    /// How it is compared.
    pub operator: Operator,
    /// What with.
    pub value: Operand,
}

/// What the models at hand have.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Values of each metric.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// Their algorithms.
    pub algorithms: Vec<String>,
}

const ALIASES: [(&str, &str); 14] = [
    ("f1_score", "f1"),
    ("f1score", "f1"),
    ("f1-score", "f1"),
    ("accuracy_score", "accuracy"),
    ("acc", "accuracy"),
    ("r-squared", "r2"),
    ("r_squared", "r2"),
    ("auc", "roc_auc"),
    ("task_type", "taskType"),
    ("tasktype", "taskType"),
    ("task", "taskType"),
    ("model_name", "name"),
    ("model", "algorithm"),
    ("state", "status"),
];
const TEXT_FIELDS: [&str; 4] = ["algorithm", "name", "taskType", "status"];
/// Longest first, so that `at least` is not read as `at`.
const OPERATORS: [(&str, Operator); 28] = [
    ("greater than or equal to", Operator::Gte),
    ("less than or equal to", Operator::Lte),
    ("greater or equal", Operator::Gte),
    ("less or equal", Operator::Lte),
    ("no more than", Operator::Lte),
    ("no less than", Operator::Gte),
    ("greater than", Operator::Gt),
    ("higher than", Operator::Gt),
    ("better than", Operator::Gt),
    ("worse than", Operator::Lt),
    ("lower than", Operator::Lt),
    ("more than", Operator::Gt),
    ("less than", Operator::Lt),
    ("at least", Operator::Gte),
    ("containing", Operator::Contains),
    ("contains", Operator::Contains),
    ("at most", Operator::Lte),
    ("equals", Operator::Eq),
    ("above", Operator::Gt),
    ("below", Operator::Lt),
    ("under", Operator::Lt),
    ("over", Operator::Gt),
    ("like", Operator::Contains),
    (">=", Operator::Gte),
    ("<=", Operator::Lte),
    (">", Operator::Gt),
    ("<", Operator::Lt),
    ("is", Operator::Eq),
];
const HIGH: [&str; 6] = ["high", "good", "best", "top", "highest", "great"];
const LOW: [&str; 6] = ["low", "bad", "worst", "poor", "lowest", "weak"];

/// Reads a query. Never fails: what is not understood gives no predicate.
#[must_use]
pub fn parse(query: &str, known: &Known) -> Vec<Predicate> {
    let text = query.to_lowercase().replace('\u{2265}', ">=").replace('\u{2264}', "<=").replace("==", "=");
    let mut found = Vec::new();
    for clause in clauses(&text) {
        for predicate in clause_predicates(&clause, known) {
            if !found.contains(&predicate) {
                found.push(predicate);
            }
        }
    }
    found
}

/// Splits at `and`, `but`, `with`, commas and semicolons; the `and` of `between … and …` stays.
fn clauses(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut between = false;
    for word in text.replace([',', ';', '&'], " and ").split_whitespace() {
        let separates = matches!(word, "and" | "but" | "with" | "where" | "having" | "that" | "whose");
        if separates && !(between && word == "and") {
            all.push(String::new());
            continue;
        }
        between = word == "between" || (between && word != "and");
        if let Some(clause) = all.last_mut() {
            clause.push_str(word);
            clause.push(' ');
        }
    }
    all.into_iter().map(|clause| clause.trim().to_owned()).filter(|clause| !clause.is_empty()).collect()
}

fn clause_predicates(clause: &str, known: &Known) -> Vec<Predicate> {
    if let Some((left, right)) = clause.split_once("between ")
        && let Some(field) = last_field(left, known)
        && let Some((low, high)) = right.split_once(" and ")
        && let (Some(low), Some(high)) = (number(low, &field, known), number(high, &field, known))
    {
        let bound = |operator, value| Predicate { field: field.clone(), operator, value: Operand::Number(value) };
        return vec![bound(Operator::Gte, low.min(high)), bound(Operator::Lte, low.max(high))];
    }
    if let Some(predicate) = comparison(clause, known) {
        return vec![predicate];
    }
    let mut found: Vec<Predicate> = quantile(clause, known).into_iter().collect();
    found.extend(bare(clause, known));
    found
}

/// `<field> <operator> <value>`.
fn comparison(clause: &str, known: &Known) -> Option<Predicate> {
    let (operator, left, right) = split_operator(clause)?;
    let field = last_field(left, known)?;
    let right = right.trim().trim_start_matches('=').trim().trim_matches(['"', '\'']);
    if TEXT_FIELDS.contains(&field.as_str()) {
        let value =
            if field == "algorithm" { algorithm(right, known).unwrap_or_else(|| right.to_owned()) } else { right.to_owned() };
        let operator = if operator == Operator::Contains { operator } else { Operator::Eq };
        return (!value.is_empty()).then_some(Predicate { field, operator, value: Operand::Text(value) });
    }
    let value = number(right, &field, known)?;
    let operator = if operator == Operator::Contains { Operator::Eq } else { operator };
    Some(Predicate { field, operator, value: Operand::Number(value) })
}

fn split_operator(clause: &str) -> Option<(Operator, &str, &str)> {
    for (name, operator) in OPERATORS {
        let is_word = name.starts_with(|first: char| first.is_alphabetic());
        let pattern = if is_word { format!(" {name} ") } else { name.to_owned() };
        if let Some((left, right)) = clause.split_once(pattern.as_str()) {
            // `is above`: the more telling one came first; what is left of it is no field.
            let left = left.trim().strip_suffix(" is").unwrap_or(left.trim());
            return Some((operator, left, right));
        }
    }
    let (left, right) = clause.split_once('=').or_else(|| clause.split_once(':'))?;
    Some((Operator::Eq, left.trim(), right))
}

/// `high <metric>`: in the upper quarter of what there is.
fn quantile(clause: &str, known: &Known) -> Option<Predicate> {
    let words: Vec<&str> = clause.split_whitespace().collect();
    let high = words.iter().any(|word| HIGH.contains(word));
    let low = words.iter().any(|word| LOW.contains(word));
    if high == low {
        return None;
    }
    let field = last_field(clause, known).filter(|field| known.metrics.contains_key(field))?;
    let mut values = known.metrics.get(&field)?.clone();
    values.sort_by(f64::total_cmp);
    let (share, operator) = if high { (3, Operator::Gte) } else { (1, Operator::Lte) };
    let value = *values.get((values.len().saturating_sub(1)) * share / 4)?;
    Some(Predicate { field, operator, value: Operand::Number(value) })
}

/// Words that say what a model is: an algorithm, a task, a state.
fn bare(clause: &str, known: &Known) -> Vec<Predicate> {
    let mut found = Vec::new();
    let mut add = |field: &str, operator, value: &str| {
        found.push(Predicate { field: field.to_owned(), operator, value: Operand::Text(value.to_owned()) });
    };
    for task in ["classification", "regression", "clustering"] {
        // `logistic regression` is an algorithm.
        if clause.split_whitespace().any(|word| word == task) && algorithm(clause, known).is_none() {
            add("taskType", Operator::Eq, task);
        }
    }
    for status in ["completed", "failed"] {
        if clause.split_whitespace().any(|word| word == status) {
            add("status", Operator::Eq, status);
        }
    }
    if let Some(name) = algorithm(clause, known) {
        add("algorithm", Operator::Eq, &name);
    } else if clause.contains("random forest") {
        add("algorithm", Operator::Contains, "RandomForest");
    } else if clause.contains("gradient boosting") {
        add("algorithm", Operator::Contains, "GradientBoosting");
    } else if clause.contains("logistic") {
        add("algorithm", Operator::Contains, "Logistic");
    }
    found
}

/// The algorithm that a text names, as the models have it: case, blanks, `_` and `-` do not matter.
fn algorithm(text: &str, known: &Known) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace([' ', '_', '-'], "");
    let wanted = plain(text);
    let mut names: Vec<&String> = known.algorithms.iter().filter(|name| wanted.contains(&plain(name))).collect();
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.first().map(|name| (*name).clone())
}

/// The last word, or the last two, that name a field.
fn last_field(text: &str, known: &Known) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    for end in (1..=words.len()).rev() {
        for start in [end.checked_sub(2), end.checked_sub(1)].into_iter().flatten() {
            let name = words.get(start..end)?.join("_");
            if let Some(field) = field(&name, known) {
                return Some(field);
            }
        }
    }
    None
}

fn field(name: &str, known: &Known) -> Option<String> {
    let name = name.strip_prefix("metrics.").unwrap_or(name).trim_matches(['.', ':', '"', '\'']);
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, field)| field);
    let is_known = TEXT_FIELDS.contains(&name) || known.metrics.contains_key(name);
    is_known.then(|| name.to_owned())
}

/// A number, a percentage, or a percentage without its sign where the metric never exceeds one.
fn number(text: &str, field: &str, known: &Known) -> Option<f64> {
    let first = text.split_whitespace().next()?;
    let percent = first.ends_with('%') || text.split_whitespace().nth(1).is_some_and(|word| word == "percent" || word == "%");
    let value: f64 = first.trim_end_matches('%').trim_end_matches(['.', ',']).parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    let max = known.metrics.get(field).map(|values| values.iter().copied().fold(f64::MIN, f64::max));
    let is_share = max.is_some_and(|max| max <= 1.0);
    Some(if percent || (is_share && value > 1.0) { value / 100.0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let metrics = BTreeMap::from([
            ("accuracy".to_owned(), vec![0.7, 0.8, 0.9, 0.95, 0.99]),
            ("f1".to_owned(), vec![0.6, 0.7]),
            ("rmse".to_owned(), vec![12.0, 30.0]),
            ("roc_auc".to_owned(), vec![0.9]),
        ]);
        Known { metrics, algorithms: vec!["RandomForestClassifier".into(), "LogisticRegression".into(), "Ridge".into()] }
    }

    fn check(query: &str, expected: &[(&str, Operator, Operand)]) {
        let expected: Vec<Predicate> = expected
            .iter()
            .map(|(field, operator, value)| Predicate { field: (*field).to_owned(), operator: *operator, value: value.clone() })
            .collect();
        assert_eq!(parse(query, &known()), expected, "{query}");
    }

    fn text(text: &str) -> Operand {
        Operand::Text(text.to_owned())
    }

    #[test]
    fn comparisons_are_read() {
        use Operand::Number;
        check("accuracy above 90%", &[("accuracy", Operator::Gt, Number(0.9))]);
        check("accuracy > 90", &[("accuracy", Operator::Gt, Number(0.9))]);
        check("models with accuracy of at least 0.8", &[("accuracy", Operator::Gte, Number(0.8))]);
        check("models with accuracy at least 0.8", &[("accuracy", Operator::Gte, Number(0.8))]);
        check("metrics.accuracy_score>=0.8", &[("accuracy", Operator::Gte, Number(0.8))]);
        check(
            "rmse below 20 and f1 score is above 0.5",
            &[("rmse", Operator::Lt, Number(20.0)), ("f1", Operator::Gt, Number(0.5))],
        );
        check(
            "accuracy between 0.9 and 0.8",
            &[("accuracy", Operator::Gte, Number(0.8)), ("accuracy", Operator::Lte, Number(0.9))],
        );
        check("auc = 0.9", &[("roc_auc", Operator::Eq, Number(0.9))]);
    }

    #[test]
    fn words_are_read() {
        check("high accuracy", &[("accuracy", Operator::Gte, Operand::Number(0.95))]);
        check("low accuracy", &[("accuracy", Operator::Lte, Operand::Number(0.8))]);
        check(
            "failed regression models",
            &[("taskType", Operator::Eq, text("regression")), ("status", Operator::Eq, text("failed"))],
        );
        check("algorithm is random_forest classifier", &[("algorithm", Operator::Eq, text("RandomForestClassifier"))]);
        check("logistic regression", &[("algorithm", Operator::Eq, text("LogisticRegression"))]);
        check("random forest models", &[("algorithm", Operator::Contains, text("RandomForest"))]);
        check("name contains churn", &[("name", Operator::Contains, text("churn"))]);
        check("status = failed", &[("status", Operator::Eq, text("failed"))]);
    }

    #[test]
    fn nonsense_gives_nothing() {
        for query in
            ["", "  ", "hello there", "accuracy above nan", "> 5", "between and", "accuracy between 1", "\u{0}'; drop table"]
        {
            check(query, &[]);
        }
    }
}
