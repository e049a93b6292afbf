//! `Idempotency-Key`: the repetition of a create finds what the first one made.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gristmill_domain::{UserId, ports::StoreError};
use uuid::Uuid;

use crate::{database::DbError, schema::idempotency_keys as keys};

/// A key that a client sent, and a digest of the request it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header's value, at most 200 bytes.
    pub key: String,
    /// SHA-256 of method, path and body.
    pub fingerprint: [u8; 32],
}

/// The constraint that [`StoreError::Conflict`] names when a key is used with another request.
pub const IDEMPOTENCY_MISMATCH: &str = "idempotency_mismatch";

/// Claims the key for `resource` in the caller's transaction. Returns the resource of an earlier claim, if any.
pub(super) async fn claim(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    idempotency: &Idempotency,
    resource: Uuid,
) -> Result<Option<Uuid>, DbError> {
    let claimed = diesel::insert_into(keys::table)
        .values((
            keys::owner_id.eq(owner.0),
            keys::idempotency_key.eq(&idempotency.key),
            keys::fingerprint.eq(idempotency.fingerprint.as_slice()),
            keys::resource_id.eq(resource),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    if claimed == 1 { Ok(None) } else { find(connection, owner, idempotency).await }
}

/// The resource that the key was claimed for, if it was.
pub(super) async fn find(
    connection: &mut AsyncPgConnection,
    owner: UserId,
    idempotency: &Idempotency,
) -> Result<Option<Uuid>, DbError> {
    let earlier: Option<(Vec<u8>, Uuid)> = keys::table
        .find((owner.0, &idempotency.key))
        .select((keys::fingerprint, keys::resource_id))
        .first(connection)
        .await
        .optional()?;
    match earlier {
        None => Ok(None),
        Some((fingerprint, resource)) if fingerprint == idempotency.fingerprint => Ok(Some(resource)),
        Some(_) => Err(StoreError::Conflict(IDEMPOTENCY_MISMATCH.into()).into()),
    }
}
