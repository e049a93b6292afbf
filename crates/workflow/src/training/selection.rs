//! Whether a prompt means what is selected: another file or another target named in it is a mistake that costs a training.

use std::ops::Range;

/// The code of the failure.
pub const SELECTION_MISMATCH: &str = "TRAINING_SELECTION_MISMATCH";

/// What is selected, and what could be.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'a> {
    /// Name of the selected dataset's file.
    pub dataset: &'a str,
    /// Names of the files of all datasets of the project.
    pub datasets: &'a [&'a str],
    /// The selected target.
    pub target: Option<&'a str>,
    /// The columns of the selected dataset.
    pub columns: &'a [&'a str],
}

/// Why a prompt does not fit what is selected, for people; none when it does.
#[must_use]
pub fn mismatch(prompt: &str, selected: &Selected<'_>) -> Option<String> {
    let text = prompt.to_lowercase();
    if let Some(other) = other_dataset(&text, selected) {
        return Some(format!(
            "The prompt names {other}, but the selected dataset is {}; select {other}, or leave it out of the prompt",
            selected.dataset
        ));
    }
    let (target, other) = other_target(&text, selected)?;
    Some(format!(
        "The prompt asks to predict \"{other}\", but the selected target is \"{target}\"; select \"{other}\", or change the prompt"
    ))
}

fn other_dataset<'a>(text: &str, selected: &Selected<'a>) -> Option<&'a str> {
    let mut names: Vec<&str> = selected.datasets.iter().copied().filter(|name| name.chars().count() >= 3).collect();
    // Longer names first: `sales.csv` is in `my sales.csv`.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let own = selected.dataset.to_lowercase();
    let mut covered: Vec<Range<usize>> = Vec::new();
    let mut found = None;
    for name in names {
        let lower = name.to_lowercase();
        for place in places(text, &lower) {
            let is_part = covered.iter().any(|other| other.start < place.end && place.start < other.end);
            if is_part {
                continue;
            }
            covered.push(place);
            if lower != own && found.is_none() {
                found = Some(name);
            }
        }
    }
    found
}

/// Where a name stands by itself.
fn places(text: &str, name: &str) -> Vec<Range<usize>> {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let stands = |start: usize, end: usize| {
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        let mut after = text.get(end..).unwrap_or_default().chars();
        let (next, following) = (after.next(), after.next());
        let goes_on = next == Some('.') && following.is_some_and(char::is_alphanumeric);
        let touches = before.is_some_and(|c| is_inner(c) || c == '.') || next.is_some_and(is_inner) || goes_on;
        !touches
    };
    if name.is_empty() {
        return Vec::new();
    }
    let all = text.match_indices(name).map(|(start, found)| start..start + found.len());
    all.filter(|place| stands(place.start, place.end)).collect()
}

/// The selected target, and the column that the prompt wants predicted instead.
fn other_target<'a>(text: &str, selected: &Selected<'a>) -> Option<(&'a str, &'a str)> {
    let target = selected.target?;
    let mut columns: Vec<&str> = selected.columns.iter().copied().filter(|name| !name.trim().is_empty()).collect();
    columns.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let other = wishes(text).into_iter().find_map(|wish| {
        let named = columns.iter().copied().find(|column| {
            let lower = column.to_lowercase();
            wish.strip_prefix(lower.as_str()).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })?;
        (named.to_lowercase() != target.to_lowercase()).then_some(named)
    })?;
    Some((target, other))
}

/// What follows each place where a text says what to predict.
fn wishes(text: &str) -> Vec<&str> {
    const BEGINNINGS: [(&str, &[&str]); 6] = [
        ("predict", &[" "]),
        ("predicting", &[" "]),
        ("target column", &[" is ", ":", " = ", "=", " : ", " "]),
        ("target", &[" is ", ":", " = ", "=", " : "]),
        ("label column", &[" is ", ":", " = ", "=", " : ", " "]),
        ("label", &[" is ", ":", " = ", "=", " : "]),
    ];
    let mut found = Vec::new();
    for (beginning, links) in BEGINNINGS {
        for place in places(text, beginning) {
            let rest = text.get(place.end..).unwrap_or_default();
            let Some(wish) = links.iter().find_map(|link| rest.strip_prefix(link)) else { continue };
            let mut wish = wish.trim_start();
            for filler in ["the ", "column "] {
                wish = wish.strip_prefix(filler).unwrap_or(wish).trim_start();
            }
            found.push(wish.trim_start_matches(['"', '\'', '`', '“', '‘', '*']));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prompt: &str) -> Option<String> {
        mismatch(
            prompt,
            &Selected {
                dataset: "sales 2024.csv",
                datasets: &["sales 2024.csv", "2024.csv", "customers.csv", "customers.csv.csv", "b"],
                target: Some("price"),
                columns: &["price", "price_old", "unit price", "region", "is"],
            },
        )
    }

    #[test]
    fn another_dataset_is_a_mismatch() {
        for prompt in ["Train on customers.csv", "use CUSTOMERS.CSV!", "compare `2024.csv`", "(customers.csv)", "customers.csv."]
        {
            assert!(check(prompt).is_some_and(|why| why.contains("selected dataset is sales 2024.csv")), "{prompt}");
        }
        for prompt in ["Train on sales 2024.csv", "my_customers.csv", "customers.csvx", "customers", "b", "old.customers.csv", ""]
        {
            assert_eq!(check(prompt), None, "{prompt}");
        }
        assert!(check("customers.csv.csv").unwrap().contains("names customers.csv.csv"), "the longest name is meant");
    }

    #[test]
    fn another_target_is_a_mismatch() {
        for prompt in [
            "predict region",
            "Please predict the region of each sale",
            "predicting \"Region\"",
            "the target is region",
            "target: region",
            "Target column: `price_old`",
            "label: unit price",
            "label = region",
            "target column region",
        ] {
            assert!(check(prompt).is_some_and(|why| why.contains("selected target is \"price\"")), "{prompt}");
        }
        for prompt in [
            "predict price",
            "predict the price",
            "predict regional sales",
            "predict whether it is sold",
            "the target is PRICE.",
            "labels: region",
            "retarget: region",
            "target is unknown",
            "region is interesting",
        ] {
            assert_eq!(check(prompt), None, "{prompt}");
        }
        let open = Selected { dataset: "a.csv", datasets: &["a.csv"], target: None, columns: &["x"] };
        assert_eq!(mismatch("predict x", &open), None);
    }
}
