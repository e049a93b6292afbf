//! From the data of a tensor, as JSON or as bytes, to values; `null` is a missing one.

use serde_json::{Number, Value};

use super::Datatype;

/// What is wrong with the data, for a person.
type Problem = String;

/// Reads `count` values of JSON data, nested or flat.
pub(super) fn of_json(datatype: Datatype, data: Value, count: usize) -> Result<Vec<Value>, Problem> {
    let mut values = Vec::with_capacity(count);
    // Nested lists are flattened in their order; their depth is bounded by the JSON reader.
    let mut open = vec![data];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items.into_iter().rev()),
            value => {
                let place = values.len();
                if place == count {
                    return Err(format!("its shape has {count} values, and its data more"));
                }
                let fits = checked(datatype, &value);
                fits.map_err(|wanted| format!("value {place} should be {wanted}; send null for a missing value"))?;
                values.push(value);
            }
        }
    }
    if values.len() == count { Ok(values) } else { Err(format!("its shape has {count} values, and its data {}", values.len())) }
}

/// Whether a JSON value is one of a type; if not, what would be.
fn checked(datatype: Datatype, value: &Value) -> Result<(), &'static str> {
    let whole = |low: i64, high: u64, wanted: &'static str| {
        let within = match (value.as_i64(), value.as_u64()) {
            (_, Some(number)) => number <= high,
            (Some(number), None) => number >= low,
            (None, None) => false,
        };
        if within { Ok(()) } else { Err(wanted) }
    };
    if value.is_null() {
        return Ok(());
    }
    match datatype {
        Datatype::Bool if value.is_boolean() => Ok(()),
        Datatype::Bool => Err("true or false"),
        Datatype::Bytes if value.is_string() => Ok(()),
        Datatype::Bytes => Err("a text"),
        Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64 if value.is_number() => Ok(()),
        Datatype::Fp16 | Datatype::Fp32 | Datatype::Fp64 => Err("a number"),
        Datatype::Int8 => whole(i64::from(i8::MIN), 0x7f, "a whole number from -128 to 127"),
        Datatype::Int16 => whole(i64::from(i16::MIN), 0x7fff, "a whole number of 16 bits"),
        Datatype::Int32 => whole(i64::from(i32::MIN), 0x7fff_ffff, "a whole number of 32 bits"),
        Datatype::Int64 => whole(i64::MIN, i64::MAX.unsigned_abs(), "a whole number of 64 bits"),
        Datatype::Uint8 => whole(0, 0xff, "a whole number from 0 to 255"),
        Datatype::Uint16 => whole(0, 0xffff, "a whole number of 16 bits, not negative"),
        Datatype::Uint32 => whole(0, 0xffff_ffff, "a whole number of 32 bits, not negative"),
        Datatype::Uint64 => whole(0, u64::MAX, "a whole number of 64 bits, not negative"),
    }
}

/// Reads `count` values of binary data.
pub(super) fn of_bytes(datatype: Datatype, bytes: &[u8], count: usize) -> Result<Vec<Value>, Problem> {
    if let Some(width) = datatype.width()
        && count.checked_mul(width) != Some(bytes.len())
    {
        return Err(format!("{count} values of {} take {width} bytes each, and it has {} bytes", datatype.as_str(), bytes.len()));
    }
    match datatype {
        Datatype::Bool => bytes.iter().enumerate().map(|(place, byte)| flag(*byte, place)).collect(),
        Datatype::Int8 => Ok(numbers(bytes, i8::from_le_bytes)),
        Datatype::Int16 => Ok(numbers(bytes, i16::from_le_bytes)),
        Datatype::Int32 => Ok(numbers(bytes, i32::from_le_bytes)),
        Datatype::Int64 => Ok(numbers(bytes, i64::from_le_bytes)),
        Datatype::Uint8 => Ok(numbers(bytes, u8::from_le_bytes)),
        Datatype::Uint16 => Ok(numbers(bytes, u16::from_le_bytes)),
        Datatype::Uint32 => Ok(numbers(bytes, u32::from_le_bytes)),
        Datatype::Uint64 => Ok(numbers(bytes, u64::from_le_bytes)),
        Datatype::Fp16 => floats(bytes, |bytes| half(u16::from_le_bytes(bytes))),
        Datatype::Fp32 => floats(bytes, |bytes| decimal(f32::from_le_bytes(bytes))),
        Datatype::Fp64 => floats(bytes, f64::from_le_bytes),
        Datatype::Bytes => texts(bytes, count),
    }
}

fn flag(byte: u8, place: usize) -> Result<Value, Problem> {
    match byte {
        0 => Ok(Value::Bool(false)),
        1 => Ok(Value::Bool(true)),
        other => Err(format!("value {place} should be 0 or 1, and is {other}")),
    }
}

fn numbers<const N: usize, T: Into<Number>>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<Value> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| Value::Number(read(*chunk).into())).collect()
}

fn floats<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Result<Vec<Value>, Problem> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let value = |(place, chunk): (usize, &[u8; N])| {
        let number = read(*chunk);
        match Number::from_f64(number) {
            Some(number) => Ok(Value::Number(number)),
            None if number.is_nan() => Ok(Value::Null),
            None => Err(format!("value {place} should be a finite number; send NaN for a missing value")),
        }
    };
    chunks.iter().enumerate().map(value).collect()
}

/// The number that people would write for it: 0.1 and not 0.10000000149, which as a category would be another one. Rounded
/// to single precision again, as models do, it is the same.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A number of half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let size = match (exponent, bits & 0x3ff) {
        (0x1f, 0) => f64::INFINITY,
        (0x1f, _) => f64::NAN,
        (0, _) => fraction * 2_f64.powi(-24),
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    sign * size
}

/// Each text has its length, four bytes, before it.
fn texts(bytes: &[u8], count: usize) -> Result<Vec<Value>, Problem> {
    let mut rest = bytes;
    let mut values = Vec::with_capacity(count.min(bytes.len() / 4 + 1));
    for place in 0..count {
        let truncated = || format!("its binary data ends within value {place} of {count}");
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok().ok_or_else(truncated)?;
        let (text, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        let text = std::str::from_utf8(text).ok().ok_or_else(|| format!("value {place} is no text in UTF-8"))?;
        values.push(Value::from(text));
        rest = after;
    }
    if rest.is_empty() { Ok(values) } else { Err(format!("its binary data has {} bytes behind its last value", rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_read() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3555, 0.333_251_953_125),
        ] {
            assert!((half(bits) - value).abs() < f64::EPSILON, "{bits:#06x} is {}", half(bits));
        }
        assert!(half(0x7e00).is_nan() && half(0x7c00) == f64::INFINITY && half(0xfc00) == f64::NEG_INFINITY);
    }

    #[test]
    fn single_precision_is_read_as_people_write_it() {
        let bytes: Vec<u8> = [0.1_f32, 46.5, f32::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
        let values = of_bytes(Datatype::Fp32, &bytes, 3).unwrap();
        assert_eq!(values, [Value::from(0.1), Value::from(46.5), Value::Null]);
        assert!(of_bytes(Datatype::Fp32, &f32::INFINITY.to_le_bytes(), 1).unwrap_err().contains("finite"));
    }
}
