//! Datasets that were made from others: stored with what they came from, and with the split that their rows follow.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, UserId,
    datasets::Dataset,
    jobs::Lease,
    models::{DeclaredSplit, Split},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{DatasetCreate, Datasets, from_json, insert_in, to_json};
use crate::{
    database::DbError,
    repo::ownership::hold_owner,
    schema::{dataset_features as lineages, dataset_splits as splits, datasets},
};

/// What a dataset was made from.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetLineage {
    /// The dataset; it may be gone.
    pub source_id: DatasetId,
    /// Its version then.
    pub source_version: u32,
    /// What came of each feature, a list.
    pub features: Value,
    /// What people should know.
    pub warning: Option<String>,
}

/// A dataset to be stored, with what it was made from.
#[derive(Debug, Clone)]
pub struct DerivedDataset {
    /// The dataset.
    pub create: DatasetCreate,
    /// What it was made from.
    pub lineage: DatasetLineage,
    /// Whether each of its rows is a known one of the source: then the splits of the source are its own too.
    pub has_source_rows: bool,
    /// Splits that its features have learned by. Of their targets, no other split is taken over from the source.
    pub learned_by: Vec<DeclaredSplit>,
}

impl Datasets {
    /// Stores a derived dataset with its lineage and its splits, and ends its job, as [`Self::create_from_job`] does.
    ///
    /// # Errors
    /// As [`Self::create_from_job`].
    pub async fn create_derived_from_job(
        &self,
        lease: Lease,
        owner: UserId,
        derived: DerivedDataset,
        now: DateTime<Utc>,
    ) -> Result<Dataset, StoreError> {
        let mut connection = self.database.connection().await?;
        let row = connection
            .transaction(async |connection| {
                let DerivedDataset { create, lineage, has_source_rows, learned_by } = derived;
                let (id, columns) = (create.id, column_names(&create));
                let row = insert_in(connection, lease, owner, create, now).await?;
                insert_lineage(connection, id, &lineage, now).await?;
                if has_source_rows {
                    copy_splits(connection, (lineage.source_id, id), &columns, &learned_by).await?;
                }
                for split in learned_by.iter().filter(|split| columns.contains(&split.target)) {
                    declare(connection, id, split).await?;
                }
                Ok::<_, DbError>(row)
            })
            .await?;
        row.try_into()
    }

    /// Declares the splits of one of the caller's datasets for another one that was made from it, as far as that has the columns
    /// that they look at, and no split of its own.
    ///
    /// # Errors
    /// `NotFound` when one of the two is not the caller's; `Unavailable`, `Defect`.
    pub async fn inherit_splits(&self, caller: &Caller, source: DatasetId, derived: &Dataset) -> Result<(), StoreError> {
        let mut connection = self.database.connection().await?;
        let columns: Vec<String> = derived.columns.iter().map(|column| column.name.clone()).collect();
        let id = derived.id;
        connection
            .transaction(async |connection| {
                // A split may say who declared it.
                hold_owner(connection, caller.user_id).await?;
                for dataset in [source, id] {
                    let _: Uuid = datasets::table
                        .find(dataset.0)
                        .filter(datasets::owner_id.eq(caller.user_id.0))
                        .select(datasets::dataset_id)
                        .first(connection)
                        .await?;
                }
                copy_splits(connection, (source, id), &columns, &[]).await
            })
            .await?;
        Ok(())
    }

    /// What one of the caller's datasets was made from.
    ///
    /// # Errors
    /// `NotFound` when it is not the caller's, or nothing was recorded; `Unavailable`, `Defect`.
    pub async fn lineage(&self, caller: &Caller, id: DatasetId) -> Result<DatasetLineage, StoreError> {
        let mut connection = self.database.connection().await?;
        let (source, version, features, warning): (Uuid, i32, Value, Option<String>) = lineages::table
            .inner_join(datasets::table)
            .filter(lineages::dataset_id.eq(id.0))
            .filter(datasets::owner_id.eq(caller.user_id.0))
            .select((lineages::source_id, lineages::source_version, lineages::features, lineages::warning))
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        let source_version = u32::try_from(version).unwrap_or(0);
        Ok(DatasetLineage { source_id: DatasetId(source), source_version, features, warning })
    }
}

fn column_names(create: &DatasetCreate) -> Vec<String> {
    create.content.columns.iter().map(|column| column.name.clone()).collect()
}

async fn insert_lineage(
    connection: &mut AsyncPgConnection,
    id: DatasetId,
    lineage: &DatasetLineage,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::insert_into(lineages::table)
        .values((
            lineages::dataset_id.eq(id.0),
            lineages::source_id.eq(lineage.source_id.0),
            lineages::source_version.eq(i32::try_from(lineage.source_version).unwrap_or(i32::MAX)),
            lineages::features.eq(&lineage.features),
            lineages::warning.eq(&lineage.warning),
            lineages::created_at.eq(now),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Target, split, when and by whom it was declared, and whether features learned by it.
type StoredSplit = (String, Value, DateTime<Utc>, Option<Uuid>, bool);

/// Declares the splits of the source for the new dataset too, as far as it has the columns that they look at.
async fn copy_splits(
    connection: &mut AsyncPgConnection,
    (source, id): (DatasetId, DatasetId),
    columns: &[String],
    learned_by: &[DeclaredSplit],
) -> Result<(), DbError> {
    let rows: Vec<StoredSplit> = splits::table
        .filter(splits::dataset_id.eq(source.0))
        .select((splits::target, splits::split, splits::declared_at, splits::declared_by, splits::is_learned))
        .load(connection)
        .await?;
    let has = |name: &str| columns.iter().any(|column| column == name);
    for (target, stored, declared_at, declared_by, is_learned) in rows {
        let split: Split = from_json(stored.clone())?;
        // It may have been declared after the features began to learn by another one.
        let is_other = learned_by.iter().any(|one| one.target == target && one.split != split);
        if is_other || !has(&target) || split.column.as_deref().is_some_and(|column| !has(column)) {
            continue;
        }
        diesel::insert_into(splits::table)
            .values((
                splits::dataset_id.eq(id.0),
                splits::target.eq(target),
                splits::split.eq(stored),
                splits::declared_at.eq(declared_at),
                splits::declared_by.eq(declared_by),
                splits::is_learned.eq(is_learned),
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Declares a split that features have learned by. The same one may be there already.
async fn declare(connection: &mut AsyncPgConnection, id: DatasetId, new: &DeclaredSplit) -> Result<(), DbError> {
    diesel::insert_into(splits::table)
        .values((
            splits::dataset_id.eq(id.0),
            splits::target.eq(&new.target),
            splits::split.eq(to_json(&new.split)?),
            splits::declared_at.eq(new.declared_at),
            splits::declared_by.eq(new.declared_by.map(|user| user.0)),
            splits::is_learned.eq(true),
        ))
        .on_conflict((splits::dataset_id, splits::target))
        .do_update()
        .set(splits::is_learned.eq(true))
        .execute(connection)
        .await?;
    Ok(())
}
