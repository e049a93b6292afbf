//! Random statements that PostgreSQL answers: the engine answers the same. A few it may refuse, in words that say what to
//! do; it never fails for a reason of its own.

use gristmill_domain::ErrorCode;
use gristmill_testkit::pg::TestDatabase;

use crate::{
    data::{self, Random},
    differential::compare::{Expected, difference},
    support::{TestEngine, chain, gate},
};

const STATEMENTS: u64 = 200;
/// PostgreSQL has to answer so many of a hundred: else the statements are too wild to show anything.
const ASKED_PERCENT: usize = 80;
/// And so many of a hundred that PostgreSQL answers may be refused.
const REFUSED_PERCENT: usize = 2;

/// What an expression is. Floats are kept out of sums and averages, whose last digits depend on the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Bool,
    Text,
    Moment,
}

const KINDS: [Kind; 5] = [Kind::Int, Kind::Float, Kind::Bool, Kind::Text, Kind::Moment];

/// The columns of the generated tables.
const COLUMNS: &[(&str, &str, Kind)] = &[
    ("customers", "id", Kind::Int),
    ("customers", "name", Kind::Text),
    ("customers", "city", Kind::Text),
    ("customers", "score", Kind::Float),
    ("customers", "active", Kind::Bool),
    ("customers", "joined", Kind::Moment),
    ("orders", "id", Kind::Int),
    ("orders", "customer_id", Kind::Int),
    ("orders", "quantity", Kind::Int),
    ("orders", "amount", Kind::Float),
    ("orders", "status", Kind::Text),
    ("orders", "ordered_at", Kind::Moment),
    ("events", "id", Kind::Int),
    ("events", "kind", Kind::Text),
    ("events", "at", Kind::Moment),
    ("events", "value", Kind::Float),
    ("measures", "k", Kind::Int),
    ("measures", "x", Kind::Int),
    ("measures", "y", Kind::Float),
];

struct Writer {
    random: Random,
    /// Alias and table of what FROM names.
    from: Vec<(String, &'static str)>,
}

impl Writer {
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.random.below(u64::try_from(choices.len()).unwrap())]
    }

    fn kind(&mut self) -> Kind {
        KINDS[self.random.below(5)]
    }

    fn column(&mut self, kind: Kind) -> Option<String> {
        let all: Vec<String> = self
            .from
            .iter()
            .flat_map(|(alias, table)| {
                COLUMNS
                    .iter()
                    .filter(move |(of, _, is)| of == table && *is == kind)
                    .map(move |(_, column, _)| format!("{alias}.{column}"))
            })
            .collect();
        if all.is_empty() { None } else { Some(all[self.random.below(u64::try_from(all.len()).unwrap())].clone()) }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Int => (i64::try_from(self.random.below(41)).unwrap() - 20).to_string(),
            Kind::Float => format!("{}::float8", self.pick(&["0", "1.5", "-2.25", "1e3", "0.125"])),
            Kind::Bool => self.pick(&["true", "false", "null::boolean"]).to_owned(),
            Kind::Text => self.pick(&["''", "'a'", "'Praha'", "'%o%'", "'ü'", "null::text", "'O''Brien'"]).to_owned(),
            Kind::Moment => self
                .pick(&["timestamp '2020-02-29 12:00'", "timestamp '1969-12-31 23:59:59'", "timestamp '2024-12-31'"])
                .to_owned(),
        }
    }

    /// An expression of one value a row.
    fn scalar(&mut self, kind: Kind, depth: u32) -> String {
        if depth == 0 || self.random.below(4) == 0 {
            let column = if self.random.below(3) > 0 { self.column(kind) } else { None };
            return column.unwrap_or_else(|| self.literal(kind));
        }
        let below = depth - 1;
        if self.random.below(6) == 0 {
            let (test, a, b) = (self.scalar(Kind::Bool, below), self.scalar(kind, below), self.scalar(kind, below));
            return match self.random.below(3) {
                0 => format!("case when {test} then {a} else {b} end"),
                1 => format!("coalesce({a}, {b})"),
                _ => format!("nullif({a}, {b})"),
            };
        }
        match kind {
            Kind::Int => self.int(below),
            Kind::Float => self.float(below),
            Kind::Bool => self.bool(below),
            Kind::Text => self.text(below),
            Kind::Moment => self.moment(below),
        }
    }

    fn int(&mut self, depth: u32) -> String {
        let a = self.scalar(Kind::Int, depth);
        match self.random.below(8) {
            0 => format!("({a} + {})", self.scalar(Kind::Int, depth)),
            1 => format!("({a} - {})", self.literal(Kind::Int)),
            2 => format!("({a} % 7)"),
            3 => format!("({a} / 3)"),
            4 => format!("abs({a})"),
            5 => format!("length({})", self.scalar(Kind::Text, depth)),
            6 => format!("strpos({}, 'o')", self.scalar(Kind::Text, depth)),
            _ => format!(
                "extract({} from {})::bigint",
                self.pick(&["year", "month", "dow", "week"]),
                self.scalar(Kind::Moment, depth)
            ),
        }
    }

    fn float(&mut self, depth: u32) -> String {
        let a = self.scalar(Kind::Float, depth);
        match self.random.below(5) {
            0 => format!("({a} + {})", self.scalar(Kind::Float, depth)),
            1 => format!("({a} * 0.5)"),
            2 => format!("floor({a})"),
            3 => format!("abs({a})"),
            _ => format!("({})::float8", self.scalar(Kind::Int, depth)),
        }
    }

    fn bool(&mut self, depth: u32) -> String {
        let kind = self.kind();
        let (a, b) = (self.scalar(kind, depth), self.scalar(kind, depth));
        match self.random.below(9) {
            0 => format!("({a} {} {b})", self.pick(&["=", "<>", "<", "<=", ">", ">="])),
            1 => format!("({a} is null)"),
            2 => format!("({a} is distinct from {b})"),
            3 => format!("({a} between {b} and {})", self.scalar(kind, depth)),
            4 => format!("({a} in ({b}, {}))", self.scalar(kind, depth)),
            5 => format!("({} like {})", self.scalar(Kind::Text, depth), self.pick(&["'%a%'", "'_o%'", "'%'", "'P\\_%'"])),
            6 => format!("({} and {})", self.scalar(Kind::Bool, depth), self.scalar(Kind::Bool, depth)),
            7 => format!("({} or not {})", self.scalar(Kind::Bool, depth), self.scalar(Kind::Bool, depth)),
            _ => format!("exists (select 1 from measures q where q.k = {})", self.scalar(Kind::Int, depth)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        let a = self.scalar(Kind::Text, depth);
        match self.random.below(8) {
            0 => format!("({a} || {})", self.scalar(Kind::Text, depth)),
            1 => format!("substring({a}, 2, 3)"),
            2 => format!("replace({a}, 'a', 'xy')"),
            3 => format!("trim({a})"),
            4 => format!("left({a}, -1)"),
            5 => format!("split_part({a}, ' ', 1)"),
            6 => format!("({})::text", self.scalar(Kind::Int, depth)),
            _ => format!("to_char({}, 'YYYY-MM-DD HH24:MI')", self.scalar(Kind::Moment, depth)),
        }
    }

    fn moment(&mut self, depth: u32) -> String {
        let a = self.scalar(Kind::Moment, depth);
        match self.random.below(3) {
            0 => format!("date_trunc('{}', {a})", self.pick(&["hour", "day", "week", "month", "quarter", "year"])),
            1 => format!("({a} + interval '{}')", self.pick(&["1 day", "1 month", "-90 minutes", "1 year 2 days"])),
            _ => format!("({a} - interval '1 week')"),
        }
    }

    fn aggregate(&mut self) -> String {
        let kind = self.kind();
        let distinct = self.pick(&["", "", "distinct "]);
        let call = match self.random.below(6) {
            0 => "count(*)".to_owned(),
            1 => format!("count({distinct}{})", self.scalar(kind, 1)),
            2 => format!("sum({distinct}{})", self.scalar(Kind::Int, 1)),
            3 => format!("bool_or({})", self.scalar(Kind::Bool, 1)),
            4 => format!("min({})", self.scalar(if kind == Kind::Bool { Kind::Text } else { kind }, 1)),
            _ => format!("max({})", self.scalar(if kind == Kind::Bool { Kind::Int } else { kind }, 1)),
        };
        if self.random.below(5) == 0 { format!("{call} filter (where {})", self.scalar(Kind::Bool, 1)) } else { call }
    }

    fn window(&mut self) -> String {
        // A total order, or the answer is not determined.
        let alias = self.from[0].0.clone();
        let partition =
            if self.random.below(2) == 0 { format!("partition by {} ", self.scalar(Kind::Text, 1)) } else { String::new() };
        let over = format!("over ({partition}order by {alias}.id, {})", self.from_keys());
        let value = self.scalar(Kind::Int, 1);
        match self.random.below(4) {
            0 => format!("row_number() {over}"),
            1 => format!("lag({value}) {over}"),
            2 => format!("sum({value}) {over}"),
            _ => format!("first_value({value}) {over}"),
        }
    }

    fn from_keys(&self) -> String {
        self.from.iter().map(|(alias, _)| format!("{alias}.id")).collect::<Vec<_>>().join(", ")
    }

    fn statement(&mut self) -> String {
        const TABLES: [&str; 3] = ["customers", "orders", "events"];
        let first = TABLES[self.random.below(3)];
        self.from = vec![("a".to_owned(), first)];
        let mut from = format!("{first} a");
        if self.random.below(3) == 0 {
            let second = TABLES[self.random.below(3)];
            let join = self.pick(&["join", "left join", "full join"]);
            self.from.push(("b".to_owned(), second));
            from = format!("{from} {join} {second} b on a.id = b.id");
        }
        let filter = if self.random.below(2) == 0 { format!(" where {}", self.scalar(Kind::Bool, 3)) } else { String::new() };
        let kinds: Vec<Kind> = (0..=self.random.below(3)).map(|_| self.kind()).collect();
        let mut values: Vec<String> = kinds.iter().map(|kind| self.scalar(*kind, 3)).collect();
        match self.random.below(4) {
            0 => {
                // Constants cannot be grouped by.
                let keys: Vec<String> = values.iter().enumerate().map(|(at, _)| (at + 1).to_string()).collect();
                values.push(self.aggregate());
                let having = if self.random.below(4) == 0 { " having count(*) > 1" } else { "" };
                format!("select {} from {from}{filter} group by {}{having}", columns(&values), keys.join(", "))
            }
            1 => {
                values.push(self.window());
                format!("select {} from {from}{filter}", columns(&values))
            }
            2 => {
                let other: Vec<String> = kinds.iter().map(|kind| self.scalar(*kind, 2)).collect();
                let set = self.pick(&["union", "union all", "intersect", "except", "except all"]);
                format!("select {} from {from}{filter} {set} select {} from {from}", columns(&values), columns(&other))
            }
            _ => {
                let distinct = self.pick(&["", "distinct "]);
                format!("select {distinct}{} from {from}{filter}", columns(&values))
            }
        }
    }
}

fn columns(values: &[String]) -> String {
    values.iter().enumerate().map(|(at, value)| format!("{value} as c{at}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn statements_that_postgresql_answers_are_answered_alike() {
    let database = TestDatabase::create_empty().await.unwrap();
    let postgres = database.client().await.unwrap();
    postgres.batch_execute("set timezone to 'UTC'").await.unwrap();
    for table in data::tables() {
        postgres.batch_execute(&table.postgres()).await.unwrap();
    }
    let engine = TestEngine::start();
    let (mut asked, mut answered) = (0usize, 0usize);
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for seed in 0..STATEMENTS {
        let sql = Writer { random: Random::new(seed), from: Vec::new() }.statement();
        let Ok(expected) = Expected::ask(&postgres, &sql).await else { continue };
        asked += 1;
        if let Err(refusal) = gate(&sql) {
            refused.push(format!("{seed}: {sql}\n  the gate refused it: {}", refusal.message()));
            continue;
        }
        match engine.run(&sql).await {
            Ok(output) => {
                answered += 1;
                wrong.extend(difference(&expected, &output, false).map(|text| format!("{seed}: {sql}\n  {text}")));
            }
            Err(error) if error.code() == ErrorCode::Internal => wrong.push(format!("{seed}: {sql}\n  {}", chain(&error))),
            Err(error) => refused.push(format!("{seed}: {sql}\n  {}", chain(&error))),
        }
    }
    assert!(asked * 100 >= usize::try_from(STATEMENTS).unwrap() * ASKED_PERCENT, "PostgreSQL answered {asked}");
    assert!(refused.len() * 100 <= asked * REFUSED_PERCENT, "{} are refused\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{answered} of {asked} were answered, {} are wrong\n{}", wrong.len(), wrong.join("\n"));
}
