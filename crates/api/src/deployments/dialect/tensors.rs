//! The Open Inference Protocol v2: tensors, as JSON or as bytes behind it. Its errors are `{"error": …}`, which the one error
//! body is.

use actix_web::HttpResponse;
use gristmill_deployment::{
    inference::Signature,
    serving::{Entry, ServedFeatures},
    tensors::{InferRequest, TensorError, TensorInfo, inputs_of, outputs_of, raw_inputs_of},
};
use gristmill_domain::{ErrorCode, deployments::ServingRuntime};
use serde_json::{Value, json};

use super::{Answered, Asked, Dialect, Row};
use crate::error::{ApiError, ApiResult};

/// Where the JSON of a body ends and its bytes begin.
const HEADER_LENGTH: &str = "Inference-Header-Content-Length";

/// Requests of tensors.
#[derive(Debug, Default)]
pub struct Tensors {
    /// The version in the path, where there is one.
    version: Option<String>,
    request: Option<InferRequest>,
}

impl Tensors {
    /// Of a model, or of one version of it.
    #[must_use]
    pub fn new(version: Option<String>) -> Self {
        Self { version, request: None }
    }
}

/// The version of the model that a deployment serves.
///
/// # Errors
/// 404 when another one is asked for.
pub fn version_of(entry: &Entry, asked: Option<&str>) -> ApiResult<String> {
    let version = entry.served.model.version.to_string();
    match asked {
        Some(asked) if asked != version => {
            Err(ApiError::new(ErrorCode::ModelNotFound, format!("The deployment serves version {version} of the model only")))
        }
        _ => Ok(version),
    }
}

/// What the protocol says of a model. Where columns of it are computed, `parameters` has what may be sent in their place.
#[must_use]
pub fn metadata_of(entry: &Entry, version: &str, signature: &Signature, features: Option<&ServedFeatures>) -> Value {
    let platform = match entry.served.deployment.runtime {
        ServingRuntime::Native => "gristmill_native",
        ServingRuntime::Container => "gristmill_python",
    };
    let list = |tensors: Vec<TensorInfo>| tensors.iter().map(TensorInfo::to_json).collect::<Vec<_>>();
    let mut metadata = json!({
        "name": entry.served.deployment.id,
        "versions": [version],
        "platform": platform,
        "inputs": list(inputs_of(signature)),
        "outputs": list(outputs_of(signature)),
    });
    if let (Some(object), Some(features)) = (metadata.as_object_mut(), features) {
        let columns = features.columns();
        let computed: Vec<&str> = columns.computed_columns.iter().map(|column| column.name.as_str()).collect();
        let parameters = json!({
            "raw_inputs": list(raw_inputs_of(&columns.raw_columns)),
            "computed_inputs": computed,
            "must_be_sent": columns.must_be_sent,
        });
        object.insert("parameters".to_owned(), parameters);
    }
    metadata
}

fn refusal(error: &TensorError) -> ApiError {
    let code = match error {
        TensorError::TooLarge => ErrorCode::PayloadTooLarge,
        _ => ErrorCode::InvalidRequest,
    };
    let text = error.to_string();
    let mut letters = text.chars();
    ApiError::new(code, letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default())
}

impl Dialect for Tensors {
    fn read(&mut self, asked: &Asked<'_>) -> ApiResult<Vec<Row>> {
        version_of(asked.entry, self.version.as_deref())?;
        let header_length = match asked.request.headers().get(HEADER_LENGTH).map(|value| value.to_str()) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => Some("unreadable"),
        };
        let read = InferRequest::parse(asked.body, header_length).map_err(|error| refusal(&error))?;
        if let Some(signature) = asked.signature {
            let raw = asked.features.map_or(&[][..], |features| features.columns().raw_columns.as_slice());
            read.check_names(signature, raw).and_then(|()| read.check_outputs(signature)).map_err(|error| refusal(&error))?;
        }
        let rows = read.rows();
        self.request = Some(read);
        Ok(rows)
    }

    fn request_key(&self) -> Option<&str> {
        self.request.as_ref()?.id.as_deref()
    }

    fn write(&self, answered: &Answered<'_>) -> ApiResult<HttpResponse> {
        let version = version_of(answered.entry, self.version.as_deref())?;
        let name = answered.entry.served.deployment.id.to_string();
        let request = self.request.as_ref().ok_or_else(|| ApiError::internal("nothing was read"))?;
        let response = request.respond(answered.signature, (&name, &version), &answered.answers.rows, answered.ids);
        let response = response.map_err(ApiError::internal)?;
        Ok(match response.header_length {
            None => HttpResponse::Ok().content_type("application/json").body(response.body),
            Some(length) => HttpResponse::Ok()
                .content_type("application/octet-stream")
                .insert_header((HEADER_LENGTH, length.to_string()))
                .body(response.body),
        })
    }
}
