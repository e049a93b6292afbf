//! A column's values in order, with their counts, exactly and in bounded memory: sorted runs that move to a temporary
//! file when there are too many.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    ops::ControlFlow,
    path::Path,
};

use crate::{error::IngestError, num};

/// A value's key and how often it is there.
pub(crate) type Entry = (u64, u64);

/// Bounds of the memory that one column takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunLimits {
    /// Keys that are gathered before they are sorted, 8 bytes each.
    pub(crate) keys: usize,
    /// Distinct keys that are kept in memory, 16 bytes each.
    pub(crate) entries: usize,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { keys: 4 << 20, entries: 1 << 20 }
    }
}

/// Gathers keys.
pub(crate) struct RunBuilder<'a> {
    limits: RunLimits,
    directory: &'a Path,
    keys: Vec<u64>,
    /// Runs in memory, merged into one.
    entries: Vec<Entry>,
    spilled: Vec<File>,
}

impl<'a> RunBuilder<'a> {
    /// Temporary files, if they become necessary, are made in `directory`.
    pub(crate) fn new(limits: RunLimits, directory: &'a Path) -> Self {
        Self { limits, directory, keys: Vec::new(), entries: Vec::new(), spilled: Vec::new() }
    }

    pub(crate) fn push(&mut self, key: u64) -> Result<(), IngestError> {
        if self.keys.len() >= self.limits.keys {
            self.compact()?;
        }
        self.keys.push(key);
        Ok(())
    }

    /// Turns the gathered keys into a run.
    fn compact(&mut self) -> Result<(), IngestError> {
        self.keys.sort_unstable();
        let distinct = self.keys.chunk_by(|a, b| a == b).count();
        if distinct + self.entries.len() > self.limits.entries {
            let entries = std::mem::take(&mut self.entries);
            if !entries.is_empty() {
                self.spill(entries.into_iter())?;
            }
        }
        let keys = std::mem::take(&mut self.keys);
        if distinct > self.limits.entries {
            self.spill(grouped(&keys))?;
        } else {
            self.entries = merge(&self.entries, grouped(&keys));
        }
        self.keys = keys;
        self.keys.clear();
        Ok(())
    }

    fn spill(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), IngestError> {
        let write = || {
            let file = tempfile::tempfile_in(self.directory)?;
            let mut writer = BufWriter::with_capacity(128 * 1024, file);
            for (key, count) in entries {
                writer.write_all(&key.to_le_bytes())?;
                writer.write_all(&count.to_le_bytes())?;
            }
            writer.into_inner().map_err(io::IntoInnerError::into_error)
        };
        self.spilled.push(write().map_err(IngestError::from_write)?);
        Ok(())
    }

    /// Ends the gathering.
    pub(crate) fn finish(mut self) -> SortedRuns {
        self.keys.sort_unstable();
        SortedRuns { keys: self.keys, entries: self.entries, spilled: self.spilled }
    }
}

/// All keys of a column.
pub(crate) struct SortedRuns {
    keys: Vec<u64>,
    entries: Vec<Entry>,
    spilled: Vec<File>,
}

impl SortedRuns {
    /// Visits every distinct key with its count, in ascending order, until the visitor has seen enough.
    pub(crate) fn visit(&mut self, mut visit: impl FnMut(u64, u64) -> ControlFlow<()>) -> Result<(), IngestError> {
        if self.entries.is_empty() && self.spilled.is_empty() {
            let _ = grouped(&self.keys).try_for_each(|(key, count)| visit(key, count));
            return Ok(());
        }
        let mut runs = vec![Run::Keys(Box::new(grouped(&self.keys))), Run::Entries(self.entries.iter())];
        for file in &mut self.spilled {
            file.seek(SeekFrom::Start(0)).map_err(IngestError::from_write)?;
            runs.push(Run::Spilled(BufReader::with_capacity(64 * 1024, file)));
        }
        merge_runs(&mut runs, visit)
    }
}

/// Equal neighbours of a sorted list as one entry.
fn grouped(keys: &[u64]) -> impl Iterator<Item = Entry> {
    keys.chunk_by(|a, b| a == b).filter_map(|group| Some((*group.first()?, num::count(group.len()))))
}

/// One sorted list out of two.
fn merge(left: &[Entry], right: impl Iterator<Item = Entry>) -> Vec<Entry> {
    let mut merged = Vec::with_capacity(left.len());
    let mut left = left.iter().copied().peekable();
    for (key, count) in right {
        while let Some(entry) = left.next_if(|(other, _)| *other < key) {
            merged.push(entry);
        }
        let known = left.next_if(|(other, _)| *other == key).map_or(0, |(_, count)| count);
        merged.push((key, count + known));
    }
    merged.extend(left);
    merged
}

enum Run<'a> {
    Keys(Box<dyn Iterator<Item = Entry> + 'a>),
    Entries(std::slice::Iter<'a, Entry>),
    Spilled(BufReader<&'a mut File>),
}

impl Run<'_> {
    fn next(&mut self) -> Result<Option<Entry>, IngestError> {
        match self {
            Self::Keys(keys) => Ok(keys.next()),
            Self::Entries(entries) => Ok(entries.next().copied()),
            Self::Spilled(reader) => {
                let mut entry = [0; 16];
                match reader.read_exact(&mut entry) {
                    Ok(()) => {
                        let whole = u128::from_le_bytes(entry);
                        let half = |value: u128| u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
                        Ok(Some((half(whole), half(whole >> 64))))
                    }
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                    Err(error) => Err(IngestError::from_write(error)),
                }
            }
        }
    }
}

fn merge_runs(runs: &mut [Run<'_>], mut visit: impl FnMut(u64, u64) -> ControlFlow<()>) -> Result<(), IngestError> {
    let mut heads = BinaryHeap::new();
    for (at, run) in runs.iter_mut().enumerate() {
        if let Some((key, count)) = run.next()? {
            heads.push(Reverse((key, at, count)));
        }
    }
    let mut current: Option<Entry> = None;
    while let Some(Reverse((key, at, count))) = heads.pop() {
        if let Some(run) = runs.get_mut(at)
            && let Some((key, count)) = run.next()?
        {
            heads.push(Reverse((key, at, count)));
        }
        match &mut current {
            Some((known, sum)) if *known == key => *sum += count,
            _ => {
                if let Some((known, sum)) = current.replace((key, count))
                    && visit(known, sum).is_break()
                {
                    return Ok(());
                }
            }
        }
    }
    if let Some((known, sum)) = current {
        let _ = visit(known, sum);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn collect(keys: &[u64], limits: RunLimits) -> (Vec<Entry>, usize) {
        let directory = tempfile::tempdir().unwrap();
        let mut builder = RunBuilder::new(limits, directory.path());
        for key in keys {
            builder.push(*key).unwrap();
        }
        let spilled = builder.spilled.len();
        let mut runs = builder.finish();
        let mut all = Vec::new();
        // Twice: the runs can be read again.
        for _ in 0..2 {
            all.clear();
            runs.visit(|key, count| {
                all.push((key, count));
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        (all, spilled)
    }

    proptest! {
        #[test]
        fn counts_are_exact_whatever_moves_to_disk(keys in proptest::collection::vec(0_u64..60, 0..300), size in 1_usize..40, entries in 0_usize..40) {
            let mut expected = BTreeMap::new();
            for key in &keys {
                *expected.entry(*key).or_insert(0_u64) += 1;
            }
            let (found, _) = collect(&keys, RunLimits { keys: size, entries });
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn few_distinct_keys_stay_in_memory_and_many_do_not() {
        let few: Vec<u64> = (0..10_000).map(|n| n % 10).collect();
        assert_eq!(collect(&few, RunLimits { keys: 100, entries: 50 }).1, 0);
        let many: Vec<u64> = (0..1000).collect();
        assert!(collect(&many, RunLimits { keys: 100, entries: 50 }).1 > 5);
    }
}
