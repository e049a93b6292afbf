//! Suggestions by rules, from the profiles of columns: no model, and the same answer each time.

use gristmill_domain::{
    datasets::{ColumnProfile, ColumnType},
    key_sketches::is_key_like,
    nl::{NlSuggestion, WorkflowPlaceholders},
};

use super::{bounded, is_number, numbered, placeholders, runnable};
use crate::{
    joins,
    ports::{ProjectSchema, SuggestionSet, TableProfile},
    prompts::{line, quoted},
};

/// Tables that are looked at.
const TABLES_MAX: usize = 24;
/// Longest name in a text, characters.
const NAME_CHARS_MAX: usize = 40;
/// Most values of a column that is worth grouping by.
const GROUPS_MAX: u64 = 50;

pub(super) fn suggest(schema: &ProjectSchema) -> SuggestionSet {
    let facts: Vec<Facts<'_>> =
        schema.tables.iter().filter(|table| !table.columns.is_empty()).take(TABLES_MAX).map(Facts::of).collect();
    // One of each table in turn, so that a first large table does not take all places.
    let mut of_tables: Vec<std::vec::IntoIter<NlSuggestion>> = facts.iter().map(|facts| questions(facts).into_iter()).collect();
    let mut all = across(&facts);
    let mut has_more = true;
    while has_more {
        has_more = false;
        for questions in &mut of_tables {
            if let Some(question) = questions.next() {
                has_more = true;
                all.push(question);
            }
        }
    }
    let suggestions = numbered(all.into_iter().filter_map(|one| bounded(one, schema)).collect());
    let explore = runnable(facts.iter().flat_map(statements).collect(), schema);
    let placeholders = WorkflowPlaceholders {
        preprocessing: placeholders(facts.iter().take(3).flat_map(preprocessing).collect()),
        feature_engineering: placeholders(facts.iter().take(3).flat_map(feature_engineering).collect()),
        training: placeholders(facts.iter().take(3).flat_map(training).collect()),
        explore,
    };
    SuggestionSet { suggestions, placeholders: Some(placeholders) }
}

/// A table's columns by what they are good for.
struct Facts<'t> {
    table: &'t TableProfile,
    groups: Vec<&'t ColumnProfile>,
    numbers: Vec<&'t ColumnProfile>,
    dates: Vec<&'t ColumnProfile>,
    gaps: Vec<&'t ColumnProfile>,
    first: Option<&'t ColumnProfile>,
}

impl<'t> Facts<'t> {
    fn of(table: &'t TableProfile) -> Self {
        let columns = || table.columns.iter().filter(|column| !column.name.chars().any(char::is_control));
        let is_group = |column: &&ColumnProfile| {
            matches!(column.dtype, ColumnType::String | ColumnType::Boolean) && (2..=GROUPS_MAX).contains(&column.unique_count)
        };
        let is_measure = |column: &&ColumnProfile| is_number(column.dtype) && !is_key_like(column) && column.unique_count > 1;
        let mut gaps: Vec<&ColumnProfile> = columns().filter(|column| column.null_count > 0).collect();
        gaps.sort_by_key(|column| std::cmp::Reverse(column.null_count));
        Self {
            table,
            groups: columns().filter(is_group).collect(),
            numbers: columns().filter(is_measure).collect(),
            dates: columns().filter(|column| column.dtype == ColumnType::Date).collect(),
            gaps,
            first: columns().next(),
        }
    }

    fn name(&self) -> String {
        line(&self.table.name, NAME_CHARS_MAX)
    }
}

fn shown(column: &ColumnProfile) -> String {
    line(&column.name, NAME_CHARS_MAX)
}

fn suggestion(tables: &[&str], category: &str, prompt: String, label: String, rationale: &str) -> NlSuggestion {
    NlSuggestion {
        id: String::new(),
        prompt,
        label,
        category: category.to_owned(),
        tables: tables.iter().map(|table| (*table).to_owned()).collect(),
        rationale: rationale.to_owned(),
    }
}

fn questions(facts: &Facts<'_>) -> Vec<NlSuggestion> {
    let (name, tables) = (facts.name(), [facts.table.name.as_str()]);
    let mut all = Vec::new();
    for (group, number) in facts.groups.iter().zip(facts.numbers.iter().cycle()).take(3) {
        let (group, number) = (shown(group), shown(number));
        all.push(suggestion(
            &tables,
            "Comparison",
            format!("What is the average {number} for each {group} in {name}?"),
            format!("Average {number} by {group}"),
            "Groups that differ in a number are the quickest way into a table",
        ));
        all.push(suggestion(
            &tables,
            "Ranking",
            format!("Which {group} has the highest total {number} in {name}?"),
            format!("Top {group} by {number}"),
            "Shows where most of the total comes from",
        ));
    }
    if let (Some(date), Some(number)) = (facts.dates.first(), facts.numbers.first()) {
        let (date, number) = (shown(date), shown(number));
        all.push(suggestion(
            &tables,
            "Trend",
            format!("How does the total {number} in {name} change by month of {date}?"),
            format!("{number} by month"),
            "Shows growth, seasons and gaps over time",
        ));
    }
    for group in facts.groups.iter().take(2) {
        let group = shown(group);
        all.push(suggestion(
            &tables,
            "Frequency",
            format!("How often does each {group} occur in {name}?"),
            format!("Rows by {group}"),
            "Shows how balanced the groups are",
        ));
    }
    if let [first, second, ..] = facts.numbers.as_slice() {
        let (first, second) = (shown(first), shown(second));
        all.push(suggestion(
            &tables,
            "Relationship",
            format!("How strongly are {first} and {second} correlated in {name}?"),
            format!("{first} and {second}"),
            "Tells whether one number says something about the other",
        ));
    }
    all.extend(basics(facts));
    all
}

/// Questions that every table can be asked.
fn basics(facts: &Facts<'_>) -> Vec<NlSuggestion> {
    let (name, tables) = (facts.name(), [facts.table.name.as_str()]);
    let mut all = Vec::new();
    if let Some(number) = facts.numbers.first() {
        let number = shown(number);
        all.push(suggestion(
            &tables,
            "Distribution",
            format!("What are the minimum, median and maximum of {number} in {name}?"),
            format!("Range of {number}"),
            "Shows the usual values and the extremes",
        ));
    }
    if let Some(gap) = facts.gaps.first().or(facts.first.as_ref()) {
        let gap = shown(gap);
        all.push(suggestion(
            &tables,
            "Data quality",
            format!("How many rows of {name} have no value in {gap}?"),
            format!("Missing {gap} values"),
            "Gaps change averages and hold models back",
        ));
    }
    if let Some(first) = facts.first {
        let first = shown(first);
        all.push(suggestion(
            &tables,
            "Overview",
            format!("How many different values does {first} have in {name}?"),
            format!("Different {first} values"),
            "Tells a key from a group",
        ));
    }
    all.push(suggestion(
        &tables,
        "Overview",
        format!("How many rows does the table {name} have?"),
        format!("Size of {name}"),
        "A first look at how much there is",
    ));
    all.push(suggestion(
        &tables,
        "Overview",
        format!("Show the first 20 rows of the table {name}"),
        format!("First rows of {name}"),
        "A first look at what there is",
    ));
    all
}

/// Questions over two tables.
fn across(facts: &[Facts<'_>]) -> Vec<NlSuggestion> {
    let tables: Vec<&TableProfile> = facts.iter().map(|facts| facts.table).collect();
    let of = |name: &str| facts.iter().find(|facts| facts.table.name == name);
    let mut all = Vec::new();
    for join in joins::candidates(&tables, &[]).iter().filter(|join| join.confidence >= 0.7).take(3) {
        let (Some(left), Some(right)) = (of(&join.left_table), of(&join.right_table)) else { continue };
        let pair = left.numbers.first().zip(right.groups.first()).map(|(number, group)| (left, number, right, group));
        let pair =
            pair.or_else(|| right.numbers.first().zip(left.groups.first()).map(|(number, group)| (right, number, left, group)));
        if let Some((measured, number, grouped, group)) = pair {
            let (number, group) = (shown(number), shown(group));
            all.push(suggestion(
                &[&measured.table.name, &grouped.table.name],
                "Across tables",
                format!("What is the total {number} of {} for each {group} of {}?", measured.name(), grouped.name()),
                format!("{number} by {group}"),
                "Joins two tables that share a key",
            ));
        }
    }
    all
}

fn statements(facts: &Facts<'_>) -> Vec<String> {
    let table = quoted(&facts.table.name);
    let name = |column: &ColumnProfile| quoted(&column.name);
    let mut all = vec![format!("SELECT * FROM {table} LIMIT 20"), format!("SELECT count(*) AS row_count FROM {table}")];
    if let Some(group) = facts.groups.first() {
        let group = name(group);
        all.push(format!("SELECT {group}, count(*) AS row_count FROM {table} GROUP BY {group} ORDER BY row_count DESC LIMIT 20"));
    }
    if let (Some(group), Some(number)) = (facts.groups.first(), facts.numbers.first()) {
        let (group, number) = (name(group), name(number));
        all.push(format!(
            "SELECT {group}, avg({number}) AS average, sum({number}) AS total FROM {table} GROUP BY {group} ORDER BY total DESC LIMIT 20"
        ));
    }
    if let (Some(date), Some(number)) = (facts.dates.first(), facts.numbers.first()) {
        let (date, number) = (name(date), name(number));
        all.push(format!(
            "SELECT date_trunc('month', {date}) AS month, sum({number}) AS total FROM {table} GROUP BY 1 ORDER BY 1 LIMIT 200"
        ));
    }
    if let Some(number) = facts.numbers.first() {
        let number = name(number);
        all.push(format!(
            "SELECT min({number}) AS lowest, avg({number}) AS average, median({number}) AS middle, max({number}) AS highest, stddev({number}) AS spread FROM {table}"
        ));
    }
    if let [first, second, ..] = facts.numbers.as_slice() {
        all.push(format!("SELECT corr({}, {}) AS correlation FROM {table}", name(first), name(second)));
    }
    if let Some(first) = facts.first {
        let first = name(first);
        all.push(format!(
            "SELECT count(DISTINCT {first}) AS different_values, count(*) - count({first}) AS missing FROM {table}"
        ));
    }
    all
}

fn preprocessing(facts: &Facts<'_>) -> Vec<String> {
    let name = facts.name();
    let mut all = Vec::new();
    for gap in facts.gaps.iter().take(2) {
        all.push(format!("Fill the {} missing values of {}", gap.null_count, shown(gap)));
    }
    if let Some(number) = facts.numbers.first() {
        all.push(format!("Find outliers in {} and cap them", shown(number)));
    }
    all.push(format!("Remove duplicate rows from {name}"));
    all.push(format!("Check the types of all columns of {name}"));
    all.push(format!("Trim and unify the spelling of text in {name}"));
    all
}

fn feature_engineering(facts: &Facts<'_>) -> Vec<String> {
    let name = facts.name();
    let mut all = Vec::new();
    if let Some(date) = facts.dates.first() {
        all.push(format!("Extract month and weekday from {}", shown(date)));
    }
    if let Some(group) = facts.groups.first() {
        all.push(format!("Encode the {} values of {} as numbers", group.unique_count, shown(group)));
    }
    if let [first, second, ..] = facts.numbers.as_slice() {
        all.push(format!("Add the ratio of {} to {}", shown(first), shown(second)));
    }
    all.push(format!("Propose features from the columns of {name}"));
    all.push(format!("Scale the numeric columns of {name}"));
    all.push(format!("Mark which values of {name} are missing"));
    all
}

fn training(facts: &Facts<'_>) -> Vec<String> {
    let name = facts.name();
    let mut all = Vec::new();
    if let Some(group) = facts.groups.last() {
        all.push(format!("Train a classifier that predicts {}", shown(group)));
    }
    if let Some(number) = facts.numbers.last() {
        all.push(format!("Train a regression that predicts {}", shown(number)));
    }
    all.push(format!("Compare three kinds of models on {name}"));
    all.push(format!("Find out which columns of {name} matter most"));
    all.push(format!("Start with a simple baseline model on {name}"));
    all
}
