//! Which run a call is about.

use gristmill_domain::{
    ports::StoreError,
    preprocessing::{PrepRun, PrepRunId, ReasonCode, Refusal},
    workflows::WorkflowRunId,
};

use super::{Call, answer::store_refusal, short};

impl Call<'_> {
    /// The run that the call names, else the current one; made when there is none.
    pub(super) async fn run(&self) -> Result<PrepRun, Refusal> {
        let run = match self.named().await? {
            Some(run) => run,
            None => {
                let fresh = PrepRunId(self.context.derived_id("preprocessing run"));
                let (caller, project) = (&self.context.caller, self.context.project);
                let opened =
                    self.state.preprocessing.runs.open(caller, project, self.context.run.as_ref(), fresh, self.now()).await;
                opened.map_err(|error| store_refusal("The project", ReasonCode::RunNotFound, &error))?
            }
        };
        Ok(self.about(run))
    }

    /// The run that the call names, else the current one, if there is one.
    pub(super) async fn known_run(&self) -> Result<Option<PrepRun>, Refusal> {
        let run = match self.named().await? {
            Some(run) => Some(run),
            None => {
                let current = self
                    .state
                    .preprocessing
                    .runs
                    .current(&self.context.caller, self.context.project, self.context.run.as_ref())
                    .await;
                current.map_err(|error| store_refusal("The project", ReasonCode::RunNotFound, &error))?
            }
        };
        Ok(run.map(|run| self.about(run)))
    }

    fn about(&self, run: PrepRun) -> PrepRun {
        // The first one stays: a call is about one run.
        self.run.get_or_init(|| run.clone());
        run
    }

    async fn named(&self) -> Result<Option<PrepRun>, Refusal> {
        let Some(text) = self.args.text("runId") else { return Ok(None) };
        // Models mix the two kinds of runs up.
        if self.context.run.as_ref().map(WorkflowRunId::as_str) == Some(text) {
            return Ok(None);
        }
        let what = format!("Run {}", short(text));
        let Some(id) = PrepRunId::parse(text) else {
            return Err(store_refusal(&what, ReasonCode::RunNotFound, &StoreError::NotFound));
        };
        let found = self.state.preprocessing.runs.peek(&self.context.caller, id).await;
        let run = found.map_err(|error| store_refusal(&what, ReasonCode::RunNotFound, &error))?;
        if run.project_id != self.context.project {
            return Err(store_refusal(&what, ReasonCode::RunProjectMismatch, &StoreError::NotFound));
        }
        Ok(Some(run))
    }
}
