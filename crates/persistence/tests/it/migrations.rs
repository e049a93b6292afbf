//! Migrations go up, down and up again, and the Diesel schema agrees with what they make.

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
               where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
                   select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])";
    let missing: Vec<String> = client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(missing, Vec::<String>::new(), "add an index that begins with the column");
}
