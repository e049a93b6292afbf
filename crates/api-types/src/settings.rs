//! Settings (contract 1, section 12).

use gristmill_domain::settings::Settings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::common::RequestBody;

/// `{settings}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct SettingsEnvelope {
    /// The settings in force for the caller.
    pub settings: Settings,
}

/// Changes to settings. All are checked first; nothing is stored when one is wrong.
#[derive(Debug, Deserialize, garde::Validate, ToSchema)]
pub struct SettingsPatch {
    /// Setting to number, or to text that is a number.
    #[garde(skip)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
}

impl RequestBody for SettingsPatch {}
