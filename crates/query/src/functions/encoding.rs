//! Bytes to text and back, and digests.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryBuilder},
    compute,
    datatypes::DataType,
};
use datafusion::error::Result;

use super::Call;
use crate::error::failed;

/// `encode(bytes, 'hex')`; `base64` and `escape` likewise.
pub(super) fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    let bytes = compute::cast(&call.array(0)?, &DataType::Binary)?;
    let bytes = bytes.as_binary::<i32>().clone();
    let formats = call.text(1)?;
    call.build_text(|row, out| {
        let Some(format) = formats.get(row).filter(|_| bytes.is_valid(row)) else { return Ok(None) };
        let value = bytes.value(row);
        match format.to_ascii_lowercase().as_str() {
            "hex" => {
                for byte in value {
                    put!(out, "{byte:02x}");
                }
            }
            "base64" => write_base64(out, value),
            other => return Err(failed(format!("unrecognized encoding: \"{other}\""))),
        }
        Ok(Some(()))
    })
}

/// `decode('6162', 'hex')`.
pub(super) fn decode(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    let mut builder = BinaryBuilder::new();
    for row in 0..call.rows {
        call.tick(row)?;
        let (Some(text), Some(format)) = (texts.get(row), formats.get(row)) else {
            builder.append_null();
            continue;
        };
        let decoded = match format.to_ascii_lowercase().as_str() {
            "hex" => read_hex(text).ok_or_else(|| failed("invalid hexadecimal data")),
            "base64" => read_base64(text).ok_or_else(|| failed("invalid base64 data")),
            other => Err(failed(format!("unrecognized encoding: \"{other}\""))),
        };
        builder.append_value(decoded?);
    }
    Ok(Arc::new(builder.finish()))
}

/// `md5('text')` in hex.
pub(super) fn md5(call: &Call<'_>) -> Result<ArrayRef> {
    let inner = datafusion::functions::crypto::md5();
    let array = call.array(0)?;
    let field = Arc::new(arrow::datatypes::Field::new("text", array.data_type().clone(), true));
    let wanted = Arc::new(arrow::datatypes::Field::new("md5", DataType::Utf8View, true));
    let result = inner.invoke_with_args(datafusion::logical_expr::ScalarFunctionArgs {
        args: vec![datafusion::logical_expr::ColumnarValue::Array(array)],
        arg_fields: vec![field],
        number_rows: call.rows,
        return_field: wanted,
        config_options: Arc::default(),
    })?;
    Ok(compute::cast(&result.into_array(call.rows)?, &DataType::Utf8View)?)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// PostgreSQL breaks the lines at 76 characters.
fn write_base64(out: &mut String, bytes: &[u8]) {
    let mut written = 0;
    for chunk in bytes.chunks(3) {
        if written == 76 {
            out.push('\n');
            written = 0;
        }
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4usize {
            let sextet = usize::try_from(group >> (18 - 6 * position) & 63).unwrap_or(0);
            let letter = BASE64.get(sextet).copied().unwrap_or(b'=');
            out.push(if position <= chunk.len() { char::from(letter) } else { '=' });
        }
        written += 4;
    }
}

fn read_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut bits) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        if byte == b'=' {
            continue;
        }
        let sextet = BASE64.iter().position(|letter| *letter == byte)?;
        group = (group << 6) | u32::try_from(sextet).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(group >> bits & 255).ok()?);
        }
    }
    Some(out)
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::try_from(pair.iter().fold(0, |value, digit| value * 16 + digit)).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_round_trip() {
        for (bytes, base64) in [(&b"a"[..], "YQ=="), (b"ab", "YWI="), (b"abc", "YWJj"), (b"\xff\xfe\x00\x01", "//4AAQ==")] {
            let mut out = String::new();
            write_base64(&mut out, bytes);
            assert_eq!(out, base64);
            assert_eq!(read_base64(&out).unwrap(), bytes);
        }
        assert_eq!(read_hex("0a FF").unwrap(), [10, 255]);
        assert!(read_hex("0").is_none() && read_hex("xy").is_none() && read_base64("*").is_none());
    }
}
