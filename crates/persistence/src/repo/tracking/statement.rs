//! A search becomes a statement with parameters; nothing of what a program sent is part of its text.
//!
//! Programs' runs are found in one of two ways. A *walk* goes through the newest runs, or through those that are best by the
//! metric that is sorted by, and looks each of a bounded number up: it answers the common search at once. Where it does not
//! fill the page, the *whole* set of each condition is read from its index, and they are joined. Trainings are few: they are
//! read as they are, and added.

use std::fmt::Write as _;

use diesel::{
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_query,
    sql_types::{Array, BigInt, Double, Text, Uuid as SqlUuid},
};
use gristmill_domain::{
    ProjectId,
    tracking::{
        RunSearch,
        filter::{Comparator, Condition, Operand, Order, Subject},
    },
};
use uuid::Uuid;

use super::entries::{METRIC, PARAM, TAG, WORDS_CHARS_MAX};

/// Rows that a walk looks at, at least, and for each row that is wanted.
const WALK_ROWS: u64 = 1_000;
const WALK_ROWS_EACH: u64 = 16;
/// Pages that end later are not walked to.
const WALK_END_MAX: u64 = 5_000;

/// A value that a statement is given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    Text(String),
    Texts(Vec<String>),
    Number(f64),
    Integer(i64),
    Ids(Vec<Uuid>),
    Id(Uuid),
}

/// A statement with its values.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) bound: Vec<Bound>,
}

impl Statement {
    pub(super) fn bind(&mut self, value: Bound) -> String {
        self.bound.push(value);
        format!("${}", self.bound.len())
    }

    pub(super) fn query<'a>(self) -> BoxedSqlQuery<'a, Pg, SqlQuery> {
        let mut query = sql_query(self.text).into_boxed::<Pg>();
        for value in self.bound {
            query = match value {
                Bound::Text(text) => query.bind::<Text, _>(text),
                Bound::Texts(texts) => query.bind::<Array<Text>, _>(texts),
                Bound::Number(number) => query.bind::<Double, _>(number),
                Bound::Integer(number) => query.bind::<BigInt, _>(number),
                Bound::Ids(ids) => query.bind::<Array<SqlUuid>, _>(ids),
                Bound::Id(id) => query.bind::<SqlUuid, _>(id),
            };
        }
        query
    }
}

/// What a search needs more than once.
struct Plan<'a> {
    search: &'a RunSearch,
    statement: Statement,
    /// `= $1`, with the projects.
    projects: String,
    /// ` and not {alias}.is_deleted`, with the alias to be filled in.
    deleted: Option<bool>,
    /// The rows up to the end of the page, as a parameter.
    end: String,
}

/// The walk of a search; none where it would not help. Answers `run_id`s in order, and in `found` how many of the wanted
/// rows the walk had.
pub(super) fn walk(projects: &[ProjectId], search: &RunSearch) -> Option<Statement> {
    if !is_walked(projects, search) {
        return None;
    }
    let by_entry = search.order.first();
    let mut plan = Plan::new(projects, search);
    let rows = plan.statement.bind(Bound::Integer(integer(WALK_ROWS + WALK_ROWS_EACH * end_of(search))));
    let walked = match by_entry {
        None => format!(
            "select run_id, start_ms from tracking_runs r where project_id {}{} order by start_ms desc, run_id limit {rows}",
            plan.projects,
            plan.deleted("r")
        ),
        Some(order) => {
            let (entry, column) = (plan.entry("e", &order.subject), column_of(&order.subject));
            // With ties: else some of those with the last value would be missing, and not the last of them.
            format!(
                "select e.run_id, e.start_ms, e.{column} as o0 from tracking_entries e where {entry}{} and e.{column} is not null
                 order by e.{column} {}, e.start_ms desc fetch first {rows} rows with ties",
                plan.deleted("e"),
                direction(order)
            )
        }
    };
    let mut holds = String::new();
    let mut joins_run = false;
    for condition in &search.conditions {
        match kind_of(&condition.subject) {
            Some(_) => {
                let key = plan.keyed("e", &condition.subject);
                let test = plan.entry_test("e", condition);
                // As a value, not as a join: each run is looked up by its key, whatever is thought of the others.
                let _ = write!(
                    holds,
                    " and coalesce((select {test} from tracking_entries e where e.run_id = w.run_id and {key}), false)"
                );
            }
            None => {
                joins_run = true;
                let test = plan.run_test("r", condition);
                let _ = write!(holds, " and {test}");
            }
        }
    }
    let join = if joins_run { " join tracking_runs r on r.run_id = w.run_id" } else { "" };
    let own = by_entry.map(|_| ", w.o0").unwrap_or_default();
    let part = format!("select w.run_id, w.start_ms{own} from ({walked}) as w{join} where true{holds}");
    Some(plan.finish(&part))
}

fn is_walked(projects: &[ProjectId], search: &RunSearch) -> bool {
    let is_ordered = match search.order.as_slice() {
        // An index has the newest, without conditions on entries.
        [] => has_entry_conditions(search),
        [order] => kind_of(&order.subject).is_some(),
        _ => false,
    };
    is_ordered && projects.len() == 1 && end_of(search) <= WALK_END_MAX
}

fn has_entry_conditions(search: &RunSearch) -> bool {
    search.conditions.iter().any(|condition| kind_of(&condition.subject).is_some())
}

/// The search over whole indexes. Answers as [`walk`] does.
pub(super) fn whole(projects: &[ProjectId], search: &RunSearch) -> Statement {
    let mut plan = Plan::new(projects, search);
    let needs_run = |subject: &Subject| kind_of(subject).is_none() && *subject != Subject::Attribute("start_time".into());
    let joins_run = search.conditions.iter().any(|condition| kind_of(&condition.subject).is_none())
        || search.order.iter().any(|order| needs_run(&order.subject));
    let (mut from, mut tests, mut first) = (String::new(), String::new(), None::<String>);
    for (number, condition) in search.conditions.iter().enumerate() {
        if kind_of(&condition.subject).is_none() {
            let test = plan.run_test("r", condition);
            let _ = write!(tests, " and {test}");
            continue;
        }
        let alias = format!("e{number}");
        let entry = plan.entry(&alias, &condition.subject);
        let test = plan.entry_test(&alias, condition);
        match &first {
            None => {
                let _ = write!(from, "tracking_entries {alias}");
                let deleted = plan.deleted(&alias);
                let _ = write!(tests, " and {entry} and {test}{deleted}");
                first = Some(alias);
            }
            Some(first) => {
                let _ = write!(from, " join tracking_entries {alias} on {alias}.run_id = {first}.run_id and {entry} and {test}");
            }
        }
    }
    let base = match first {
        None => {
            let _ = write!(from, "tracking_runs r");
            let deleted = plan.deleted("r");
            let _ = write!(tests, " and r.project_id {}{deleted}", plan.projects);
            "r".to_owned()
        }
        Some(first) => {
            if joins_run {
                let _ = write!(from, " join tracking_runs r on r.run_id = {first}.run_id and r.project_id {}", plan.projects);
            }
            first
        }
    };
    // Where a walk found few, there are few: what they are sorted by is looked up for each.
    let looks_up = has_entry_conditions(search) && is_walked(projects, search);
    let mut values = String::new();
    for (number, order) in search.order.iter().enumerate() {
        let value = if kind_of(&order.subject).is_some() && looks_up {
            let (keyed, column) = (plan.keyed("s", &order.subject), column_of(&order.subject));
            format!("(select s.{column} from tracking_entries s where s.run_id = {base}.run_id and {keyed})")
        } else if kind_of(&order.subject).is_some() {
            let entry = plan.entry(&format!("s{number}"), &order.subject);
            let _ = write!(from, " left join tracking_entries s{number} on s{number}.run_id = {base}.run_id and {entry}");
            format!("s{number}.{}", column_of(&order.subject))
        } else if needs_run(&order.subject) {
            attribute("r", &order.subject)
        } else {
            format!("{base}.start_ms")
        };
        let _ = write!(values, ", {value} as o{number}");
    }
    let part = format!("select {base}.run_id, {base}.start_ms{values} from {from} where true{tests}");
    plan.finish(&part)
}

impl<'a> Plan<'a> {
    fn new(projects: &[ProjectId], search: &'a RunSearch) -> Self {
        let mut statement = Statement::default();
        let projects = match projects {
            // Of one project the newest page comes straight from an index: a list of one would be sorted as a whole.
            [one] => format!("= {}", statement.bind(Bound::Id(one.0))),
            all => format!("= any ({})", statement.bind(Bound::Ids(all.iter().map(|project| project.0).collect()))),
        };
        let end = statement.bind(Bound::Integer(integer(end_of(search))));
        Self { search, statement, projects, deleted: search.deleted, end }
    }

    fn deleted(&self, alias: &str) -> String {
        match self.deleted {
            Some(true) => format!(" and {alias}.is_deleted"),
            Some(false) => format!(" and not {alias}.is_deleted"),
            None => String::new(),
        }
    }

    /// That an entry is of this kind and key.
    fn keyed(&mut self, alias: &str, subject: &Subject) -> String {
        let key = match subject {
            Subject::Metric(key) | Subject::Param(key) | Subject::Tag(key) | Subject::Attribute(key) => key.clone(),
        };
        let key = self.statement.bind(Bound::Text(key));
        format!("{alias}.kind = '{}' and {alias}.entry_key = {key}", kind_of(subject).unwrap_or_default())
    }

    /// That an entry is of this kind and key, and of the projects.
    fn entry(&mut self, alias: &str, subject: &Subject) -> String {
        let keyed = self.keyed(alias, subject);
        format!("{alias}.project_id {} and {keyed}", self.projects)
    }

    /// What is compared with what a condition says.
    fn compared(&mut self, value: &str, condition: &Condition) -> String {
        let sql = condition.comparator.sql();
        match &condition.operand {
            Operand::Number(number) => format!("{value} {sql} {}", self.statement.bind(Bound::Number(*number))),
            Operand::Text(text) => {
                let text = self.statement.bind(Bound::Text(text.clone()));
                // Else a pattern that ends with a backslash would be an error.
                let likes = matches!(condition.comparator, Comparator::Like | Comparator::LikeAnyCase);
                format!("{value} {sql} {text}{}", if likes { " escape ''" } else { "" })
            }
            Operand::Among { texts, is_in } => {
                let texts = self.statement.bind(Bound::Texts(texts.clone()));
                if *is_in { format!("{value} = any ({texts})") } else { format!("{value} <> all ({texts})") }
            }
        }
    }

    /// That an entry is as a condition says.
    fn entry_test(&mut self, alias: &str, condition: &Condition) -> String {
        let column = match &condition.subject {
            Subject::Metric(_) => return self.compared(&format!("{alias}.number"), condition),
            Subject::Tag(_) => "tags",
            Subject::Param(_) | Subject::Attribute(_) => "params",
        };
        let is_short = |text: &String| text.chars().count() <= WORDS_CHARS_MAX;
        let is_indexed = match (&condition.operand, condition.comparator) {
            (Operand::Among { texts, is_in: true }, _) => texts.iter().all(is_short),
            (Operand::Text(text), Comparator::Equal) => is_short(text),
            _ => false,
        };
        if is_indexed {
            // A text of which only a part is here is longer than what is asked for.
            return format!("({} and {alias}.is_whole)", self.compared(&format!("{alias}.words"), condition));
        }
        let all = format!("(select l.{column} ->> {alias}.entry_key from tracking_runs l where l.run_id = {alias}.run_id)");
        self.compared(&format!("case when {alias}.is_whole then {alias}.words else {all} end"), condition)
    }

    /// That what every run has is as a condition says.
    fn run_test(&mut self, alias: &str, condition: &Condition) -> String {
        let value = attribute(alias, &condition.subject);
        self.compared(&value, condition)
    }

    /// What is looked at of a training.
    fn training_value(&mut self, subject: &Subject) -> String {
        match subject {
            Subject::Metric(key) => {
                format!("(t.metrics -> {} ->> 'value')::double precision", self.statement.bind(Bound::Text(key.clone())))
            }
            Subject::Param(key) => format!("t.params ->> {}", self.statement.bind(Bound::Text(key.clone()))),
            Subject::Tag(key) => format!("t.tags ->> {}", self.statement.bind(Bound::Text(key.clone()))),
            Subject::Attribute(_) => attribute("t", subject),
        }
    }

    /// The page of programs' runs, which `part` finds, and of trainings.
    fn finish(mut self, part: &str) -> Statement {
        let mut order = String::new();
        for (number, one) in self.search.order.iter().enumerate() {
            // Of what every run has the words would keep an index from being used.
            let last = if is_everywhere(&one.subject) { "" } else { " nulls last" };
            let _ = write!(order, "o{number} {}{last}, ", direction(one));
        }
        order.push_str("start_ms desc, run_id");
        let mut values = String::new();
        for (number, one) in self.search.order.iter().enumerate() {
            let mut value = self.training_value(&one.subject);
            if matches!(one.subject, Subject::Param(_) | Subject::Tag(_)) {
                value = format!("left({value}, {WORDS_CHARS_MAX})");
            }
            let _ = write!(values, ", {value} as o{number}");
        }
        let mut tests = self.deleted("t");
        for condition in &self.search.conditions {
            let value = self.training_value(&condition.subject);
            let test = self.compared(&value, condition);
            let _ = write!(tests, " and {test}");
        }
        let limit = self.statement.bind(Bound::Integer(self.search.limit.into()));
        let offset = self.statement.bind(Bound::Integer(integer(self.search.offset)));
        self.statement.text = format!(
            "with logged as materialized ({part} order by {order} limit {end})
             select run_id, (select count(*) from logged) as found
             from (select * from logged union all select t.run_id, t.start_ms{values} from training_runs t where t.project_id {projects}{tests}) as every
             order by {order} limit {limit} offset {offset}",
            end = self.end,
            projects = self.projects,
        );
        self.statement
    }
}

/// Rows up to the end of the page.
pub(super) fn end_of(search: &RunSearch) -> u64 {
    search.offset.saturating_add(search.limit.into())
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn kind_of(subject: &Subject) -> Option<&'static str> {
    match subject {
        Subject::Metric(_) => Some(METRIC),
        Subject::Param(_) => Some(PARAM),
        Subject::Tag(_) => Some(TAG),
        Subject::Attribute(_) => None,
    }
}

fn column_of(subject: &Subject) -> &'static str {
    if matches!(subject, Subject::Metric(_)) { "number" } else { "words" }
}

/// Whether every run has it.
fn is_everywhere(subject: &Subject) -> bool {
    matches!(subject, Subject::Attribute(name) if name != "end_time")
}

fn direction(order: &Order) -> &'static str {
    if order.is_descending { "desc" } else { "asc" }
}

fn attribute(alias: &str, subject: &Subject) -> String {
    let Subject::Attribute(name) = subject else { return "null".to_owned() };
    match name.as_str() {
        "run_id" => format!("replace({alias}.run_id::text, '-', '')"),
        "run_name" => format!("{alias}.name"),
        "user_id" => format!("{alias}.user_name"),
        "start_time" => format!("{alias}.start_ms"),
        "end_time" => format!("{alias}.end_ms"),
        _ => format!("{alias}.status"),
    }
}

#[cfg(test)]
mod tests {
    use gristmill_domain::tracking::filter::{parse, parse_order};

    use super::*;

    #[test]
    fn nothing_that_is_sent_is_part_of_the_text() {
        let conditions = "params.`a' or '1'='1` = \"x'; drop table users; --\" and metrics.\"b)); --\" > 1
            and tags.`q'` in ('d; --') and run_name like 'e; --%'";
        let search = RunSearch {
            projects: vec![ProjectId::random()],
            conditions: parse(conditions).unwrap(),
            deleted: Some(false),
            order: vec![parse_order("metrics.`z'; --` DESC").unwrap()],
            limit: 10,
            offset: 0,
        };
        for statement in [walk(&search.projects, &search).unwrap(), whole(&search.projects, &search)] {
            for part in ["'1'", "drop", "--", "z'", "q'"] {
                assert!(!statement.text.contains(part), "{part} is in {}", statement.text);
            }
            assert!(statement.bound.contains(&Bound::Text("a' or '1'='1".into())), "{:?}", statement.bound);
        }
    }

    #[test]
    fn only_what_a_walk_answers_is_walked() {
        let search = |filter: &str, order: &[&str], offset| RunSearch {
            projects: vec![ProjectId::random()],
            conditions: parse(filter).unwrap(),
            deleted: Some(false),
            order: order.iter().map(|text| parse_order(text).unwrap()).collect(),
            limit: 10,
            offset,
        };
        let is_walked = |search: RunSearch| walk(&search.projects, &search).is_some();
        assert!(is_walked(search("metrics.a > 1", &[], 0)));
        assert!(is_walked(search("", &["metrics.a DESC"], 0)));
        assert!(is_walked(search("status = 'FAILED' and params.b = 'c'", &["params.a"], 0)));
        assert!(!is_walked(search("", &[], 0)), "an index has it");
        assert!(!is_walked(search("status = 'FAILED'", &["run_name"], 0)));
        assert!(!is_walked(search("metrics.a > 1", &["metrics.a", "metrics.b"], 0)), "of ties the second metric decides");
        assert!(!is_walked(search("metrics.a > 1", &[], 1_000_000)));
    }
}
