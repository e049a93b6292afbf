//! `propose_training_plan`: asks a person whether an experiment is to be trained.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Changed, TrainingRun, arguments,
    experiments::{Alternative, Experiment, ExperimentStatus},
};

/// Longest texts of a plan, characters.
const TEXT_CHARS_MAX: usize = 4_000;
const LINE_CHARS_MAX: usize = 500;
/// Most risks, and most alternatives.
const ENTRIES_MAX: usize = 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    experiment_id: String,
    /// It may have been lifted out of the arguments.
    #[serde(default)]
    rationale: String,
    #[serde(default)]
    expected_metrics: Option<Value>,
    #[serde(default)]
    risks: Vec<String>,
    #[serde(default)]
    alternatives: Vec<Alternative>,
}

/// Proposes an experiment. The answer waits for a person; the client shows its name, which approves it.
#[must_use]
pub fn propose(run: &TrainingRun, args: &Map<String, Value>, now: DateTime<Utc>) -> Changed {
    match proposed(run, args, now) {
        Ok(experiment) => {
            let output = answer(&experiment);
            Changed::to(run.experiments.with(experiment), output)
        }
        Err(reason) => Changed::refused(reason),
    }
}

fn proposed(run: &TrainingRun, args: &Map<String, Value>, now: DateTime<Utc>) -> Result<Experiment, String> {
    let sent: Arguments = arguments::read(args)?;
    let experiment = run.experiments.resolve(&sent.experiment_id)?;
    match experiment.status {
        ExperimentStatus::Configured | ExperimentStatus::Proposed | ExperimentStatus::Failed => {}
        status => {
            return Err(format!(
                "\"{}\" is {} already; configure another experiment to train one more",
                experiment.experiment_name,
                status.as_str()
            ));
        }
    }
    let rationale = Some(arguments::cut(&sent.rationale, TEXT_CHARS_MAX)).filter(|rationale| !rationale.is_empty());
    let risks = sent.risks.iter().map(|risk| arguments::line(risk, LINE_CHARS_MAX)).filter(|risk| !risk.is_empty());
    let alternatives = sent.alternatives.iter().map(|one| Alternative {
        model_type: arguments::line(&one.model_type, LINE_CHARS_MAX),
        reason: arguments::line(&one.reason, LINE_CHARS_MAX),
    });
    let expected = sent.expected_metrics.filter(|value| value.to_string().len() <= TEXT_CHARS_MAX);
    Ok(Experiment {
        status: ExperimentStatus::Proposed,
        rationale,
        expected_metrics: expected,
        risks: risks.take(ENTRIES_MAX).collect(),
        alternatives: alternatives.filter(|one| !one.model_type.is_empty()).take(ENTRIES_MAX).collect(),
        error_message: None,
        updated_at: now,
        ..experiment.clone()
    })
}

fn answer(experiment: &Experiment) -> Value {
    let mut answer = json!({
        "experimentId": experiment.experiment_id,
        "experimentName": experiment.experiment_name,
        "modelType": experiment.model_type,
        "status": "awaiting_approval",
        "expectedMetrics": experiment.expected_metrics.clone().unwrap_or_else(|| json!({})),
        "risks": experiment.risks,
        "alternatives": experiment.alternatives,
        "message": format!("\"{}\" waits for approval", experiment.experiment_name),
    });
    if let (Some(rationale), Some(answer)) = (&experiment.rationale, answer.as_object_mut()) {
        answer.insert("rationale".to_owned(), json!(rationale));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{args, now, output, run_with},
        *,
    };

    fn sent(extra: &Value) -> Map<String, Value> {
        let mut sent = args(&json!({ "experimentId": "exp-1", "rationale": " It fits. " }));
        sent.extend(args(extra));
        sent
    }

    #[test]
    fn a_plan_waits_for_a_person() {
        let run = run_with(&["Forest"]);
        let extra = json!({ "expectedMetrics": { "accuracy": 0.9 }, "risks": ["few\nrows", ""], "alternatives":
            [{ "modelType": "svm", "reason": "small data" }, { "modelType": "" }] });
        let changed = propose(&run, &sent(&extra), now());
        let answered = output(&changed.output);
        assert_eq!(
            (answered["status"].as_str(), answered["experimentName"].as_str()),
            (Some("awaiting_approval"), Some("Forest"))
        );
        assert_eq!((answered["rationale"].as_str(), &answered["risks"]), (Some("It fits."), &json!(["few rows"])));
        assert_eq!(answered["alternatives"].as_array().unwrap().len(), 1);
        let run = TrainingRun { experiments: changed.experiments.unwrap(), ..run };
        assert_eq!(run.experiments.get("exp-1").unwrap().status, ExperimentStatus::Proposed);
        assert_eq!(propose(&run, &sent(&extra), now()).output.output, changed.output.output, "a repeated call answers the same");
    }

    #[test]
    fn a_rationale_may_have_been_lifted_out() {
        for lifted in [json!({ "rationale": "  " }), json!({ "rationale": null })] {
            let changed = propose(&run_with(&["Forest"]), &sent(&lifted), now());
            assert_eq!(output(&changed.output).get("rationale"), None);
        }
    }

    #[test]
    fn what_cannot_be_proposed_is_refused() {
        let run = run_with(&["Forest"]);
        for extra in [
            json!({ "experimentId": "exp-9" }),
            json!({ "rationale": 1 }),
            json!({ "risks": "many" }),
            json!({ "alternatives": [{ "reason": "x" }] }),
        ] {
            let changed = propose(&run, &sent(&extra), now());
            assert!(changed.output.error.is_some() && changed.experiments.is_none(), "{extra}");
        }
        let trained = Experiment { status: ExperimentStatus::Evaluated, ..run.experiments.get("exp-1").unwrap().clone() };
        let run = TrainingRun { experiments: run.experiments.with(trained), ..run };
        assert!(propose(&run, &sent(&json!({})), now()).output.error.unwrap().contains("evaluated already"));
    }
}
