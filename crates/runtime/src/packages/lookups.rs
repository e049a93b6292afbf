//! What an index said about names, kept for a while: editors ask at every key.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gristmill_domain::execution::PackageInfo;

const KEEP_FOUND: Duration = Duration::from_hours(2);
const KEEP_MISSING: Duration = Duration::from_mins(10);
/// An index that does not answer is left alone for this long.
const QUIET: Duration = Duration::from_mins(1);
const NAMES_MAX: usize = 1000;
/// Questions to the index at once.
const ASKING_MAX: usize = 2;

/// Answers of an index, and what is being asked.
#[derive(Debug, Default)]
pub(crate) struct LookUps {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: HashMap<String, (Instant, Option<PackageInfo>)>,
    asking: HashSet<String>,
    quiet_until: Option<Instant>,
}

/// What to do about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is known.
    Known(Option<PackageInfo>),
    /// Ask the index, and tell [`LookUps::told`] what it said.
    Ask,
    /// Nothing: it is being asked, or the index does not answer now.
    Nothing,
}

impl LookUps {
    pub(crate) fn next(&self, name: &str) -> Next {
        let mut state = self.state();
        if let Some((until, answer)) = state.answers.get(name)
            && Instant::now() < *until
        {
            return Next::Known(answer.clone());
        }
        let quiet = state.quiet_until.is_some_and(|until| Instant::now() < until);
        if quiet || state.asking.len() >= ASKING_MAX || !state.asking.insert(name.to_owned()) {
            return Next::Nothing;
        }
        Next::Ask
    }

    /// What the index said of a name that was asked; an error when it did not answer.
    pub(crate) fn told<E>(&self, name: &str, answer: Result<Option<PackageInfo>, E>) {
        let mut state = self.state();
        state.asking.remove(name);
        match answer {
            Ok(answer) => {
                if state.answers.len() >= NAMES_MAX {
                    state.answers.clear();
                }
                let keep = if answer.is_some() { KEEP_FOUND } else { KEEP_MISSING };
                state.answers.insert(name.to_owned(), (Instant::now() + keep, answer));
            }
            Err(_) => state.quiet_until = Some(Instant::now() + QUIET),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> PackageInfo {
        PackageInfo { name: name.to_owned(), version: None, summary: None, homepage: None }
    }

    #[test]
    fn asks_once_and_remembers_also_what_is_not_there() {
        let lookups = LookUps::default();
        assert_eq!(lookups.next("a"), Next::Ask);
        assert_eq!(lookups.next("a"), Next::Nothing, "it is being asked");
        lookups.told::<()>("a", Ok(Some(package("a"))));
        assert_eq!(lookups.next("a"), Next::Known(Some(package("a"))));
        assert_eq!(lookups.next("b"), Next::Ask);
        lookups.told::<()>("b", Ok(None));
        assert_eq!(lookups.next("b"), Next::Known(None));
    }

    #[test]
    fn leaves_an_index_alone_that_does_not_answer_or_has_enough_to_do() {
        let lookups = LookUps::default();
        for name in ["a", "b"] {
            assert_eq!(lookups.next(name), Next::Ask);
        }
        assert_eq!(lookups.next("c"), Next::Nothing);
        lookups.told("a", Err(()));
        assert_eq!(lookups.next("c"), Next::Nothing, "quiet for a while");
        lookups.told::<()>("b", Ok(None));
        assert_eq!(lookups.next("b"), Next::Known(None), "what is known stays known");
    }

    #[test]
    fn is_bounded() {
        let lookups = LookUps::default();
        for number in 0..NAMES_MAX * 2 + 10 {
            let name = number.to_string();
            assert_eq!(lookups.next(&name), Next::Ask);
            lookups.told::<()>(&name, Ok(None));
        }
        assert!(lookups.state().answers.len() <= NAMES_MAX);
    }
}
