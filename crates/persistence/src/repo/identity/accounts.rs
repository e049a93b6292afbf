//! Accounts.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    dsl::exists,
    prelude::*,
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    ProjectId, UserId,
    identity::{
        Account, AccountChange, AccountStore, AccountUpdate, IdentityChange, NewOneTimeToken, NewSession, NewUser,
        OneTimePurpose, PasswordChange, RevocationCause,
    },
    ports::StoreError,
    users::{Email, User, UserRole},
};
use uuid::Uuid;

use super::{
    AccountRow, Identity, UserRow, announce, external, lock_user, lock_user_and_references, one_time_tokens, pruning, sessions,
    settled,
};
use crate::{
    database::DbError,
    files,
    notifications::Channel,
    repo::{admin, file_deletions},
    schema::{jobs, projects, users},
};

/// The name that PostgreSQL gave to the uniqueness of addresses.
const EMAIL_UNIQUE: &str = "users_email_key";

#[async_trait]
impl AccountStore for Identity {
    async fn create_account(
        &self,
        user: NewUser,
        session: NewSession,
        verification: Option<NewOneTimeToken>,
    ) -> Result<User, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let row = insert_user(connection, &user).await?.ok_or_else(|| StoreError::Conflict("email".to_owned()))?;
                sessions::insert(connection, &session).await?;
                if let Some(token) = &verification {
                    one_time_tokens::replace(connection, token).await?;
                }
                Ok::<User, DbError>(row.try_into()?)
            })
            .await
            .map_err(settled)
    }

    async fn find_account(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = users::table.find(id.0).select(AccountRow::as_select()).first(&mut connection).await.optional();
        found.map_err(DbError::from)?.map(Account::try_from).transpose()
    }

    async fn find_account_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = users::table
            .filter(users::email.eq(email.as_str()))
            .select(AccountRow::as_select())
            .first(&mut connection)
            .await
            .optional();
        found.map_err(DbError::from)?.map(Account::try_from).transpose()
    }

    async fn update_account(&self, id: UserId, change: AccountChange, now: DateTime<Utc>) -> Result<AccountUpdate, StoreError> {
        let mut connection = self.database.connection().await?;
        let updated = connection.transaction(async |connection| update_in(connection, id, &change, now).await).await;
        match updated {
            // Somebody took the address between the look and the write.
            Err(DbError::Diesel(error)) if is_email_taken(&error) => Ok(AccountUpdate::EmailTaken),
            other => other.map_err(settled),
        }
    }

    async fn rehash_password(&self, id: UserId, change: PasswordChange) -> Result<bool, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let Some(account) = lock_user(connection, id).await? else { return Ok(false) };
                if account.password_hash != change.expected.expose() {
                    return Ok(false);
                }
                let changed = users::password_hash.eq(change.replacement.expose());
                diesel::update(users::table.find(id.0)).set(changed).execute(connection).await?;
                Ok::<bool, DbError>(true)
            })
            .await
            .map_err(settled)
    }

    async fn delete_account(&self, id: UserId) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection.transaction(async |connection| delete_in(connection, id).await).await.map_err(settled)
    }

    async fn prune(&self, now: DateTime<Utc>, keep: Duration) -> Result<u64, StoreError> {
        let mut connection = self.database.connection().await?;
        connection.transaction(async |connection| pruning::prune_in(connection, now, keep).await).await.map_err(settled)
    }
}

/// Inserts a user, unless the address is taken.
pub(super) async fn insert_user(connection: &mut AsyncPgConnection, user: &NewUser) -> Result<Option<UserRow>, DbError> {
    let inserted = diesel::insert_into(users::table)
        .values((
            users::user_id.eq(user.id.0),
            users::email.eq(user.email.as_str()),
            users::password_hash.eq(user.password_hash.expose()),
            users::name.eq(user.name.as_str()),
            users::role.eq(UserRole::User.as_str()),
            users::email_verified.eq(user.email_verified),
            users::created_at.eq(user.created_at),
            users::updated_at.eq(user.created_at),
        ))
        .on_conflict(users::email)
        .do_nothing()
        .returning(UserRow::as_returning())
        .get_result(connection)
        .await
        .optional()?;
    Ok(inserted)
}

/// What changes in the user's row; `None` keeps what is stored.
#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct UserChanges<'a> {
    email: Option<&'a str>,
    password_hash: Option<&'a str>,
    name: Option<&'a str>,
    email_verified: Option<bool>,
    updated_at: DateTime<Utc>,
}

async fn update_in(
    connection: &mut AsyncPgConnection,
    id: UserId,
    change: &AccountChange,
    now: DateTime<Utc>,
) -> Result<AccountUpdate, DbError> {
    // The stronger lock at once where it may be needed: two callers that both turned a weaker one into it would wait
    // for each other.
    let account = match change.email {
        Some(_) => lock_user_and_references(connection, id).await?,
        None => lock_user(connection, id).await?,
    };
    let account = account.ok_or(StoreError::NotFound)?;
    if change.password.as_ref().is_some_and(|password| password.expected.expose() != account.password_hash) {
        return Ok(AccountUpdate::PasswordChanged);
    }
    let email = change.email.as_ref().filter(|change| change.email.as_str() != account.user.email);
    // Looked up before it is written: two users who want each other's address would wait for each other in the index.
    if let Some(change) = email
        && is_stored(connection, &change.email).await?
    {
        return Ok(AccountUpdate::EmailTaken);
    }
    if change.password.is_some() {
        sessions::revoke_all_in(connection, id, now, RevocationCause::PasswordChange).await?;
    }
    match (email, &change.password) {
        (Some(_), _) => {
            one_time_tokens::delete(connection, id, &[OneTimePurpose::ResetPassword, OneTimePurpose::VerifyEmail]).await?
        }
        (None, Some(_)) => one_time_tokens::delete(connection, id, &[OneTimePurpose::ResetPassword]).await?,
        (None, None) => {}
    }
    if let Some(token) = email.and_then(|change| change.verification.as_ref()) {
        one_time_tokens::replace(connection, token).await?;
    }
    if email.is_some() {
        // The account may become somebody else's: whose the new address is.
        external::delete_linked_of(connection, id).await?;
    }
    let changes = UserChanges {
        email: email.map(|change| change.email.as_str()),
        password_hash: change.password.as_ref().map(|password| password.replacement.expose()),
        name: change.name.as_ref().map(|name| name.as_str()),
        email_verified: email.map(|change| change.verification.is_none()),
        updated_at: now,
    };
    let row: UserRow =
        diesel::update(users::table.find(id.0)).set(changes).returning(UserRow::as_returning()).get_result(connection).await?;
    announce(connection, IdentityChange::User(id)).await?;
    Ok(AccountUpdate::Updated(row.try_into()?))
}

async fn is_stored(connection: &mut AsyncPgConnection, email: &Email) -> Result<bool, DbError> {
    let stored = diesel::select(exists(users::table.filter(users::email.eq(email.as_str()))));
    Ok(stored.get_result(connection).await?)
}

fn is_email_taken(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info)
        if info.constraint_name() == Some(EMAIL_UNIQUE))
}

/// Deletes a user. The lock on the row keeps new projects out while the files of the existing ones are recorded.
async fn delete_in(connection: &mut AsyncPgConnection, id: UserId) -> Result<(), DbError> {
    lock_user_and_references(connection, id).await?.ok_or(StoreError::NotFound)?;
    // In the order that is stated with the workflows: what goes along with the user goes in any order.
    let owned = projects::table.filter(projects::owner_id.eq(id.0)).order(projects::project_id);
    let owned: Vec<Uuid> = owned.select(projects::project_id).for_update().load(connection).await?;
    let unfinished = jobs::table.filter(jobs::owner_id.eq(id.0)).filter(jobs::finished_at.is_null()).order(jobs::job_id);
    let _locked: Vec<Uuid> = unfinished.select(jobs::job_id).for_update().load(connection).await?;
    for project in owned {
        file_deletions::queue(connection, files::project_prefix(ProjectId(project))).await?;
        admin::announce(connection, Channel::ProjectDeleted, &project.to_string()).await?;
    }
    file_deletions::queue(connection, files::user_prefix(id)).await?;
    diesel::delete(users::table.find(id.0)).execute(connection).await?;
    announce(connection, IdentityChange::User(id)).await
}
