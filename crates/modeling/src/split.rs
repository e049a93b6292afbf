//! Which rows are held out: a pure function of the declaration and of the values that it names.
//!
//! Rows are ranked by a hash of the seed and their id, so that the same rows are chosen again for every model over the same
//! rows, in any process and whatever their order, and a smaller test is part of a larger one.

use std::collections::HashMap;

use gristmill_domain::models::{Split, SplitKind};

use crate::error::ModelingError;

/// Fewest rows with a target that can be divided.
const ROWS_MIN: usize = 4;

/// Where a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Models may learn from it.
    Train,
    /// The server keeps its label.
    Test,
}

/// What a split needs to know of the rows, one entry a row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The id of the row: of all rows, a different one each.
    pub(crate) ids: Vec<i64>,
    /// Whether the row has a target; rows without are for training, which leaves them out and says so.
    pub(crate) labelled: Vec<bool>,
    /// The class of the row as text, for stratified splits.
    pub(crate) classes: Vec<Option<String>>,
    /// The group of the row, for splits by group.
    pub(crate) groups: Vec<Option<String>>,
    /// The time of the row, for splits by time.
    pub(crate) times: Vec<Option<f64>>,
}

impl Rows {
    fn id(&self, row: usize) -> i64 {
        self.ids.get(row).copied().unwrap_or(i64::MAX)
    }
}

/// Divides the rows.
///
/// # Errors
/// [`ModelingError::Refused`] when they cannot be divided so.
pub(crate) fn assign(rows: &Rows, split: &Split) -> Result<Vec<Side>, ModelingError> {
    let eligible: Vec<usize> = rows.labelled.iter().enumerate().filter(|(_, has)| **has).map(|(row, _)| row).collect();
    if eligible.len() < ROWS_MIN {
        return Err(ModelingError::refused(
            "too_few_rows",
            format!("{} rows have a value in the target column; {ROWS_MIN} is the least", eligible.len()),
            Some("target"),
        ));
    }
    let wanted = share(eligible.len(), split.test_size).clamp(1, eligible.len() - 1);
    let chosen = match split.kind {
        SplitKind::Random => first_by_hash(rows, &eligible, wanted, split.seed),
        SplitKind::Stratified => stratified(rows, &eligible, wanted, split),
        SplitKind::Group => by_group(rows, &eligible, wanted, split)?,
        SplitKind::Time => by_time(rows, &eligible, wanted)?,
    };
    let mut sides = vec![Side::Train; rows.labelled.len()];
    for row in chosen {
        if let Some(side) = sides.get_mut(row) {
            *side = Side::Test;
        }
    }
    Ok(sides)
}

fn first_by_hash(rows: &Rows, among: &[usize], wanted: usize, seed: u32) -> Vec<usize> {
    let mut ranked = among.to_vec();
    ranked.sort_by_key(|row| (rank(seed, rows.id(*row).cast_unsigned()), rows.id(*row)));
    ranked.truncate(wanted);
    ranked
}

fn stratified(rows: &Rows, eligible: &[usize], wanted: usize, split: &Split) -> Vec<usize> {
    let mut classes: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for row in eligible {
        classes.entry(rows.classes.get(*row).and_then(Option::as_deref)).or_default().push(*row);
    }
    let mut chosen = Vec::with_capacity(wanted);
    for members in classes.values() {
        // A class of one is for training: a model cannot answer with a class that it never saw.
        let test = share(members.len(), split.test_size).min(members.len().saturating_sub(1));
        chosen.extend(first_by_hash(rows, members, test, split.seed));
    }
    if chosen.is_empty() { first_by_hash(rows, eligible, wanted, split.seed) } else { chosen }
}

fn by_group(rows: &Rows, eligible: &[usize], wanted: usize, split: &Split) -> Result<Vec<usize>, ModelingError> {
    let mut groups: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for row in eligible {
        groups.entry(rows.groups.get(*row).and_then(Option::as_deref)).or_default().push(*row);
    }
    if groups.len() < 2 {
        let message = "the column of groups has one value only, so no group can be held out";
        return Err(ModelingError::refused("one_group", message, Some("split.column")));
    }
    let mut ranked: Vec<_> = groups.into_iter().collect();
    ranked.sort_by_key(|(name, _)| (rank(split.seed, hash_of(name.unwrap_or_default())), name.map(ToOwned::to_owned)));
    // One group stays for training, whatever its size.
    ranked.pop();
    let mut chosen = Vec::with_capacity(wanted);
    for (_, members) in ranked {
        if chosen.len() >= wanted {
            break;
        }
        chosen.extend(members);
    }
    Ok(chosen)
}

fn by_time(rows: &Rows, eligible: &[usize], wanted: usize) -> Result<Vec<usize>, ModelingError> {
    let time = |row: usize| rows.times.get(row).copied().flatten().filter(|time| time.is_finite());
    let mut timed: Vec<(f64, usize)> = eligible.iter().filter_map(|row| Some((time(*row)?, *row))).collect();
    if timed.len() < 2 {
        let message = "fewer than two rows have a time, so the last ones cannot be held out";
        return Err(ModelingError::refused("no_times", message, Some("split.column")));
    }
    timed.sort_by(|one, other| one.0.total_cmp(&other.0).then(rows.id(one.1).cmp(&rows.id(other.1))));
    let wanted = wanted.min(timed.len() - 1);
    Ok(timed.iter().rev().take(wanted).map(|(_, row)| *row).collect())
}

/// A share of a number of rows, rounded.
#[expect(clippy::as_conversions, reason = "numbers of rows are exact in a float, and a share of them fits again")]
fn share(rows: usize, size: f64) -> usize {
    (rows as f64 * size).round() as usize
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// `SplitMix64` (Steele, Lea, Flood 2014): a bijection whose outputs look random.
pub(crate) fn rank(seed: u32, number: u64) -> u64 {
    let mut mixed = number.wrapping_add(u64::from(seed).wrapping_mul(0xD1B5_4A32_D192_ED03)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// FNV-1a: stable between versions of the program, which the standard library's hashes are not.
fn hash_of(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// A random order of `rows` places, the same for the same seed.
pub(crate) fn shuffled(rows: usize, seed: u64) -> Vec<u64> {
    let seed32 = u32::try_from(seed & 0xFFFF_FFFF).unwrap_or(0);
    let mut places: Vec<u64> = (0..wide(rows)).collect();
    places.sort_by_key(|place| (rank(seed32, *place ^ (seed << 20)), *place));
    places
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn split(kind: SplitKind, test_size: f64) -> Split {
        Split { kind, column: None, test_size, seed: 42 }
    }

    fn test_rows(rows: &Rows, split: &Split) -> HashSet<usize> {
        let sides = assign(rows, split).unwrap();
        sides.iter().enumerate().filter(|(_, side)| **side == Side::Test).map(|(row, _)| row).collect()
    }

    fn numbers(rows: usize) -> Vec<i64> {
        (0..i64::try_from(rows).unwrap()).collect()
    }

    fn labelled(rows: usize) -> Rows {
        Rows { ids: numbers(rows), labelled: vec![true; rows], ..Rows::default() }
    }

    #[test]
    fn a_smaller_test_is_part_of_a_larger_one() {
        let rows = Rows { classes: (0..1000).map(|row| Some(["a", "b", "c"][row % 3].to_owned())).collect(), ..labelled(1000) };
        for kind in [SplitKind::Random, SplitKind::Stratified] {
            let (small, large) = (test_rows(&rows, &split(kind, 0.1)), test_rows(&rows, &split(kind, 0.4)));
            assert!(small.is_subset(&large), "{kind:?}");
            assert!((95..=105).contains(&small.len()) && (395..=405).contains(&large.len()), "{} {}", small.len(), large.len());
            assert_eq!(small, test_rows(&rows, &split(kind, 0.1)), "repeatable");
        }
        let other = Split { seed: 7, ..split(SplitKind::Random, 0.1) };
        assert_ne!(test_rows(&rows, &other), test_rows(&rows, &split(SplitKind::Random, 0.1)));
    }

    #[test]
    fn sorted_data_gives_no_sorted_test() {
        let chosen = test_rows(&labelled(1000), &split(SplitKind::Random, 0.2));
        let early = chosen.iter().filter(|row| **row < 500).count();
        assert!((70..=130).contains(&early), "{early} of 200 are from the first half");
    }

    #[test]
    fn every_class_is_on_both_sides_when_it_can_be() {
        let mut classes: Vec<Option<String>> = vec![Some("common".to_owned()); 90];
        classes.extend(vec![Some("rare".to_owned()); 5]);
        classes.push(Some("single".to_owned()));
        let rows = Rows { classes: classes.clone(), ..labelled(classes.len()) };
        let chosen = test_rows(&rows, &split(SplitKind::Stratified, 0.2));
        assert_eq!(chosen.iter().filter(|row| (90..95).contains(*row)).count(), 1);
        assert!(!chosen.contains(&95), "a class of one stays for training");
    }

    #[test]
    fn groups_stay_together() {
        let rows = Rows { groups: (0..100).map(|row| Some((row / 10).to_string())).collect(), ..labelled(100) };
        let chosen = test_rows(&rows, &split(SplitKind::Group, 0.25));
        assert_eq!(chosen.len(), 30);
        for group in 0..10 {
            let members = chosen.iter().filter(|row| **row / 10 == group).count();
            assert!(members == 0 || members == 10, "group {group} is torn");
        }
        let one = Rows { groups: vec![Some("x".to_owned()); 10], ..labelled(10) };
        assert!(assign(&one, &split(SplitKind::Group, 0.2)).is_err());
    }

    #[test]
    fn the_last_rows_are_held_out_by_time() {
        let times: Vec<Option<f64>> = (0..10).map(|row| if row == 3 { None } else { Some(f64::from(100 - row)) }).collect();
        let rows = Rows { times, ..labelled(10) };
        assert_eq!(test_rows(&rows, &split(SplitKind::Time, 0.2)), HashSet::from([0, 1]));
        let none = Rows { times: vec![None; 10], ..labelled(10) };
        assert!(assign(&none, &split(SplitKind::Time, 0.2)).is_err());
    }

    #[test]
    fn rows_without_a_label_are_never_tests() {
        let rows = Rows { labelled: (0..20).map(|row| row % 2 == 0).collect(), ..labelled(20) };
        assert!(test_rows(&rows, &split(SplitKind::Random, 0.5)).iter().all(|row| row % 2 == 0));
        let few = Rows { labelled: vec![true, true, true, false], ..labelled(4) };
        assert!(assign(&few, &split(SplitKind::Random, 0.2)).is_err());
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut places = shuffled(1000, 3);
        assert_ne!(places, (0..1000).collect::<Vec<_>>());
        assert_ne!(places, shuffled(1000, 4));
        places.sort_unstable();
        assert_eq!(places, (0..1000).collect::<Vec<_>>());
    }
}
