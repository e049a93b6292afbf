//! Per-user settings: their keys, ranges and defaults.

use serde::{Deserialize, Serialize};

use crate::limits;

/// A setting that a user may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SettingKey {
    /// Life of a cached SQL result in milliseconds; 0 turns the cache off.
    QueryCacheTtlMs,
    /// Most rows in a SQL result.
    SqlMaxRows,
    /// `LIMIT` added to SQL that has none.
    SqlDefaultLimit,
    /// Longest run of code, milliseconds.
    ExecutionTimeoutMs,
    /// Memory of a code sandbox, MB.
    ExecutionMaxMemoryMb,
}

impl SettingKey {
    /// Every key, in the order in which they are shown.
    pub const ALL: [Self; 5] =
        [Self::QueryCacheTtlMs, Self::SqlMaxRows, Self::SqlDefaultLimit, Self::ExecutionTimeoutMs, Self::ExecutionMaxMemoryMb];

    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueryCacheTtlMs => "queryCacheTtlMs",
            Self::SqlMaxRows => "sqlMaxRows",
            Self::SqlDefaultLimit => "sqlDefaultLimit",
            Self::ExecutionTimeoutMs => "executionTimeoutMs",
            Self::ExecutionMaxMemoryMb => "executionMaxMemoryMb",
        }
    }

    /// Reads a sent or stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == name)
    }

    /// The allowed values, both ends included.
    #[must_use]
    pub fn range(self) -> std::ops::RangeInclusive<i64> {
        match self {
            Self::QueryCacheTtlMs => 0..=3_600_000,
            Self::SqlMaxRows => 10..=10_000,
            Self::SqlDefaultLimit => 10..=1_000,
            Self::ExecutionTimeoutMs => 5_000..=600_000,
            Self::ExecutionMaxMemoryMb => 256..=4_096,
        }
    }
}

/// The settings that are in force for one user: overrides over the server's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settings {
    /// Life of a cached SQL result in milliseconds; 0 turns the cache off.
    pub query_cache_ttl_ms: i64,
    /// Most rows in a SQL result.
    pub sql_max_rows: i64,
    /// `LIMIT` added to SQL that has none.
    pub sql_default_limit: i64,
    /// Longest run of code, milliseconds.
    pub execution_timeout_ms: i64,
    /// Memory of a code sandbox, MB.
    pub execution_max_memory_mb: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            query_cache_ttl_ms: i64::try_from(limits::QUERY_CACHE_TTL_MS).unwrap_or(300_000),
            sql_max_rows: limits::SQL_ROWS_MAX.into(),
            sql_default_limit: limits::SQL_LIMIT_DEFAULT.into(),
            execution_timeout_ms: 600_000,
            execution_max_memory_mb: 2048,
        }
    }
}

impl Settings {
    /// Replaces one value.
    pub fn set(&mut self, key: SettingKey, value: i64) {
        match key {
            SettingKey::QueryCacheTtlMs => self.query_cache_ttl_ms = value,
            SettingKey::SqlMaxRows => self.sql_max_rows = value,
            SettingKey::SqlDefaultLimit => self.sql_default_limit = value,
            SettingKey::ExecutionTimeoutMs => self.execution_timeout_ms = value,
            SettingKey::ExecutionMaxMemoryMb => self.execution_max_memory_mb = value,
        }
    }

    /// Reads one value.
    #[must_use]
    pub fn get(&self, key: SettingKey) -> i64 {
        match key {
            SettingKey::QueryCacheTtlMs => self.query_cache_ttl_ms,
            SettingKey::SqlMaxRows => self.sql_max_rows,
            SettingKey::SqlDefaultLimit => self.sql_default_limit,
            SettingKey::ExecutionTimeoutMs => self.execution_timeout_ms,
            SettingKey::ExecutionMaxMemoryMb => self.execution_max_memory_mb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_lies_in_its_own_range() {
        for key in SettingKey::ALL {
            assert!(key.range().contains(&Settings::default().get(key)), "{}", key.as_str());
            assert_eq!(SettingKey::from_name(key.as_str()), Some(key));
        }
    }
}
