//! What a phase took, from the events that the server recorded.

use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use serde_json::Value;

use super::{
    events,
    session::{Seen, Tokens},
    set::{Phase, Set},
};
use crate::client::Client;

/// How much better than the server's a score must be that cells printed, to be a false claim.
const SCORE_MARGIN: f64 = 0.1;

/// What a million tokens cost, in US dollars.
#[derive(Debug)]
pub(crate) struct Prices {
    input: f64,
    cached: f64,
    output: f64,
}

impl Prices {
    /// Those of the model that answers when none is asked for; nothing when they are not known.
    pub(crate) async fn of_default_model(client: &Client) -> Result<Option<Self>> {
        let catalog = client.get("/api/llm/models").await?;
        let mut models = catalog["models"].as_array().into_iter().flatten();
        let price = models.find(|model| model["id"] == catalog["defaultModel"]).map(|model| &model["price"]);
        let of = |key: &str| price.and_then(|price| price[key].as_f64());
        Ok(of("input").zip(of("output")).map(|(input, output)| {
            let cached = of("cachedInput").unwrap_or(input);
            Self { input, cached, output }
        }))
    }

    fn cost(&self, tokens: Tokens) -> f64 {
        let fresh = (tokens.input - tokens.cached).max(0.0);
        (fresh * self.input + tokens.cached * self.cached + tokens.output * self.output) / 1e6
    }
}

/// What a phase took.
#[derive(Debug)]
pub(crate) struct Measures {
    /// Calls of tools.
    pub(crate) steps: u64,
    /// Code that was written anew.
    pub(crate) repairs: u64,
    pub(crate) approvals: u64,
    /// Claims of success that the server did not believe.
    pub(crate) disbelieved: u64,
    /// Sent and written.
    pub(crate) tokens: f64,
    /// US dollars, where the price is known.
    pub(crate) cost: Option<f64>,
    pub(crate) took: Duration,
}

impl Measures {
    pub(crate) fn of(seen: &Seen, set: &Set, prices: Option<&Prices>) -> Self {
        let (mut steps, mut repairs, mut disbelieved) = (0, 0, seen.unfounded);
        let mut written = HashSet::new();
        for done in events::executed(seen) {
            steps += 1;
            repairs += u64::from(is_repair(&done["call"], seen.phase, &mut written));
            disbelieved += u64::from(is_false_claim(done) || is_praise(&done["result"]["output"], set));
        }
        Self {
            steps,
            repairs,
            approvals: seen.approvals,
            disbelieved,
            tokens: seen.tokens.input + seen.tokens.output,
            cost: prices.map(|prices| prices.cost(seen.tokens)),
            took: seen.took,
        }
    }
}

/// Whether a call writes code anew: of a step or a feature that had some, or into a cell of a training.
fn is_repair(call: &Value, phase: Phase, written: &mut HashSet<String>) -> bool {
    let args = &call["args"];
    match (call["tool"].as_str(), phase) {
        (Some("materialize_step_code"), _) => !written.insert(args["stepId"].to_string()),
        (Some("materialize_feature_code"), _) => !written.insert(args["featureId"].to_string()),
        (Some("write_cell"), Phase::Training) => args["cellId"].is_string(),
        _ => false,
    }
}

/// Whether a call says that code ran well, and the server knows better.
fn is_false_claim(done: &Value) -> bool {
    let claims = ["execute_feature", "execute_transformation_step", "execute_training"];
    let is_claim = done["call"]["tool"].as_str().is_some_and(|tool| claims.contains(&tool));
    let result = &done["result"];
    let is_denied = result["error"].is_string() || result["output"]["succeeded"] == false;
    is_claim && done["call"]["args"]["succeeded"] == true && is_denied
}

/// Whether a registered model's cells printed a much better score than the server measured.
fn is_praise(output: &Value, set: &Set) -> bool {
    let metric = set.score.metric.as_str();
    let (said, measured) = (output["reportedMetrics"][metric].as_f64(), output["metrics"][metric].as_f64());
    matches!((said, measured), (Some(said), Some(measured)) if said > measured + SCORE_MARGIN)
}
