//! Who waits for whom.

use std::time::Duration;

use gristmill_domain::identity::{
    AccountChange, AccountStore, ClientInfo, DisplayName, RotateOutcome, Rotation, SessionStore, SessionTtl, ThrottleDecision,
    ThrottleKey, ThrottleRule, ThrottleStore,
};
use gristmill_persistence::repo::identity::Identity;
use gristmill_testkit::pg::TestDatabase;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{at, connect, hash, new_session, password, register};
use crate::waits::until_waiting;

fn rotation(now_s: i64) -> Rotation {
    let day = Duration::from_secs(86_400);
    Rotation {
        token_hash: hash(1),
        successor_hash: hash(2),
        now: at(now_s),
        grace: Duration::from_secs(10),
        ttl: SessionTtl { standard: day, remembered: day },
        client: ClientInfo::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deletion_of_a_user_does_not_forget_a_project_that_was_made_just_before() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, _) = register(&identity, 1).await;
    let (maker, observer) = (database.client().await.unwrap(), database.client().await.unwrap());
    let id = Uuid::new_v4();
    let project = format!(
        "begin; insert into projects (project_id, owner_id, name, icon, color, metadata)
         values ('{id}', '{user}', 'made', 'folder', 'blue', '{{}}')"
    );
    maker.batch_execute(&project).await.unwrap();
    let mut deletion = JoinSet::new();
    let deleting = identity.clone();
    deletion.spawn(async move { deleting.delete_account(user).await });
    until_waiting(&observer, 1).await;
    maker.batch_execute("commit").await.unwrap();
    deletion.join_next().await.unwrap().unwrap().unwrap();
    let queued = observer.query("select prefix from file_deletions order by 1", &[]).await.unwrap();
    let queued: Vec<String> = queued.iter().map(|row| row.get(0)).collect();
    assert_eq!(queued, [format!("projects/{id}"), format!("users/{user}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_does_not_wait_for_a_long_insert_that_refers_to_the_user() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, _) = register(&identity, 1).await;
    let writer = database.client().await.unwrap();
    let insert =
        format!("begin; insert into user_settings (user_id, setting_key, setting_value) values ('{user}', 'sqlDefaultLimit', 5)");
    writer.batch_execute(&insert).await.unwrap();
    // `lock_timeout` would end a wait with an error.
    assert!(identity.open_session(new_session(user, hash(2)), &password()).await.unwrap());
    let change = AccountChange { name: Some(DisplayName::parse("Grace").unwrap()), ..AccountChange::default() };
    identity.update_account(user, change, at(1)).await.unwrap();
    writer.batch_execute("rollback").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_waits_for_the_change_of_its_password_and_then_fails() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, _) = register(&identity, 1).await;
    let (holder, observer) = (database.client().await.unwrap(), database.client().await.unwrap());
    let change = format!("begin; update users set password_hash = '$second' where user_id = '{user}'");
    holder.batch_execute(&change).await.unwrap();
    let mut login = JoinSet::new();
    let logging_in = identity.clone();
    login.spawn(async move { logging_in.open_session(new_session(user, hash(2)), &password()).await });
    until_waiting(&observer, 1).await;
    holder.batch_execute("commit").await.unwrap();
    assert!(!login.join_next().await.unwrap().unwrap().unwrap());
    assert_eq!(identity.list_sessions(user, None, at(1)).await.unwrap().len(), 1, "the one of the registration");
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_of_one_family_queue_for_its_session() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (_, session) = register(&identity, 1).await;
    let (holder, observer) = (database.client().await.unwrap(), database.client().await.unwrap());
    let lock = format!("begin; select from sessions where session_id = '{session}' for update");
    holder.batch_execute(&lock).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let identity = identity.clone();
        calls.spawn(async move { identity.rotate_refresh_token(rotation(1)).await });
    }
    until_waiting(&observer, 20).await;
    holder.batch_execute("commit").await.unwrap();
    let mut rotated = 0;
    while let Some(outcome) = calls.join_next().await {
        match outcome.unwrap().unwrap() {
            RotateOutcome::Rotated { .. } => rotated += 1,
            RotateOutcome::Replayed { steps, newest_hash, .. } => assert_eq!((steps, newest_hash), (1, hash(2))),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rotated, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgiveness_decides_by_the_count_that_it_finds_in_the_end() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (key, rule) = (ThrottleKey::new([1; 32]), ThrottleRule::new(2, 60));
    identity.hit(key, rule, at(0)).await.unwrap();
    let (holder, observer) = (database.client().await.unwrap(), database.client().await.unwrap());
    holder.batch_execute("begin; update throttle_counters set hits = 2").await.unwrap();
    let mut forgiveness = JoinSet::new();
    let forgiving = identity.clone();
    forgiveness.spawn(async move { forgiving.forgive(key, rule, at(10)).await });
    until_waiting(&observer, 1).await;
    holder.batch_execute("commit").await.unwrap();
    let decision = forgiveness.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(decision, ThrottleDecision::Denied { retry_after_s: 50 });
    assert_eq!(identity.check(key, rule, at(10)).await.unwrap(), decision, "nothing was deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_midway_leaves_nothing_behind() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, session) = register(&identity, 1).await;
    let (holder, observer) = (database.client().await.unwrap(), database.client().await.unwrap());
    let lock = format!("begin; select from sessions where session_id = '{session}' for update");
    holder.batch_execute(&lock).await.unwrap();
    let mut dropped = JoinSet::new();
    let rotating = identity.clone();
    dropped.spawn(async move { rotating.rotate_refresh_token(rotation(1)).await });
    until_waiting(&observer, 1).await;
    dropped.shutdown().await;
    holder.batch_execute("commit").await.unwrap();
    let outcome = identity.rotate_refresh_token(rotation(2)).await.unwrap();
    assert!(matches!(outcome, RotateOutcome::Rotated { .. }), "{outcome:?}");
    assert_eq!(identity.list_sessions(user, Some(hash(2)), at(3)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_waits_for_nobody() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, session) = register(&identity, 1).await;
    register(&identity, 2).await;
    let holder = database.client().await.unwrap();
    let lock = format!(
        "begin; select from users where user_id = '{user}' for update;
         select from sessions where session_id = '{session}' for update;
         select from refresh_tokens where session_id = '{session}' for update"
    );
    holder.batch_execute(&lock).await.unwrap();
    let late = at(99 * 86_400);
    assert_eq!(identity.prune(late, Duration::ZERO).await.unwrap(), 2, "the other user's token and session");
    holder.batch_execute("rollback").await.unwrap();
    assert_eq!(identity.prune(late, Duration::ZERO).await.unwrap(), 2);
}

/// Pruning looks for sessions without a token in one look; the successor of a rotation that commits while it waits
/// for nothing must not be overseen.
#[tokio::test(flavor = "multi_thread")]
async fn pruning_spares_a_session_that_is_rotated_by_a_clock_that_is_behind() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let week_s = 7 * 86_400;
    for round in 0..10_u64 {
        let number = 100 + 10 * round;
        let (user, session) = register(&identity, number).await;
        let rotation = Rotation { token_hash: hash(number), successor_hash: hash(number + 1), ..rotation(week_s - 1) };
        let (pruned, rotated) = tokio::join!(identity.prune(at(week_s), Duration::ZERO), identity.rotate_refresh_token(rotation));
        pruned.unwrap();
        let lives = identity.list_sessions(user, Some(hash(number + 1)), at(week_s)).await.unwrap();
        match rotated.unwrap() {
            RotateOutcome::Rotated { .. } => assert_eq!(lives.iter().map(|listed| listed.id).collect::<Vec<_>>(), [session]),
            other => assert_eq!((other, lives), (RotateOutcome::Unknown, Vec::new())),
        }
    }
}
