//! Keys of a caller's deployments.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    ApiKeyId, Caller, DeploymentId,
    deployments::{ApiKey, KeyHash},
    ports::StoreError,
};

use super::{Deployments, own, rows::KeyRow};
use crate::{database::DbError, schema::deployment_api_keys as keys};

impl Deployments {
    /// Stores a key: what it is compared with, never the key itself.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn create_key(&self, caller: &Caller, key: ApiKey, hash: KeyHash) -> Result<ApiKey, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                own(connection, caller.user_id, key.deployment_id).await?;
                let row = KeyRow {
                    key_id: key.id.0,
                    deployment_id: key.deployment_id.0,
                    name: key.name,
                    key_prefix: key.prefix,
                    key_hash: hash.0.to_vec(),
                    created_at: key.created_at,
                    expires_at: key.expires_at,
                    last_used_at: None,
                    revoked_at: None,
                };
                let row: KeyRow =
                    diesel::insert_into(keys::table).values(row).returning(KeyRow::as_returning()).get_result(connection).await?;
                Ok::<KeyRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Lists the keys of a deployment, newest first, revoked ones included.
    ///
    /// # Errors
    /// `NotFound` when the deployment is not the caller's; `Unavailable`, `Defect`.
    pub async fn list_keys(&self, caller: &Caller, deployment: DeploymentId) -> Result<Vec<ApiKey>, StoreError> {
        let mut connection = self.database.connection().await?;
        own(&mut connection, caller.user_id, deployment).await?;
        let rows: Vec<KeyRow> = keys::table
            .filter(keys::deployment_id.eq(deployment.0))
            .order((keys::created_at.desc(), keys::key_id.desc()))
            .select(KeyRow::as_select())
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(rows.into_iter().map(ApiKey::from).collect())
    }

    /// Revokes a key. Every server process hears of it.
    ///
    /// # Errors
    /// `NotFound` when there is no such key or it is revoked already; `Unavailable`, `Defect`.
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        deployment: DeploymentId,
        key: ApiKeyId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        connection
            .transaction(async |connection| {
                own(connection, caller.user_id, deployment).await?;
                let target =
                    keys::table.find(key.0).filter(keys::deployment_id.eq(deployment.0)).filter(keys::revoked_at.is_null());
                let revoked = diesel::update(target).set(keys::revoked_at.eq(now)).execute(connection).await?;
                if revoked == 0 { Err(StoreError::NotFound.into()) } else { Ok::<(), DbError>(()) }
            })
            .await?;
        Ok(())
    }
}
