//! What a package installation tells.

use serde::Serialize;

/// Progress of an installation, as the contract's NDJSON stream has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum InstallEvent {
    /// A line of the installer.
    Log {
        /// The line.
        message: String,
    },
    /// How far it is.
    Progress {
        /// 0 to 100, strictly rising.
        progress: u8,
        /// What is being done.
        stage: String,
    },
}

/// How an installation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallOutcome {
    /// Whether the packages are there.
    pub success: bool,
    /// For people.
    pub message: String,
}
