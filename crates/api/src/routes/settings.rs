//! Settings (contract 1, section 12).

use std::collections::BTreeMap;

use actix_web::{get, patch, web};
use gristmill_api_types::{
    common::ErrorShape,
    errors::FieldError,
    settings::{SettingsEnvelope, SettingsPatch},
};
use gristmill_domain::{ErrorCode, settings::SettingKey};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    error::{ApiError, ApiResult},
    extract::{Read, Signed, ValidJson, Write},
    respond::Json,
    state::AppState,
};

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config.service(find_settings).service(update_settings);
}

/// Reads the settings in force for the caller.
#[utoipa::path(tag = "settings", responses((status = 200, description = "The settings", body = SettingsEnvelope)))]
#[get("/settings")]
pub async fn find_settings(state: web::Data<AppState>, signed: Signed<Read>) -> ApiResult<Json<SettingsEnvelope>> {
    let overrides = state.settings.overrides(&signed.caller).await.map_err(ApiError::store(ErrorCode::UserNotFound))?;
    Ok(Json(SettingsEnvelope { settings: overrides.over(state.config.settings) }))
}

/// Changes settings: all that were sent, or none.
#[utoipa::path(
    tag = "settings",
    request_body = SettingsPatch,
    responses((status = 200, description = "The settings as they are now", body = SettingsEnvelope))
)]
#[patch("/settings")]
pub async fn update_settings(
    state: web::Data<AppState>,
    signed: Signed<Write>,
    ValidJson(body): ValidJson<SettingsPatch>,
) -> ApiResult<Json<SettingsEnvelope>> {
    let values = checked(&body.settings)?;
    let overrides = state
        .settings
        .update(&signed.caller, &values, state.clock.now())
        .await
        .map_err(ApiError::store(ErrorCode::UserNotFound))?;
    Ok(Json(SettingsEnvelope { settings: overrides.over(state.config.settings) }))
}

fn checked(sent: &Map<String, Value>) -> ApiResult<BTreeMap<SettingKey, i64>> {
    let unknown = |name: &String| FieldError {
        path: "settings".into(),
        code: "unrecognized_keys".into(),
        message: format!("unknown setting `{name}`; known are {}", SettingKey::ALL.map(SettingKey::as_str).join(", ")),
    };
    let problems: Vec<FieldError> = sent.keys().filter(|name| SettingKey::from_name(name).is_none()).map(unknown).collect();
    if !problems.is_empty() {
        return Err(ApiError::validation(ErrorShape::Flatten, problems));
    }
    let mut values = BTreeMap::new();
    let mut wrong = BTreeMap::new();
    for (key, value) in sent.iter().filter_map(|(name, value)| Some((SettingKey::from_name(name)?, value))) {
        match whole_number(value).filter(|number| key.range().contains(number)) {
            Some(number) => drop(values.insert(key, number)),
            None => {
                let range = key.range();
                let message = format!("must be a whole number from {} to {}", range.start(), range.end());
                wrong.insert(key.as_str().to_owned(), message);
            }
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(ApiError::settings(wrong)) }
}

fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            // 5000.0 is what some clients make of 5000.
            number.as_f64().filter(|float| float.fract() == 0.0).and_then(|float| format!("{float:.0}").parse().ok())
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
