//! Turns of an agent over HTTP, and what was seen of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::set::{Phase, Set};
use crate::client::Client;

/// A project that a set is worked at in.
pub(crate) struct Session<'a> {
    pub(crate) client: &'a Client,
    pub(crate) set: &'a Set,
    pub(crate) project: String,
    /// The dataset that is worked on.
    pub(crate) dataset: String,
    /// Its rows.
    pub(crate) rows: u64,
    /// The model that came of it.
    pub(crate) model: Option<String>,
    is_scripted: bool,
}

impl<'a> Session<'a> {
    /// Makes a project with the set's dataset.
    pub(crate) async fn open(client: &'a Client, set: &'a Set, is_scripted: bool) -> Result<Self> {
        let made = client.post("/api/projects", &json!({ "name": set.name, "description": set.description })).await?;
        let project = made["project"]["id"].as_str().context("a project without an id")?.to_owned();
        let uploaded = client.upload(&project, set.filename(), set.content.clone()).await?;
        let dataset = uploaded["datasetId"].as_str().context("a dataset without an id")?.to_owned();
        let rows = uploaded["n_rows"].as_u64().context("a dataset without a count of rows")?;
        Ok(Self { client, set, project, dataset, rows, model: None, is_scripted })
    }

    /// Sends what the person says, and waits for the end of the turn. It goes on with the phase's run, except in onboarding,
    /// where each round is a run of its own.
    pub(crate) async fn turn(&self, seen: &mut Seen, mut said: Value) -> Result<Turn> {
        said["projectId"] = json!(self.project);
        said["phase"] = json!(seen.phase.as_str());
        if let Some(run) = seen.runs.last().filter(|_| seen.phase != Phase::Onboarding) {
            said["runId"] = json!(run);
        }
        let turn = Turn { lines: self.client.lines("/api/workflows/turns/stream", &said).await? };
        seen.note(&turn);
        match turn.failure() {
            // A script says the same again: there is nothing to wait for.
            Some(failure) if self.is_scripted => bail!("the turn failed: {failure}"),
            _ => Ok(turn),
        }
    }
}

/// A turn that has ended, as its stream told it.
pub(crate) struct Turn {
    lines: Vec<Value>,
}

impl Turn {
    fn last(&self, kind: &str) -> Option<&Value> {
        self.lines.iter().rev().find(|line| line["type"] == kind)
    }

    /// The run as it was left.
    pub(crate) fn state(&self) -> &Value {
        self.last("workflow_state").map_or(&Value::Null, |line| &line["state"])
    }

    /// What it waits for.
    pub(crate) fn pause(&self) -> Option<&str> {
        self.last("workflow_pause").and_then(|line| line["reason"].as_str())
    }

    /// The questions that it waits for answers to.
    pub(crate) fn questions(&self) -> Vec<Value> {
        let asked = self.last("workflow_pause").and_then(|line| line["ui"]["ask_user"]["questions"].as_array());
        asked.cloned().unwrap_or_default()
    }

    /// What the last call of a tool gave.
    pub(crate) fn output(&self, tool: &str) -> &Value {
        let called = |line: &&Value| line["type"] == "tool_executed" && line["call"]["tool"] == tool;
        self.lines.iter().rev().find(called).map_or(&Value::Null, |line| &line["result"]["output"])
    }

    /// The ids of the features that it proposes.
    pub(crate) fn suggestions(&self) -> Vec<String> {
        let shown = self.lines.iter().filter(|line| line["artifact"]["kind"] == "ui");
        let sections = shown.flat_map(|line| line["artifact"]["ui"]["sections"].as_array().into_iter().flatten());
        let items = sections.flat_map(|section| section["items"].as_array().into_iter().flatten());
        let features = items.filter(|item| item["type"] == "feature_suggestion");
        features.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
    }

    fn failure(&self) -> Option<String> {
        let error = self.last("workflow_error")?;
        let text = |key: &str| error[key].as_str().unwrap_or("-").to_owned();
        Some(format!("{}: {}", text("code"), text("message")))
    }
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tokens {
    /// Sent.
    pub(crate) input: f64,
    /// Sent, and read from the provider's cache.
    pub(crate) cached: f64,
    /// Written.
    pub(crate) output: f64,
}

/// What was seen of a phase.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) phase: Phase,
    /// Its runs, oldest first.
    pub(crate) runs: Vec<String>,
    /// Those, with their events.
    pub(crate) snapshots: Vec<Value>,
    /// How often the person said yes.
    pub(crate) approvals: u64,
    /// Turns that ended as done, though what they were for was not there.
    pub(crate) unfounded: u64,
    pub(crate) tokens: Tokens,
    /// Rows of the dataset that it made.
    pub(crate) rows: Option<u64>,
    /// Columns that it made.
    pub(crate) columns: Vec<String>,
    pub(crate) took: Duration,
    began: Instant,
}

impl Seen {
    pub(crate) fn of(phase: Phase) -> Self {
        Self {
            phase,
            runs: Vec::new(),
            snapshots: Vec::new(),
            approvals: 0,
            unfounded: 0,
            tokens: Tokens::default(),
            rows: None,
            columns: Vec::new(),
            took: Duration::ZERO,
            began: Instant::now(),
        }
    }

    fn note(&mut self, turn: &Turn) {
        if let Some(run) = turn.state()["runId"].as_str()
            && self.runs.last().is_none_or(|last| last != run)
        {
            self.runs.push(run.to_owned());
        }
        for usage in turn.lines.iter().filter(|line| line["type"] == "usage").map(|line| &line["usage"]) {
            let count = |value: &Value| value.as_f64().unwrap_or_default();
            self.tokens.input += count(&usage["input_tokens"]);
            self.tokens.cached += count(&usage["input_tokens_details"]["cached_tokens"]);
            self.tokens.output += count(&usage["output_tokens"]);
        }
    }

    /// Takes the time, and what the server has recorded.
    pub(crate) async fn close(&mut self, client: &Client) -> Result<()> {
        self.took = self.began.elapsed();
        for run in &self.runs {
            self.snapshots.push(client.get(&format!("/api/workflows/{run}")).await?["run"].clone());
        }
        Ok(())
    }
}
