use chrono::{DateTime, Utc};

use super::*;
use crate::{UserId, datasets::ColumnType};

mod properties;
mod states;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn hash(code: &str) -> CodeHash {
    let mut digest = [0; 32];
    for (byte, from) in digest.iter_mut().zip(code.bytes()) {
        *byte = from;
    }
    CodeHash::of_digest(&digest)
}

fn run() -> PrepRun {
    let mut run = PrepRun::new(PrepRunId::random(), ProjectId::random(), None, NOW);
    set_active_dataset(&mut run, DatasetId::random(), NOW);
    run
}

fn proposal(intent: &str) -> Proposal {
    Proposal { title: "Fill gaps".into(), intent_type: intent.into(), ..Proposal::default() }
}

fn proposed(run: &mut PrepRun, intent: &str) -> StepId {
    propose(run, None, proposal(intent), &[], NOW).unwrap()
}

fn material(run: &PrepRun, code: &str) -> Material {
    let dataset_id = run.active_dataset_id.unwrap();
    Material { code: code.into(), hash: hash(code), input: StepInput { dataset_id, dataset_version: 1 }, tool_call_id: None }
}

fn materialized(run: &mut PrepRun, id: StepId, code: &str) {
    let material = material(run, code);
    materialize(run, id, material, NOW).unwrap();
}

fn cells(run: &PrepRun, id: StepId, code: &str, now: CellRunNow) -> CellsNow {
    let bound = run.step(id).map(|step| step.cell_ids.clone()).unwrap_or_default();
    let ids = if bound.is_empty() { vec![CellId(id.0)] } else { bound };
    let cell = |id| CellNow { id, run: now, began_at: None };
    CellsNow { cells: ids.into_iter().map(cell).collect(), missing: Vec::new(), code: code.into(), hash: hash(code) }
}

fn table(rows: u64, columns: &[(&str, ColumnType, u64)]) -> TableNow {
    let column = |(name, dtype, null_count): &(&str, ColumnType, u64)| ColumnNow {
        name: (*name).to_owned(),
        dtype: *dtype,
        null_count: *null_count,
    };
    TableNow { row_count: rows, columns: columns.iter().map(column).collect() }
}

fn measured(run: &PrepRun, id: StepId, before: TableNow, after: TableNow) -> Measured {
    let step = run.step(id).unwrap();
    let basis = Basis {
        code_hash: step.code_hash.clone().unwrap_or_else(|| hash("")),
        dataset_id: step.input.map_or_else(DatasetId::random, |input| input.dataset_id),
        dataset_version: 1,
        output_hash: "out".into(),
    };
    Measured::Table(Box::new(Measurement { before, after, basis }))
}

fn unchanged(run: &PrepRun, id: StepId) -> Measured {
    let one = || table(3, &[("a", ColumnType::Integer, 1)]);
    measured(run, id, one(), one())
}

fn now_of(version: u32, output: &str) -> BasisNow {
    BasisNow { dataset_version: Some(version), output_hash: Some(output.into()) }
}

fn schema(columns: &[(&str, ColumnType)]) -> SchemaNow {
    SchemaNow(columns.iter().map(|(name, dtype)| ((*name).to_owned(), *dtype)).collect())
}

fn kept() -> Kept {
    let columns = || schema(&[("a", ColumnType::Integer)]);
    Kept { dataset_id: DatasetId::random(), dataset_version: 1, input: columns(), output: columns(), label: None }
}

/// A step that ran and was measured without a loss.
fn ready(run: &mut PrepRun, intent: &str) -> StepId {
    let id = proposed(run, intent);
    materialized(run, id, "x");
    let (facts, same) = (cells(run, id, "x", CellRunNow::Succeeded), unchanged(run, id));
    assert!(execute(run, id, &facts, NOW).unwrap());
    validate(run, id, &facts, &same, Remarks::default(), NOW).unwrap();
    id
}

fn committed(run: &mut PrepRun, id: StepId, approval: Approval, kept: Kept) -> Result<CheckpointId, Refusal> {
    let facts = cells(run, id, "x", CellRunNow::Succeeded);
    commit(run, id, approval, (&facts, &now_of(1, "out")), kept, NOW)
}

fn reason<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ReasonCode {
    result.unwrap_err().reason
}

#[test]
fn ids_have_their_prefix_and_one_spelling() {
    let id = StepId::random();
    assert_eq!(StepId::parse(&id.to_string()), Some(id));
    for bad in ["", "step-", "step-1", &id.0.to_string(), &format!("prep-{}", id.0), &format!("step-{}", id.0.simple())] {
        assert_eq!(StepId::parse(bad), None, "{bad}");
    }
    assert_eq!(serde_json::to_value(id).unwrap(), id.to_string());
}

#[test]
fn a_hash_is_24_digits() {
    assert_eq!(CodeHash::of_digest(&[0xab; 32]).as_str(), "ab".repeat(12));
}

#[test]
fn a_harmless_step_goes_through_without_anybody() {
    let mut run = run();
    let source = run.active_dataset_id;
    let id = ready(&mut run, "fill_missing");
    assert_eq!((run.step(id).unwrap().status, run.step(id).unwrap().approval), (StepStatus::Running, None));
    let kept = kept();
    let dataset = kept.dataset_id;
    let checkpoint = committed(&mut run, id, Approval::Absent, kept).unwrap();
    let step = run.step(id).unwrap();
    assert_eq!((step.status, step.output.unwrap().checkpoint_id), (StepStatus::Applied, checkpoint));
    assert_eq!((run.active_dataset_id, run.derived_dataset_ids.as_slice()), (Some(dataset), &[dataset][..]));
    assert_ne!(run.active_dataset_id, source);
    assert_eq!(run.checkpoint(checkpoint).unwrap().step_ids, [id]);
    let kinds: Vec<&str> = run.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "active_dataset_set",
            "step_proposed",
            "step_code_materialized",
            "step_executed",
            "step_validated",
            "step_committed",
            "checkpoint_created"
        ]
    );
    assert_eq!(reason(committed(&mut run, id, Approval::Absent, self::kept())), ReasonCode::InvalidOperation);
}

#[test]
fn steps_come_one_at_a_time_and_in_order() {
    let mut run = run();
    let id = proposed(&mut run, "fill");
    let other = propose(&mut run, None, proposal("fill"), &[], NOW);
    assert_eq!(reason(other), ReasonCode::RunHasIncompleteStep);
    let facts = cells(&run, id, "x", CellRunNow::Succeeded);
    assert_eq!(reason(execute(&mut run, id, &facts, NOW)), ReasonCode::StepExecuteRequiresCode);
    assert_eq!(reason(check_measurable(&run, id)), ReasonCode::StepValidateRequiresSuccessfulExecute);
    assert_eq!(reason(committed(&mut run, id, Approval::Absent, kept())), ReasonCode::StepAppliedRequiresCellBindings);
    materialized(&mut run, id, "x");
    assert!(execute(&mut run, id, &facts, NOW).unwrap());
    assert_eq!(reason(committed(&mut run, id, Approval::Absent, kept())), ReasonCode::StepCommitRequiresExecuteValidate);
    assert_eq!(reason(execute(&mut run, StepId::random(), &facts, NOW)), ReasonCode::StepNotFound);
    for (title, intent) in [("", "x"), ("x", " ")] {
        let blank = Proposal { title: title.into(), intent_type: intent.into(), ..Proposal::default() };
        assert_eq!(reason(propose(&mut run, None, blank, &[], NOW)), ReasonCode::MissingRequiredArg);
    }
}

#[test]
fn a_proposal_can_be_worded_anew_but_not_made_harmless() {
    let mut run = run();
    let id = proposed(&mut run, "drop_rows");
    let again = propose(&mut run, Some(id), Proposal { title: "Keep".into(), ..proposal("fill") }, &[], NOW).unwrap();
    let step = run.step(again).unwrap();
    assert_eq!((again, step.title.as_str(), step.requires_approval), (id, "Keep", true));
    assert_eq!(run.steps.len(), 1);
}

#[test]
fn an_incomplete_step_without_cells_makes_way() {
    let mut run = run();
    let first = ready(&mut run, "fill");
    let second = propose(&mut run, None, proposal("fill"), &[first], NOW).unwrap();
    assert_eq!((run.step(first).unwrap().status, run.step(second).unwrap().status), (StepStatus::Failed, StepStatus::Pending));
}

#[test]
fn risky_kinds_and_measured_losses_need_a_person() {
    for (intent, needs) in [("Drop_Columns", true), ("outlier-capping", true), ("custom", true), ("fill_missing", false)] {
        let mut run = run();
        let id = proposed(&mut run, intent);
        assert_eq!(run.step(id).unwrap().requires_approval, needs, "{intent}");
    }
    let before = || table(3, &[("a", ColumnType::Integer, 1), ("b", ColumnType::String, 0)]);
    for (what, after, needs) in [
        ("nothing", before(), false),
        ("fewer nulls", table(3, &[("a", ColumnType::Float, 0), ("b", ColumnType::String, 0)]), false),
        ("rows", table(2, &[("a", ColumnType::Integer, 1), ("b", ColumnType::String, 0)]), true),
        ("a column", table(3, &[("a", ColumnType::Integer, 1), ("c", ColumnType::String, 0)]), true),
        ("values", table(3, &[("a", ColumnType::Integer, 1), ("b", ColumnType::Float, 2)]), true),
        ("values among more rows", table(4, &[("a", ColumnType::Integer, 3), ("b", ColumnType::String, 0)]), true),
        (
            "a new column",
            table(3, &[("a", ColumnType::Integer, 1), ("b", ColumnType::String, 0), ("c", ColumnType::Date, 3)]),
            false,
        ),
        ("more rows with gaps", table(4, &[("a", ColumnType::Integer, 2), ("b", ColumnType::String, 1)]), false),
    ] {
        let mut run = run();
        let id = ready(&mut run, "fill");
        let (facts, measured) = (cells(&run, id, "x", CellRunNow::Succeeded), measured(&run, id, before(), after));
        validate(&mut run, id, &facts, &measured, Remarks::default(), NOW).unwrap();
        let step = run.step(id).unwrap();
        assert_eq!((step.requires_approval, step.status == StepStatus::AwaitingApproval), (needs, needs), "{what}");
        for (approval, refusal) in
            [(Approval::Absent, ReasonCode::StepApprovalRequired), (Approval::ByAgent, ReasonCode::StepApprovalUserRequired)]
        {
            assert_eq!(
                check_approval(&run, id, approval).err().map(|refusal| refusal.reason),
                needs.then_some(refusal),
                "{what}"
            );
        }
        committed(&mut run, id, Approval::ByUser(UserId::random()), kept()).unwrap();
    }
}

#[test]
fn changes_are_told_by_name() {
    let mut run = run();
    let id = ready(&mut run, "fill");
    let before = table(3, &[("a", ColumnType::Integer, 1), ("b", ColumnType::String, 0)]);
    let after = table(2, &[("a", ColumnType::Float, 0), ("c", ColumnType::Date, 0)]);
    let (facts, measured) = (cells(&run, id, "x", CellRunNow::Succeeded), measured(&run, id, before, after));
    validate(&mut run, id, &facts, &measured, Remarks { notes: Some(" fine ".into()), asks_approval: false }, NOW).unwrap();
    let validation = run.step(id).unwrap().validation.clone().unwrap();
    assert_eq!(
        validation.changes,
        [
            "rows: 3 before, 2 after",
            "missing values: 1 before, 0 after",
            "column \"a\" was integer, is float",
            "column \"b\" is gone",
            "column \"c\" is new (date)"
        ]
    );
    assert_eq!((validation.schema_drift, validation.columns_lost, validation.notes.as_deref()), (true, 1, Some("fine")));
    assert_eq!(validation.columns_emptied, 0, "fewer rows say it all");

    let before = table(3, &[("a", ColumnType::String, 0)]);
    let measured = self::measured(&run, id, before, table(3, &[("a", ColumnType::Float, 2)]));
    validate(&mut run, id, &facts, &measured, Remarks::default(), NOW).unwrap();
    let validation = run.step(id).unwrap().validation.clone().unwrap();
    assert_eq!(
        validation.changes,
        ["missing values: 0 before, 2 after", "column \"a\" was string, is float", "column \"a\" has 2 values fewer"]
    );
}

/// W7: after a failure, better code takes the step up again.
#[test]
fn a_failed_step_is_repaired_by_new_code() {
    let mut run = run();
    let id = proposed(&mut run, "fill");
    materialized(&mut run, id, "bad");
    let facts = cells(&run, id, "bad", CellRunNow::Failed);
    assert!(!execute(&mut run, id, &facts, NOW).unwrap());
    assert_eq!(run.step(id).unwrap().status, StepStatus::Failed);
    materialized(&mut run, id, "x");
    let facts = cells(&run, id, "x", CellRunNow::Succeeded);
    assert!(execute(&mut run, id, &facts, NOW).unwrap());
    for (measured, why) in [
        (Measured::Missing("gone".into()), ReasonCode::ProcessedDatasetNotFound),
        (Measured::Unusable("no table".into()), ReasonCode::ProcessedDatasetPersistFailed),
    ] {
        let refusal = validate(&mut run, id, &facts, &measured, Remarks::default(), NOW).unwrap_err();
        assert_eq!((refusal.reason, refusal.is_recorded), (why, true));
        assert_eq!(run.step(id).unwrap().status, StepStatus::Failed);
    }
    assert_eq!(reason(committed(&mut run, id, Approval::Absent, kept())), ReasonCode::StepCommitRequiresExecuteValidate);
    let same = unchanged(&run, id);
    validate(&mut run, id, &facts, &same, Remarks::default(), NOW).unwrap();
    committed(&mut run, id, Approval::Absent, kept()).unwrap();
    assert_eq!(run.step(id).unwrap().version, 2);
    // A failed one does not come back while another is under way.
    let failed = proposed(&mut run, "fill");
    materialized(&mut run, failed, "y");
    reject(&mut run, failed, None, None, NOW).unwrap();
    proposed(&mut run, "fill");
    let late = material(&run, "z");
    assert_eq!(reason(materialize(&mut run, failed, late, NOW)), ReasonCode::RunHasIncompleteStep);
}

#[test]
fn code_that_did_not_run_as_it_is_was_not_run() {
    for (state, words) in [(CellRunNow::Never, "did not run"), (CellRunNow::Running, "running"), (CellRunNow::Outdated, "edited")]
    {
        let mut run = run();
        let id = proposed(&mut run, "fill");
        materialized(&mut run, id, "x");
        let facts = cells(&run, id, "x", state);
        let refusal = execute(&mut run, id, &facts, NOW).unwrap_err();
        assert_eq!((refusal.reason, refusal.is_recorded), (ReasonCode::InvalidOperation, false));
        assert!(refusal.message.contains(words), "{refusal}");
        assert!(!run.step(id).unwrap().executed);
    }
}

/// An edit that ran and was taken back without a run leaves the step's code beside another one's output.
#[test]
fn output_is_measured_only_of_code_that_ran_last() {
    for state in [CellRunNow::Never, CellRunNow::Running, CellRunNow::Outdated, CellRunNow::Failed] {
        let mut run = run();
        let id = ready(&mut run, "fill");
        let (facts, same) = (cells(&run, id, "x", state), unchanged(&run, id));
        let before = run.clone();
        let refusal = validate(&mut run, id, &facts, &same, Remarks::default(), NOW).unwrap_err();
        assert_eq!(
            (refusal.reason, refusal.is_recorded),
            (ReasonCode::StepValidateRequiresSuccessfulExecute, false),
            "{state:?}"
        );
        assert_eq!(run, before, "{state:?}");
    }
}

#[test]
fn a_step_takes_no_cell_of_another() {
    let mut run = run();
    let first = ready(&mut run, "fill");
    committed(&mut run, first, Approval::Absent, kept()).unwrap();
    let second = proposed(&mut run, "fill");
    materialized(&mut run, second, "x");
    let foreign = cells(&run, first, "x", CellRunNow::Succeeded);
    assert_eq!(reason(execute(&mut run, second, &foreign, NOW)), ReasonCode::InvalidOperation);
    // Another cell than the step's own is a mistake, and no divergence.
    let stray = CellsNow { hash: hash("other"), ..cells(&run, second, "other", CellRunNow::Succeeded) };
    let refusal = execute(&mut run, second, &stray, NOW).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_recorded), (ReasonCode::StepExecuteRequiresCode, false));
}

#[test]
fn an_approval_holds_for_what_was_measured_only() {
    let user = Approval::ByUser(UserId::random());
    let edited = |run: &PrepRun, id| cells(run, id, "edited", CellRunNow::Succeeded);
    let same = |run: &PrepRun, id| cells(run, id, "x", CellRunNow::Succeeded);
    // The code was edited: the step diverged.
    let mut run_one = run();
    let id = ready(&mut run_one, "drop");
    let facts = edited(&run_one, id);
    let refusal = commit(&mut run_one, id, user, (&facts, &now_of(1, "out")), kept(), NOW).unwrap_err();
    assert_eq!((refusal.reason, refusal.is_recorded), (ReasonCode::StepCommitRequiresExecuteValidate, true));
    assert_eq!(run_one.step(id).unwrap().status, StepStatus::Diverged);
    // Absorbed, it needs everything anew, a person included.
    reconcile(&mut run_one, id, &ReconcileStrategy::AbsorbEdit, &facts, NOW).unwrap();
    assert_eq!(reason(check_approval(&run_one, id, user)), ReasonCode::StepCommitRequiresExecuteValidate);
    assert!(execute(&mut run_one, id, &facts, NOW).unwrap());
    let measured = unchanged(&run_one, id);
    validate(&mut run_one, id, &facts, &measured, Remarks::default(), NOW).unwrap();
    assert_eq!(reason(check_approval(&run_one, id, Approval::Absent)), ReasonCode::StepApprovalRequired);
    // The dataset or the file changed.
    for (basis, ran) in [(now_of(2, "out"), false), (now_of(1, "other"), true)] {
        let mut run = run();
        let id = ready(&mut run, "drop");
        let facts = same(&run, id);
        let refusal = commit(&mut run, id, user, (&facts, &basis), kept(), NOW).unwrap_err();
        assert_eq!((refusal.reason, refusal.is_recorded), (ReasonCode::StepCommitRequiresExecuteValidate, true));
        let step = run.step(id).unwrap();
        assert_eq!((step.executed, step.validated, step.approval), (ran, false, None));
    }
    // Something is gone.
    for (basis, why) in [
        (BasisNow { dataset_version: None, ..now_of(1, "out") }, ReasonCode::DatasetNotFound),
        (BasisNow { output_hash: None, ..now_of(1, "out") }, ReasonCode::ProcessedDatasetNotFound),
    ] {
        let mut run = run();
        let id = ready(&mut run, "drop");
        let facts = same(&run, id);
        assert_eq!(reason(commit(&mut run, id, user, (&facts, &basis), kept(), NOW)), why);
    }
}

#[test]
fn a_no_fails_the_step_once() {
    let mut run = run();
    let id = ready(&mut run, "drop");
    reject(&mut run, id, None, Some("too much"), NOW).unwrap();
    let step = run.step(id).unwrap();
    assert_eq!((step.status, step.approval), (StepStatus::Failed, Some(ApprovalDecision::Rejected)));
    assert_eq!(step.decision_reason.as_deref(), Some("too much"));
    let events = run.events.len();
    reject(&mut run, id, None, None, NOW).unwrap();
    assert_eq!(run.events.len(), events, "twice is once");
    let user = Approval::ByUser(UserId::random());
    assert_eq!(reason(committed(&mut run, id, user, kept())), ReasonCode::StepCommitRequiresExecuteValidate);
    let facts = cells(&run, id, "x", CellRunNow::Succeeded);
    assert_eq!(reason(execute(&mut run, id, &facts, NOW)), ReasonCode::StepExecuteRequiresCode);
    let applied = ready(&mut run, "fill");
    committed(&mut run, applied, Approval::Absent, kept()).unwrap();
    assert_eq!(reason(reject(&mut run, applied, None, None, NOW)), ReasonCode::InvalidOperation);
}

#[test]
fn divergence_goes_by_content_and_can_be_taken_back() {
    let mut run = run();
    let id = ready(&mut run, "fill");
    let same = cells(&run, id, "x", CellRunNow::Outdated);
    let found = detect(&mut run, id, &same, NOW).unwrap();
    assert_eq!((found.is_diverged, found.status), (false, StepStatus::Running), "{found:?}");
    committed(&mut run, id, Approval::Absent, kept()).unwrap();
    let edited = cells(&run, id, "edited", CellRunNow::Never);
    for _ in 0..2 {
        let found = detect(&mut run, id, &edited, NOW).unwrap();
        assert_eq!((found.is_diverged, found.status), (true, StepStatus::Diverged));
    }
    assert_eq!(run.events.iter().filter(|event| event.kind == PrepEventKind::StepDiverged).count(), 1);
    assert_eq!(reason(propose(&mut run, None, proposal("fill"), &[], NOW)), ReasonCode::RunHasIncompleteStep);
    assert_eq!(detect(&mut run, id, &same, NOW).unwrap().status, StepStatus::Applied);
    let gone = CellsNow { cells: Vec::new(), missing: run.step(id).unwrap().cell_ids.clone(), ..same };
    assert_eq!(detect(&mut run, id, &gone, NOW).unwrap().status, StepStatus::Applied, "what it made is kept");
}

#[test]
fn an_edit_becomes_a_step_of_its_own() {
    let mut run = run();
    let id = ready(&mut run, "drop");
    committed(&mut run, id, Approval::ByUser(UserId::random()), kept()).unwrap();
    let edited = cells(&run, id, "edited", CellRunNow::Succeeded);
    assert_eq!(
        reason(reconcile(&mut run, id, &ReconcileStrategy::AbsorbEdit, &edited, NOW)),
        ReasonCode::StepReconcileRequiresDiverged
    );
    detect(&mut run, id, &edited, NOW).unwrap();
    let none = CellsNow { cells: Vec::new(), ..edited.clone() };
    let strategy = ReconcileStrategy::CreateLinkedStep { title: None };
    assert_eq!(reason(reconcile(&mut run, id, &strategy, &none, NOW)), ReasonCode::StepReconcileRequiresBoundCell);
    let next = reconcile(&mut run, id, &strategy, &edited, NOW).unwrap();
    let (old, new) = (run.step(id).unwrap(), run.step(next).unwrap());
    assert_eq!((old.status, old.cell_ids.len()), (StepStatus::Applied, 0));
    assert_eq!((new.status, new.linked_from, new.requires_approval), (StepStatus::Pending, Some(id), true));
    assert_eq!((new.cell_ids.as_slice(), new.title.as_str()), (edited.ids().as_slice(), "Fill gaps (edited)"));
    assert!(execute(&mut run, next, &edited, NOW).unwrap());
}

#[test]
fn the_run_follows_the_person_and_stays_with_what_it_made() {
    let mut run = PrepRun::new(PrepRunId::random(), ProjectId::random(), None, NOW);
    let (chosen, other) = (DatasetId::random(), DatasetId::random());
    see_dataset(&mut run, chosen, NOW);
    let id = ready(&mut run, "fill");
    let kept = kept();
    let derived = kept.dataset_id;
    committed(&mut run, id, Approval::Absent, kept).unwrap();
    see_dataset(&mut run, chosen, NOW);
    assert_eq!(run.active_dataset_id, Some(derived));
    see_dataset(&mut run, other, NOW);
    assert_eq!(run.active_dataset_id, Some(other));
    register_derived(&mut run, derived, NOW);
    assert_eq!(run.derived_dataset_ids, [derived]);
}
