//! Which columns of different tables belong together, and how sure that is.
//!
//! Names give the first guess, as in contract 1, section 11.4: the same column name that looks like a key 0.72, plain `id`
//! on both sides 0.55, `<x>_id` with the `id` of a table whose name has x in it 0.83. Sketches of the columns' values, when
//! there are any, raise it towards 0.98 when one side's values are in the other, and lower it when they are not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gristmill_domain::{
    datasets::ColumnProfile,
    key_sketches::{KEY_SKETCHES_MAX, KeySketch, is_key_like},
};

use crate::{
    ports::{TableProfile, TableSketch},
    words::{split, stem},
};

/// Most candidates that are looked at.
pub const JOIN_CANDIDATES_MAX: usize = 24;
/// Most candidates that a model is shown.
pub const JOIN_CANDIDATES_SHOWN: usize = 16;

/// Candidates of two tables whose values are compared, and of these, those that are kept: the keys of a table rarely have
/// more columns.
const PAIR_NAMED_MAX: usize = 32;
const PAIR_CANDIDATES_MAX: usize = 4;

const SAME_KEY: f64 = 0.72;
const PLAIN_ID: f64 = 0.55;
const REFERENCE: f64 = 0.83;
/// Longest abbreviation of a table in a column's name, letters.
const TABLE_LETTERS_MAX: usize = 2;
/// What a guess rises to when all values are shared.
const SHARED_MAX: f64 = 0.98;
/// Below this share of common values, a guess is lowered.
const SHARE_LOW: f64 = 0.5;

/// Two columns that may belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinCandidate {
    /// The table that refers.
    pub left_table: String,
    /// Its column.
    pub left_column: String,
    /// The table that is referred to.
    pub right_table: String,
    /// Its column.
    pub right_column: String,
    /// How sure it is, 0..1.
    pub confidence: f64,
    /// Why.
    pub reason: String,
}

impl JoinCandidate {
    /// Whether it joins these two columns, whichever stands left.
    #[must_use]
    pub fn joins(&self, left: (&str, &str), right: (&str, &str)) -> bool {
        let (mine, theirs) =
            ((self.left_table.as_str(), self.left_column.as_str()), (self.right_table.as_str(), self.right_column.as_str()));
        (mine == left && theirs == right) || (mine == right && theirs == left)
    }
}

/// Finds what may be joined, surest first: of two tables the surest few, so that wide tables leave room for others. Some
/// milliseconds for tables with many key-like columns.
#[must_use]
pub fn candidates(tables: &[&TableProfile], sketches: &[TableSketch]) -> Vec<JoinCandidate> {
    let all: Vec<Keys<'_>> = tables.iter().map(|table| Keys::of(table)).collect();
    let by_column: BTreeMap<(&str, &str), &KeySketch> =
        sketches.iter().map(|of| ((of.table.as_str(), of.sketch.column.as_str()), &of.sketch)).collect();
    let mut found = Vec::new();
    for (at, left) in all.iter().enumerate() {
        for right in all.iter().skip(at + 1) {
            let mut of_pair = between(left, right);
            for candidate in &mut of_pair {
                weigh(candidate, &by_column);
            }
            found.extend(surest(of_pair, PAIR_CANDIDATES_MAX));
        }
    }
    surest(found, JOIN_CANDIDATES_MAX)
}

fn surest(mut candidates: Vec<JoinCandidate>, count: usize) -> Vec<JoinCandidate> {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    candidates.truncate(count);
    candidates
}

/// A key-like column, and what its name says.
struct Key<'t> {
    column: &'t ColumnProfile,
    /// In lower case.
    name: String,
    /// What `<x>_id` refers to, as a stem.
    thing: Option<String>,
    /// The name without an abbreviation of its table.
    bare: Option<String>,
}

impl<'t> Key<'t> {
    fn of(column: &'t ColumnProfile) -> Self {
        let words = split(&column.name);
        let (thing, bare) = match words.as_slice() {
            [.., thing, last] if last == "id" => (Some(stem(thing)), None),
            [table, last] if table.chars().count() <= TABLE_LETTERS_MAX => (None, Some(last.clone())),
            _ => (None, None),
        };
        Self { column, name: column.name.to_ascii_lowercase(), thing, bare }
    }
}

/// A table's key-like columns.
struct Keys<'t> {
    table: &'t TableProfile,
    /// The stems of its name's words.
    words: BTreeSet<String>,
    keys: Vec<Key<'t>>,
}

impl<'t> Keys<'t> {
    fn of(table: &'t TableProfile) -> Self {
        let keys = table.columns.iter().filter(|column| is_key_like(column)).take(KEY_SKETCHES_MAX);
        let words = split(&table.name).iter().map(|word| stem(word)).collect();
        Self { table, words, keys: keys.map(Key::of).collect() }
    }
}

/// What the names of two tables' columns say, the surest first.
fn between(left: &Keys<'_>, right: &Keys<'_>) -> Vec<JoinCandidate> {
    let mut found = references(left, right);
    found.extend(references(right, left));
    found.extend(alike(left, right));
    found.truncate(PAIR_NAMED_MAX);
    found
}

/// `<x>_id` that names the `id` of a table whose name has x in it.
fn references(from: &Keys<'_>, to: &Keys<'_>) -> Vec<JoinCandidate> {
    let ids: Vec<&Key<'_>> = to.keys.iter().filter(|key| key.name == "id").collect();
    let named = from.keys.iter().filter(|key| key.thing.as_ref().is_some_and(|thing| to.words.contains(thing)));
    let pairs = named.flat_map(|key| ids.iter().map(move |id| (key, *id)));
    pairs
        .filter(|(key, id)| key.column.dtype == id.column.dtype)
        .take(PAIR_NAMED_MAX)
        .map(|(key, id)| candidate((from.table, key.column), (to.table, id.column), REFERENCE, "names its key"))
        .collect()
}

/// Columns with the same name, or with names that differ in the abbreviation of their table only, as `o_custkey` and
/// `c_custkey` do.
fn alike(left: &Keys<'_>, right: &Keys<'_>) -> Vec<JoinCandidate> {
    let mut by_name: HashMap<&str, Vec<&Key<'_>>> = HashMap::new();
    let mut by_bare: HashMap<&str, Vec<&Key<'_>>> = HashMap::new();
    for key in &right.keys {
        by_name.entry(key.name.as_str()).or_default().push(key);
        if let Some(bare) = &key.bare {
            by_bare.entry(bare.as_str()).or_default().push(key);
        }
    }
    let same = left.keys.iter().flat_map(|key| {
        let others = by_name.get(key.name.as_str()).into_iter().flatten();
        others.map(move |other| (key, *other))
    });
    let but_for_the_tables = left.keys.iter().flat_map(|key| {
        let others = key.bare.as_ref().and_then(|bare| by_bare.get(bare.as_str())).into_iter().flatten();
        others.filter(move |other| other.name != key.name).map(move |other| (key, *other))
    });
    let fits = same.chain(but_for_the_tables).filter(|(key, other)| key.column.dtype == other.column.dtype);
    fits.take(PAIR_NAMED_MAX)
        .map(|(key, other)| {
            let plain = key.name == "id";
            let reason = if plain { "both have an id, which may mean different things" } else { "the same key name" };
            let confidence = if plain { PLAIN_ID } else { SAME_KEY };
            candidate((left.table, key.column), (right.table, other.column), confidence, reason)
        })
        .collect()
}

fn candidate(
    left: (&TableProfile, &ColumnProfile),
    right: (&TableProfile, &ColumnProfile),
    confidence: f64,
    reason: &str,
) -> JoinCandidate {
    JoinCandidate {
        left_table: left.0.name.clone(),
        left_column: left.1.name.clone(),
        right_table: right.0.name.clone(),
        right_column: right.1.name.clone(),
        confidence,
        reason: reason.to_owned(),
    }
}

fn weigh(candidate: &mut JoinCandidate, sketches: &BTreeMap<(&str, &str), &KeySketch>) {
    let of = |table: &str, column: &str| sketches.get(&(table, column)).copied();
    let (Some(left), Some(right)) =
        (of(&candidate.left_table, &candidate.left_column), of(&candidate.right_table, &candidate.right_column))
    else {
        return;
    };
    let share = match (left.share_in(right), right.share_in(left)) {
        (Some(there), Some(back)) => there.max(back),
        _ => return,
    };
    let named = candidate.confidence;
    candidate.confidence = if share >= SHARE_LOW {
        named + (SHARED_MAX - named) * (share - SHARE_LOW) / (1.0 - SHARE_LOW)
    } else {
        named * (0.2 + 0.8 * share / SHARE_LOW)
    };
    candidate.confidence = (candidate.confidence * 1000.0).round() / 1000.0;
    candidate.reason = format!("{}, and they share {:.0} % of their values", candidate.reason, share * 100.0);
}

#[cfg(test)]
mod tests {
    use gristmill_domain::datasets::ColumnType;

    use super::*;

    fn table(name: &str, columns: &[&str]) -> TableProfile {
        let column = |name: &&str| ColumnProfile { name: (*name).to_owned(), ..profile() };
        TableProfile {
            id: gristmill_domain::DatasetId::random(),
            name: name.to_owned(),
            physical_name: name.to_owned(),
            filename: String::new(),
            row_count: 100,
            columns: columns.iter().map(column).collect(),
        }
    }

    fn profile() -> ColumnProfile {
        serde_json::from_value(serde_json::json!({
            "name": "", "dtype": ColumnType::Integer.as_str(), "nullCount": 0, "sampleCount": 100, "uniqueCount": 100, "topValues": []
        }))
        .unwrap()
    }

    fn found(tables: &[TableProfile]) -> Vec<(String, f64)> {
        let all = candidates(&tables.iter().collect::<Vec<_>>(), &[]);
        let shown =
            |one: JoinCandidate| format!("{}.{}={}.{}", one.left_table, one.left_column, one.right_table, one.right_column);
        all.into_iter().map(|one| (shown(one.clone()), one.confidence)).collect()
    }

    #[test]
    fn names_say_what_belongs_together() {
        for (left, right, expected) in [
            (
                table("orders", &["customer_id"]),
                table("customers", &["ID"]),
                Some(("orders.customer_id=customers.ID", REFERENCE)),
            ),
            (
                table("customers", &["id"]),
                table("orders", &["customer_id"]),
                Some(("orders.customer_id=customers.id", REFERENCE)),
            ),
            (table("a", &["order_key"]), table("b", &["Order_Key"]), Some(("a.order_key=b.Order_Key", SAME_KEY))),
            (table("o", &["o_custkey"]), table("c", &["c_custkey"]), Some(("o.o_custkey=c.c_custkey", SAME_KEY))),
            (table("a", &["id"]), table("b", &["id"]), Some(("a.id=b.id", PLAIN_ID))),
            (table("a", &["a_id"]), table("b", &["b_id"]), None),
            (table("orders", &["customer_id"]), table("shops", &["id"]), None),
        ] {
            let expected = expected.map(|(text, confidence)| (text.to_owned(), confidence));
            assert_eq!(found(&[left, right]), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn wide_tables_do_not_crowd_out_others() {
        let many: Vec<String> =
            (0..60_u8).map(|n| format!("{}{}_key", char::from(b'a' + n / 26), char::from(b'a' + n % 26))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut tables: Vec<TableProfile> = (0..6).map(|n| table(&format!("wide{n}"), &many)).collect();
        tables.push(table("orders", &["customer_id"]));
        tables.push(table("customers", &["id"]));
        let found = found(&tables);
        assert_eq!(found.first(), Some(&("orders.customer_id=customers.id".to_owned(), REFERENCE)));
        assert_eq!(found.len(), JOIN_CANDIDATES_MAX);
        let of_first = found.iter().filter(|(text, _)| text.starts_with("wide0.") && text.contains("=wide1.")).count();
        assert_eq!(of_first, PAIR_CANDIDATES_MAX);
    }
}
