//! What users changed of their settings.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::{prelude::*, upsert::excluded};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller,
    ports::StoreError,
    settings::{SettingKey, Settings},
};

use crate::{Database, database::DbError, schema::user_settings};

/// The settings of a caller.
#[derive(Debug, Clone)]
pub struct UserSettings {
    database: Database,
}

/// The settings that a user changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingOverrides(BTreeMap<SettingKey, i64>);

impl SettingOverrides {
    /// The settings in force: these over the server's defaults.
    #[must_use]
    pub fn over(&self, mut defaults: Settings) -> Settings {
        for (key, value) in &self.0 {
            defaults.set(*key, *value);
        }
        defaults
    }
}

impl UserSettings {
    /// A repository over `database`.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Reads what the caller changed. A stored value that is out of today's range is left out.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn overrides(&self, caller: &Caller) -> Result<SettingOverrides, StoreError> {
        let mut connection = self.database.connection().await?;
        let rows = load(&mut connection, caller).await?;
        Ok(rows)
    }

    /// Stores changes, all or none, and returns what is changed now. The values were checked before.
    ///
    /// # Errors
    /// `NotFound` when the user is gone; `Unavailable`, `Defect`.
    pub async fn update(
        &self,
        caller: &Caller,
        values: &BTreeMap<SettingKey, i64>,
        now: DateTime<Utc>,
    ) -> Result<SettingOverrides, StoreError> {
        let rows: Vec<_> = values
            .iter()
            .map(|(key, value)| {
                (
                    user_settings::user_id.eq(caller.user_id.0),
                    user_settings::setting_key.eq(key.as_str()),
                    user_settings::setting_value.eq(*value),
                    user_settings::updated_at.eq(now),
                )
            })
            .collect();
        let mut connection = self.database.connection().await?;
        let overrides = connection
            .transaction(async |connection| {
                diesel::insert_into(user_settings::table)
                    .values(&rows)
                    .on_conflict((user_settings::user_id, user_settings::setting_key))
                    .do_update()
                    .set((
                        user_settings::setting_value.eq(excluded(user_settings::setting_value)),
                        user_settings::updated_at.eq(excluded(user_settings::updated_at)),
                    ))
                    .execute(connection)
                    .await?;
                load(connection, caller).await
            })
            .await?;
        Ok(overrides)
    }
}

async fn load(connection: &mut diesel_async::AsyncPgConnection, caller: &Caller) -> Result<SettingOverrides, DbError> {
    let rows: Vec<(String, i64)> = user_settings::table
        .filter(user_settings::user_id.eq(caller.user_id.0))
        .select((user_settings::setting_key, user_settings::setting_value))
        .load(connection)
        .await?;
    let known = rows.into_iter().filter_map(|(name, value)| Some((SettingKey::from_name(&name)?, value)));
    Ok(SettingOverrides(known.filter(|(key, value)| key.range().contains(value)).collect()))
}
