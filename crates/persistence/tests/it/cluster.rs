//! The embedded cluster: start, stop, crash, refusal.

use gristmill_persistence::cluster::{Cluster, ClusterError, ClusterOptions, Durability, find_binaries};
use secrecy::ExposeSecret;

fn options(directory: &std::path::Path) -> ClusterOptions {
    #[expect(clippy::disallowed_methods, reason = "the search path is not configuration")]
    let search_path = std::env::var("PATH").unwrap();
    ClusterOptions {
        directory: directory.to_owned(),
        binaries: find_binaries(&[], &search_path).unwrap(),
        durability: Durability::Durable,
    }
}

async fn query(cluster: &Cluster, sql: &str) -> String {
    let client = gristmill_testkit::pg::connect(cluster.url()).await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_its_data_over_a_stop_and_a_start() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&options(directory.path())).unwrap();
    let client = gristmill_testkit::pg::connect(cluster.url()).await.unwrap();
    client.batch_execute("create table kept (t text); insert into kept values ('still here')").await.unwrap();
    drop(client);
    cluster.stop();
    let cluster = Cluster::start(&options(directory.path())).unwrap();
    assert_eq!(query(&cluster, "select t from kept").await, "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_for_the_password_and_listens_on_no_network() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&options(directory.path())).unwrap();
    let password = std::fs::read_to_string(directory.path().join("password")).unwrap();
    let wrong = secrecy::SecretString::from(cluster.url().expose_secret().replace(&password, "wrong"));
    assert!(gristmill_testkit::pg::connect(&wrong).await.is_err());
    assert_eq!(query(&cluster, "select current_setting('listen_addresses')").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_second_server_on_the_same_directory() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Cluster::start(&options(directory.path())).unwrap();
    assert!(matches!(Cluster::start(&options(directory.path())), Err(ClusterError::InUse(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn recovers_after_the_postmaster_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&options(directory.path())).unwrap();
    let client = gristmill_testkit::pg::connect(cluster.url()).await.unwrap();
    client.batch_execute("create table kept (t text); insert into kept values ('committed')").await.unwrap();
    let pid = rustix::process::Pid::from_raw(cluster.process_id()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    drop(cluster);
    let cluster = Cluster::start(&options(directory.path())).unwrap();
    assert_eq!(query(&cluster, "select t from kept").await, "committed");
}

#[test]
fn starts_over_an_initialisation_that_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("pgdata.new")).unwrap();
    std::fs::write(directory.path().join("pgdata.new/PG_VERSION"), "15\n").unwrap();
    Cluster::start(&options(directory.path())).unwrap().stop();
}

#[test]
fn names_both_versions_when_they_differ() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("pgdata")).unwrap();
    std::fs::write(directory.path().join("pgdata/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(&options(directory.path())).unwrap_err().to_string();
    assert!(error.contains("PostgreSQL 9") && error.contains("install version 9"), "{error}");
}
