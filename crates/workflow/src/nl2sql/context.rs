//! What the model gets to know of a project's tables: what the question is about, not what happens to be oldest.
//!
//! Every column is weighed by how alike its name's words and the question's are (slips, abbreviations and endings
//! forgiven; words that fit many columns count less), by values of it that the question names, and a little by its type.
//! Tables are weighed by their names and their best columns. The best are shown until the bound of tokens is reached, with
//! the number of columns that were left out; further tables are named only.

mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gristmill_domain::{DatasetId, datasets::ColumnType};

pub(crate) use self::writing::is_complete;
use crate::{
    joins::{self, JoinCandidate},
    ports::{ProjectSchema, TableProfile, TableSketch},
    words::{content_stems, float, likeness, split, stem},
};

/// Bounds of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextLimits {
    /// Most tables whose columns are shown.
    pub tables_max: usize,
    /// Most columns of one table.
    pub columns_max: usize,
    /// Most tokens of all of it, by estimate.
    pub tokens_max: usize,
}

impl Default for ContextLimits {
    fn default() -> Self {
        Self { tables_max: 8, columns_max: 40, tokens_max: 6000 }
    }
}

/// A table that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTable {
    /// Its name.
    pub name: String,
    /// The columns that are shown, in file order.
    pub columns: Vec<String>,
    /// How many are not.
    pub columns_left_out: usize,
}

/// What the model gets to know.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaContext {
    /// The tables that are shown, most relevant first.
    pub tables: Vec<ShownTable>,
    /// Tables that are only named or not even that.
    pub tables_left_out: usize,
    /// The table that the asker has open, if it is one of the project's.
    pub table_open: Option<String>,
    /// What may be joined.
    pub joins: Vec<JoinCandidate>,
    /// All of it, for the prompt. Names and values in it are hostile text.
    pub text: String,
    /// What comes behind what may be joined, until that is known.
    rest: String,
    /// Which of the question's words each table answers to.
    found: BTreeMap<String, BTreeSet<usize>>,
    /// How many words of the question may be about data.
    words: usize,
}

impl SchemaContext {
    /// Share of the question's words that are found in these tables, 0..1.
    #[must_use]
    pub fn words_found(&self, tables: &BTreeSet<String>) -> f64 {
        if self.words == 0 {
            return 1.0;
        }
        let found: BTreeSet<usize> = tables.iter().filter_map(|table| self.found.get(table)).flatten().copied().collect();
        float(found.len()) / float(self.words)
    }

    /// How many columns are shown.
    #[must_use]
    pub fn columns_shown(&self) -> usize {
        self.tables.iter().map(|table| table.columns.len()).sum()
    }

    /// The tables that are shown, by their ids.
    pub(crate) fn ids(&self, schema: &ProjectSchema) -> Vec<DatasetId> {
        self.tables.iter().filter_map(|table| schema.table(&table.name)).map(|table| table.id).collect()
    }

    /// With what may be joined of the tables that are shown, by these sketches. Completes the text.
    #[must_use]
    pub(crate) fn with_joins(mut self, schema: &ProjectSchema, sketches: &[TableSketch]) -> Self {
        let shown: Vec<&TableProfile> = self.tables.iter().filter_map(|table| schema.table(&table.name)).collect();
        self.joins = joins::candidates(&shown, sketches);
        self.text.push_str(&writing::joins(&self.joins));
        let rest = std::mem::take(&mut self.rest);
        self.text.push_str(&rest);
        self
    }
}

/// Chooses, with what may be joined. Pure; some milliseconds for ten thousand columns.
#[must_use]
pub fn select(
    question: &str,
    table_hint: Option<&str>,
    schema: &ProjectSchema,
    sketches: &[TableSketch],
    limits: &ContextLimits,
) -> SchemaContext {
    choose(question, table_hint, schema, limits).with_joins(schema, sketches)
}

/// Chooses tables and columns; linear in their number. What may be joined, and the end of the text, come by
/// [`SchemaContext::with_joins`], which needs the sketches of these tables only.
pub(crate) fn choose(question: &str, table_hint: Option<&str>, schema: &ProjectSchema, limits: &ContextLimits) -> SchemaContext {
    let question = Question::new(question);
    let mut matcher = Matcher { stems: &question.stems, known: HashMap::new() };
    let raw: Vec<RawMatches> = schema.tables.iter().map(|table| matcher.table(&question, table)).collect();
    let rarity = rarity(question.stems.len(), &raw);
    let table_open = table_hint.and_then(|hint| open_table(hint, schema)).map(|table| table.name.clone());
    let mut weighed: Vec<Weighed<'_>> = schema
        .tables
        .iter()
        .zip(&raw)
        .map(|(table, matches)| weigh(&question, table, matches, &rarity, table_open.as_deref() == Some(table.name.as_str())))
        .collect();
    weighed.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let found = schema.tables.iter().zip(&raw).map(|(table, matches)| (table.name.clone(), matches.found())).collect();
    let mut context = SchemaContext {
        tables: Vec::new(),
        tables_left_out: 0,
        table_open,
        joins: Vec::new(),
        text: String::new(),
        rest: String::new(),
        found,
        words: question.stems.len(),
    };
    writing::write(&mut context, &weighed, schema, limits);
    context
}

/// Words that say how to compute, not what.
const COMPUTING: &[&str] = &[
    "averag",
    "mean",
    "median",
    "total",
    "sum",
    "count",
    "number",
    "top",
    "bottom",
    "highest",
    "lowest",
    "maximum",
    "minimum",
    "max",
    "min",
    "large",
    "largest",
    "small",
    "smallest",
    "best",
    "worst",
    "first",
    "last",
    "latest",
    "trend",
    "distribution",
    "group",
    "sort",
    "order",
    "rank",
    "percent",
    "percentag",
    "shar",
    "ratio",
    "distinct",
    "uniqu",
    "differ",
    "different",
    "row",
    "record",
    "valu",
    "data",
    "dataset",
    "tabl",
    "column",
];
const TIMES: &[&str] =
    &["dat", "day", "week", "month", "quarter", "year", "tim", "recent", "daily", "monthly", "yearly", "ago", "since"];

struct Question {
    /// Words that may be about data.
    stems: Vec<String>,
    /// All words, for finding values: ` show sales in new york `.
    padded: String,
    asks_for_time: bool,
    asks_for_numbers: bool,
}

impl Question {
    fn new(text: &str) -> Self {
        let all = content_stems(text);
        let asks_for_time = all.iter().any(|word| TIMES.contains(&word.as_str()));
        let asks_for_numbers = all.iter().any(|word| COMPUTING.contains(&word.as_str()));
        let stems = all.into_iter().filter(|word| !COMPUTING.contains(&word.as_str()) || word == "order").collect();
        Self { stems, padded: format!(" {} ", split(text).join(" ")), asks_for_time, asks_for_numbers }
    }

    fn names_value(&self, value: &str) -> bool {
        if !(2..=60).contains(&value.len()) {
            return false;
        }
        let words = split(value).join(" ");
        words.chars().count() >= 2 && self.padded.contains(&format!(" {words} "))
    }
}

/// Below this, a likeness is none.
const LIKENESS_MIN: f64 = 0.55;

/// Compares words of names with the question's, each distinct word once.
struct Matcher<'q> {
    stems: &'q [String],
    known: HashMap<String, Vec<(usize, f64)>>,
}

/// What of a table fits the question: the number of the question's word, and how well.
struct RawMatches {
    name: Vec<(usize, f64)>,
    columns: Vec<Vec<(usize, f64)>>,
    values: Vec<bool>,
}

impl RawMatches {
    fn found(&self) -> BTreeSet<usize> {
        self.name.iter().chain(self.columns.iter().flatten()).map(|(word, _)| *word).collect()
    }
}

impl Matcher<'_> {
    fn name(&mut self, name: &str) -> Vec<(usize, f64)> {
        let mut best: BTreeMap<usize, f64> = BTreeMap::new();
        for word in split(name) {
            let stem = stem(&word);
            let stems = self.stems;
            let matches = self.known.entry(stem).or_insert_with_key(|stem| {
                let alike = stems.iter().map(|wanted| likeness(stem, wanted)).enumerate();
                alike.filter(|(_, likeness)| *likeness >= LIKENESS_MIN).collect()
            });
            for (at, likeness) in matches.iter() {
                let entry = best.entry(*at).or_insert(0.0);
                *entry = entry.max(*likeness);
            }
        }
        best.into_iter().collect()
    }

    fn table(&mut self, question: &Question, table: &TableProfile) -> RawMatches {
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut values = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let mut matches = self.name(&column.name);
            let is_text = matches!(column.dtype, ColumnType::String | ColumnType::Unknown);
            let named: Vec<&str> = if is_text {
                column.top_values.iter().map(|top| top.value.as_str()).filter(|value| question.names_value(value)).collect()
            } else {
                Vec::new()
            };
            // The words of a named value are accounted for, too.
            for word in named.iter().flat_map(|value| split(value)) {
                let stem = stem(&word);
                if let Some(at) = self.stems.iter().position(|wanted| *wanted == stem)
                    && !matches.iter().any(|(known, _)| *known == at)
                {
                    matches.push((at, 1.0));
                }
            }
            values.push(!named.is_empty());
            columns.push(matches);
        }
        let mut name = self.name(&table.name);
        for (at, likeness) in self.name(&table.filename) {
            if !name.iter().any(|(known, _)| *known == at) {
                name.push((at, likeness * 0.8));
            }
        }
        RawMatches { name, columns, values }
    }
}

/// How much each of the question's words tells: one that fits many columns tells little.
fn rarity(words: usize, raw: &[RawMatches]) -> Vec<f64> {
    let mut columns = vec![0_usize; words];
    for (at, _) in raw.iter().flat_map(|matches| matches.columns.iter().flatten()) {
        if let Some(count) = columns.get_mut(*at) {
            *count += 1;
        }
    }
    columns.into_iter().map(|count| 1.0 / (1.0 + float(count).ln_1p() / 2.0)).collect()
}

struct Weighed<'t> {
    table: &'t TableProfile,
    weight: f64,
    columns: Vec<f64>,
}

const NAME_WEIGHT: f64 = 3.0;
const VALUE_WEIGHT: f64 = 4.0;
const OPEN_WEIGHT: f64 = 1.0;

fn weigh<'t>(question: &Question, table: &'t TableProfile, matches: &RawMatches, rarity: &[f64], is_open: bool) -> Weighed<'t> {
    let of = |found: &[(usize, f64)]| -> f64 {
        found.iter().map(|(at, likeness)| likeness * rarity.get(*at).copied().unwrap_or(0.0)).sum()
    };
    let columns: Vec<f64> = table
        .columns
        .iter()
        .zip(matches.columns.iter().zip(&matches.values))
        .map(|(column, (found, named))| {
            let hint = match column.dtype {
                ColumnType::Date if question.asks_for_time => 0.4,
                ColumnType::Integer | ColumnType::Float if question.asks_for_numbers => 0.1,
                _ => 0.0,
            };
            NAME_WEIGHT * of(found) + if *named { VALUE_WEIGHT } else { 0.0 } + hint
        })
        .collect();
    let mut best = columns.clone();
    best.sort_by(|a, b| b.total_cmp(a));
    let of_columns: f64 = best.iter().take(5).sum();
    let of_name: f64 = matches.name.iter().map(|(_, likeness)| likeness * NAME_WEIGHT).sum();
    let weight = of_name + of_columns + if is_open { OPEN_WEIGHT } else { 0.0 };
    Weighed { table, weight, columns }
}

/// The table that a client has open: by name in any case, also under its physical name or a beginning of it.
fn open_table<'s>(hint: &str, schema: &'s ProjectSchema) -> Option<&'s TableProfile> {
    let hint = hint.trim().to_lowercase();
    if hint.is_empty() {
        return None;
    }
    let by = |fits: &dyn Fn(&TableProfile) -> bool| schema.tables.iter().find(|table| fits(table));
    by(&|table| table.name == hint)
        .or_else(|| by(&|table| table.physical_name == hint))
        .or_else(|| {
            let (stem, digits) = hint.rsplit_once('_')?;
            let is_suffix = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            if is_suffix { by(&|table| table.name == stem) } else { None }
        })
        .or_else(|| by(&|table| table.name.starts_with(&hint)))
}
