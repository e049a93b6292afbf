//! What is left of a user, and what is recorded of a session's end.

use std::time::Duration;

use gristmill_domain::{
    Caller, ProjectId, Scope, SessionId, TokenId, UserId,
    caller::Credential,
    identity::{
        AccountChange, AccountStore, ClientBinding, ClientInfo, DisplayName, ExternalIdentity, ExternalIdentityStore,
        ExternalProfile, IdentityChange, NewOneTimeToken, NewPersonalToken, NewSignInCode, OneTimePurpose, OneTimeTokenStore,
        PasswordChange, PersonalTokenStore, PhcString, Provider, ProviderSubject, Rotation, Scopes, SessionStore, SessionTtl,
        ThrottleKey, ThrottleRule, ThrottleStore, TokenPrefix,
    },
    users::{Email, UserRole},
};
use gristmill_persistence::repo::{
    file_deletions::FileDeletions,
    identity::Identity,
    projects::{ProjectCreate, Projects},
};
use gristmill_testkit::pg::TestDatabase;
use serde_json::Map;

use super::{at, connect, hash, listen, new_session, password, register};

fn caller(user_id: UserId, session: SessionId) -> Caller {
    Caller {
        user_id,
        role: UserRole::User,
        email_verified: true,
        credential: Credential::Session(session),
        scope: Scope::Account,
    }
}

async fn make_project(projects: &Projects, caller: &Caller) -> ProjectId {
    let create = ProjectCreate {
        name: "Penguins".to_owned(),
        description: None,
        icon: "folder".to_owned(),
        color: "blue".to_owned(),
        metadata: Map::new(),
    };
    projects.create(caller, create, None, at(0)).await.unwrap().id
}

/// Every table with rows, and how many.
async fn filled_tables(database: &TestDatabase) -> Vec<(String, i64)> {
    let client = database.client().await.unwrap();
    let sql = "select tablename::text from pg_tables where schemaname = 'public' and tablename not like '\\_\\_diesel%'
               order by tablename";
    let mut filled = Vec::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let table: String = row.get(0);
        let rows: i64 = client.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0);
        if rows > 0 {
            filled.push((table, rows));
        }
    }
    filled
}

/// Puts a row into every table that refers to users, directly or not, and that no repository call here fills.
async fn fill_other_tables(database: &TestDatabase, user: UserId, project: ProjectId) {
    let client = database.client().await.unwrap();
    let sql = format!(
        "insert into user_settings (user_id, setting_key, setting_value) values ('{user}', 'rowLimit', 5);
         insert into idempotency_keys (owner_id, idempotency_key, fingerprint, resource_id)
             values ('{user}', 'once', '\\x00', '{project}');
         insert into jobs (job_id, kind, owner_id, project_id, state, payload, attempts_max)
             values ('{project}', 'ingest', '{user}', '{project}', 'queued', '{{}}', 1);
         insert into job_events (job_id, seq, event_type, data) values ('{project}', 1, 'job_queued', '{{}}');
         insert into datasets (dataset_id, owner_id, project_id, filename, file_type, size_bytes, stored_bytes, sql_name,
                 physical_name, version, row_count, profile, sample, ingest, metadata)
             values ('{project}', '{user}', '{project}', 'a.csv', 'csv', 1, 1, 'a', 'd_{project}', 1, 1, '{{}}', '[]', '{{}}', '{{}}')"
    );
    client.batch_execute(&sql).await.unwrap();
}

async fn fill_identity(identity: &Identity, user: UserId, number: u64) {
    let token = NewOneTimeToken {
        user_id: user,
        purpose: OneTimePurpose::ResetPassword,
        token_hash: hash(number + 1000),
        created_at: at(0),
        expires_at: at(60),
    };
    identity.issue_one_time_token(token).await.unwrap();
    let token = NewPersonalToken {
        id: TokenId::random(),
        user_id: user,
        name: DisplayName::parse("script").unwrap(),
        prefix: TokenPrefix::parse(&format!("prefix{number:02}")).unwrap(),
        secret_hash: hash(number),
        scopes: Scopes::new([Scope::Read]).unwrap(),
        created_at: at(0),
        expires_at: at(60),
    };
    identity.create_token(token, 50).await.unwrap();
    identity.link_identity(user, external(number), at(0)).await.unwrap();
}

fn external(number: u64) -> ExternalIdentity {
    ExternalIdentity { provider: Provider::Google, subject: ProviderSubject::parse(&number.to_string()).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_leaves_only_files_to_remove() {
    let database = TestDatabase::create().await.unwrap();
    let pool = connect(&database).await;
    let (identity, projects) = (Identity::new(pool.clone()), Projects::new(pool.clone()));
    let (gone, session) = register(&identity, 1).await;
    let caller = caller(gone, session);
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(format!("projects/{}", make_project(&projects, &caller).await));
    }
    expected.push(format!("users/{gone}"));
    fill_identity(&identity, gone, 1).await;
    let project = projects.list(&caller).await.unwrap()[0].id;
    fill_other_tables(&database, gone, project).await;
    let filled: Vec<String> = filled_tables(&database).await.into_iter().map(|(table, _)| table).collect();
    let all = [
        "datasets",
        "external_identities",
        "idempotency_keys",
        "job_events",
        "jobs",
        "one_time_tokens",
        "personal_access_tokens",
        "projects",
        "refresh_tokens",
        "sessions",
        "user_settings",
        "users",
    ];
    assert_eq!(filled, all, "a new table that refers to users needs a row here");

    identity.delete_account(gone).await.unwrap();
    assert_eq!(filled_tables(&database).await, [("file_deletions".to_owned(), 4)]);
    let mut queued: Vec<String> =
        FileDeletions::new(pool).oldest(10).await.unwrap().into_iter().map(|entry| entry.prefix).collect();
    queued.sort();
    expected.sort();
    assert_eq!(queued, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_midway_leaves_everything_and_announces_nothing() {
    let database = TestDatabase::create().await.unwrap();
    let pool = connect(&database).await;
    let identity = Identity::new(pool.clone());
    let (kept, session) = register(&identity, 1).await;
    make_project(&Projects::new(pool), &caller(kept, session)).await;
    let before = filled_tables(&database).await;
    let client = database.client().await.unwrap();
    let sql = "create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
               create trigger refuse before delete on users for each row execute function refuse()";
    client.batch_execute(sql).await.unwrap();
    let mut announcements = listen(&database).await;
    identity.delete_account(kept).await.unwrap_err();
    assert_eq!(filled_tables(&database).await, before, "no file is queued for removal either");
    client.batch_execute("drop trigger refuse on users").await.unwrap();
    identity.revoke_all_sessions(kept, at(1)).await.unwrap();
    assert_eq!(announcements.recv().await, Ok(IdentityChange::User(kept)));
    assert!(announcements.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_each_session_is_recorded_with_its_cause() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, first) = register(&identity, 0).await;
    let open = async |number| {
        let session = new_session(user, hash(number));
        assert!(identity.open_session(session.clone(), &password()).await.unwrap());
        session.id
    };
    let (listed, out, reused, changed) = (open(1).await, open(2).await, open(3).await, open(4).await);
    identity.revoke_session(user, listed, at(1)).await.unwrap();
    identity.end_sessions(user, Some(out), None, at(2)).await.unwrap();
    let day = Duration::from_secs(86_400);
    for seconds in [3, 60] {
        let rotation = Rotation {
            token_hash: hash(3),
            successor_hash: hash(99),
            now: at(seconds),
            grace: Duration::from_secs(10),
            ttl: SessionTtl { standard: day, remembered: day },
            client: ClientInfo::default(),
        };
        identity.rotate_refresh_token(rotation).await.unwrap();
    }
    let change = PasswordChange { expected: password(), replacement: PhcString::from("$second".to_owned()) };
    let change = AccountChange { password: Some(change), ..AccountChange::default() };
    identity.update_account(user, change, at(61)).await.unwrap();
    identity.revoke_all_sessions(user, at(62)).await.unwrap();

    let client = database.client().await.unwrap();
    let sql = "select session_id::text || ' ' || revoked_because || ' ' || extract(epoch from revoked_at)::bigint from sessions";
    let mut recorded: Vec<String> = client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    recorded.sort();
    let line = |session, cause: &str, seconds: i64| format!("{session} {cause} {}", at(seconds).timestamp());
    let mut expected = vec![
        line(listed, "user", 1),
        line(out, "logout", 2),
        line(reused, "reuse", 60),
        line(changed, "password_change", 61),
        line(first, "password_change", 61),
    ];
    expected.sort();
    assert_eq!(recorded, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_stored_but_its_hash_and_no_throttled_address_in_clear() {
    let database = TestDatabase::create().await.unwrap();
    let identity = Identity::new(connect(&database).await);
    let (user, _) = register(&identity, 1).await;
    fill_identity(&identity, user, 1).await;
    identity.hit(ThrottleKey::new([9; 32]), ThrottleRule::new(1, 60), at(0)).await.unwrap();
    let code = NewSignInCode {
        code_hash: hash(5),
        client: ClientBinding::new([7; 32]),
        profile: ExternalProfile {
            identity: external(1),
            email: Email::parse("ada@example.org").unwrap(),
            name: DisplayName::parse("Ada").unwrap(),
        },
        created_at: at(0),
        expires_at: at(60),
    };
    identity.issue_sign_in_code(code).await.unwrap();
    let client = database.client().await.unwrap();
    for (table, column, expected) in [
        ("sign_in_codes", "code_hash", hash(5).as_bytes().to_vec()),
        ("sign_in_codes", "client_hash", vec![7; 32]),
        ("refresh_tokens", "token_hash", hash(1).as_bytes().to_vec()),
        ("one_time_tokens", "token_hash", hash(1001).as_bytes().to_vec()),
        ("personal_access_tokens", "secret_hash", hash(1).as_bytes().to_vec()),
        ("throttle_counters", "throttle_key", vec![9; 32]),
    ] {
        let stored: Vec<u8> = client.query_one(&format!("select {column} from {table}"), &[]).await.unwrap().get(0);
        assert_eq!(stored, expected, "{table}.{column}");
    }
}
