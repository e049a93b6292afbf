//! Floats in JSON that come back bit for bit.
//!
//! They are written as texts with the shortest digits that tell them apart: `serde_json` reads numbers with an error in the
//! last bit (its `float_roundtrip` is off), and a value next to an edge would change sides. Numbers are read too.

use std::fmt;

use serde::{Deserializer, Serializer, de};

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    deserializer.deserialize_any(Exact)
}

struct Exact;

impl de::Visitor<'_> for Exact {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
        let value: Option<f64> = text.parse().ok();
        value.filter(|value| value.is_finite()).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
        Ok(crate::num::float_signed(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
        Ok(crate::num::float(value))
    }
}

/// Lists of such floats.
pub(crate) mod list {
    use serde::{Deserialize, Deserializer, Serializer};

    struct One(f64);

    impl<'de> Deserialize<'de> for One {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            super::deserialize(deserializer).map(Self)
        }
    }

    pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values: Vec<One> = Vec::deserialize(deserializer)?;
        Ok(values.into_iter().map(|one| one.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super")]
        one: f64,
        #[serde(with = "super::list")]
        more: Vec<f64>,
    }

    proptest! {
        #[test]
        fn floats_come_back_bit_for_bit(one in any::<f64>(), more in prop::collection::vec(any::<f64>(), 0..4)) {
            prop_assume!(one.is_finite() && more.iter().all(|value| value.is_finite()));
            let both = Both { one, more };
            let value: serde_json::Value = serde_json::from_str(&serde_json::to_string(&both).unwrap()).unwrap();
            let read: Both = serde_json::from_value(value).unwrap();
            prop_assert_eq!(read.one.to_bits(), both.one.to_bits());
            prop_assert_eq!(read, both);
        }
    }

    #[test]
    fn reads_numbers_and_refuses_what_is_none() {
        let both: Both = serde_json::from_str(r#"{"one": 2, "more": [1.5, -3, "1e300"]}"#).unwrap();
        assert_eq!(both, Both { one: 2.0, more: vec![1.5, -3.0, 1e300] });
        for one in ["\"\"", "\"NaN\"", "\"inf\"", "null", "true"] {
            assert!(serde_json::from_str::<Both>(&format!(r#"{{"one": {one}, "more": []}}"#)).is_err(), "{one}");
        }
    }
}
