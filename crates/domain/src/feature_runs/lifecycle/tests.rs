//! A feature's way, and what is refused on it.

use serde_json::{Map, json};

use super::*;
use crate::feature_runs::{FeatureCheckpoint, FeatureExecution, FeatureValidation, LeakageRisk};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn run() -> FeatureRun {
    FeatureRun::new(FeatureRunId(uuid::Uuid::nil()), ProjectId::random(), None, at(0))
}

fn propose(id: &str) -> FeatureCommand {
    FeatureCommand::Propose(Box::new(FeatureProposal {
        feature_id: id.to_owned(),
        name: "age_log".to_owned(),
        method: "log_transform".to_owned(),
        rationale: Some("skewed".to_owned()),
        source_columns: vec!["age".to_owned()],
        params: Map::new(),
        impact: None,
    }))
}

fn hash(text: &str) -> String {
    format!("hash of {text}")
}

fn code(text: &str) -> FeatureCode {
    FeatureCode { text: text.to_owned(), hash: hash(text) }
}

fn materialize(id: &str, text: &str, outputs: &[&str]) -> FeatureCommand {
    let output_columns = outputs.iter().map(|name| (*name).to_owned()).collect();
    FeatureCommand::Materialize { feature_id: id.to_owned(), code: code(text), output_columns }
}

fn executed(id: &str, succeeded: bool) -> FeatureCommand {
    let result = FeatureExecution { succeeded, stdout: None, stderr: None, execution_ms: Some(5), cell_id: None };
    FeatureCommand::RecordExecution { feature_id: id.to_owned(), code_hash: hash(CODE), code: None, result }
}

fn measured(id: &str, leakage_risk: LeakageRisk) -> FeatureCommand {
    let validation =
        FeatureValidation { null_rate: Some(0.1), correlation_with_target: None, leakage_risk, distribution_notes: None };
    FeatureCommand::RecordValidation { feature_id: id.to_owned(), code_hash: hash(CODE), validation }
}

fn validated(id: &str) -> FeatureCommand {
    measured(id, LeakageRisk::Absent)
}

fn decide(id: &str, rejection: Option<&str>) -> FeatureCommand {
    let rejection = rejection.map(str::to_owned);
    FeatureCommand::Decide { feature_id: id.to_owned(), dataset_id: None, rejection, is_approved: false }
}

const CODE: &str = "df['age_log'] = np.log1p(df['age'])";

#[test]
fn a_feature_goes_from_proposal_to_registration() {
    let mut run = run();
    let steps = [
        (propose("f"), FeatureStatus::Proposed),
        (materialize("f", CODE, &["age_log"]), FeatureStatus::CodeReady),
        (executed("f", true), FeatureStatus::Executed),
        (validated("f"), FeatureStatus::Validated),
        (decide("f", None), FeatureStatus::Registered),
    ];
    for (second, (command, status)) in (1..).zip(steps) {
        run.apply(command, at(second)).unwrap();
        assert_eq!((run.feature("f").unwrap().status, run.updated_at), (status, at(second)));
    }
    let step = run.feature("f").unwrap();
    assert_eq!((step.created_at, step.registered_at, step.rationale.as_deref()), (at(1), Some(at(5)), Some("skewed")));
    assert_eq!(run.registered(), ["f"]);
    let checkpoint = FeatureCheckpoint { id: "fe-ckpt-1".to_owned(), label: None, at: at(9) };
    run.apply(FeatureCommand::Checkpoint(checkpoint.clone()), at(9)).unwrap();
    assert_eq!(run.last_checkpoint, Some(checkpoint));
    // Once more changes nothing but the time.
    run.apply(decide("f", None), at(10)).unwrap();
    assert_eq!(run.feature("f").unwrap().registered_at, Some(at(5)));
}

#[test]
fn no_step_is_passed_over() {
    let mut run = run();
    let refused = |run: &mut FeatureRun, command| {
        let before = run.clone();
        let refusal = run.apply(command, at(50)).unwrap_err();
        assert_eq!(*run, before, "a refused command changes nothing");
        refusal.to_string()
    };
    assert!(refused(&mut run, materialize("f", CODE, &["age_log"])).contains("propose_feature"));
    run.apply(propose("f"), at(1)).unwrap();
    assert!(refused(&mut run, executed("f", true)).contains("no code"));
    assert!(refused(&mut run, validated("f")).contains("no code"));
    assert!(refused(&mut run, decide("f", None)).contains("validate_feature"));
    run.apply(materialize("f", CODE, &["age_log"]), at(2)).unwrap();
    assert!(refused(&mut run, validated("f")).contains("code_ready"));
    run.apply(executed("f", false), at(3)).unwrap();
    assert!(refused(&mut run, validated("f")).contains("failed"));
    run.apply(executed("f", true), at(4)).unwrap();
    assert!(refused(&mut run, decide("f", None)).contains("executed"));
    assert!(refused(&mut run, propose("f")).contains("executed already"));
    run.apply(validated("f"), at(5)).unwrap();
    run.apply(decide("f", None), at(6)).unwrap();
    for command in [materialize("f", CODE, &["age_log"]), executed("f", true), validated("f")] {
        assert!(refused(&mut run, command).contains("registered"));
    }
}

#[test]
fn new_code_makes_what_was_known_of_the_old_void() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    run.apply(materialize("f", CODE, &["age_log"]), at(2)).unwrap();
    run.apply(executed("f", true), at(3)).unwrap();
    run.apply(validated("f"), at(4)).unwrap();
    run.apply(materialize("f", "df['age_log'] = df['age'] ** 2", &["age_log"]), at(5)).unwrap();
    let step = run.feature("f").unwrap();
    assert_eq!((&step.execution_result, &step.validation, step.status), (&None, &None, FeatureStatus::CodeReady));
    run.apply(
        FeatureCommand::RecordExecution {
            feature_id: "f".to_owned(),
            code_hash: hash("df['age_log'] = df['age'] ** 2"),
            code: Some(code("df['age_log'] = 1  # edited")),
            result: FeatureExecution { succeeded: true, stdout: None, stderr: None, execution_ms: None, cell_id: None },
        },
        at(6),
    )
    .unwrap();
    assert!(run.feature("f").unwrap().code.as_deref().unwrap().contains("edited"));
}

#[test]
fn what_was_seen_of_other_code_says_nothing() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    run.apply(materialize("f", "df['age_log'] = 1", &["age_log"]), at(2)).unwrap();
    assert_eq!(run.apply(executed("f", true), at(3)), Err(FeatureRefusal::Changed("f".to_owned())));
    run.apply(materialize("f", CODE, &["age_log"]), at(4)).unwrap();
    run.apply(executed("f", true), at(5)).unwrap();
    run.apply(validated("f"), at(6)).unwrap();
    // The other code ran before what was measured of this one is recorded.
    run.apply(materialize("f", "df['age_log'] = 1", &["age_log"]), at(7)).unwrap();
    let result = FeatureExecution { succeeded: true, stdout: None, stderr: None, execution_ms: None, cell_id: None };
    let ran =
        FeatureCommand::RecordExecution { feature_id: "f".to_owned(), code_hash: hash("df['age_log'] = 1"), code: None, result };
    run.apply(ran, at(8)).unwrap();
    assert_eq!(run.apply(validated("f"), at(9)), Err(FeatureRefusal::Changed("f".to_owned())));
    assert_eq!(run.feature("f").unwrap().status, FeatureStatus::Executed);
}

#[test]
fn only_a_person_keeps_what_tells_the_target() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    run.apply(materialize("f", CODE, &["age_log"]), at(2)).unwrap();
    run.apply(executed("f", true), at(3)).unwrap();
    run.apply(measured("f", LeakageRisk::High), at(4)).unwrap();
    assert_eq!(run.apply(decide("f", None), at(5)), Err(FeatureRefusal::TellsTarget("f".to_owned())));
    let yes = FeatureCommand::Decide { feature_id: "f".to_owned(), dataset_id: None, rejection: None, is_approved: true };
    run.apply(yes, at(6)).unwrap();
    assert_eq!(run.registered(), ["f"]);
}

#[test]
fn what_is_rejected_can_be_proposed_again() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    run.apply(decide("f", Some("no use")), at(2)).unwrap();
    let step = run.feature("f").unwrap();
    assert_eq!((step.status, step.rejection_reason.as_deref()), (FeatureStatus::Rejected, Some("no use")));
    run.apply(propose("f"), at(3)).unwrap();
    let step = run.feature("f").unwrap();
    assert_eq!((step.status, step.created_at, &step.rejection_reason), (FeatureStatus::Proposed, at(1), &None));
}

#[test]
fn code_that_makes_nothing_is_refused() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    for (text, outputs, part) in [
        ("df", &["x"][..], "2 characters"),
        ("# df['x'] = 1 is all", &["x"], "uses `df`"),
        (CODE, &[], "Name 1 to"),
        (CODE, &["new_column"], "placeholder"),
        (CODE, &["<name>"], "placeholder"),
    ] {
        let refusal = run.apply(materialize("f", text, outputs), at(2)).unwrap_err().to_string();
        assert!(refusal.contains(part), "{refusal}");
    }
}

#[test]
fn a_run_is_bounded_and_its_ids_are_read_back() {
    let mut run = run();
    for number in 0..FEATURES_MAX {
        run.apply(propose(&format!("f{number}")), at(1)).unwrap();
    }
    assert_eq!(run.apply(propose("more"), at(2)), Err(FeatureRefusal::Full));
    let id = FeatureRunId(uuid::Uuid::new_v4());
    assert_eq!(id.to_string().parse(), Ok(id));
    for bad in ["", "feat-", "feat-1", "prep-00000000-0000-0000-0000-000000000000", &id.0.to_string()] {
        assert!(bad.parse::<FeatureRunId>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_step_is_stored_as_it_is_sent() {
    let mut run = run();
    run.apply(propose("f"), at(1)).unwrap();
    let stored = serde_json::to_value(run.feature("f").unwrap()).unwrap();
    assert_eq!(
        stored,
        json!({
            "featureId": "f", "name": "age_log", "method": "log_transform", "rationale": "skewed", "sourceColumns": ["age"],
            "status": "proposed", "createdAt": "1970-01-01T00:00:01Z", "updatedAt": "1970-01-01T00:00:01Z",
        })
    );
    assert_eq!(&serde_json::from_value::<FeatureStep>(stored).unwrap(), run.feature("f").unwrap());
}
