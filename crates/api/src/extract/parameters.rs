//! Path and query parameters.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use garde::Validate;
use gristmill_api_types::{common::ErrorShape, errors::FieldError};
use gristmill_domain::ErrorCode;
use serde::de::DeserializeOwned;

use super::{field_errors, readable};
use crate::error::ApiError;

/// Path parameters.
#[derive(Debug)]
pub struct PathParams<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for PathParams<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let extracted = web::Path::<T>::from_request(request, payload).into_inner();
        ready(match extracted {
            Ok(path) => Ok(Self(path.into_inner())),
            Err(error) => Err(ApiError::new(ErrorCode::InvalidId, error.to_string())),
        })
    }
}

/// Valid query parameters.
#[derive(Debug)]
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for ValidQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string(), ErrorShape::Flatten).map(Self))
    }
}

/// Valid query parameters, whose errors look as contract 3 has them.
#[derive(Debug)]
pub struct DetailQuery<T>(pub T);

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for DetailQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string(), ErrorShape::QueryDetails).map(Self))
    }
}

fn parse<T: DeserializeOwned + Validate<Context = ()>>(query: &str, shape: ErrorShape) -> Result<T, ApiError> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    let value: T = serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        let message = readable(&error.into_inner().to_string());
        ApiError::validation(shape, vec![FieldError { path, code: "invalid_type".into(), message }])
    })?;
    value.validate().map_err(|report| ApiError::validation(shape, field_errors(&report)))?;
    Ok(value)
}
