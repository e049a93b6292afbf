//! The registry: names under which a caller's programs keep versions of models.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{Caller, ports::StoreError};
use serde_json::Value;
use uuid::Uuid;

use super::{Tracking, object, texts};
use crate::{
    database::DbError,
    schema::{registered_models as names, registered_versions as versions},
};

/// A name in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredModel {
    /// The name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Its versions, newest first.
    pub versions: Vec<RegisteredVersion>,
}

/// A version in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredVersion {
    /// The name.
    pub name: String,
    /// The version, from 1.
    pub version: u32,
    /// The run that it comes from.
    pub run_id: Option<String>,
    /// Where its files are, as the program said it.
    pub source: String,
    /// What it is, for people.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A version to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionCreate {
    /// The name.
    pub name: String,
    /// The run that it comes from.
    pub run_id: Option<String>,
    /// Where its files are.
    pub source: String,
    /// What it is, for people.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = names, check_for_backend(diesel::pg::Pg))]
struct NameRow {
    name: String,
    description: String,
    tags: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = versions, check_for_backend(diesel::pg::Pg))]
struct VersionRow {
    name: String,
    version: i32,
    run_id: Option<String>,
    source: String,
    description: String,
    tags: Value,
    created_at: DateTime<Utc>,
}

impl From<VersionRow> for RegisteredVersion {
    fn from(row: VersionRow) -> Self {
        Self {
            name: row.name,
            version: u32::try_from(row.version).unwrap_or(0),
            run_id: row.run_id,
            source: row.source,
            description: row.description,
            tags: tags(row.tags),
            created_at: row.created_at,
        }
    }
}

fn tags(value: Value) -> BTreeMap<String, String> {
    object(value).into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

impl Tracking {
    /// Makes a name in the caller's registry.
    ///
    /// # Errors
    /// `Conflict` when it is there; `Unavailable`, `Defect`.
    pub async fn create_model(
        &self,
        caller: &Caller,
        name: &str,
        description: &str,
        tags: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Result<RegisteredModel, StoreError> {
        let mut connection = self.database.connection().await?;
        diesel::insert_into(names::table)
            .values((
                names::owner_id.eq(caller.user_id.0),
                names::name.eq(name),
                names::description.eq(description),
                names::tags.eq(texts(tags)),
                names::created_at.eq(now),
                names::updated_at.eq(now),
            ))
            .execute(&mut connection)
            .await
            .map_err(DbError::from)?;
        Ok(RegisteredModel {
            name: name.to_owned(),
            description: description.to_owned(),
            tags: tags.clone(),
            created_at: now,
            updated_at: now,
            versions: Vec::new(),
        })
    }

    /// The caller's names, with their versions; one of them when `name` says so.
    ///
    /// # Errors
    /// `Unavailable`, `Defect`.
    pub async fn models(&self, caller: &Caller, name: Option<&str>) -> Result<Vec<RegisteredModel>, StoreError> {
        let mut connection = self.database.connection().await?;
        let owner: Uuid = caller.user_id.0;
        let mut query =
            names::table.filter(names::owner_id.eq(owner)).order(names::name).select(NameRow::as_select()).into_boxed();
        let mut all = versions::table
            .filter(versions::owner_id.eq(owner))
            .order((versions::name, versions::version.desc()))
            .select(VersionRow::as_select())
            .into_boxed();
        if let Some(name) = name {
            query = query.filter(names::name.eq(name.to_owned()));
            all = all.filter(versions::name.eq(name.to_owned()));
        }
        let rows: Vec<NameRow> = query.load(&mut connection).await.map_err(DbError::from)?;
        let mut by_name: BTreeMap<String, Vec<RegisteredVersion>> = BTreeMap::new();
        let all: Vec<VersionRow> = all.load(&mut connection).await.map_err(DbError::from)?;
        for row in all {
            by_name.entry(row.name.clone()).or_default().push(row.into());
        }
        Ok(rows
            .into_iter()
            .map(|row| RegisteredModel {
                versions: by_name.remove(&row.name).unwrap_or_default(),
                name: row.name,
                description: row.description,
                tags: tags(row.tags),
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
            .collect())
    }

    /// Removes a name of the caller's, with its versions.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete_model(&self, caller: &Caller, name: &str) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let target = names::table.find((caller.user_id.0, name));
        let deleted = diesel::delete(target).execute(&mut connection).await.map_err(DbError::from)?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Makes the next version of a name of the caller's.
    ///
    /// # Errors
    /// `NotFound` when the name is not there; `Unavailable`, `Defect`.
    pub async fn create_version(
        &self,
        caller: &Caller,
        create: VersionCreate,
        now: DateTime<Utc>,
    ) -> Result<RegisteredVersion, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let target = names::table.find((caller.user_id.0, &create.name));
                // Locked, so that two versions get two numbers.
                let _: String = target.select(names::name).for_update().first(connection).await?;
                let latest: Option<i32> = versions::table
                    .filter(versions::owner_id.eq(caller.user_id.0))
                    .filter(versions::name.eq(&create.name))
                    .select(diesel::dsl::max(versions::version))
                    .first(connection)
                    .await?;
                diesel::update(target).set(names::updated_at.eq(now)).execute(connection).await?;
                let row: VersionRow = diesel::insert_into(versions::table)
                    .values((
                        versions::owner_id.eq(caller.user_id.0),
                        versions::name.eq(&create.name),
                        versions::version.eq(latest.unwrap_or(0) + 1),
                        versions::run_id.eq(&create.run_id),
                        versions::source.eq(&create.source),
                        versions::description.eq(&create.description),
                        versions::tags.eq(texts(&create.tags)),
                        versions::created_at.eq(now),
                    ))
                    .returning(VersionRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<VersionRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }
}
