//! How the rows of a dataset are divided for a target: declared once.

use chrono::{DateTime, Utc};
use diesel::{dsl::sql, prelude::*, sql_types::Bool};
use diesel_async::{AsyncConnection, RunQueryDsl};
use gristmill_domain::{
    Caller, DatasetId, UserId,
    models::{DeclaredSplit, ModelStatus},
    ports::StoreError,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Models,
    rows::{from_json, to_json},
};
use crate::{
    database::DbError,
    repo::ownership::hold_owner,
    schema::{dataset_splits as splits, datasets, models},
};

type SplitRow = (Uuid, String, Value, DateTime<Utc>, Option<Uuid>, bool);

fn declared((dataset, target, split, declared_at, by, is_learned): SplitRow) -> Result<DeclaredSplit, StoreError> {
    Ok(DeclaredSplit {
        dataset_id: DatasetId(dataset),
        target,
        split: from_json(split)?,
        declared_at,
        declared_by: by.map(UserId),
        is_learned,
    })
}

impl Models {
    /// The splits that are declared for one of the caller's datasets, by target.
    ///
    /// # Errors
    /// `NotFound` when the dataset is not the caller's; `Unavailable`, `Defect`.
    pub async fn splits(&self, caller: &Caller, dataset: DatasetId) -> Result<Vec<DeclaredSplit>, StoreError> {
        let mut connection = self.database.connection().await?;
        let _: Uuid = datasets::table
            .find(dataset.0)
            .filter(datasets::owner_id.eq(caller.user_id.0))
            .select(datasets::dataset_id)
            .first(&mut connection)
            .await
            .map_err(DbError::from)?;
        let rows: Vec<SplitRow> = splits::table
            .filter(splits::dataset_id.eq(dataset.0))
            .order(splits::target)
            .load(&mut connection)
            .await
            .map_err(DbError::from)?;
        rows.into_iter().map(declared).collect()
    }

    /// Declares a split of one of the caller's datasets for a target, unless one is declared and a model was scored by it:
    /// then that one stays, and is returned. With `again` it takes the place of whatever is there, but for a split that
    /// features have learned by.
    ///
    /// # Errors
    /// `NotFound` when the dataset is not the caller's; `Unavailable`, `Defect`.
    pub async fn declare_split(
        &self,
        caller: &Caller,
        new: &DeclaredSplit,
        again: Redeclare,
    ) -> Result<DeclaredSplit, StoreError> {
        let mut connection = self.database.connection().await?;
        let row: SplitRow = connection
            .transaction(async |connection| {
                // It may say who declares it.
                hold_owner(connection, caller.user_id).await?;
                // Locked, so that of two first trainings one declares.
                let _: Uuid = datasets::table
                    .find(new.dataset_id.0)
                    .filter(datasets::owner_id.eq(caller.user_id.0))
                    .select(datasets::dataset_id)
                    .for_update()
                    .first(connection)
                    .await?;
                let target = splits::table.find((new.dataset_id.0, &new.target));
                let before: Option<SplitRow> = target.first(connection).await.optional()?;
                let stays = match (&before, again) {
                    (None, _) => false,
                    (Some((.., is_learned)), _) if *is_learned => true,
                    (Some(_), Redeclare::Yes) => false,
                    (Some(_), Redeclare::No) => true,
                    (Some(_), Redeclare::Unused) => {
                        let scored = models::table
                            .filter(models::dataset_id.eq(new.dataset_id.0))
                            .filter(models::status.eq(ModelStatus::Completed.as_str()))
                            .filter(sql::<Bool>("plan ->> 'target' = ").bind::<diesel::sql_types::Text, _>(&new.target));
                        diesel::select(diesel::dsl::exists(scored)).get_result(connection).await?
                    }
                };
                if let Some(before) = before.filter(|_| stays) {
                    return Ok(before);
                }
                let (split, by) = (to_json(&new.split)?, new.declared_by.map(|user| user.0));
                let values = (splits::split.eq(split), splits::declared_at.eq(new.declared_at), splits::declared_by.eq(by));
                let row = diesel::insert_into(splits::table)
                    .values((splits::dataset_id.eq(new.dataset_id.0), splits::target.eq(&new.target), values.clone()))
                    .on_conflict((splits::dataset_id, splits::target))
                    .do_update()
                    .set(values)
                    .get_result(connection)
                    .await?;
                Ok::<SplitRow, DbError>(row)
            })
            .await?;
        declared(row)
    }
}

/// Whether a split may be declared again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeclare {
    /// It stays.
    No,
    /// While no model was scored by it: nobody has seen a score that would change.
    Unused,
    /// It is asked for.
    Yes,
}
