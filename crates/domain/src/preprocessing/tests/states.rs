//! What states that one can go back to remember.

use super::*;

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
