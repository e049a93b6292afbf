//! Waiting until others wait.

use std::time::Duration;

use tokio_postgres::Client;

const WAITING: &str = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";

/// Those who wait for somebody who waits.
const BEHIND: &str = "
    select count(*) from pg_stat_activity one
    where datname = current_database() and wait_event_type = 'Lock' and exists (
        select from unnest(pg_blocking_pids(one.pid)) as blocking (pid)
        join pg_stat_activity other on other.pid = blocking.pid and other.wait_event_type = 'Lock')";

/// Waits until as many connections wait for a lock.
pub(crate) async fn until_waiting(client: &Client, expected: i64) {
    until(client, WAITING, expected).await;
}

/// Waits until one connection waits for another that waits itself.
pub(crate) async fn until_one_waits_behind_another(client: &Client) {
    until(client, BEHIND, 1).await;
}

async fn until(client: &Client, sql: &str, expected: i64) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let waiting: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        if waiting == expected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{waiting} wait, not {expected}");
        tokio::task::yield_now().await;
    }
}
