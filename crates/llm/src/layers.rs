//! Policies, as providers around providers.
//!
//! In their order from the outside: [`Catalogued`] knows the models, [`Limited`] the places and budgets, [`Retrying`] when
//! to try again; a provider of [`crate::wire`] or [`crate::scripted`] is inside. Budgets are outside of repetitions, so
//! that what is tried three times is one request of its user.

mod catalogued;
mod ledger;
mod limited;
mod retrying;

pub use catalogued::Catalogued;
pub use ledger::{MemoryUsage, UsageEntry, UsageStore, UsageTotals};
pub use limited::{Limited, Limits};
pub use retrying::{RetryPolicy, Retrying};
