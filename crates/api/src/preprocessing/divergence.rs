//! Cells that were edited.

use gristmill_domain::preprocessing::{PrepAnswer, ReasonCode, ReconcileStrategy, Refusal, Step, detect, reconcile};
use serde_json::{Value, json};

use super::{
    Call,
    answer::{done, step_view},
    short,
    steps::{bindings, told},
};

impl Call<'_> {
    pub(super) async fn detect(&self) -> Result<PrepAnswer, Refusal> {
        let named = match self.args.text("stepId") {
            Some(_) => Some(self.step_id()?),
            None => None,
        };
        let cells = self.args.cells()?;
        let Some(run) = self.known_run().await? else {
            return Ok(done(None, json!({ "checkedStepIds": [], "divergedStepIds": [], "results": [] })));
        };
        let wanted: Vec<&Step> = match named {
            Some(id) => vec![run.step(id)?],
            None => {
                let is_bound = |step: &&Step| !step.cell_ids.is_empty();
                let is_named = |step: &&Step| cells.is_empty() || step.cell_ids.iter().any(|cell| cells.contains(cell));
                run.steps.iter().filter(is_bound).filter(is_named).collect()
            }
        };
        let mut found = Vec::with_capacity(wanted.len());
        for step in wanted {
            found.push((step.id, step.version, self.cells_of(step).await?.now));
        }
        self.decide(&run, |run, now| {
            let mut results = Vec::with_capacity(found.len());
            for (id, version, cells) in &found {
                // One that got other code meanwhile was not looked at.
                if run.step(*id)?.version == *version {
                    results.push(detect(run, *id, cells, now)?);
                }
            }
            let checked: Vec<_> = results.iter().map(|result| result.step_id).collect();
            let diverged: Vec<_> = results.iter().filter(|result| result.is_diverged).map(|result| result.step_id).collect();
            let results: Vec<Value> = results
                .into_iter()
                .map(|result| {
                    json!({
                        "stepId": result.step_id,
                        "diverged": result.is_diverged,
                        "status": result.status,
                        "details": result.details,
                    })
                })
                .collect();
            Ok(json!({ "checkedStepIds": checked, "divergedStepIds": diverged, "results": results }))
        })
        .await
    }

    pub(super) async fn reconcile(&self) -> Result<PrepAnswer, Refusal> {
        let id = self.step_id()?;
        let (name, strategy) = match self.args.text("strategy").unwrap_or("absorb_edit") {
            "absorb_edit" => ("absorb_edit", ReconcileStrategy::AbsorbEdit),
            "create_linked_step" => {
                let title = self.args.text("title").map(str::to_owned);
                ("create_linked_step", ReconcileStrategy::CreateLinkedStep { title })
            }
            other => {
                let message = format!("There is no strategy {}: absorb_edit or create_linked_step.", short(other));
                return Err(Refusal::new(ReasonCode::InvalidOperation, message).of_step(id));
            }
        };
        let run = self.run().await?;
        let cells = self.cells_of(run.step(id)?).await?.now;
        self.decide(&run, |run, now| {
            let current = reconcile(run, id, &strategy, &cells, now)?;
            let step = run.step(current)?;
            let mut more = json!({ "strategy": name, "reconciled": true, "cellBindings": bindings(step) });
            if let (true, Value::Object(more)) = (current != id, &mut more) {
                more.insert("previousStepId".to_owned(), id.to_string().into());
                more.insert("previousStep".to_owned(), step_view(run.step(id)?));
            }
            told(run, current, more)
        })
        .await
    }
}
