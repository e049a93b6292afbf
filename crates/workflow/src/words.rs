//! Words of questions and names, and how alike they are.

use std::collections::BTreeSet;

pub(crate) use gristmill_domain::words::split;

/// Words that say nothing about tables.
const STOP_WORDS: &[&str] = &[
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "between", "but", "by", "can", "compare",
    "did", "display", "do", "does", "each", "every", "find", "for", "from", "get", "give", "had", "has", "have", "how", "i",
    "in", "into", "is", "it", "its", "list", "many", "me", "more", "most", "much", "my", "no", "not", "of", "on", "or", "our",
    "over", "per", "please", "show", "so", "some", "tell", "than", "that", "the", "their", "them", "there", "these", "they",
    "this", "those", "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whose", "why", "will", "with",
    "would", "you",
];

/// The stems of a question's words that may be about data.
pub(crate) fn content_stems(question: &str) -> BTreeSet<String> {
    split(question).into_iter().filter(|word| !STOP_WORDS.contains(&word.as_str())).map(|word| stem(&word)).collect()
}

/// A word without the endings of English that do not change what it is about.
pub(crate) fn stem(word: &str) -> String {
    const ENDINGS: &[(&str, &str, usize)] = &[
        ("ies", "y", 3),
        ("sses", "ss", 2),
        ("ches", "ch", 2),
        ("shes", "sh", 2),
        ("xes", "x", 2),
        ("ings", "", 4),
        ("ing", "", 4),
        ("ers", "er", 3),
        ("ed", "", 4),
        ("ly", "", 4),
        ("es", "e", 3),
        ("s", "", 3),
    ];
    if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word.to_owned();
    }
    for (ending, instead, kept_min) in ENDINGS {
        if let Some(kept) = word.strip_suffix(ending)
            && kept.chars().count() >= *kept_min
        {
            return format!("{kept}{instead}").trim_end_matches('e').to_owned();
        }
    }
    // `price` and `pricing` meet without the e.
    if word.chars().count() >= 4 { word.trim_end_matches('e').to_owned() } else { word.to_owned() }
}

/// How alike two stems are: 1 the same, 0 not at all. Forgives a slip of the finger, abbreviations (`qty`, `amt`) and
/// beginnings.
pub(crate) fn likeness(left: &str, right: &str) -> f64 {
    if left == right {
        return 1.0;
    }
    let (left_chars, right_chars) = (left.chars().count(), right.chars().count());
    let (short, long) = if left_chars <= right_chars { (left, right) } else { (right, left) };
    let (short_chars, long_chars) = (left_chars.min(right_chars), left_chars.max(right_chars));
    if short_chars < 3 {
        return 0.0;
    }
    if short_chars >= 4 && long.starts_with(short) {
        return 0.8;
    }
    if short_chars >= 4 && long_chars - short_chars <= 2 && is_one_slip_away(short, long) {
        return 0.75;
    }
    if is_abbreviation(short, long) {
        return 0.6;
    }
    let shared = trigrams_shared(short, long);
    if shared >= 0.5 { shared * 0.8 } else { 0.0 }
}

/// One character added, dropped, changed, or swapped with its neighbour.
fn is_one_slip_away(short: &str, long: &str) -> bool {
    let (short, long): (Vec<char>, Vec<char>) = (short.chars().collect(), long.chars().collect());
    let same_front = short.iter().zip(&long).take_while(|(s, l)| s == l).count();
    let (short_rest, long_rest) = (short.get(same_front..).unwrap_or_default(), long.get(same_front..).unwrap_or_default());
    let after = |rest: &[char], skip: usize| -> Vec<char> { rest.iter().skip(skip).copied().collect() };
    let swapped = |s: &[char], l: &[char]| s.first() == l.get(1) && s.get(1) == l.first() && after(s, 2) == after(l, 2);
    after(short_rest, 0) == after(long_rest, 1)
        || (short.len() == long.len() && (after(short_rest, 1) == after(long_rest, 1) || swapped(short_rest, long_rest)))
}

/// `qty` of `quantity`: the same first letter, all letters in their order, and far fewer of them.
fn is_abbreviation(short: &str, long: &str) -> bool {
    if short.chars().next() != long.chars().next() || short.chars().count() * 2 > long.chars().count() + 1 {
        return false;
    }
    let vowels = short.chars().filter(|c| "aeiou".contains(*c)).count();
    let mut rest = long.chars();
    vowels <= 1 && short.chars().all(|wanted| rest.any(|c| c == wanted))
}

/// Share of three-letter pieces that both have.
fn trigrams_shared(left: &str, right: &str) -> f64 {
    let pieces = |word: &str| -> BTreeSet<(char, char, char)> {
        let chars: Vec<char> = word.chars().collect();
        chars.iter().zip(chars.iter().skip(1)).zip(chars.iter().skip(2)).map(|((a, b), c)| (*a, *b, *c)).collect()
    };
    let (left, right) = (pieces(left), pieces(right));
    let both = left.intersection(&right).count();
    let all = left.union(&right).count();
    if all == 0 { 0.0 } else { float(both) / float(all) }
}

/// A count as a number.
pub(crate) fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_split_where_people_see_words() {
        for (name, words) in [
            ("order_date", vec!["order", "date"]),
            ("orderDate", vec!["order", "date"]),
            ("HTTPStatus", vec!["http", "status"]),
            ("Total Revenue (EUR)", vec!["total", "revenue", "eur"]),
            ("q3sales", vec!["q", "3", "sales"]),
            ("größe", vec!["größe"]),
            ("", vec![]),
        ] {
            assert_eq!(split(name), words, "{name}");
        }
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for words in
            [["sale", "sales"], ["category", "categories"], ["price", "pricing"], ["customer", "customers"], ["order", "ordered"]]
        {
            assert_eq!(stem(words[0]), stem(words[1]), "{words:?}");
        }
        assert_eq!(stem("status"), "status");
        assert_eq!(stem("address"), "address");
        assert_eq!(content_stems("How many customers are there?"), BTreeSet::from(["customer".to_owned()]));
    }

    #[test]
    fn alike_words_are_found() {
        for (left, right) in [
            ("region", "region"),
            ("regoin", "region"),
            ("custmer", "customer"),
            ("qty", "quantity"),
            ("cust", "customer"),
            ("amt", "amount"),
        ] {
            assert!(likeness(left, right) >= 0.5, "{left} {right}");
        }
        for (left, right) in
            [("region", "revenue"), ("id", "identity"), ("cat", "cost"), ("date", "data_x"), ("order", "border_y")]
        {
            assert!(likeness(left, right) < 0.75, "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn likeness_is_symmetric_and_bounded(left in "\\PC{0,12}", right in "\\PC{0,12}") {
            let there = likeness(&left, &right);
            prop_assert!((0.0..=1.0).contains(&there));
            prop_assert!((there - likeness(&right, &left)).abs() < 1e-9);
        }

        #[test]
        fn no_text_breaks_the_splitting(text in "(?s).{0,80}") {
            for word in split(&text) {
                prop_assert!(!word.is_empty() && !word.contains(' '));
            }
        }
    }
}
