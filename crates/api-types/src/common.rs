//! Pieces that several wire types share.

use chrono::{DateTime, Utc};
use garde::Validate;
use gristmill_domain::datasets::iso_millis;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// An instant: ISO 8601, UTC, milliseconds, `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T10:20:30.123Z")]
pub struct Instant(pub DateTime<Utc>);

impl Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&iso_millis::format(self.0))
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}

/// Whose shape the validation errors of a body take (contract 1, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorShape {
    /// `{error: "Validation failed", issues: [...]}`.
    Issues,
    /// `{errors: {formErrors, fieldErrors}}`.
    Flatten,
    /// `{error: "Invalid request body", details: [...]}` (contract 3, V2).
    BodyDetails,
    /// `{error: "Invalid query parameters", details: [...]}` (contract 3, V2).
    QueryDetails,
    /// `{error, details: {formErrors, fieldErrors}}` (contract 2, 8.2).
    FlatDetails,
}

/// A request body: how it is validated, and how its errors look.
pub trait RequestBody: Validate<Context = ()> + for<'de> Deserialize<'de> + 'static {
    /// The shape of its validation errors.
    const SHAPE: ErrorShape = ErrorShape::Flatten;
}

/// Reads a field that may be absent but not null.
///
/// # Errors
/// The deserializer's, for null too.
pub fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A plain acknowledgement for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// What happened.
    pub message: String,
}

impl MessageView {
    /// A message.
    #[must_use]
    pub fn new(message: &str) -> Self {
        Self { message: message.to_owned() }
    }
}

/// Reads a field that may be absent, null (clears) or a value (sets).
///
/// # Errors
/// The deserializer's.
pub fn clearable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// `{success}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuccessView {
    /// Always true: a failure is an error.
    pub success: bool,
}

impl SuccessView {
    /// It was done.
    pub const DONE: Self = Self { success: true };
}
