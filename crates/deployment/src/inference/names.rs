//! Names of fields: the dataset's own, and the plain ones that clients of the older interface send.

use std::collections::{HashMap, HashSet};

use super::signature::Feature;

/// For each feature the other spellings that can mean no other feature.
pub(super) fn aliases(features: &[Feature]) -> Vec<Vec<Box<str>>> {
    let own: HashSet<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let spellings: Vec<[String; 2]> =
        features.iter().map(|feature| [plain(&feature.name, true), plain(&feature.name, false)]).collect();
    let mut users: HashMap<&str, HashSet<usize>> = HashMap::new();
    for (place, spellings) in spellings.iter().enumerate() {
        for spelling in spellings {
            users.entry(spelling).or_default().insert(place);
        }
    }
    let clear = |spelling: &str| {
        !spelling.is_empty() && !own.contains(spelling) && users.get(spelling).is_some_and(|users| users.len() == 1)
    };
    spellings
        .iter()
        .map(|[unicode, ascii]| {
            let second = (ascii != unicode).then_some(ascii);
            [Some(unicode), second].into_iter().flatten().filter(|one| clear(one)).map(|one| one.as_str().into()).collect()
        })
        .collect()
}

/// A name as an identifier: spaces, `-`, `.` and `/` become `_`, other symbols are dropped, a digit in front gets `f_`.
fn plain(name: &str, letters_of_all_scripts: bool) -> String {
    let mut plain = String::with_capacity(name.len() + 2);
    for letter in name.chars() {
        if matches!(letter, ' ' | '-' | '.' | '/') {
            plain.push('_');
        } else if letter == '_' || letter.is_ascii_alphanumeric() || (letters_of_all_scripts && letter.is_alphanumeric()) {
            plain.push(letter);
        }
    }
    if plain.starts_with(|first: char| first.is_numeric()) {
        plain.insert_str(0, "f_");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_identifiers() {
        for (name, expected) in
            [("a b-c.d/e", "a_b_c_d_e"), ("spend €", "spend_"), ("2nd", "f_2nd"), ("größe", "größe"), ("\"q\"", "q"), ("€", "")]
        {
            assert_eq!(plain(name, true), expected, "{name}");
        }
        assert_eq!(plain("größe", false), "gre");
    }
}
