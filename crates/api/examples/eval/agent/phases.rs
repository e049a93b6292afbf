//! What a person and the client do in each phase, until the server has what the phase is for.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    judge,
    session::{Seen, Session, Turn},
    set::Phase,
};

/// Most rounds of questions.
const ROUNDS_MAX: u32 = 6;
/// Most turns of another phase.
const TURNS_MAX: usize = 6;
/// Features that are made of those that are proposed.
const FEATURES_MADE: usize = 2;
const YES: &str = "Yes, go ahead.";
const DECIDE: &str = "Decide that yourself, and do what is best for a model.";
const AGAIN: &str = "That is not there yet. Please do it.";
/// The client's fixed phrase, before the name of an experiment.
const APPROVED: &str = "Approved. Proceed with training the selected model(s):";

/// Goes through a phase. What came of it, in a few words.
pub(crate) async fn run(session: &mut Session<'_>, seen: &mut Seen) -> Result<String> {
    match seen.phase {
        Phase::Onboarding => onboarding(session, seen).await,
        Phase::Preprocessing => preprocessing(session, seen).await,
        Phase::FeatureEngineering => feature_engineering(session, seen).await,
        Phase::Training => training(session, seen).await,
        Phase::Deployment => judge::deployment(session).await,
    }
}

async fn onboarding(session: &Session<'_>, seen: &mut Seen) -> Result<String> {
    let mut answers = Vec::new();
    for round in 0..ROUNDS_MAX {
        let said = json!({ "userIntent": session.set.intent, "questionAnswers": answers, "round": round });
        let turn = session.turn(seen, said).await?;
        if turn.state()["pauseReason"] == "plan_ready" {
            break;
        }
        answers.extend(turn.questions().iter().map(|question| session.set.answer(question)));
    }
    judge::plan(session, seen).await
}

async fn preprocessing(session: &mut Session<'_>, seen: &mut Seen) -> Result<String> {
    let original = session.dataset.clone();
    let mut prompt = session.set.prompt(seen.phase)?;
    let mut derived = None;
    for _ in 0..TURNS_MAX {
        let turn = session.turn(seen, json!({ "prompt": prompt, "datasetId": original })).await?;
        derived = turn.state()["activeDatasetId"].as_str().filter(|active| *active != original).map(str::to_owned);
        if derived.is_some() {
            break;
        }
        prompt = reply(&turn, seen);
    }
    judge::derived(session, seen, &derived.context("nothing was kept: the dataset is as it was")?).await
}

async fn feature_engineering(session: &mut Session<'_>, seen: &mut Seen) -> Result<String> {
    let mut selected = Vec::new();
    let mut prompt = session.set.prompt(seen.phase)?;
    for _ in 0..TURNS_MAX {
        let turn = session.turn(seen, about_target(session, &prompt)).await?;
        selected = turn.suggestions();
        if !selected.is_empty() {
            break;
        }
        prompt = reply(&turn, seen);
    }
    ensure!(!selected.is_empty(), "no feature was proposed");
    selected.truncate(FEATURES_MADE);
    let wish = format!("Implement the selected features.\n\nSelected feature IDs to implement: {}", selected.join(", "));
    for _ in 0..TURNS_MAX {
        let turn = session.turn(seen, about_target(session, &wish)).await?;
        if judge::registered(session, &selected).await?.len() == selected.len() {
            break;
        }
        // What is to be made stands in the prompt, and so it is sent again.
        drop(reply(&turn, seen));
    }
    judge::features(session, seen, &selected).await
}

async fn training(session: &mut Session<'_>, seen: &mut Seen) -> Result<String> {
    let mut prompt = session.set.prompt(seen.phase)?;
    for _ in 0..TURNS_MAX {
        let turn = session.turn(seen, about_target(session, &prompt)).await?;
        if judge::model_of(session, seen).await?.is_some() {
            break;
        }
        let proposed = turn.output("propose_training_plan")["experimentName"].as_str();
        prompt = match (reply(&turn, seen), proposed) {
            (_, Some(name)) if turn.pause() == Some("awaiting_approval") => format!("{APPROVED} {name}"),
            (reply, _) => reply,
        };
    }
    judge::model(session, seen).await
}

fn about_target(session: &Session<'_>, prompt: &str) -> serde_json::Value {
    json!({ "prompt": prompt, "datasetId": session.dataset, "targetColumn": session.set.target })
}

/// What a person says to a turn that did not get there. One that says that it is done is not believed.
fn reply(turn: &Turn, seen: &mut Seen) -> String {
    match turn.pause() {
        Some("awaiting_approval") => {
            seen.approvals += 1;
            YES.to_owned()
        }
        Some(_) => DECIDE.to_owned(),
        None => {
            seen.unfounded += u64::from(turn.state()["status"] == "completed");
            AGAIN.to_owned()
        }
    }
}
