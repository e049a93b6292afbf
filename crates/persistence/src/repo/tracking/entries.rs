//! What runs are searched by: one row a metric, parameter or tag, written with the run.

use std::collections::BTreeMap;

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Array, Bool, Double, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::RunId;

use crate::{database::DbError, schema::tracking_entries as entries};

/// The kinds of entries.
pub(super) const METRIC: &str = "metric";
pub(super) const PARAM: &str = "param";
pub(super) const TAG: &str = "tag";
/// So many characters of a text are kept: index rows have a bound.
pub(super) const WORDS_CHARS_MAX: usize = 200;

/// Entries to be written, a column at a time.
#[derive(Debug, Default)]
pub(super) struct Entries {
    kinds: Vec<&'static str>,
    keys: Vec<String>,
    numbers: Vec<Option<f64>>,
    words: Vec<Option<String>>,
    whole: Vec<bool>,
}

impl Entries {
    /// A metric's latest value. NaN is no value to search by.
    pub(super) fn metric(&mut self, key: &str, value: f64) {
        self.push(METRIC, key, Some(value).filter(|value| !value.is_nan()), None, true);
    }

    /// Parameters or tags.
    pub(super) fn texts(&mut self, kind: &'static str, texts: &BTreeMap<String, String>) {
        for (key, text) in texts {
            let is_whole = text.chars().count() <= WORDS_CHARS_MAX;
            let words = if is_whole { text.clone() } else { text.chars().take(WORDS_CHARS_MAX).collect() };
            self.push(kind, key, None, Some(words), is_whole);
        }
    }

    fn push(&mut self, kind: &'static str, key: &str, number: Option<f64>, words: Option<String>, is_whole: bool) {
        self.kinds.push(kind);
        self.keys.push(key.to_owned());
        self.numbers.push(number);
        self.words.push(words);
        self.whole.push(is_whole);
    }

    /// Writes them over those that the run has. No key may be there twice.
    pub(super) async fn write(self, connection: &mut AsyncPgConnection, run: RunId) -> Result<(), DbError> {
        const SQL: &str = "insert into tracking_entries
            (run_id, kind, entry_key, project_id, start_ms, is_deleted, number, words, is_whole)
            select run_id, one.kind, one.entry_key, project_id, start_ms, is_deleted, one.number, one.words, one.is_whole
            from tracking_runs, unnest($2, $3, $4, $5, $6) as one (kind, entry_key, number, words, is_whole) where run_id = $1
            on conflict (run_id, kind, entry_key) do update set number = excluded.number, words = excluded.words, is_whole = excluded.is_whole
            where (tracking_entries.number, tracking_entries.words) is distinct from (excluded.number, excluded.words)
                or tracking_entries.is_whole <> excluded.is_whole";
        if self.keys.is_empty() {
            return Ok(());
        }
        sql_query(SQL)
            .bind::<SqlUuid, _>(run.0)
            .bind::<Array<Text>, _>(self.kinds)
            .bind::<Array<Text>, _>(self.keys)
            .bind::<Array<Nullable<Double>>, _>(self.numbers)
            .bind::<Array<Nullable<Text>>, _>(self.words)
            .bind::<Array<Bool>, _>(self.whole)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Removes tags of a run.
pub(super) async fn remove_tags(connection: &mut AsyncPgConnection, run: RunId, keys: &[String]) -> Result<(), DbError> {
    if keys.is_empty() {
        return Ok(());
    }
    let gone = entries::table.filter(entries::run_id.eq(run.0)).filter(entries::kind.eq(TAG));
    diesel::delete(gone.filter(entries::entry_key.eq_any(keys))).execute(connection).await?;
    Ok(())
}

/// Marks the entries of a run that is deleted, or is back.
pub(super) async fn mark(connection: &mut AsyncPgConnection, run: RunId, is_deleted: bool) -> Result<(), DbError> {
    let own = entries::table.filter(entries::run_id.eq(run.0));
    diesel::update(own).set(entries::is_deleted.eq(is_deleted)).execute(connection).await?;
    Ok(())
}
