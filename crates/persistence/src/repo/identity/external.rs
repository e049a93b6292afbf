//! Identities at other providers, and the codes of those who came back from one.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    UserId,
    identity::{
        Account, ClientBinding, DisplayName, ExternalIdentity, ExternalIdentityStore, ExternalProfile, IdentityLink,
        IdentityUnlink, LinkedIdentity, NewSession, NewSignInCode, NewUser, Provider, ProviderSubject, SignInCode, TokenHash,
        next_unlink,
    },
    ports::StoreError,
    users::{Email, User},
};
use uuid::Uuid;

use super::{AccountRow, Identity, accounts, lock_user, sessions, settled, unreadable};
use crate::{
    database::DbError,
    schema::{external_identities, sign_in_codes, users},
};

#[async_trait]
impl ExternalIdentityStore for Identity {
    async fn issue_sign_in_code(&self, code: NewSignInCode) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let ExternalProfile { identity, email, name } = &code.profile;
        diesel::insert_into(sign_in_codes::table)
            .values((
                sign_in_codes::code_hash.eq(code.code_hash.as_bytes().as_slice()),
                sign_in_codes::client_hash.eq(code.client.as_bytes().as_slice()),
                sign_in_codes::provider.eq(identity.provider.as_str()),
                sign_in_codes::subject.eq(identity.subject.as_str()),
                sign_in_codes::email.eq(email.as_str()),
                sign_in_codes::name.eq(name.as_str()),
                sign_in_codes::created_at.eq(code.created_at),
                sign_in_codes::expires_at.eq(code.expires_at),
            ))
            .execute(&mut connection)
            .await
            .map_err(|error| settled(error.into()))?;
        Ok(())
    }

    async fn take_sign_in_code(&self, hash: TokenHash, now: DateTime<Utc>) -> Result<Option<SignInCode>, StoreError> {
        let mut connection = self.database.connection().await?;
        let usable = sign_in_codes::table.find(hash.as_bytes().as_slice()).filter(sign_in_codes::expires_at.gt(now));
        // One statement: of two servers that are asked at once, one finds the row gone.
        let taken: Option<CodeRow> = diesel::delete(usable)
            .returning(CodeRow::as_returning())
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(DbError::from)?;
        taken.map(SignInCode::try_from).transpose()
    }

    async fn find_account_by_identity(&self, identity: &ExternalIdentity) -> Result<Option<Account>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = users::table
            .inner_join(external_identities::table)
            .filter(external_identities::provider.eq(identity.provider.as_str()))
            .filter(external_identities::subject.eq(identity.subject.as_str()))
            .select(AccountRow::as_select())
            .first(&mut connection)
            .await
            .optional();
        found.map_err(DbError::from)?.map(Account::try_from).transpose()
    }

    async fn create_account_of_identity(
        &self,
        user: NewUser,
        session: NewSession,
        identity: ExternalIdentity,
    ) -> Result<User, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                let row = accounts::insert_user(connection, &user).await?;
                let row = row.ok_or_else(|| StoreError::Conflict("email".to_owned()))?;
                sessions::insert(connection, &session).await?;
                let link = NewLink { user_id: user.id, identity: &identity, linked_at: user.created_at, made_account: true };
                if !insert(connection, link).await? {
                    return Err(StoreError::Conflict("identity".to_owned()).into());
                }
                Ok::<User, DbError>(row.try_into()?)
            })
            .await
            .map_err(settled)
    }

    async fn link_identity(
        &self,
        user_id: UserId,
        identity: ExternalIdentity,
        now: DateTime<Utc>,
    ) -> Result<IdentityLink, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock_user(connection, user_id).await?.ok_or(StoreError::NotFound)?;
                let link = NewLink { user_id, identity: &identity, linked_at: now, made_account: false };
                if insert(connection, link).await? || is_of(connection, user_id, &identity).await? {
                    Ok::<IdentityLink, DbError>(IdentityLink::Linked)
                } else {
                    Ok(IdentityLink::Taken)
                }
            })
            .await
            .map_err(settled)
    }

    async fn list_identities(&self, user_id: UserId) -> Result<Vec<LinkedIdentity>, StoreError> {
        let mut connection = self.database.connection().await?;
        list_of(&mut connection, user_id).await.map_err(settled)
    }

    async fn unlink_identities(&self, user_id: UserId, provider: Provider) -> Result<IdentityUnlink, StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                lock_user(connection, user_id).await?.ok_or(StoreError::NotFound)?;
                let outcome = next_unlink(&list_of(connection, user_id).await?, provider);
                if outcome == IdentityUnlink::Unlinked {
                    let links = external_identities::table
                        .filter(external_identities::user_id.eq(user_id.0))
                        .filter(external_identities::provider.eq(provider.as_str()));
                    diesel::delete(links).execute(connection).await?;
                }
                Ok::<IdentityUnlink, DbError>(outcome)
            })
            .await
            .map_err(settled)
    }
}

/// An identity to be stored.
#[derive(Clone, Copy)]
struct NewLink<'a> {
    user_id: UserId,
    identity: &'a ExternalIdentity,
    linked_at: DateTime<Utc>,
    made_account: bool,
}

/// Stores an identity, unless somebody has it. Tells whether it did.
async fn insert(connection: &mut AsyncPgConnection, link: NewLink<'_>) -> Result<bool, DbError> {
    let inserted = diesel::insert_into(external_identities::table)
        .values((
            external_identities::provider.eq(link.identity.provider.as_str()),
            external_identities::subject.eq(link.identity.subject.as_str()),
            external_identities::user_id.eq(link.user_id.0),
            external_identities::created_at.eq(link.linked_at),
            external_identities::made_account.eq(link.made_account),
        ))
        .on_conflict((external_identities::provider, external_identities::subject))
        .do_nothing()
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// The oldest link first.
async fn list_of(connection: &mut AsyncPgConnection, user_id: UserId) -> Result<Vec<LinkedIdentity>, DbError> {
    let rows: Vec<(String, DateTime<Utc>, bool)> = external_identities::table
        .filter(external_identities::user_id.eq(user_id.0))
        .order((external_identities::created_at, external_identities::subject))
        .select((external_identities::provider, external_identities::created_at, external_identities::made_account))
        .load(connection)
        .await?;
    let linked = |(provider, linked_at, made_account): (String, DateTime<Utc>, bool)| {
        let provider = Provider::from_name(&provider).ok_or_else(|| unreadable("external_identities.provider"))?;
        Ok::<LinkedIdentity, DbError>(LinkedIdentity { provider, linked_at, made_account })
    };
    rows.into_iter().map(linked).collect()
}

/// Forgets every identity of an account.
pub(super) async fn delete_of(connection: &mut AsyncPgConnection, user_id: UserId) -> Result<(), DbError> {
    let links = external_identities::table.filter(external_identities::user_id.eq(user_id.0));
    diesel::delete(links).execute(connection).await?;
    Ok(())
}

/// Forgets the identities that were linked to an account later, and keeps the one that made it: nobody knows the password of
/// such an account, so nothing else leads into it.
pub(super) async fn delete_linked_of(connection: &mut AsyncPgConnection, user_id: UserId) -> Result<(), DbError> {
    let links = external_identities::table
        .filter(external_identities::user_id.eq(user_id.0))
        .filter(external_identities::made_account.eq(false));
    diesel::delete(links).execute(connection).await?;
    Ok(())
}

async fn is_of(connection: &mut AsyncPgConnection, user_id: UserId, identity: &ExternalIdentity) -> Result<bool, DbError> {
    let owner: Option<Uuid> = external_identities::table
        .filter(external_identities::provider.eq(identity.provider.as_str()))
        .filter(external_identities::subject.eq(identity.subject.as_str()))
        .select(external_identities::user_id)
        .first(connection)
        .await
        .optional()?;
    Ok(owner == Some(user_id.0))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sign_in_codes, check_for_backend(diesel::pg::Pg))]
struct CodeRow {
    client_hash: Vec<u8>,
    provider: String,
    subject: String,
    email: String,
    name: String,
}

impl TryFrom<CodeRow> for SignInCode {
    type Error = StoreError;

    fn try_from(row: CodeRow) -> Result<Self, StoreError> {
        let provider = Provider::from_name(&row.provider).ok_or_else(|| unreadable("sign_in_codes.provider"))?;
        let subject = ProviderSubject::parse(&row.subject).map_err(|error| StoreError::Defect(Box::new(error)))?;
        Ok(Self {
            client: ClientBinding::try_from(row.client_hash.as_slice()).map_err(|error| StoreError::Defect(Box::new(error)))?,
            profile: ExternalProfile {
                identity: ExternalIdentity { provider, subject },
                email: Email::parse(&row.email).map_err(|error| StoreError::Defect(Box::new(error)))?,
                name: DisplayName::parse(&row.name).map_err(|error| StoreError::Defect(Box::new(error)))?,
            },
        })
    }
}
