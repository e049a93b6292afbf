//! The split of a training: declared once for a dataset and target, and kept by the server.

use gristmill_api_types::models::ModelCreate;
use gristmill_domain::{
    Caller, ErrorCode,
    datasets::Dataset,
    models::{DeclaredSplit, Split, SplitKind, TrainingPlan},
};
use gristmill_persistence::repo::models::Redeclare;

use crate::{
    error::{ApiError, ApiResult},
    state::AppState,
};

/// What a request says about the split.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SplitWish {
    kind: Option<SplitKind>,
    column: Option<String>,
    seed: Option<u32>,
    test_size: Option<f64>,
    again: bool,
}

impl SplitWish {
    /// Whatever is declared.
    pub(super) fn none() -> Self {
        Self { kind: None, column: None, seed: None, test_size: None, again: false }
    }

    pub(super) fn of(request: &ModelCreate) -> Self {
        let split = request.split.as_ref();
        Self {
            kind: split.and_then(|split| split.kind),
            column: split.and_then(|split| split.column.clone()),
            seed: request.seed,
            test_size: request.test_size,
            again: request.redeclare_split == Some(true),
        }
    }

    /// Whether another split than the declared one may be meant. A request of the contract has a share at most, and a
    /// smaller test is part of a larger one.
    fn is_explicit(&self) -> bool {
        self.kind.is_some() || self.column.is_some() || self.seed.is_some()
    }

    /// What the training uses of a declared split; none when the request asks for another.
    fn within(&self, declared: &Split) -> Option<Split> {
        let fits = self.kind.is_none_or(|kind| kind == declared.kind)
            && self.seed.is_none_or(|seed| seed == declared.seed)
            // A column without a meaning is ignored, as it always was.
            && (declared.column.is_none() || self.column.is_none() || self.column == declared.column);
        fits.then(|| Split { test_size: self.test_size.unwrap_or(declared.test_size), ..declared.clone() })
    }

    /// Whether all rows that the training would hold out are held out by a declared split.
    fn is_part_of(&self, declared: &Split) -> bool {
        // A share that was computed may be off by a rounding.
        self.within(declared).is_some_and(|split| split.test_size <= declared.test_size + 1e-9)
    }
}

/// The split that a training uses: the declared one, or its own, which is declared by that.
///
/// # Errors
/// 409 when another one is declared and models were scored by it or features have learned by it, or when the declared one does
/// not fit the data any more.
pub(super) async fn declared_split(
    state: &AppState,
    caller: &Caller,
    plan: &TrainingPlan,
    wish: SplitWish,
    dataset: &Dataset,
) -> ApiResult<Split> {
    let Some(target) = plan.target.clone() else { return Ok(plan.split.clone()) };
    let new = DeclaredSplit {
        dataset_id: plan.dataset_id,
        target,
        split: plan.split.clone(),
        declared_at: state.clock.now(),
        declared_by: Some(caller.user_id),
        is_learned: false,
    };
    let again = match (wish.again, wish.is_explicit()) {
        (true, _) => Redeclare::Yes,
        (false, true) => Redeclare::Unused,
        (false, false) => Redeclare::No,
    };
    let declared = state.models.declare_split(caller, &new, again).await;
    let declared = declared.map_err(ApiError::store(ErrorCode::DatasetNotFound))?;
    let refused = |why: &str| {
        let text = format!(
            "The rows of {} are divided for \"{}\" already: {}. {why}, or send \"redeclareSplit\": true with the split that \
             you want; models that exist keep theirs, and are not compared with later ones on other rows",
            plan.dataset_name,
            declared.target,
            in_words(&declared.split)
        );
        Err(ApiError::new(ErrorCode::Conflict, text))
    };
    if let Some(column) = &declared.split.column
        && !dataset.columns.iter().any(|one| one.name == *column)
    {
        return refused("That column is gone: give it back");
    }
    if declared.is_learned && !wish.is_part_of(&declared.split) {
        let text = format!(
            "Features of {} have learned from all rows that are not held out for \"{}\": {}. Models would be tested on rows that \
             their features know. Leave \"split\", \"seed\" and \"redeclareSplit\" out and hold out no more rows; for another \
             split, declare that for the source and make the features anew",
            plan.dataset_name,
            declared.target,
            in_words(&declared.split)
        );
        return Err(ApiError::new(ErrorCode::Conflict, text));
    }
    match wish.within(&declared.split) {
        Some(split) => Ok(split),
        None => refused("Leave \"split\" and \"seed\" out to use that"),
    }
}

fn in_words(split: &Split) -> String {
    let how = match (split.kind, &split.column) {
        (SplitKind::Random, _) => "any rows".to_owned(),
        (SplitKind::Stratified, _) => "the same share of each class".to_owned(),
        (SplitKind::Group, column) => format!("whole groups by \"{}\"", column.as_deref().unwrap_or_default()),
        (SplitKind::Time, column) => format!("the last rows by \"{}\"", column.as_deref().unwrap_or_default()),
    };
    format!("{} ({how}), {:.0} % held out, seed {}", split.kind.as_str(), split.test_size * 100.0, split.seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish() -> SplitWish {
        SplitWish::none()
    }

    #[test]
    fn a_request_of_the_contract_fits_whatever_is_declared() {
        let declared = Split { kind: SplitKind::Group, column: Some("g".into()), test_size: 0.3, seed: 7 };
        assert_eq!(wish().within(&declared), Some(declared.clone()));
        let smaller = SplitWish { test_size: Some(0.1), ..wish() };
        assert!(!smaller.is_explicit());
        assert_eq!(smaller.within(&declared), Some(Split { test_size: 0.1, ..declared.clone() }));
    }

    #[test]
    fn another_split_does_not_fit() {
        let declared = Split { kind: SplitKind::Group, column: Some("g".into()), test_size: 0.3, seed: 7 };
        for other in [
            SplitWish { kind: Some(SplitKind::Random), ..wish() },
            SplitWish { kind: Some(SplitKind::Group), column: Some("h".into()), ..wish() },
            SplitWish { seed: Some(8), ..wish() },
        ] {
            assert!(other.is_explicit() && other.within(&declared).is_none(), "{other:?}");
        }
        let shares = [(None, true), (Some(0.1), true), (Some(1.0 - 0.7), true), (Some(0.4), false)];
        for (test_size, is_part) in shares {
            assert_eq!(SplitWish { test_size, ..wish() }.is_part_of(&declared), is_part, "{test_size:?}");
        }
        let same = SplitWish { kind: Some(SplitKind::Group), column: Some("g".into()), seed: Some(7), ..wish() };
        assert!(same.is_explicit() && same.within(&declared).is_some());
        assert_eq!(in_words(&declared), "group (whole groups by \"g\"), 30 % held out, seed 7");
    }
}
