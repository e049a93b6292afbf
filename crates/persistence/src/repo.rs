//! One repository a resource; the file stem is the resource's at every layer.

mod idempotency;
pub mod projects;

pub use idempotency::Idempotency;
