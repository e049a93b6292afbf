//! `AT TIME ZONE`.

use std::collections::HashMap;

use arrow::{
    array::{ArrayRef, timezone::Tz},
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::error::Result;

use super::Call;
use crate::{civil::US_PER_SECOND, error::failed};

/// Zones of one batch by name.
#[derive(Default)]
struct Zones {
    known: HashMap<String, Tz>,
}

impl Zones {
    fn get(&mut self, name: &str) -> Result<Tz> {
        if let Some(zone) = self.known.get(name) {
            return Ok(*zone);
        }
        let zone: Tz = match name.to_ascii_uppercase().as_str() {
            "UTC" | "GMT" | "Z" | "ZULU" => "+00:00",
            _ => name,
        }
        .parse()
        .map_err(|_error| failed(format!("time zone \"{name}\" not recognized")))?;
        self.known.insert(name.to_owned(), zone);
        Ok(zone)
    }
}

fn offset_us(seconds: i32) -> i64 {
    i64::from(seconds) * US_PER_SECOND
}

/// A local time in a zone as an instant. In the hour that a change of clocks leaves out, the earlier offset counts.
pub(super) fn local_to_instant(call: &Call<'_>) -> Result<ArrayRef> {
    let (moments, names) = (call.numbers::<TimestampMicrosecondType>(0)?, call.text(1)?);
    let mut zones = Zones::default();
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(us), Some(name)) = (moments.get(row), names.get(row)) else { return Ok(None) };
        let zone = zones.get(name)?;
        let Some(local) = DateTime::from_timestamp_micros(us).map(|moment| moment.naive_utc()) else {
            return Err(failed("timestamp out of range"));
        };
        let offset = match zone.offset_from_local_datetime(&local) {
            chrono::LocalResult::Single(offset) => offset.fix(),
            chrono::LocalResult::Ambiguous(_, later) => later.fix(),
            chrono::LocalResult::None => zone.offset_from_utc_datetime(&local).fix(),
        };
        Ok(Some(us - offset_us(offset.local_minus_utc())))
    })
}

/// An instant as the local time in a zone.
pub(super) fn instant_to_local(call: &Call<'_>) -> Result<ArrayRef> {
    let (moments, names) = (call.numbers::<TimestampMicrosecondType>(0)?, call.text(1)?);
    let mut zones = Zones::default();
    call.build_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(us), Some(name)) = (moments.get(row), names.get(row)) else { return Ok(None) };
        let zone = zones.get(name)?;
        let Some(instant) = DateTime::from_timestamp_micros(us).map(|moment| moment.naive_utc()) else {
            return Err(failed("timestamp out of range"));
        };
        Ok(Some(us + offset_us(zone.offset_from_utc_datetime(&instant).fix().local_minus_utc())))
    })
}
