//! Random valid queries: all of them pass, and all invariants hold for each.

use gristmill_sql_safety::{SqlPolicy, validate};
use proptest::prelude::*;

use crate::round_trip::check_text;
use crate::support::{cases, check_accepted, policy};

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_i64..1_000_000).prop_map(|n| n.to_string()),
        (0.0_f64..1e6).prop_map(|n| format!("{n}")),
        "[a-z ;'-]{0,8}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("date '2024-02-29'".to_owned()),
        Just("interval '1 day'".to_owned()),
        Just("e'\\n'".to_owned()),
        Just("$$;$$".to_owned()),
    ]
}

fn column() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("amount"),
        Just("t.region"),
        Just("T.\"Mixed Case\""),
        Just("\"T\".id"),
        Just("day"),
        Just("\"select\""),
        Just("t.order"),
        Just("Name"),
    ]
    .prop_map(str::to_owned)
}

fn expr() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![literal(), column()];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let pair = (inner.clone(), inner.clone());
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "^", "||", "=", "<>", "!=", "<", ">", "<=", ">=", "and", "or", "~", "!~*", "&", "|", "<<",
        ]);
        let call = prop::sample::select(vec!["coalesce", "Upper", "greatest", "round", "\"substr\"", "date_trunc", "count", "concat"]);
        let test = prop::sample::select(vec!["is null", "is not null", "is true", "is not false", "notnull"]);
        let cast = prop::sample::select(vec!["int", "numeric(10,2)", "text", "timestamp with time zone", "float8", "varchar(3)", "int[]"]);
        prop_oneof![
            4 => (pair.clone(), operator).prop_map(|((l, r), op)| format!("{l} {op} {r}")),
            2 => inner.clone().prop_map(|e| format!("({e})")),
            1 => inner.clone().prop_map(|e| format!("- {e}")),
            1 => inner.clone().prop_map(|e| format!("not {e}")),
            2 => (call, prop::collection::vec(inner.clone(), 1..4)).prop_map(|(name, args)| format!("{name}({})", args.join(", "))),
            1 => (inner.clone(), test).prop_map(|(e, test)| format!("({e}) {test}")),
            1 => (inner.clone(), cast.clone()).prop_map(|(e, ty)| format!("cast({e} as {ty})")),
            1 => (inner.clone(), cast).prop_map(|(e, ty)| format!("({e})::{ty}")),
            1 => (inner.clone(), prop::collection::vec(inner.clone(), 1..4)).prop_map(|(e, list)| format!("({e}) in (0, {})", list.join(", "))),
            1 => (inner.clone(), pair.clone()).prop_map(|(e, (l, r))| format!("({e}) between ({l}) and ({r})")),
            1 => pair.clone().prop_map(|(c, r)| format!("case when {c} then {r} else {r} end")),
            1 => pair.clone().prop_map(|(l, r)| format!("(({l}) is distinct from ({r}))")),
            1 => inner.clone().prop_map(|e| format!("extract(year from {e})")),
            1 => inner.clone().prop_map(|e| format!("substring({e} from 2 for 3)")),
            1 => inner.clone().prop_map(|e| format!("trim(both 'x' from {e})")),
            1 => inner.clone().prop_map(|e| format!("position('a' in {e})")),
            1 => inner.clone().prop_map(|e| format!("(select max({e}) from customers where customers.id = t.id)")),
            1 => inner.clone().prop_map(|e| format!("exists (select 1 from sales s where s.a = {e})")),
            1 => inner.clone().prop_map(|e| format!("sum({e}) filter (where {e} is not null) over (partition by {e} order by {e} desc)")),
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("array[{}]", list.join(", "))),
            1 => inner.prop_map(|e| format!("(array[{e}])[1]")),
        ]
    })
}

fn relation() -> impl Strategy<Value = String> {
    let table = prop::sample::select(vec![
        "sales t",
        "SALES as T",
        "\"Sales\" t",
        "public.sales t",
        "sales_0c6a852e t",
        "customers t",
        "\"order\" as t",
        "PUBLIC.\"CUSTOMERS\" t",
        "generate_series(1, 5) t",
        "unnest(array[1, 2]) t",
        "(values (1), (2)) as t(id)",
        "(select 1 as id) t",
    ]);
    let join = prop::sample::select(vec!["join", "left join", "full outer join", "right join"]);
    prop_oneof![
        3 => table.clone().prop_map(str::to_owned),
        1 => (table.clone(), join, expr()).prop_map(|(t, join, on)| format!("{t} {join} customers c on {on}")),
        1 => table.clone().prop_map(|t| format!("{t} cross join sales x natural join customers y")),
        1 => table.prop_map(|t| format!("{t}, lateral (select * from sales l where l.id = t.id) z")),
    ]
}

fn select() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(expr(), 1..4),
        relation(),
        prop::option::of(expr()),
        prop::option::of(prop::collection::vec(expr(), 1..3)),
        prop::bool::ANY,
    )
        .prop_map(|(items, from, filter, groups, distinct)| {
            let mut sql = format!("select {}{} from {from}", if distinct { "distinct " } else { "" }, items.join(", "));
            if let Some(filter) = filter {
                sql.push_str(&format!(" where {filter}"));
            }
            if let Some(groups) = groups {
                sql.push_str(&format!(" group by {} having count(*) > 1", groups.join(", ")));
            }
            sql
        })
}

fn query() -> impl Strategy<Value = String> {
    let body = prop_oneof![
        4 => select(),
        1 => (select(), prop::sample::select(vec!["union", "union all", "except", "intersect"]), select())
            .prop_map(|(l, op, r)| format!("({l}) {op} {r}")),
        1 => select().prop_map(|inner| format!("with w as ({inner}), v(x) as (select 1) select w.*, v.x from w, v")),
        1 => select().prop_map(|inner| format!("select * from ({inner}) as q")),
        1 => select().prop_map(|inner| format!("with recursive r as (select 1 as n union all select n + 1 from r where n in ({inner})) select * from r")),
    ];
    let tail = prop::sample::select(vec![
        "",
        ";",
        " order by 1",
        " limit 7",
        " order by 1 desc limit 3 offset 2",
        " fetch first 2 rows only",
        " -- end",
        " limit all",
    ]);
    (body, tail).prop_map(|(body, tail)| format!("{body}{tail}"))
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn valid_queries_pass_and_stay_the_same(sql in query()) {
        let query = validate(&sql, &policy());
        prop_assert!(query.is_ok(), "{sql}\n  {}", query.unwrap_err());
        let query = query.unwrap();
        check_accepted(&query, &policy());
        check_text(&query, &policy());
        // Somebody without tables can run it only if it names none.
        let nobody = SqlPolicy::new(Vec::new());
        prop_assert_eq!(validate(&sql, &nobody).is_ok(), query.tables().is_empty());
    }
}
