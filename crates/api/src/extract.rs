//! Extractors: from the request to values that handlers may trust.

mod body;
mod caller;
mod idempotency;
mod parameters;

pub use body::{OptionalJson, ValidJson};
pub(crate) use body::{collect as collect_body, read as read_body};
pub use caller::{Account, Read, Signed, Unverified, Write, admit, authenticate, client_info};
pub use idempotency::IdempotencyKey;
pub use parameters::{DetailQuery, PathParams, ValidQuery};

use garde::Report;
use gristmill_api_types::errors::FieldError;

/// What garde found, as wire errors.
fn field_errors(report: &Report) -> Vec<FieldError> {
    report
        .iter()
        .map(|(path, error)| FieldError {
            path: camel_case(&path.to_string()),
            code: "invalid".into(),
            message: error.message().to_owned(),
        })
        .collect()
}

/// garde knows Rust's names; the wire has `camelCase`.
fn camel_case(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut raise = false;
    for c in path.chars() {
        match c {
            '_' => raise = true,
            c if raise => {
                name.extend(c.to_uppercase());
                raise = false;
            }
            c => name.push(c),
        }
    }
    name
}

/// serde's message without its position in the text, which means nothing to the client's user.
fn readable(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message.get(..end).unwrap_or(message).to_owned()
}
