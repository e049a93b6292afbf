//! Column names out of a header: every one present, distinct and verbatim otherwise.

use std::collections::{HashMap, HashSet};

/// Names for the columns, and remarks on what was changed. `first_number` is the number of the first column.
pub(crate) fn column_names(raw: &[String], first_number: usize) -> (Vec<String>, Vec<String>) {
    let cleaned: Vec<&str> = raw.iter().map(|name| name.trim()).collect();
    // Names that stand in the file keep theirs; made-up ones give way.
    let mut taken: HashSet<String> = cleaned.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut next_suffix: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(cleaned.len());
    let (mut blank, mut renamed) = (Vec::new(), Vec::new());
    for (at, name) in cleaned.iter().enumerate() {
        if name.is_empty() {
            let base = format!("column_{}", at + first_number);
            let name = if taken.insert(base.clone()) { base } else { free_name(&base, &mut taken, &mut next_suffix) };
            blank.push(name.clone());
            names.push(name);
        } else if seen.insert(name) {
            names.push((*name).to_owned());
        } else {
            let free = free_name(name, &mut taken, &mut next_suffix);
            renamed.push(free.clone());
            names.push(free);
        }
    }
    let mut notes = Vec::new();
    if !renamed.is_empty() {
        notes.push(format!("Repeated column names got a suffix: {}.", listed(&renamed)));
    }
    if !blank.is_empty() {
        notes.push(format!("Columns without a name were named by position: {}.", listed(&blank)));
    }
    (names, notes)
}

fn free_name(base: &str, taken: &mut HashSet<String>, next_suffix: &mut HashMap<String, usize>) -> String {
    let suffix = next_suffix.entry(base.to_owned()).or_insert(2);
    loop {
        let candidate = format!("{base}_{suffix}");
        *suffix += 1;
        if taken.insert(candidate.clone()) {
            return candidate;
        }
    }
}

/// The first names of a list, and how many more there are.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[&str], expected: &[&str]) {
        let raw: Vec<String> = raw.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(column_names(&raw, 1).0, expected, "{raw:?}");
    }

    #[test]
    fn no_column_is_lost() {
        check(&["a", "a", "a"], &["a", "a_2", "a_3"]);
        check(&["a", "a", "a_2"], &["a", "a_3", "a_2"]);
        check(&["", "x", " "], &["column_1", "x", "column_3"]);
        check(&["column_2", ""], &["column_2", "column_2_2"]);
        check(&[" Größe \"x\" ", "a.b"], &["Größe \"x\"", "a.b"]);
    }

    #[test]
    fn many_equal_names_are_quick_and_noted() {
        let raw = vec!["x".to_owned(); 16_384];
        let (names, notes) = column_names(&raw, 1);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 16_384);
        assert!(notes[0].contains("\"x_2\"") && notes[0].contains("16373 more"), "{}", notes[0]);
    }
}
