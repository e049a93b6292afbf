//! The stored sketches of key-like columns.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{DatasetId, ProjectId, key_sketches::KeySketch, ports::StoreError};
use uuid::Uuid;

use super::signed;
use crate::{
    database::DbError,
    schema::{dataset_key_sketches, datasets},
};

#[derive(Debug, Insertable)]
#[diesel(table_name = dataset_key_sketches)]
struct NewSketch<'a> {
    dataset_id: Uuid,
    place: i16,
    column_name: &'a str,
    distinct_count: i64,
    hashes: Vec<u8>,
}

/// Puts a dataset's sketches in the place of those that there were.
pub(super) async fn replace(
    connection: &mut AsyncPgConnection,
    dataset: DatasetId,
    sketches: &[KeySketch],
) -> Result<(), DbError> {
    let old = dataset_key_sketches::table.filter(dataset_key_sketches::dataset_id.eq(dataset.0));
    diesel::delete(old).execute(connection).await?;
    let rows: Vec<NewSketch<'_>> = sketches
        .iter()
        .zip(0..)
        .map(|(sketch, place)| NewSketch {
            dataset_id: dataset.0,
            place,
            column_name: &sketch.column,
            distinct_count: signed(sketch.distinct),
            hashes: sketch.hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect(),
        })
        .collect();
    diesel::insert_into(dataset_key_sketches::table).values(rows).execute(connection).await?;
    Ok(())
}

/// The sketches of tables of a project. The caller has checked whose it is.
pub(super) async fn list(
    connection: &mut AsyncPgConnection,
    project: ProjectId,
    tables: &[DatasetId],
) -> Result<Vec<(String, KeySketch)>, StoreError> {
    let rows: Vec<(String, String, i64, Vec<u8>)> = dataset_key_sketches::table
        .inner_join(datasets::table)
        .filter(datasets::project_id.eq(project.0))
        .filter(dataset_key_sketches::dataset_id.eq_any(tables.iter().map(|id| id.0).collect::<Vec<_>>()))
        .order((dataset_key_sketches::dataset_id, dataset_key_sketches::place))
        .select((
            datasets::sql_name,
            dataset_key_sketches::column_name,
            dataset_key_sketches::distinct_count,
            dataset_key_sketches::hashes,
        ))
        .load(connection)
        .await
        .map_err(DbError::from)?;
    let sketch = |(table, column, distinct, bytes): (String, String, i64, Vec<u8>)| {
        let hashes = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        (table, KeySketch { column, distinct: distinct.unsigned_abs(), hashes })
    };
    Ok(rows.into_iter().map(sketch).collect())
}
