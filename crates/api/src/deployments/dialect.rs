//! How protocols spell requests for predictions and their answers.

mod contract;
mod scoring;
mod tensors;

use actix_web::{HttpRequest, HttpResponse, ResponseError};
use gristmill_deployment::{
    inference::Signature,
    serving::{Answers, Entry, ServedFeatures},
};
use gristmill_domain::PredictionId;
use serde_json::{Map, Value};

pub use self::{
    contract::{Batching, Contract},
    scoring::Scoring,
    tensors::{Tensors, metadata_of, version_of},
};
use crate::error::{ApiError, ApiResult};

/// A row by the names of its columns.
pub type Row = Map<String, Value>;

/// A protocol in which predictions are asked for. One value serves one request, and may remember what it read.
pub trait Dialect {
    /// Reads the rows.
    ///
    /// # Errors
    /// What is wrong with the request.
    fn read(&mut self, asked: &Asked<'_>) -> ApiResult<Vec<Row>>;

    /// What a repetition of the request is known by, where the protocol has that.
    fn request_key(&self) -> Option<&str> {
        None
    }

    /// Writes the answers.
    ///
    /// # Errors
    /// When the protocol cannot express them.
    fn write(&self, answered: &Answered<'_>) -> ApiResult<HttpResponse>;

    /// Writes a refusal.
    fn refuse(&self, error: ApiError) -> HttpResponse {
        error.error_response()
    }
}

/// What is asked.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The request, for its headers.
    pub request: &'a HttpRequest,
    /// Its body.
    pub body: &'a [u8],
    /// The deployment.
    pub entry: &'a Entry,
    /// What its model takes; absent when its files are broken: then nothing will be answered, and what needs it may be
    /// refused.
    pub signature: Option<&'a Signature>,
    /// What computes columns of the model; absent where it computes none.
    pub features: Option<&'a ServedFeatures>,
}

/// What was answered.
#[derive(Debug)]
pub struct Answered<'a> {
    /// The deployment.
    pub entry: &'a Entry,
    /// What its model takes and gives.
    pub signature: &'a Signature,
    /// The answers, one for each row.
    pub answers: &'a Answers,
    /// What each is called.
    pub ids: &'a [PredictionId],
}
