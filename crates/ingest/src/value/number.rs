//! Numbers as people write them: grouping commas, underscores between digits, exponents. Where a text could mean two
//! numbers, this says so rather than choosing.

use std::str;

use crate::num;

/// What a numeric text stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// Plain digits that fit 64 bits.
    Integer(i64),
    /// Written with a point or an exponent, and integral all the same: `1.0`, `1e3`.
    Integral(i64),
    /// Any other finite number.
    Real(f64),
    /// Digits that begin with a needless zero: `007`. As a number the zeros would be lost.
    LeadingZero {
        /// Its value as an integer, if it is one.
        integer: Option<i64>,
        /// Its value.
        real: f64,
    },
    /// Plain digits that do not fit 64 bits; the nearest float.
    Huge(f64),
    /// Too large for a float.
    Overflow,
    /// The comma or point may be a decimal or a grouping sign: `3,14`, `1.234.567`.
    Ambiguous,
}

/// Decimal digits gathered while scanning.
#[derive(Default)]
struct Decimal {
    mantissa: u64,
    /// Digits in `mantissa`, leading zeros not counted.
    significant: u32,
    /// Whether digits other than trailing zeros of the fraction did not fit `mantissa`.
    inexact: bool,
    integer_digits: u32,
    fraction_digits: i64,
    exponent: i64,
    leading_zero: bool,
    has_point: bool,
    has_exponent: bool,
}

/// Longest number that grouping signs are removed from; real ones are far shorter.
const GROUPED_BYTES_MAX: usize = 64;

/// Reads a number, or `None` when the text is none.
pub(crate) fn parse(text: &[u8]) -> Option<Number> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    match scan(digits) {
        Scan::Decimal(decimal) => Some(evaluate(&decimal, negative, text)),
        Scan::Separators => parse_separated(digits, negative),
        Scan::Not => None,
    }
}

enum Scan {
    Decimal(Decimal),
    /// Digits with a comma, an underscore or a second point among them.
    Separators,
    Not,
}

fn scan(digits: &[u8]) -> Scan {
    let mut decimal = Decimal::default();
    let mut bytes = digits.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'0'..=b'9' => push_digit(&mut decimal, byte - b'0'),
            b'.' if !decimal.has_point => decimal.has_point = true,
            b'.' | b',' | b'_' if decimal.integer_digits > 0 => return Scan::Separators,
            b'e' | b'E' if decimal.integer_digits > 0 || decimal.fraction_digits > 0 => {
                return match scan_exponent(bytes.as_slice()) {
                    Some(exponent) => Scan::Decimal(Decimal { exponent, has_exponent: true, ..decimal }),
                    None => Scan::Not,
                };
            }
            _ => return Scan::Not,
        }
    }
    if decimal.integer_digits == 0 && decimal.fraction_digits == 0 { Scan::Not } else { Scan::Decimal(decimal) }
}

fn push_digit(decimal: &mut Decimal, digit: u8) {
    if decimal.has_point {
        decimal.fraction_digits += 1;
    } else {
        decimal.integer_digits += 1;
        // A second integer digit after a first one of zero.
        decimal.leading_zero |= decimal.integer_digits == 2 && decimal.mantissa == 0;
    }
    if decimal.significant < 19 {
        decimal.mantissa = decimal.mantissa * 10 + u64::from(digit);
        decimal.significant += u32::from(decimal.mantissa > 0);
    } else {
        // Zeros at the end of a fraction say nothing; anything else that does not fit makes the mantissa inexact.
        decimal.inexact |= digit > 0 || !decimal.has_point;
        decimal.fraction_digits -= i64::from(decimal.has_point);
    }
}

fn scan_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent = 0_i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        // Saturates far outside the range of floats.
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(1_000_000);
    }
    Some(if negative { -exponent } else { exponent })
}

fn evaluate(decimal: &Decimal, negative: bool, text: &[u8]) -> Number {
    let exact = exact_integer(decimal, negative);
    let real = || exact_float(decimal, negative).unwrap_or_else(|| parse_float(text));
    if decimal.leading_zero {
        return Number::LeadingZero { integer: exact, real: real() };
    }
    let written_plainly = !decimal.has_point && !decimal.has_exponent;
    match exact {
        Some(integer) if written_plainly => Number::Integer(integer),
        Some(integer) => Number::Integral(integer),
        None => {
            let value = real();
            if !value.is_finite() {
                Number::Overflow
            } else if written_plainly {
                Number::Huge(value)
            } else {
                Number::Real(value)
            }
        }
    }
}

/// The value as an integer, when it is one exactly.
fn exact_integer(decimal: &Decimal, negative: bool) -> Option<i64> {
    if decimal.inexact {
        return None;
    }
    let power = decimal.exponent - decimal.fraction_digits;
    let magnitude = if decimal.mantissa == 0 {
        0
    } else if power >= 0 {
        decimal.mantissa.checked_mul(power_of_ten(power)?)?
    } else {
        let divisor = power_of_ten(-power)?;
        if !decimal.mantissa.is_multiple_of(divisor) {
            return None;
        }
        decimal.mantissa / divisor
    };
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

fn power_of_ten(power: i64) -> Option<u64> {
    10_u64.checked_pow(u32::try_from(power).ok()?)
}

/// The value by one multiplication or division, when both operands are exact floats and so the result is rounded right.
fn exact_float(decimal: &Decimal, negative: bool) -> Option<f64> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
        1e22,
    ];
    if decimal.inexact || decimal.mantissa > 1 << 53 {
        return None;
    }
    let power = decimal.exponent - decimal.fraction_digits;
    let scale = *POWERS.get(usize::try_from(power.unsigned_abs()).ok()?)?;
    let mantissa = num::float(decimal.mantissa);
    let magnitude = if power < 0 { mantissa / scale } else { mantissa * scale };
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_float(text: &[u8]) -> f64 {
    // The scanner admits nothing but what the standard parser reads.
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// Reads digits that have commas, underscores or several points among them.
fn parse_separated(digits: &[u8], negative: bool) -> Option<Number> {
    let mut clean = Clean::default();
    let text = strip_underscores(digits, &mut clean)?;
    let body_end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let (body, exponent) = text.split_at_checked(body_end)?;
    if !body.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'.')) {
        return None;
    }
    if !exponent.is_empty() {
        scan_exponent(exponent.get(1..)?)?;
    }
    match grouping(body) {
        Grouping::None | Grouping::Thousands => {
            let mut joined = Clean::default();
            for &byte in text.iter().filter(|byte| **byte != b',') {
                joined.push(byte)?;
            }
            match scan(joined.as_slice()) {
                Scan::Decimal(decimal) => Some(evaluate(&decimal, negative, joined.signed(negative).as_slice())),
                Scan::Separators | Scan::Not => None,
            }
        }
        Grouping::Ambiguous => Some(Number::Ambiguous),
        Grouping::NotANumber => None,
    }
}

/// A short text on the stack.
struct Clean {
    bytes: [u8; GROUPED_BYTES_MAX],
    len: usize,
}

impl Default for Clean {
    fn default() -> Self {
        Self { bytes: [0; GROUPED_BYTES_MAX], len: 0 }
    }
}

impl Clean {
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.len)? = byte;
        self.len += 1;
        Some(())
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn signed(&self, negative: bool) -> Vec<u8> {
        let mut signed = Vec::with_capacity(self.len + 1);
        if negative {
            signed.push(b'-');
        }
        signed.extend_from_slice(self.as_slice());
        signed
    }
}

/// Removes underscores that stand between digits; any other one makes the text no number.
fn strip_underscores<'a>(digits: &[u8], clean: &'a mut Clean) -> Option<&'a [u8]> {
    let mut before_is_digit = false;
    let mut bytes = digits.iter().peekable();
    while let Some(&byte) = bytes.next() {
        if byte == b'_' {
            if !before_is_digit || !bytes.peek().is_some_and(|next| next.is_ascii_digit()) {
                return None;
            }
            continue;
        }
        before_is_digit = byte.is_ascii_digit();
        clean.push(byte)?;
    }
    Some(clean.as_slice())
}

enum Grouping {
    /// No comma, at most one point.
    None,
    /// `1,234` or `1,234,567.8`.
    Thousands,
    /// A comma or several points that may mean either.
    Ambiguous,
    /// A list or a version, not a number.
    NotANumber,
}

fn grouping(body: &[u8]) -> Grouping {
    let commas = memchr::memchr_iter(b',', body).count();
    let points = memchr::memchr_iter(b'.', body).count();
    if commas == 0 {
        return match points {
            0 | 1 => Grouping::None,
            _ if groups_by(body, b'.', 3) => Grouping::Ambiguous,
            _ => Grouping::NotANumber,
        };
    }
    let (integer, fraction) = match memchr::memchr(b'.', body) {
        Some(at) => body.split_at_checked(at).unwrap_or((body, b"")),
        None => (body, &b""[..]),
    };
    let commas_are_in_front = !fraction.contains(&b',');
    if points <= 1 && commas_are_in_front && groups_by(integer, b',', 3) && integer.first() != Some(&b'0') {
        return Grouping::Thousands;
    }
    // One comma may be a decimal sign; groups of two are Indian: 12,34,567.
    if commas == 1 || groups_by(body, b',', 2) { Grouping::Ambiguous } else { Grouping::NotANumber }
}

/// Whether the parts between separators have between `short` and 3 digits, and the first one 1 to 3.
fn groups_by(text: &[u8], separator: u8, short: usize) -> bool {
    let mut parts = text.split(|byte| *byte == separator);
    let first_fits = parts.next().is_some_and(|part| (1..=3).contains(&part.len()));
    first_fits && parts.all(|part| (short..=3).contains(&part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Number>) {
        assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
    }

    #[test]
    fn reads_plain_and_integral_numbers() {
        for (text, value) in [("0", 0), ("-0", 0), ("42", 42), ("+7", 7), ("-9223372036854775808", i64::MIN)] {
            check(text, Some(Number::Integer(value)));
        }
        for (text, value) in [
            ("1.0", 1),
            ("1e3", 1000),
            ("5.", 5),
            ("1.50e1", 15),
            ("-2.000", -2),
            ("0.0", 0),
            ("1200e-2", 12),
            ("5.00000000000000000000000", 5),
        ] {
            check(text, Some(Number::Integral(value)));
        }
    }

    #[test]
    fn reads_real_numbers_like_the_standard_parser() {
        for text in ["0.1", ".5", "-1.25", "1e-7", "3.141592653589793", "1.7976931348623157e308", "4.9e-324", "1e300", "1e19"] {
            check(text, Some(Number::Real(text.parse().unwrap())));
        }
        check("0.10000000000000000555111512312578270", Some(Number::Real(0.1)));
        check("1e400", Some(Number::Overflow));
    }

    #[test]
    fn zeros_and_sizes_that_would_be_lost_are_told_apart() {
        check("007", Some(Number::LeadingZero { integer: Some(7), real: 7.0 }));
        check("-01.5", Some(Number::LeadingZero { integer: None, real: -1.5 }));
        check("00", Some(Number::LeadingZero { integer: Some(0), real: 0.0 }));
        check("9223372036854775808", Some(Number::Huge(9_223_372_036_854_775_808.0)));
        check("12345678901234567890123", Some(Number::Huge(1.234_567_890_123_456_8e22)));
        check("0.5", Some(Number::Real(0.5)));
    }

    #[test]
    fn grouping_must_be_proper() {
        check("1,234", Some(Number::Integer(1234)));
        check("-12,345,678.5", Some(Number::Real(-12_345_678.5)));
        check("1,234.00", Some(Number::Integral(1234)));
        check("1_000_000", Some(Number::Integer(1_000_000)));
        for text in ["3,14", "1,5", "0,123", "1.234,56", "1.234.567", "12,34,567", "1234,5", "1,2345"] {
            check(text, Some(Number::Ambiguous));
        }
        for text in ["1,2,3", "1.2.3", "192.168.1.10", ",5", "_1", "1_", "1__0", "1_.5", "1,", "1,234,"] {
            assert!(
                !matches!(parse(text.as_bytes()), Some(Number::Integer(_) | Number::Real(_) | Number::Integral(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn other_text_is_no_number() {
        for text in ["", "-", "+", ".", "e5", "1e", "1e+", "0x10", "1 000", "12a", "$5", "5%", "--1", "1-2", "½", "inf", "nan"] {
            check(text, None);
        }
    }
}
