//! The registry: names under which a caller's programs keep versions of models.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{Caller, ports::StoreError, tracking::Stage};
use serde_json::Value;
use uuid::Uuid;

use super::{Tracking, object, texts};
use crate::{
    database::DbError,
    schema::{registered_aliases as aliases, registered_models as names, registered_versions as versions},
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
    /// Other names of its versions.
    pub aliases: BTreeMap<String, u32>,
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
    /// Its stage.
    pub stage: Stage,
    /// The logged model that it comes from, as the program said it.
    pub logged_model: Option<String>,
    /// Its other names.
    pub aliases: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What changes of a name.
#[derive(Debug, Clone)]
pub enum NameChange {
    /// What it is, for people.
    Description(String),
    /// The name itself.
    Name(String),
    /// A tag that it gets.
    SetTag(String, String),
    /// A tag that it loses.
    RemoveTag(String),
    /// Another name of one of its versions.
    SetAlias(String, u32),
    /// One that goes.
    RemoveAlias(String),
}

/// What changes of a version.
#[derive(Debug, Clone)]
pub enum VersionChange {
    /// What it is, for people.
    Description(String),
    /// A tag that it gets.
    SetTag(String, String),
    /// A tag that it loses.
    RemoveTag(String),
    /// Its stage.
    Stage {
        /// The new one.
        stage: Stage,
        /// Whether the other versions of that stage are archived.
        archive_others: bool,
    },
}

/// A version to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionCreate {
    /// The name.
    pub name: String,
    /// The run that it comes from.
    pub run_id: Option<String>,
    /// The logged model that it comes from.
    pub logged_model: Option<String>,
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
    stage: String,
    updated_at: DateTime<Utc>,
    logged_model_id: Option<String>,
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
            stage: Stage::from_name(&row.stage).unwrap_or(Stage::None),
            logged_model: row.logged_model_id,
            aliases: Vec::new(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

pub(super) fn tags(value: Value) -> BTreeMap<String, String> {
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
            aliases: BTreeMap::new(),
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
        let named: Vec<(String, String, i32)> = aliases::table
            .filter(aliases::owner_id.eq(owner))
            .order((aliases::name, aliases::alias))
            .select((aliases::name, aliases::alias, aliases::version))
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        let mut other: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for (name, alias, version) in named {
            other.entry(name).or_default().insert(alias, u32::try_from(version).unwrap_or(0));
        }
        let mut by_name: BTreeMap<String, Vec<RegisteredVersion>> = BTreeMap::new();
        let all: Vec<VersionRow> = all.load(&mut connection).await.map_err(DbError::from)?;
        for row in all {
            let mut version = RegisteredVersion::from(row);
            let own = other.get(&version.name).into_iter().flatten().filter(|(_, number)| **number == version.version);
            version.aliases = own.map(|(alias, _)| alias.clone()).collect();
            by_name.entry(version.name.clone()).or_default().push(version);
        }
        Ok(rows
            .into_iter()
            .map(|row| RegisteredModel {
                aliases: other.remove(&row.name).unwrap_or_default(),
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
                let latest: i32 = target.select(names::version_last).for_update().first(connection).await?;
                let changed = (names::updated_at.eq(now), names::version_last.eq(latest + 1));
                diesel::update(target).set(changed).execute(connection).await?;
                let row: VersionRow = diesel::insert_into(versions::table)
                    .values((
                        versions::owner_id.eq(caller.user_id.0),
                        versions::name.eq(&create.name),
                        versions::version.eq(latest + 1),
                        versions::run_id.eq(&create.run_id),
                        versions::source.eq(&create.source),
                        versions::description.eq(&create.description),
                        versions::tags.eq(texts(&create.tags)),
                        versions::created_at.eq(now),
                        versions::updated_at.eq(now),
                        versions::logged_model_id.eq(&create.logged_model),
                    ))
                    .returning(VersionRow::as_returning())
                    .get_result(connection)
                    .await?;
                Ok::<VersionRow, DbError>(row)
            })
            .await?;
        Ok(row.into())
    }

    /// Changes a name of the caller's.
    ///
    /// # Errors
    /// `NotFound` when the name, or the version of an alias, is not there; `Conflict` when the new name is taken;
    /// `Unavailable`, `Defect`.
    pub async fn change_name(
        &self,
        caller: &Caller,
        name: &str,
        change: NameChange,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let owner = caller.user_id.0;
        connection
            .transaction(async |connection| {
                let target = names::table.find((owner, name));
                let stored: Value = target.select(names::tags).for_update().first(connection).await?;
                let mut tags = object(stored);
                diesel::update(target).set(names::updated_at.eq(now)).execute(connection).await?;
                match change {
                    NameChange::Description(text) => {
                        diesel::update(target).set(names::description.eq(text)).execute(connection).await?;
                    }
                    NameChange::Name(new) => {
                        diesel::update(target).set(names::name.eq(new)).execute(connection).await?;
                    }
                    NameChange::SetTag(key, value) => {
                        tags.insert(key, Value::from(value));
                        diesel::update(target).set(names::tags.eq(Value::Object(tags))).execute(connection).await?;
                    }
                    NameChange::RemoveTag(key) => {
                        tags.remove(&key);
                        diesel::update(target).set(names::tags.eq(Value::Object(tags))).execute(connection).await?;
                    }
                    NameChange::SetAlias(alias, version) => set_alias(connection, owner, name, &alias, version).await?,
                    NameChange::RemoveAlias(alias) => {
                        diesel::delete(aliases::table.find((owner, name, alias))).execute(connection).await?;
                    }
                }
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Changes a version of a name of the caller's.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn change_version(
        &self,
        caller: &Caller,
        name: &str,
        version: u32,
        change: VersionChange,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let owner = caller.user_id.0;
        connection
            .transaction(async |connection| {
                let target = versions::table.find((owner, name, i32::try_from(version).unwrap_or(0)));
                let stored: Value = target.select(versions::tags).for_update().first(connection).await?;
                let mut tags = object(stored);
                diesel::update(target).set(versions::updated_at.eq(now)).execute(connection).await?;
                match change {
                    VersionChange::Description(text) => {
                        diesel::update(target).set(versions::description.eq(text)).execute(connection).await?;
                    }
                    VersionChange::SetTag(key, value) => {
                        tags.insert(key, Value::from(value));
                        diesel::update(target).set(versions::tags.eq(Value::Object(tags))).execute(connection).await?;
                    }
                    VersionChange::RemoveTag(key) => {
                        tags.remove(&key);
                        diesel::update(target).set(versions::tags.eq(Value::Object(tags))).execute(connection).await?;
                    }
                    VersionChange::Stage { stage, archive_others } => {
                        if archive_others {
                            let others = versions::table
                                .filter(versions::owner_id.eq(owner))
                                .filter(versions::name.eq(name))
                                .filter(versions::stage.eq(stage.as_str()));
                            let archived = (versions::stage.eq(Stage::Archived.as_str()), versions::updated_at.eq(now));
                            diesel::update(others).set(archived).execute(connection).await?;
                        }
                        diesel::update(target).set(versions::stage.eq(stage.as_str())).execute(connection).await?;
                    }
                }
                Ok::<(), DbError>(())
            })
            .await?;
        Ok(())
    }

    /// Removes a version of a name of the caller's. Its number is not used again.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Defect`.
    pub async fn delete_version(&self, caller: &Caller, name: &str, version: u32) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let target = versions::table.find((caller.user_id.0, name, i32::try_from(version).unwrap_or(0)));
        let deleted = diesel::delete(target).execute(&mut connection).await.map_err(DbError::from)?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

async fn set_alias(
    connection: &mut AsyncPgConnection,
    owner: Uuid,
    name: &str,
    alias: &str,
    version: u32,
) -> Result<(), DbError> {
    let version = i32::try_from(version).unwrap_or(0);
    let _: i32 = versions::table.find((owner, name, version)).select(versions::version).for_key_share().first(connection).await?;
    let row = (aliases::owner_id.eq(owner), aliases::name.eq(name), aliases::alias.eq(alias), aliases::version.eq(version));
    diesel::insert_into(aliases::table)
        .values(row)
        .on_conflict((aliases::owner_id, aliases::name, aliases::alias))
        .do_update()
        .set(aliases::version.eq(version))
        .execute(connection)
        .await?;
    Ok(())
}
