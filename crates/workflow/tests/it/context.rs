//! What the model gets to know of tables.

use std::collections::BTreeSet;

use gristmill_domain::datasets::ColumnType;
use gristmill_workflow::{
    nl2sql::context::{ContextLimits, SchemaContext, select},
    ports::ProjectSchema,
};
use proptest::prelude::*;

use crate::support::{category, column, schema, shop, table};

fn chosen(question: &str, schema: &ProjectSchema) -> SchemaContext {
    select(question, None, schema, &[], &ContextLimits::default())
}

fn first_table(question: &str, schema: &ProjectSchema) -> String {
    chosen(question, schema).tables[0].name.clone()
}

#[test]
fn the_table_that_the_question_is_about_comes_first() {
    for (question, expected) in [
        ("What is the total amount by region?", "sales"),
        ("How many customers do we have?", "customers"),
        ("How many custmers per city?", "customers"),
        ("average temperatures per month", "weather"),
        ("How was it in Rome?", "customers"),
        ("who buys in the north", "sales"),
        ("orders by date", "sales"),
    ] {
        assert_eq!(first_table(question, &shop()), expected, "{question}");
    }
}

#[test]
fn the_oldest_tables_have_no_privilege() {
    let mut tables: Vec<_> = (0..30).map(|at| table(&format!("log_{at}"), vec![column("line", ColumnType::String)])).collect();
    tables.push(table("invoices", vec![column("due", ColumnType::Date), column("gross", ColumnType::Float)]));
    let context = chosen("sum of gross on invoices", &schema(tables));
    assert_eq!(context.tables[0].name, "invoices");
    assert_eq!((context.tables.len(), context.tables_left_out), (8, 23));
    assert!(context.text.contains("Further tables, whose columns are not shown: \"log_"));
}

#[test]
fn ten_thousand_columns_show_the_relevant_ones_and_say_how_many_are_left_out() {
    let mut columns: Vec<_> = (0..10_000).map(|at| column(&format!("sensor_{at}"), ColumnType::Float)).collect();
    columns.insert(7_000, column("humidity_outdoor", ColumnType::Float));
    columns.insert(9_000, category("station", &["harbour", "airport"]));
    let wide = schema(vec![table("measurements", columns)]);
    let context = chosen("What is the mean outdoor humidty at the airport?", &wide);
    let shown = &context.tables[0];
    assert!(
        shown.columns.contains(&"humidity_outdoor".to_owned()) && shown.columns.contains(&"station".to_owned()),
        "{:?}",
        shown.columns
    );
    assert_eq!((shown.columns.len(), shown.columns_left_out), (40, 9_962));
    assert!(context.text.contains("and 9962 further columns that are not shown"));
    assert!(context.text.len() < 8_000, "{}", context.text.len());
}

#[test]
fn tables_share_the_room_that_there_is() {
    let wide =
        |name: &str| table(name, (0..200).map(|at| column(&format!("{name}_value_of_column_{at}"), ColumnType::Float)).collect());
    let tables: Vec<_> = ["alpha", "beta", "gamma", "delta"].map(wide).into();
    let limits = ContextLimits { tokens_max: 1200, ..ContextLimits::default() };
    let context = select("alpha", None, &schema(tables), &[], &limits);
    assert_eq!(context.tables[0].name, "alpha");
    assert_eq!(context.tables.len() + context.tables_left_out, 4);
    assert!(context.text.len() < 1200 * 4 + 600, "{}", context.text.len());
}

#[test]
fn the_open_table_is_found_under_any_of_its_names() {
    for (hint, expected) in [
        ("SALES", Some("sales")),
        ("sales_0c6a852e", Some("sales")),
        ("sales_ffffffff", Some("sales")),
        ("custom", Some("customers")),
        ("  ", None),
        ("payments", None),
        ("x'; drop table sales; --", None),
    ] {
        let context = select("how many", Some(hint), &shop(), &[], &ContextLimits::default());
        assert_eq!(context.table_open.as_deref(), expected, "{hint}");
        assert!(!context.text.contains("drop table"), "{hint}");
    }
}

#[test]
fn words_are_found_in_the_tables_that_have_them() {
    let context = chosen("total amount by region for each city", &shop());
    let of = |tables: &[&str]| context.words_found(&tables.iter().map(|table| (*table).to_owned()).collect::<BTreeSet<_>>());
    assert!((of(&["sales"]) - 2.0 / 3.0).abs() < 1e-9, "{}", of(&["sales"]));
    assert!((of(&["sales", "customers"]) - 1.0).abs() < 1e-9);
    assert!(of(&["weather"]) < 1e-9);
}

#[test]
fn names_that_cannot_be_written_are_left_out() {
    let context =
        chosen("x", &schema(vec![table("t", vec![column("a\nb", ColumnType::Float), column("say \"hi\"", ColumnType::Float)])]));
    assert_eq!(context.tables[0].columns, ["say \"hi\""]);
    assert!(context.text.contains(r#""say ""hi""""#), "{}", context.text);
}

proptest! {
    #[test]
    fn any_question_over_any_names_stays_within_its_bounds(
        question in "\\PC{0,120}",
        names in proptest::collection::vec("\\PC{1,80}", 1..60),
        tokens_max in 100_usize..3000,
    ) {
        let columns = names.iter().map(|name| column(name, ColumnType::String)).collect();
        let limits = ContextLimits { tokens_max, ..ContextLimits::default() };
        let context = select(&question, Some(&question), &schema(vec![table("t", columns)]), &[], &limits);
        prop_assert!(context.text.len() <= tokens_max * 4 + 500);
        for table in &context.tables {
            prop_assert!(table.columns.len() + table.columns_left_out == names.len());
        }
    }
}
