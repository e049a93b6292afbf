//! Conversions between number types, each with the reason why it cannot go wrong. The only home of `as` in this crate.

/// An index out of a 32-bit offset.
#[expect(clippy::as_conversions, reason = "usize has at least 32 bits on every supported target")]
pub(crate) const fn index(value: u32) -> usize {
    value as usize
}

/// A 32-bit offset inside a block. Blocks stay far below 4 GiB; a larger value saturates and then matches nothing.
pub(crate) fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A count as a 64-bit number.
#[expect(clippy::as_conversions, reason = "usize has at most 64 bits on every supported target")]
pub(crate) const fn count(value: usize) -> u64 {
    value as u64
}

/// An index out of a 64-bit count. Saturates where usize is smaller.
pub(crate) fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
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

/// Whether a float holds this integer exactly.
pub(crate) fn fits_float(value: i64) -> bool {
    value.unsigned_abs() <= 1 << 53 || value.unsigned_abs().trailing_zeros() + 53 >= 64 - value.unsigned_abs().leading_zeros()
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
    fn knows_which_integers_floats_hold() {
        for (value, expected) in
            [(1 << 53, true), ((1 << 53) + 1, false), ((1 << 53) + 2, true), (i64::MAX, false), (i64::MIN, true), (0, true)]
        {
            assert_eq!(fits_float(value), expected, "{value}");
        }
    }
}
