//! Names: folding as the engine does it, quoting where the text needs it, and near misses.

use std::borrow::Cow;

use sqlparser::ast::Ident;
use sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER, RESERVED_FOR_TABLE_ALIAS,
};
use sqlparser::tokenizer::Span;

/// Longest name for which near misses are looked up, bytes.
const SIMILAR_BYTES_MAX: usize = 64;

/// Words that are no plain names everywhere in PostgreSQL or in the parser: printed in quotes.
const QUOTED_WORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "between",
    "both",
    "box",
    "case",
    "cast",
    "ceil",
    "check",
    "coalesce",
    "collate",
    "column",
    "constraint",
    "convert",
    "create",
    "cube",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "floor",
    "foreign",
    "from",
    "global",
    "grouping",
    "sets",
    "if",
    "in",
    "interval",
    "is",
    "json_table",
    "lambda",
    "leading",
    "left",
    "like",
    "ilike",
    "localtime",
    "localtimestamp",
    "map",
    "match",
    "minus",
    "natural",
    "not",
    "notnull",
    "null",
    "nullif",
    "only",
    "openjson",
    "operator",
    "or",
    "overlay",
    "placing",
    "position",
    "primary",
    "prior",
    "references",
    "regexp",
    "right",
    "rlike",
    "rollup",
    "row",
    "safe_cast",
    "session_user",
    "similar",
    "some",
    "struct",
    "substr",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "then",
    "to",
    "top",
    "trailing",
    "trim",
    "true",
    "try_cast",
    "try_convert",
    "unique",
    "unnest",
    "user",
    "value",
    "values",
    "variadic",
    "when",
    "with",
    "xmltable",
    "xor",
];

/// The name as the engine sees it: unquoted names in ASCII lower case, quoted names as they are.
pub(crate) fn folded(ident: &Ident) -> Cow<'_, str> {
    if ident.quote_style.is_some() || !ident.value.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Borrowed(&ident.value)
    } else {
        Cow::Owned(ident.value.to_ascii_lowercase())
    }
}

/// An identifier for a folded name, quoted only where it must be, at the place of the one it replaces.
pub(crate) fn canonical(name: &str, span: Span) -> Ident {
    let quote_style = if is_plain(name) { None } else { Some('"') };
    Ident { value: name.to_owned(), quote_style, span }
}

fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    starts_well && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !is_reserved_word(name)
}

fn is_reserved_word(name: &str) -> bool {
    if QUOTED_WORDS.contains(&name) {
        return true;
    }
    let upper = name.to_ascii_uppercase();
    let keyword = ALL_KEYWORDS.binary_search(&upper.as_str()).ok().and_then(|at| ALL_KEYWORDS_INDEX.get(at));
    keyword.is_some_and(|keyword: &Keyword| {
        RESERVED_FOR_TABLE_ALIAS.contains(keyword)
            || RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
            || RESERVED_FOR_IDENTIFIER.contains(keyword)
    })
}

/// Up to two of the candidates that are a slip of the finger away, closest first.
pub(crate) fn similar<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Vec<String> {
    if name.is_empty() || name.len() > SIMILAR_BYTES_MAX {
        return Vec::new();
    }
    let name = name.to_ascii_lowercase();
    let distance_max = if name.len() <= 4 { 1 } else { 2 };
    let mut close: Vec<(usize, &str)> = candidates
        .filter(|candidate| candidate.len() <= SIMILAR_BYTES_MAX)
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .collect();
    close.sort_unstable();
    close.dedup();
    close.into_iter().take(2).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// How many characters must be added, dropped, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut left_before = None;
    for (row, l) in left.chars().enumerate() {
        let mut current = Vec::with_capacity(above.len());
        current.push(row + 1);
        let mut right_before = None;
        for (column, r) in right.iter().copied().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = at(&above, column) + usize::from(l != r);
            best = best.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            if left_before == Some(r) && right_before == Some(l) && column > 0 {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
            right_before = Some(r);
        }
        before = std::mem::replace(&mut above, current);
        left_before = Some(l);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_postgres_does() {
        let plain = Ident::new("SaLes");
        assert_eq!(folded(&plain), "sales");
        assert_eq!(folded(&Ident::with_quote('"', "SaLes")), "SaLes");
        // Only ASCII: the Kelvin sign must not become a plain k, or a name could slip past a comparison.
        assert_eq!(folded(&Ident::new("\u{212a}ey")), "\u{212a}ey");
    }

    #[test]
    fn quotes_only_what_needs_it() {
        for (name, quoted) in [
            ("sales", false),
            ("sales_2", false),
            ("_x", false),
            ("data", false),
            ("date", false),
            ("order", true),
            ("user", true),
            ("table", true),
            ("select", true),
            ("limit", true),
            ("Sales", true),
            ("a b", true),
            ("2x", true),
            ("", true),
        ] {
            assert_eq!(canonical(name, Span::empty()).quote_style.is_some(), quoted, "{name}");
        }
    }

    #[test]
    fn finds_near_misses() {
        let names = ["sales", "sales_2", "customers", "to_char"];
        assert_eq!(similar("slaes", names.into_iter()), ["sales"]);
        assert_eq!(similar("custmers", names.into_iter()), ["customers"]);
        assert_eq!(similar("TO_CHR", names.into_iter()), ["to_char"]);
        assert!(similar("orders", names.into_iter()).is_empty());
        assert!(similar("", names.into_iter()).is_empty());
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abcd", "abdc"), 1);
    }
}
