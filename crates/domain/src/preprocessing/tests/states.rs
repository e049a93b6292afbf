//! States that one can go back to: what they remember, and whether their steps fit another dataset.

use super::*;

#[test]
fn states_are_gone_back_to() {
    let mut run = run();
    let source = run.active_dataset_id.unwrap();
    let start = checkpoint(&mut run, (source, 1), Some("Start"), None, NOW).unwrap();
    let first = ready(&mut run, "fill");
    let after = committed(&mut run, first, Approval::Absent, kept()).unwrap();
    let second = ready(&mut run, "fill");
    let last = committed(&mut run, second, Approval::Absent, kept()).unwrap();
    assert_eq!(run.checkpoint(last).unwrap().step_ids, [first, second]);
    let under_way = proposed(&mut run, "fill");
    assert_eq!(reason(restore(&mut run, start, None, NOW)), ReasonCode::DatasetNotFound);
    assert_eq!(reason(restore(&mut run, CheckpointId::random(), Some(source), NOW)), ReasonCode::CheckpointNotFound);
    let wanted = run.checkpoint(after).unwrap().dataset_id;
    restore(&mut run, after, Some(wanted), NOW).unwrap();
    assert_eq!((run.active_dataset_id, run.step(under_way).unwrap().status), (Some(wanted), StepStatus::Failed));
    let third = ready(&mut run, "fill");
    let other = committed(&mut run, third, Approval::Absent, kept()).unwrap();
    assert_eq!(run.checkpoint(other).unwrap().step_ids, [first, third], "the second is of another state");
    assert_eq!(reason(checkpoint(&mut run, (source, 1), None, Some(vec![under_way]), NOW)), ReasonCode::InvalidOperation);
}

#[test]
fn replays_are_checked_step_by_step() {
    use ColumnType::{Float, Integer, String, Unknown};
    let mut run = run();
    let first = ready(&mut run, "fill");
    let input = schema(&[("__row_id", Integer), ("a", Float), ("b", String)]);
    let output = schema(&[("a", Float), ("c", Integer)]);
    committed(&mut run, first, Approval::Absent, Kept { input, output: output.clone(), ..kept() }).unwrap();
    let second = ready(&mut run, "fill");
    let kept = Kept { input: output.clone(), output, ..kept() };
    let id = committed(&mut run, second, Approval::Absent, kept).unwrap();
    let issues = |columns: &[(&str, ColumnType)]| {
        let found = compatibility(&run, id, &schema(columns)).unwrap();
        found.into_iter().map(|issue| (issue.step_id, issue.column, issue.issue)).collect::<Vec<_>>()
    };
    assert_eq!(issues(&[("a", Float), ("b", String), ("more", String)]), [], "the second gets what the first makes");
    assert_eq!(issues(&[("a", Integer), ("b", Unknown)]), [], "whole numbers are numbers; nothing fits everything");
    assert_eq!(issues(&[("b", String)]), [(first, "a".to_owned(), CompatibilityProblem::MissingColumn)]);
    assert_eq!(
        issues(&[("a", String), ("b", Integer)]),
        [
            (first, "a".to_owned(), CompatibilityProblem::DtypeMismatch),
            (first, "b".to_owned(), CompatibilityProblem::DtypeMismatch)
        ]
    );
}

#[test]
fn a_state_keeps_the_code_that_led_to_it() {
    let mut run = run();
    let id = ready(&mut run, "fill");
    let first = committed(&mut run, id, Approval::Absent, kept()).unwrap();
    let edited = cells(&run, id, "edited", CellRunNow::Succeeded);
    detect(&mut run, id, &edited, NOW).unwrap();
    reconcile(&mut run, id, &ReconcileStrategy::AbsorbEdit, &edited, NOW).unwrap();
    let code = |run: &PrepRun, checkpoint| {
        let checkpoint = run.checkpoint(checkpoint).unwrap();
        code_at(run, checkpoint, id).map(str::to_owned)
    };
    assert_eq!((run.step(id).unwrap().code.as_deref(), code(&run, first)), (Some("edited"), Some("x".to_owned())));
    assert!(execute(&mut run, id, &edited, NOW).unwrap());
    let same = unchanged(&run, id);
    validate(&mut run, id, &edited, &same, Remarks::default(), NOW).unwrap();
    let second = commit(&mut run, id, Approval::Absent, (&edited, &now_of(1, "out")), kept(), NOW).unwrap();
    assert_eq!((code(&run, first), code(&run, second)), (Some("x".to_owned()), Some("edited".to_owned())));
    let other = run.checkpoint(first).unwrap();
    assert_eq!(code_at(&run, other, StepId::random()), None);
}
