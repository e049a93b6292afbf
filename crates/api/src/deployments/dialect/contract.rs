//! The contract's own shapes (contract 3, section 15).

use actix_web::HttpResponse;
use gristmill_deployment::tensors::ROWS_MAX;
use gristmill_domain::ErrorCode;
use serde_json::{Value, json};

use super::{Answered, Asked, Dialect, Row};
use crate::error::{ApiError, ApiResult};

/// Whether a request has one row or a list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// An object.
    One,
    /// A list of objects.
    Many,
}

/// The contract's shapes.
#[derive(Debug, Clone, Copy)]
pub struct Contract(pub Batching);

impl Dialect for Contract {
    fn read(&mut self, asked: &Asked<'_>) -> ApiResult<Vec<Row>> {
        let invalid = |message: String| ApiError::new(ErrorCode::InvalidRequest, message);
        let value: Value =
            serde_json::from_slice(asked.body).map_err(|error| invalid(format!("The body is not valid JSON: {error}")))?;
        match (self.0, value) {
            (Batching::One, Value::Object(row)) => Ok(vec![row]),
            (Batching::One, _) => Err(invalid("The body must be an object of features".to_owned())),
            (Batching::Many, Value::Array(rows)) => {
                if rows.is_empty() || rows.len() > ROWS_MAX {
                    return Err(invalid(format!("The body must be a list of 1 to {ROWS_MAX} rows; it has {}", rows.len())));
                }
                let row = |(place, row)| match row {
                    Value::Object(row) => Ok(row),
                    _ => Err(invalid(format!("Row {place} is no object of features"))),
                };
                rows.into_iter().enumerate().map(row).collect()
            }
            (Batching::Many, _) => Err(invalid("The body must be a list of objects of features".to_owned())),
        }
    }

    fn write(&self, answered: &Answered<'_>) -> ApiResult<HttpResponse> {
        let answers = answered.answers;
        let mut rows = answers.rows.iter().zip(answered.ids).map(|(answer, id)| {
            let mut object = answer.to_json();
            if let Some(object) = object.as_object_mut() {
                object.insert("predictionId".to_owned(), json!(id));
                if let Some(reason) = &answers.unexplained {
                    object.insert("explanationReason".to_owned(), reason.as_str().into());
                }
                if self.0 == Batching::One && !answers.ignored.is_empty() {
                    object.insert("ignoredFields".to_owned(), json!(answers.ignored));
                }
            }
            object
        });
        let body = match self.0 {
            Batching::One => rows.next().unwrap_or_default(),
            Batching::Many => Value::Array(rows.collect()),
        };
        Ok(HttpResponse::Ok().json(body))
    }
}
