//! What uploads that came to nothing may have left.

use chrono::DateTime;
use gristmill_domain::{DatasetId, DocumentId, UserId};
use gristmill_persistence::{
    Database, DatabaseOptions,
    files::{dataset_prefix, document_prefix},
    repo::spool::SpoolOwners,
};
use gristmill_testkit::pg::TestDatabase;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_readable_id_hides_no_other_one() {
    let database = TestDatabase::create().await.unwrap();
    let owners = SpoolOwners::new(Database::connect(&DatabaseOptions::new(database.url().clone())).await.unwrap());
    let client = database.client().await.unwrap();
    let (user, document, dataset) = (UserId::random(), DocumentId::random(), DatasetId::random());
    let sql = "insert into users (user_id, email, password_hash, name, email_verified)
               values ($1::text::uuid, 'ada@example.org', '', 'Ada', true)";
    client.execute(sql, &[&user.to_string()]).await.unwrap();
    let readable = [format!(r#"{{"documentId":"{document}"}}"#), format!(r#"{{"datasetId":"{dataset}"}}"#)];
    let unreadable = [
        r#"{"documentId":"x"}"#.to_owned(),
        r#"{"documentId":"","datasetId":7}"#.to_owned(),
        r#"{"datasetId":{"id":"x"}}"#.to_owned(),
        format!(r#"{{"datasetId":"{dataset}0"}}"#),
        format!(r#"{{"documentId":" {document}"}}"#),
        "{}".to_owned(),
        "[1]".to_owned(),
        "null".to_owned(),
    ];
    let sql = "insert into jobs (job_id, kind, owner_id, state, payload, attempts_max, finished_at)
               values (gen_random_uuid(), 'document_ingest', $1::text::uuid, 'failed', $2::text::json, 1, now())";
    for payload in unreadable.iter().chain(&readable) {
        client.execute(sql, &[&user.to_string(), payload]).await.unwrap();
    }
    // A dataset with features has files before it is there, too.
    let engineered = DatasetId::random();
    let features = sql.replace("document_ingest", "feature_apply");
    client.execute(&features, &[&user.to_string(), &format!(r#"{{"datasetId":"{engineered}"}}"#)]).await.unwrap();
    let mut abandoned = owners.abandoned(DateTime::UNIX_EPOCH).await.unwrap();
    abandoned.sort();
    let mut expected =
        [dataset_prefix(user, None, dataset), dataset_prefix(user, None, engineered), document_prefix(user, None, document)];
    expected.sort();
    assert_eq!(abandoned, expected);
}
