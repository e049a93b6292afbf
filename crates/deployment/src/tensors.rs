//! Tensors of the Open Inference Protocol v2, with its binary extension: from the bytes of a request to rows, from answers
//! to the bytes of a response.
//!
//! A request has one tensor for each column, of shape `[n]` or `[n, 1]`, named as the dataset names the column. Everything
//! here is hostile input: lengths are checked before they are believed, and what a body may ask for is bounded by its bytes.
//!
//! No HTTP here: a header is a text that the caller found.

mod datatype;
mod decode;
mod error;
mod outputs;
mod request;

use std::borrow::Cow;

pub use datatype::Datatype;
pub use error::TensorError;
pub use outputs::{InferResponse, TensorData, TensorInfo, inputs_of, outputs_of, raw_inputs_of};
pub use request::{InferRequest, InputTensor, RequestedOutput};

/// Most rows of a request.
pub const ROWS_MAX: usize = 10_000;
/// Most values of a request, all tensors together: as many single-precision numbers as a body of a megabyte holds.
pub const VALUES_MAX: usize = 1 << 18;

/// JSON in which a bare `NaN` stands for a missing value becomes JSON with `null` there: Python's programs write it so.
/// `None` when there is no such place.
#[must_use]
pub fn without_nan(json: &[u8]) -> Option<Cow<'_, [u8]>> {
    const NAN: &[u8] = b"NaN";
    let (mut written, mut rest) = (Vec::new(), json);
    let (mut in_text, mut escaped, mut found) = (false, false, false);
    while let Some((&byte, after)) = rest.split_first() {
        if !in_text && let Some(behind) = rest.strip_prefix(NAN) {
            written.extend_from_slice(b"null");
            (rest, found) = (behind, true);
            continue;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ => {}
        }
        written.push(byte);
        rest = after;
    }
    found.then_some(Cow::Owned(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_nan_is_replaced() {
        for (given, expected) in [
            (r#"{"a": NaN, "b": [NaN,1]}"#, Some(r#"{"a": null, "b": [null,1]}"#)),
            (r#"{"NaN": "NaN"}"#, None),
            (r#"["\"NaN", NaN]"#, Some(r#"["\"NaN", null]"#)),
            (r#"["\\", NaN]"#, Some(r#"["\\", null]"#)),
            ("", None),
            ("Na", None),
        ] {
            let replaced = without_nan(given.as_bytes()).map(|text| String::from_utf8(text.into_owned()).unwrap());
            assert_eq!(replaced.as_deref(), expected, "{given}");
        }
    }
}
