//! Conversions between number types, each with the reason why it cannot go wrong. The only home of `as` in this crate.

/// A count as a 64-bit number.
#[expect(clippy::as_conversions, reason = "usize has at most 64 bits on every supported target")]
pub(crate) const fn count(value: usize) -> u64 {
    value as u64
}

/// A count in memory. Saturates where usize is smaller.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// An index out of a small number.
#[expect(clippy::as_conversions, reason = "usize has at least 32 bits on every supported target")]
pub(crate) const fn index(value: u32) -> usize {
    value as usize
}

/// The number of an element of a list that has fewer than 2^32, which limits see to.
pub(crate) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The number of an element as a column holds it.
pub(crate) fn whole(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// A count as a float; rounds above 2^53.
#[expect(clippy::as_conversions, reason = "rounding to the nearest float is what statistics want")]
pub(crate) const fn float(value: u64) -> f64 {
    value as f64
}

/// An integer as a float; rounds beyond 2^53.
#[expect(clippy::as_conversions, reason = "rounding to the nearest float is what statistics want")]
pub(crate) const fn float_signed(value: i64) -> f64 {
    value as f64
}

/// The whole number that a float is, where it is one of 64 bits.
#[expect(clippy::as_conversions, reason = "the bounds are checked; there is no other conversion")]
pub(crate) fn exact(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (value.fract() == 0.0 && value.abs() < LIMIT).then_some(value as i64)
}

/// A difference of instants as a float; rounds beyond 2^53.
#[expect(clippy::as_conversions, reason = "the difference of two 64-bit numbers fits into 128 bits, and a float into more")]
pub(crate) const fn float_difference(a: i64, b: i64) -> f64 {
    (a as i128 - b as i128) as f64
}

/// The integer at or below a non-negative float, saturating.
#[expect(clippy::as_conversions, reason = "float to integer saturates, and NaN gives 0")]
pub(crate) const fn floor(value: f64) -> usize {
    value as usize
}

/// The bits of a signed integer in an order that unsigned comparison understands.
#[expect(clippy::as_conversions, reason = "a change of view on the same bits")]
pub(crate) const fn ordered_from_signed(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

/// The inverse of [`ordered_from_signed`].
#[expect(clippy::as_conversions, reason = "a change of view on the same bits")]
pub(crate) const fn signed_from_ordered(key: u64) -> i64 {
    (key ^ (1 << 63)) as i64
}

/// The bits of a float in an order that unsigned comparison understands; both zeros are one.
pub(crate) fn ordered_from_float(value: f64) -> u64 {
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// The inverse of [`ordered_from_float`].
pub(crate) fn float_from_ordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_order_and_come_back() {
        let floats = [f64::MIN, -1.5, -0.0, 0.0, 1e-300, 2.0, f64::MAX];
        for pair in floats.windows(2) {
            assert!(ordered_from_float(pair[0]) <= ordered_from_float(pair[1]), "{pair:?}");
        }
        for value in floats {
            assert_eq!(float_from_ordered(ordered_from_float(value)), value);
        }
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert_eq!(signed_from_ordered(ordered_from_signed(value)), value);
        }
        assert!(ordered_from_signed(-1) < ordered_from_signed(0));
    }

    #[test]
    fn floats_are_whole_numbers_or_not() {
        for (value, expected) in [(3.0, Some(3)), (-0.0, Some(0)), (2.5, None), (1e19, None), (f64::NAN, None)] {
            assert_eq!(exact(value), expected, "{value}");
        }
    }

    #[test]
    fn differences_do_not_overflow() {
        assert_eq!(float_difference(i64::MAX, i64::MIN), 18_446_744_073_709_551_615.0);
    }
}
