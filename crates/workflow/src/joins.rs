//! Which columns of different tables belong together, and how sure that is.
//!
//! Names give the first guess, as in contract 1, section 11.4: the same column name that looks like a key 0.72, plain `id`
//! on both sides 0.55, `<x>_id` with the `id` of a table whose name has x in it 0.83. Sketches of the columns' values, when
//! there are any, raise it towards 0.98 when one side's values are in the other, and lower it when they are not.

use std::collections::BTreeMap;

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

/// Finds what may be joined, surest first.
#[must_use]
pub fn candidates(tables: &[&TableProfile], sketches: &[TableSketch]) -> Vec<JoinCandidate> {
    let keys: Vec<(&TableProfile, Vec<&ColumnProfile>)> = tables.iter().map(|table| (*table, keys_of(table))).collect();
    let mut found = Vec::new();
    for (at, (left, left_keys)) in keys.iter().enumerate() {
        for (right, right_keys) in keys.iter().skip(at + 1) {
            found.extend(between(left, left_keys, right, right_keys));
        }
    }
    let by_column: BTreeMap<(&str, &str), &KeySketch> =
        sketches.iter().map(|of| ((of.table.as_str(), of.sketch.column.as_str()), &of.sketch)).collect();
    for candidate in &mut found {
        weigh(candidate, &by_column);
    }
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    found.truncate(JOIN_CANDIDATES_MAX);
    found
}

fn keys_of(table: &TableProfile) -> Vec<&ColumnProfile> {
    table.columns.iter().filter(|column| is_key_like(column)).take(KEY_SKETCHES_MAX).collect()
}

fn between(
    left: &TableProfile,
    left_keys: &[&ColumnProfile],
    right: &TableProfile,
    right_keys: &[&ColumnProfile],
) -> Vec<JoinCandidate> {
    let mut found = Vec::new();
    for l in left_keys {
        for r in right_keys {
            if l.dtype != r.dtype {
                continue;
            }
            if refers(&l.name, &r.name, &right.name) {
                found.push(candidate((left, l), (right, r), REFERENCE, "names its key"));
            } else if refers(&r.name, &l.name, &left.name) {
                found.push(candidate((right, r), (left, l), REFERENCE, "names its key"));
            } else if l.name.eq_ignore_ascii_case(&r.name) || same_but_for_the_tables(&l.name, &r.name) {
                let plain = l.name.eq_ignore_ascii_case("id");
                let reason = if plain { "both have an id, which may mean different things" } else { "the same key name" };
                found.push(candidate((left, l), (right, r), if plain { PLAIN_ID } else { SAME_KEY }, reason));
            }
        }
    }
    found
}

/// Whether `<x>_id` names the `id` of a table whose name has x in it.
fn refers(column: &str, id: &str, table: &str) -> bool {
    if !id.eq_ignore_ascii_case("id") {
        return false;
    }
    let mut words = split(column);
    if words.len() < 2 || words.pop().as_deref() != Some("id") {
        return false;
    }
    let Some(thing) = words.last().map(|word| stem(word)) else { return false };
    split(table).iter().any(|word| stem(word) == thing)
}

/// Whether two names differ in the abbreviation of their table only, as `o_custkey` and `c_custkey` do.
fn same_but_for_the_tables(left: &str, right: &str) -> bool {
    let key = |name: &str| {
        let mut words = split(name);
        let is_abbreviated = words.len() == 2 && words.first().is_some_and(|word| word.chars().count() <= TABLE_LETTERS_MAX);
        words.pop().filter(|word| is_abbreviated && word != "id")
    };
    key(left).is_some_and(|left| key(right).is_some_and(|right| left == right))
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
