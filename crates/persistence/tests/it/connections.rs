//! The pool's connections, and whose they are.

use gristmill_persistence::{Database, DatabaseOptions};
use gristmill_testkit::pg::TestDatabase;

#[tokio::test]
async fn a_connection_outlives_the_runtime_that_it_was_opened_from() {
    let test = TestDatabase::create().await.unwrap();
    let mut options = DatabaseOptions::new(test.url().clone());
    options.connections_max = 1;
    let database = Database::connect(&options).await.unwrap();
    let shared = database.clone();
    // As a thread that serves HTTP, and ends before the jobs do.
    let served = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(shared.ping())
    });
    served.await.unwrap().unwrap();
    assert_eq!(database.counters().open, 1);
    database.ping().await.unwrap();
}
