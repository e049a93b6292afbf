//! Migrations go up, down and up again, and the Diesel schema agrees with what they make.

use std::collections::BTreeMap;

use gristmill_persistence::migrations;
use gristmill_testkit::pg::TestDatabase;

async fn shape(database: &TestDatabase) -> Vec<String> {
    let client = database.client().await.unwrap();
    let sql = "select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
               from information_schema.columns where table_schema = 'public' and table_name not like '\\_\\_diesel%'
               union all select indexdef from pg_indexes where schemaname = 'public' and tablename not like '\\_\\_diesel%' order by 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn up_down_up_ends_where_up_ended() {
    let database = TestDatabase::create_empty().await.unwrap();
    let applied = migrations::migrate(database.url()).await.unwrap();
    let first = shape(&database).await;
    assert!(!first.is_empty());
    assert_eq!(migrations::revert_all(database.url()).await.unwrap().len(), applied.len());
    assert_eq!(shape(&database).await, Vec::<String>::new());
    assert_eq!(migrations::migrate(database.url()).await.unwrap(), applied);
    assert_eq!(shape(&database).await, first);
    assert!(migrations::migrate(database.url()).await.unwrap().is_empty(), "a second run has nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_together_migrate_once() {
    let database = TestDatabase::create_empty().await.unwrap();
    let (one, two) = tokio::join!(migrations::migrate(database.url()), migrations::migrate(database.url()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.is_empty() != two.is_empty(), "{one:?} {two:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_foreign_key_has_an_index() {
    let database = TestDatabase::create().await.unwrap();
    let client = database.client().await.unwrap();
    let sql = "select c.conrelid::regclass || ' ' || c.conname from pg_constraint c
               join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
               where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
                   select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
                       -- A partial index finds nothing for a cascade, unless it leaves out only what refers to nothing.
                       and coalesce(pg_get_expr(i.indpred, i.indrelid), '') in ('', format('(%I IS NOT NULL)', a.attname)))";
    let missing: Vec<String> = client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(missing, Vec::<String>::new(), "add an index that begins with the column and leaves no reference out");
}

/// Diesel reads columns by their place and trusts this file about types and nulls: a slip would show as wrong data.
#[tokio::test(flavor = "multi_thread")]
async fn the_diesel_schema_is_the_live_one() {
    let database = TestDatabase::create().await.unwrap();
    let client = database.client().await.unwrap();
    let sql = "select c.relname::text,
                   (select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum))
                       from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
                       where i.indrelid = c.oid and i.indisprimary),
                   array_agg(a.attname || ' ' || t.typname || case when a.attnotnull then '' else ' null' end order by a.attnum)
               from pg_class c
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               join pg_type t on t.oid = a.atttypid
               where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.relname not like '\\_\\_diesel%'
               group by c.oid, c.relname";
    let rows = client.query(sql, &[]).await.unwrap();
    let live: BTreeMap<String, Table> = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    let diesel = diesel_tables(include_str!("../../src/schema.rs"));
    assert_eq!(diesel.keys().collect::<Vec<_>>(), live.keys().collect::<Vec<_>>(), "tables");
    for (name, table) in &diesel {
        assert_eq!(table, &live[name], "primary key and columns of {name}: Diesel's, then the database's");
    }
    assert!(live.len() > 10, "{live:?}");
}

/// Primary key, and columns with type and nullability, in order.
type Table = (Vec<String>, Vec<String>);

/// The tables of a file of `diesel::table!` calls, in PostgreSQL's words.
fn diesel_tables(source: &str) -> BTreeMap<String, Table> {
    let mut tables = BTreeMap::new();
    for call in source.split("diesel::table! {").skip(1) {
        let (head, rest) = call.split_once('{').unwrap();
        let (name, key) = head.trim().trim_end_matches(')').split_once('(').unwrap();
        let key = key.trim_end().trim_end_matches(')').split(',').map(|column| column.trim().to_owned()).collect();
        let (columns, _) = rest.split_once('}').unwrap();
        let columns = columns.split(",\n").map(str::trim).filter(|line| !line.is_empty()).map(column_of).collect();
        tables.insert(name.trim().to_owned(), (key, columns));
    }
    tables
}

fn column_of(line: &str) -> String {
    let (name, of_diesel) = line.split_once(" -> ").unwrap();
    let (of_diesel, null) = match of_diesel.strip_prefix("Nullable<") {
        Some(inner) => (inner.strip_suffix('>').unwrap(), " null"),
        None => (of_diesel, ""),
    };
    let of_postgres = match of_diesel {
        "Uuid" => "uuid",
        "Text" => "text",
        "Array<Text>" => "_text",
        "Bytea" => "bytea",
        "Bool" => "bool",
        "SmallInt" => "int2",
        "Integer" => "int4",
        "BigInt" => "int8",
        "Double" => "float8",
        "Json" => "json",
        "Jsonb" => "jsonb",
        "Timestamptz" => "timestamptz",
        "crate::database::TextSearch" => "tsvector",
        other => panic!("tell this test what {other} is in PostgreSQL"),
    };
    format!("{name} {of_postgres}{null}")
}

#[test]
fn a_slip_in_the_diesel_schema_would_be_seen() {
    let source = "diesel::table! {\n    t (a, b) {\n        a -> Uuid,\n        b -> Nullable<Array<Text>>,\n    }\n}\n";
    let expected = (vec!["a".to_owned(), "b".to_owned()], vec!["a uuid".to_owned(), "b _text null".to_owned()]);
    assert_eq!(diesel_tables(source), BTreeMap::from([("t".to_owned(), expected)]));
}
