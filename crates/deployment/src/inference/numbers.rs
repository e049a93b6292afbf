//! Conversions of numbers, and how Python spells them.

/// Converts an integer; those beyond 2^53 are rounded to the nearest.
#[expect(clippy::as_conversions, reason = "rounding is what is wanted; there is no other conversion")]
pub(super) fn whole(value: i64) -> f64 {
    value as f64
}

/// Converts a count.
#[expect(clippy::as_conversions, reason = "counts of things in memory are far below 2^53")]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}

/// Rounds to single precision.
#[expect(clippy::as_conversions, reason = "rounding is what is wanted; there is no other conversion")]
pub(super) fn single(value: f64) -> f32 {
    value as f32
}

/// An index that is kept in 32 bits.
pub(super) fn place(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The whole number that a number is, where it is one within 64 bits.
#[expect(clippy::as_conversions, reason = "the bounds were checked; there is no other conversion")]
pub(super) fn as_whole(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (value.fract() == 0.0 && value.abs() < LIMIT).then_some(value as i64)
}

/// Spells a number as the training spells one that is a category: `3` for 3.0, `1.5`, `1e-05`.
pub(super) fn spelled(value: f64) -> String {
    if let Some(whole) = as_whole(value) {
        return whole.to_string();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// Reads a number from text as the training does where a text column was made numeric; what is no number is missing.
pub(super) fn from_text(text: &str) -> Option<f64> {
    let trimmed = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    // The words for infinities are missing values too, in the end; and Rust knows no other letters than the exponent's.
    let plain = trimmed.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    trimmed.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_numbers_as_python_does() {
        for (value, text) in [
            (3.0, "3"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (1e16, "10000000000000000"),
            (1e19, "1e+19"),
            (1.5e300, "1.5e+300"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (0.000_012_34, "1.234e-05"),
            (5e-324, "5e-324"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-9_223_372_036_854_775_808.0, "-9.223372036854776e+18"),
        ] {
            assert_eq!(spelled(value), text);
        }
    }

    #[test]
    fn reads_numbers_as_pandas_does() {
        for (text, value) in [(" 3", 3.0), ("3 ", 3.0), ("1e5", 1e5), ("+4", 4.0), ("1.", 1.0), ("-.5", -0.5), ("1E5", 1e5)] {
            assert_eq!(from_text(text), Some(value), "{text}");
        }
        for text in ["", "0x10", "1_000", "inf", "nan", "1,5", "٣", ".", "1e", "True", "1e400", "12abc", "Infinity", "--1", "1 2"]
        {
            assert_eq!(from_text(text), None, "{text}");
        }
    }
}
