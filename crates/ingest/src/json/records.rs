//! The records of one block of JSON.

use std::ops::Range;

use gristmill_domain::datasets::Reject;

use super::{
    Element,
    object::{self, Kind, Member},
    text::{self, StringFaults},
};
use crate::{
    block::RecordContext,
    error::IngestError,
    infer::ColumnCounts,
    record::RecordNotes,
    table::{Span, SpanTable},
    value,
};

/// Reads a block's objects from its beginning.
#[derive(Debug)]
pub(crate) struct JsonRecords {
    places: Places,
    members: Vec<Member>,
    /// Per column, the number of the last record that had it: tells repeated keys within one record.
    last_seen: Vec<u64>,
    record: u64,
}

#[derive(Debug)]
enum Places {
    Lines { at: usize, line: u64 },
    Elements { list: Vec<Element>, next: usize },
}

impl JsonRecords {
    /// For a block with one object a line.
    pub(super) fn lines(line: u64) -> Self {
        Self::new(Places::Lines { at: 0, line })
    }

    /// For a block whose elements are known.
    pub(super) fn elements(list: Vec<Element>) -> Self {
        Self::new(Places::Elements { list, next: 0 })
    }

    fn new(places: Places) -> Self {
        Self { places, members: Vec::new(), last_seen: Vec::new(), record: 0 }
    }

    pub(crate) fn fill(
        &mut self,
        text: &mut [u8],
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        self.last_seen.resize(table.columns(), 0);
        while !table.is_full() {
            let Some((range, line)) = self.places.next(text) else { break };
            if range.len() > context.record_bytes_max {
                return Err(IngestError::RecordTooLong { line, bytes_max: context.record_bytes_max });
            }
            if range.is_empty() {
                continue;
            }
            notes.records += 1;
            match object::members(text, range.start, range.end, &mut self.members) {
                Ok(()) => self.add_row(text, line, table, notes, context)?,
                Err(fault) => {
                    notes.rejected += 1;
                    notes.report(context.rejects_listed_max, || Reject {
                        line,
                        column: None,
                        value: value::excerpt(text.get(range).unwrap_or_default()),
                        reason: fault.reason().to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    fn add_row(
        &mut self,
        text: &mut [u8],
        line: u64,
        table: &mut SpanTable,
        notes: &mut RecordNotes,
        context: &RecordContext<'_>,
    ) -> Result<(), IngestError> {
        table.add_row(line);
        self.record += 1;
        let mut expected = 0;
        let mut has_duplicate = false;
        for member in &self.members {
            let mut faults = StringFaults::default();
            let mut key_end = member.key.end;
            if let Some(key) = text.get_mut(member.key.start..member.key.end)
                && key.contains(&b'\\')
            {
                key_end = member.key.start + text::unescape(key, &mut faults);
            }
            let span = rewrite(text, member, &mut faults);
            notes.nuls += faults.nuls;
            notes.surrogates += faults.surrogates;
            let key = text.get(member.key.start..key_end).unwrap_or_default();
            let key = std::str::from_utf8(key).unwrap_or_default();
            let place = context.keys.and_then(|keys| keys.place(key, expected));
            let Some(place) = place else {
                add_unknown(key, span.text(text), table, notes, context)?;
                continue;
            };
            expected = place + 1;
            if let Some(last) = self.last_seen.get_mut(place) {
                if *last == 0 {
                    notes.appearance.add(key);
                }
                has_duplicate |= *last == self.record;
                *last = self.record;
            }
            table.set(place, span);
        }
        notes.duplicate_keys += u64::from(has_duplicate);
        Ok(())
    }

    /// Where the records stand that were not read yet, and their lines.
    #[cfg(test)]
    pub(super) fn remaining(&self, text: &[u8]) -> impl Iterator<Item = (Range<usize>, u64)> {
        let mut places = match &self.places {
            Places::Lines { at, line } => Places::Lines { at: *at, line: *line },
            Places::Elements { list, next } => Places::Elements { list: list.clone(), next: *next },
        };
        let text = text.to_vec();
        std::iter::from_fn(move || places.next(&text))
    }
}

impl Places {
    /// The next record, possibly empty, and its line.
    fn next(&mut self, text: &[u8]) -> Option<(Range<usize>, u64)> {
        match self {
            Self::Elements { list, next } => {
                let element = list.get(*next)?;
                *next += 1;
                Some((element.start..element.end, element.line))
            }
            Self::Lines { at, line } => {
                let rest = text.get(*at..).filter(|rest| !rest.is_empty())?;
                let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                let record = rest.get(..length).unwrap_or_default();
                let lead = record.len() - record.trim_ascii_start().len();
                let start = *at + lead;
                let found = (start..start + record.trim_ascii().len(), *line);
                *at += length + 1;
                *line += 1;
                Some(found)
            }
        }
    }
}

/// Brings a value into its stored form, in place.
fn rewrite(text: &mut [u8], member: &Member, faults: &mut StringFaults) -> Span {
    let (start, end) = (member.value.start, member.value.end);
    match member.kind {
        Kind::Null => Span::ABSENT,
        Kind::Scalar => Span::new(start, end),
        Kind::String => match text.get_mut(start..end) {
            Some(value) if value.contains(&b'\\') => Span::new(start, start + text::unescape(value, faults)),
            _ => Span::new(start, end),
        },
        Kind::Nested => match text.get_mut(start..end) {
            Some(value) => Span::new(start, start + text::compact(value, faults)),
            None => Span::ABSENT,
        },
    }
}

/// Counts the value of a key that has no column yet.
fn add_unknown(
    key: &str,
    value: Option<&[u8]>,
    table: &SpanTable,
    notes: &mut RecordNotes,
    context: &RecordContext<'_>,
) -> Result<(), IngestError> {
    let mut counts = ColumnCounts::default();
    counts.add(&value::classify(value::trim(value.unwrap_or_default())));
    notes.appearance.add(key);
    notes.new_columns.add(key, &counts);
    let found = table.columns() + notes.new_columns.len();
    if found > context.columns_max {
        return Err(IngestError::TooManyColumns { found, max: context.columns_max });
    }
    Ok(())
}
