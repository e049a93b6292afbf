//! What training cells print for the client and the server: how far they are, and the scores at the end.

use std::collections::BTreeMap;

use serde_json::Value;

/// Begins a training: `__TRAIN_START__|<epochs>|<modelType>`.
pub const START: &str = "__TRAIN_START__";
/// Tells how far it is: `__TRAIN_PROGRESS__|<epoch>|<total>|<json>`.
pub const PROGRESS: &str = "__TRAIN_PROGRESS__";
/// Ends it with its scores: `__TRAIN_COMPLETE__|<json>`.
pub const COMPLETE: &str = "__TRAIN_COMPLETE__";
/// Longest line that is looked at, bytes.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Most scores that are kept, and the longest name of one.
const METRICS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 100;

/// Names of scores and their values; only finite numbers.
pub type Metrics = BTreeMap<String, f64>;

/// A line that a training cell printed.
#[derive(Debug, Clone, PartialEq)]
pub enum Marker {
    /// It begins.
    Start {
        /// How many rounds it will take.
        epochs: u64,
        /// What is trained.
        model_type: String,
    },
    /// It has come this far.
    Progress {
        /// The round.
        epoch: u64,
        /// Of how many.
        total: u64,
        /// Scores so far.
        metrics: Metrics,
    },
    /// It is done.
    Complete {
        /// Its scores.
        metrics: Metrics,
    },
}

/// Reads a line. `None` for what is no marker, or is not written as one should be.
#[must_use]
pub fn read(line: &str) -> Option<Marker> {
    let line = line.trim_end();
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    if let Some(rest) = after(line, COMPLETE) {
        return Some(Marker::Complete { metrics: metrics_in(rest)? });
    }
    if let Some(rest) = after(line, PROGRESS) {
        let mut parts = rest.splitn(3, '|');
        let (epoch, total) = (parts.next()?.trim().parse().ok()?, parts.next()?.trim().parse().ok()?);
        return Some(Marker::Progress { epoch, total, metrics: parts.next().and_then(metrics_in).unwrap_or_default() });
    }
    let (epochs, model_type) = after(line, START)?.split_once('|')?;
    let model_type = model_type.trim().chars().take(NAME_CHARS_MAX).collect();
    Some(Marker::Start { epochs: epochs.trim().parse().ok()?, model_type })
}

/// The scores that the last completion in a cell's printed output has; `None` when it did not say that it is done.
#[must_use]
pub fn completion(printed: &str) -> Option<Metrics> {
    printed.lines().rev().find_map(|line| match read(line) {
        Some(Marker::Complete { metrics }) => Some(metrics),
        _ => None,
    })
}

fn after<'line>(line: &'line str, marker: &str) -> Option<&'line str> {
    line.strip_prefix(marker)?.strip_prefix('|')
}

/// The scores in an object as Python writes it: with NaN and infinities, which are left out.
fn metrics_in(text: &str) -> Option<Metrics> {
    let value: Value = serde_json::from_str(text).or_else(|_error| serde_json::from_str(&without_specials(text))).ok()?;
    let object = value.as_object()?;
    let object = object.get("metrics").and_then(Value::as_object).unwrap_or(object);
    Some(numbers(object))
}

/// The finite numbers of an object, at most a hundred.
#[must_use]
pub fn numbers(object: &serde_json::Map<String, Value>) -> Metrics {
    let named = object.iter().filter(|(name, _)| name.chars().count() <= NAME_CHARS_MAX);
    let finite = named.filter_map(|(name, value)| Some((name.clone(), value.as_f64().filter(|number| number.is_finite())?)));
    finite.take(METRICS_MAX).collect()
}

/// JSON in place of what Python's `json` writes for numbers that JSON does not have.
fn without_specials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let (mut quoted, mut escaped) = (false, false);
    while let Some(c) = rest.chars().next() {
        if !quoted && let Some(special) = ["NaN", "-Infinity", "Infinity"].into_iter().find(|special| rest.starts_with(special)) {
            clean.push_str("null");
            rest = rest.strip_prefix(special).unwrap_or_default();
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        clean.push(c);
        rest = rest.strip_prefix(c).unwrap_or_default();
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn metrics(entries: &[(&str, f64)]) -> Metrics {
        entries.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn markers_are_read() {
        assert_eq!(
            read("__TRAIN_START__|10|random_forest"),
            Some(Marker::Start { epochs: 10, model_type: "random_forest".to_owned() })
        );
        assert_eq!(
            read("__TRAIN_PROGRESS__|3|10|{\"loss\": 0.5}\n"),
            Some(Marker::Progress { epoch: 3, total: 10, metrics: metrics(&[("loss", 0.5)]) })
        );
        assert_eq!(
            read("__TRAIN_COMPLETE__|{\"accuracy\": 0.9, \"report\": {\"a\": 1}, \"note\": \"x\", \"auc\": NaN, \"n\": 3}"),
            Some(Marker::Complete { metrics: metrics(&[("accuracy", 0.9), ("n", 3.0)]) })
        );
        assert_eq!(
            read("__TRAIN_COMPLETE__|{\"metrics\": {\"r2\": -Infinity, \"mae\": 1}, \"text\": \"NaN \\\" Infinity\"}"),
            Some(Marker::Complete { metrics: metrics(&[("mae", 1.0)]) })
        );
    }

    #[test]
    fn what_is_no_marker_is_none() {
        for line in [
            "",
            "__TRAIN_COMPLETE__",
            "__TRAIN_COMPLETE__|",
            "__TRAIN_COMPLETE__|[1]",
            "__TRAIN_COMPLETE__|{",
            " __TRAIN_COMPLETE__|{}",
            "print('__TRAIN_COMPLETE__|{}')",
            "__TRAIN_PROGRESS__|x|1|{}",
            "__TRAIN_START__|-1|m",
            "__TRAIN_START__|1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
        let long = format!("__TRAIN_COMPLETE__|{{\"a\": 1, \"b\": \"{}\"}}", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(read(&long), None);
    }

    #[test]
    fn the_last_completion_counts() {
        let printed = "__TRAIN_COMPLETE__|{\"a\": 1}\nmore\n__TRAIN_COMPLETE__|{\"a\": 2}\n__TRAIN_COMPLETE__|broken\n";
        assert_eq!(completion(printed), Some(metrics(&[("a", 2.0)])));
        assert_eq!(completion("__TRAIN_COMPLETE__|{}"), Some(Metrics::new()));
        assert_eq!(completion("done"), None);
    }

    proptest! {
        #[test]
        fn no_line_breaks_it(line in "(__TRAIN_(START|PROGRESS|COMPLETE)__)?[|0-9a-z{}\":,.NaIfity-]{0,40}") {
            if let Some(Marker::Complete { metrics } | Marker::Progress { metrics, .. }) = read(&line) {
                prop_assert!(metrics.values().all(|value| value.is_finite()));
            }
        }
    }
}
