//! Numbers and booleans.

use arrow::datatypes::DataType;
use datafusion::error::Result;

use super::invalid_input;
use crate::{
    error::failed,
    functions::decimal::{self, DIGITS_MAX},
    pg_type,
};

/// `t`, `true`, `yes`, `on`, `1` and their beginnings.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str| !text.is_empty() && word.starts_with(&text);
    if begins("true") || begins("yes") || text == "on" || text == "1" {
        Some(true)
    } else if begins("false") || begins("no") || text == "off" || text == "of" || text == "0" {
        Some(false)
    } else {
        None
    }
}

/// A whole number in the range of an integer type.
pub(crate) fn int(text: &str, data_type: &DataType) -> Result<i64> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid_input(data_type, text));
    }
    let range = match data_type {
        DataType::Int16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
        DataType::Int32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
        _ => i64::MIN..=i64::MAX,
    };
    match trimmed.parse::<i64>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => {
            let shown: String = trimmed.chars().take(60).collect();
            let name = pg_type::sql_name(data_type);
            Err(failed(format!("value \"{shown}\" is out of range for type {name}")))
        }
    }
}

/// A float; `Infinity` and `NaN` included.
pub(crate) fn float8(text: &str) -> Option<f64> {
    let trimmed = text.trim();
    match trimmed.to_ascii_lowercase().trim_start_matches(['+', '-']) {
        "infinity" | "inf" => Some(if trimmed.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        "nan" => Some(f64::NAN),
        // Rust also reads words; everything else must begin like a number.
        rest if rest.starts_with(|first: char| first.is_ascii_digit() || first == '.') => trimmed.parse().ok(),
        _ => None,
    }
}

/// A decimal as its digits and its scale.
pub(crate) fn free_numeric(text: &str) -> Option<(i128, i8)> {
    let trimmed = text.trim();
    let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (trimmed, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value = value.checked_mul(10)?.checked_add(digit.into())?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let signed = if negative { -value } else { value };
    if scale < 0 {
        let up = decimal::power_of_ten(scale.unsigned_abs())?;
        return Some((signed.checked_mul(up)?, 0));
    }
    let scale = i8::try_from(scale).ok()?;
    if scale > i8::try_from(DIGITS_MAX).ok()? {
        return Some((decimal::rescale(signed, scale, 38)?, 38));
    }
    Some((signed, scale))
}

/// A decimal at a scale, rounded.
pub(crate) fn numeric(text: &str, scale: i8) -> Option<i128> {
    let (value, own) = free_numeric(text)?;
    decimal::rescale(value, own, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_postgresql_does() {
        assert_eq!(int(" 42 ", &DataType::Int32).unwrap(), 42);
        assert_eq!(
            int("abc", &DataType::Int32).unwrap_err().to_string(),
            r#"External error: invalid input syntax for type integer: "abc""#
        );
        assert_eq!(
            int("3000000000", &DataType::Int32).unwrap_err().to_string(),
            r#"External error: value "3000000000" is out of range for type integer"#
        );
        for bad in ["", "1.5", "1e3", "--1", "0x10"] {
            assert!(int(bad, &DataType::Int64).is_err(), "{bad:?}");
        }
        assert_eq!(float8("1e3"), Some(1000.0));
        assert_eq!(float8("-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(float8("one"), None);
        assert_eq!(free_numeric("-12.50"), Some((-1250, 2)));
        assert_eq!(free_numeric("1.5e3"), Some((1500, 0)));
        assert_eq!(free_numeric("1.5e-3"), Some((15, 4)));
        assert_eq!(free_numeric("1,5"), None);
        assert_eq!(numeric("2.345", 2), Some(235));
    }

    #[test]
    fn reads_booleans_by_their_beginnings() {
        for (text, expected) in [
            ("t", Some(true)),
            ("YES", Some(true)),
            ("on", Some(true)),
            ("fal", Some(false)),
            ("o", None),
            ("", None),
            ("2", None),
        ] {
            assert_eq!(boolean(text), expected, "{text:?}");
        }
    }
}
