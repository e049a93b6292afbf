//! All values of a column, for what cannot be learned in one walk: quantiles and powers. In memory up to a limit, beyond it
//! in a temporary file that has no name.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::Path,
};

use crate::{error::FeatureError, num};

/// Values that are read from a file at a time.
const VALUES_AT_A_TIME: usize = 8192;
const BYTES_A_VALUE: usize = size_of::<f64>();

/// Finite numbers in no order.
#[derive(Debug)]
pub(crate) struct ValueStore<'a> {
    directory: &'a Path,
    in_memory_max: usize,
    memory: Vec<f64>,
    file: Option<File>,
    count: u64,
}

impl<'a> ValueStore<'a> {
    /// Keeps so many values in memory; a file, if it becomes necessary, is made in `directory`.
    pub(crate) fn new(directory: &'a Path, in_memory_max: usize) -> Self {
        Self { directory, in_memory_max, memory: Vec::new(), file: None, count: 0 }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn push(&mut self, values: &[f64]) -> Result<(), FeatureError> {
        self.count += num::count(values.len());
        self.memory.extend_from_slice(values);
        if self.memory.len() > self.in_memory_max {
            self.spill().map_err(FeatureError::Temporary)?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(self.directory)?,
        };
        let file = self.file.insert(file);
        for values in self.memory.chunks(VALUES_AT_A_TIME) {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            file.write_all(&bytes)?;
        }
        self.memory.clear();
        Ok(())
    }

    /// Visits all values in some pieces, the same ones in the same order each time.
    pub(crate) fn visit(&mut self, mut visit: impl FnMut(&[f64])) -> Result<(), FeatureError> {
        if let Some(file) = &mut self.file {
            visit_file(file, &mut visit).map_err(FeatureError::Temporary)?;
        }
        self.memory.chunks(VALUES_AT_A_TIME).for_each(visit);
        Ok(())
    }

    /// The values at some places (ascending, from 0) of the ascending order. A place behind the end is the last one.
    pub(crate) fn at_ranks(&mut self, ranks: &[u64]) -> Result<Vec<f64>, FeatureError> {
        if self.file.is_some() {
            return self.select(ranks);
        }
        self.memory.sort_unstable_by(f64::total_cmp);
        let last = self.memory.last().copied().unwrap_or_default();
        Ok(ranks.iter().map(|rank| self.memory.get(num::size(*rank)).copied().unwrap_or(last)).collect())
    }

    /// As [`ValueStore::at_ranks`] without sorting: the keys are found byte by byte, in one walk each.
    fn select(&mut self, ranks: &[u64]) -> Result<Vec<f64>, FeatureError> {
        let last = self.count.saturating_sub(1);
        let mut searches: Vec<Search> =
            ranks.iter().map(|rank| Search { prefix: 0, rank: (*rank).min(last), group: 0 }).collect();
        for shift in (0..u64::BITS).step_by(8).rev() {
            let prefixes = number_prefixes(&mut searches);
            let mut counts = vec![[0_u64; 256]; prefixes.len()];
            self.visit(|values| count_bytes(values, shift, &prefixes, &mut counts))?;
            for search in &mut searches {
                if let Some(counts) = counts.get(search.group) {
                    search.step(counts);
                }
            }
        }
        Ok(searches.into_iter().map(|search| num::float_from_ordered(search.prefix)).collect())
    }
}

/// The search for the key at one place.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// The bytes that are known.
    prefix: u64,
    /// Its place among the keys that begin so.
    rank: u64,
    /// The number of its prefix among the different ones.
    group: usize,
}

impl Search {
    /// Finds the next byte from how often each occurs.
    fn step(&mut self, counts: &[u64; 256]) {
        let mut before = 0;
        for (byte, count) in (0_u64..).zip(counts) {
            if self.rank < before + count {
                self.prefix = (self.prefix << 8) | byte;
                self.rank -= before;
                return;
            }
            before += count;
        }
    }
}

/// Numbers the different prefixes. Searches are in ascending order, and so are their prefixes.
fn number_prefixes(searches: &mut [Search]) -> Vec<u64> {
    let mut prefixes: Vec<u64> = Vec::new();
    for search in searches {
        if prefixes.last() != Some(&search.prefix) {
            prefixes.push(search.prefix);
        }
        search.group = prefixes.len() - 1;
    }
    prefixes
}

fn count_bytes(values: &[f64], shift: u32, prefixes: &[u64], counts: &mut [[u64; 256]]) {
    for value in values {
        let key = num::ordered_from_float(*value);
        let prefix = key.checked_shr(shift + 8).unwrap_or(0);
        let Ok(group) = prefixes.binary_search(&prefix) else { continue };
        let byte = num::size((key >> shift) & 0xFF);
        if let Some(count) = counts.get_mut(group).and_then(|counts| counts.get_mut(byte)) {
            *count += 1;
        }
    }
}

fn visit_file(file: &mut File, visit: &mut impl FnMut(&[f64])) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(VALUES_AT_A_TIME * BYTES_A_VALUE, file);
    let mut bytes = [0; BYTES_A_VALUE];
    let mut values = Vec::with_capacity(VALUES_AT_A_TIME);
    loop {
        match reader.read_exact(&mut bytes) {
            Ok(()) => values.push(f64::from_le_bytes(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        if values.len() == VALUES_AT_A_TIME {
            visit(&values);
            values.clear();
        }
    }
    if !values.is_empty() {
        visit(&values);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_the_same_with_and_without_a_file(
            values in prop::collection::vec(prop_oneof![any::<f64>().prop_filter("finite", |v| v.is_finite()), -3.0..3.0_f64, Just(1.0)], 1..400),
            ranks in prop::collection::btree_set(0_u64..500, 1..20),
            memory in 0_usize..50,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let ranks: Vec<u64> = ranks.into_iter().collect();
            let (mut one, mut other) =
                (ValueStore::new(directory.path(), usize::MAX), ValueStore::new(directory.path(), memory));
            for part in values.chunks(60) {
                one.push(part).unwrap();
                other.push(part).unwrap();
            }
            let (mut seen, mut sorted) = (Vec::new(), values.clone());
            other.visit(|part| seen.extend_from_slice(part)).unwrap();
            prop_assert_eq!(&seen, &values);
            sorted.sort_by(f64::total_cmp);
            let expected: Vec<f64> =
                ranks.iter().map(|rank| sorted[usize::try_from(*rank).unwrap().min(sorted.len() - 1)]).collect();
            prop_assert_eq!(&one.at_ranks(&ranks).unwrap(), &expected);
            prop_assert_eq!(&other.at_ranks(&ranks).unwrap(), &expected);
            prop_assert_eq!(one.count(), other.count());
        }
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut store = ValueStore::new(Path::new("/nowhere"), 0);
        assert!(matches!(store.push(&[1.0]), Err(FeatureError::Temporary(_))));
    }
}
