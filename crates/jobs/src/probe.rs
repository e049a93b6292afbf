//! A handler that does nothing but take its time: for tests of the queue itself, and for trying it out.

use std::time::Duration;

use async_trait::async_trait;
use gristmill_domain::{
    ErrorCode,
    jobs::{JobError, JobKind, JobOutcome, JobProgress, NewJobEvent},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::sleep;

use crate::{JobContext, JobHandler, JobVerdict, JobsError};

/// The type of the event that a probe appends at each step: `step`, `attempt`.
pub const PROBE_STEP: &str = "probe_step";

/// Most steps of a probe.
const STEPS_MAX: u32 = 100_000;

/// What a probe should do: the payload of a job of kind `probe`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// How many steps it has, at most 100,000.
    pub steps: u32,
    /// How long each step takes, milliseconds.
    #[serde(default)]
    pub step_ms: u32,
    /// The attempts (from 1) that fail half way, in a way that another attempt may mend.
    #[serde(default)]
    pub fail_at_attempts: Vec<u32>,
    /// The attempts (from 1) that panic half way.
    #[serde(default)]
    pub panic_at_attempts: Vec<u32>,
}

/// Runs probes. Reports each step as an event and as progress, heeds the stop token between steps and while it
/// sleeps, and succeeds with `{"steps": …}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProbeHandler;

#[async_trait]
impl JobHandler for ProbeHandler {
    fn kind(&self) -> JobKind {
        JobKind::Probe
    }

    async fn run(&self, context: JobContext) -> JobVerdict {
        let probe: Probe = match serde_json::from_value(context.job().payload.clone()) {
            Ok(probe) => probe,
            Err(error) => return refused(format!("The probe's payload is wrong: {error}.")),
        };
        if probe.steps > STEPS_MAX {
            return refused(format!("A probe has at most {STEPS_MAX} steps."));
        }
        match take_steps(&probe, &context).await {
            Ok(verdict) => verdict,
            // The log could not be written, so there is nobody to report to; the worker knows what became of it.
            Err(_) => JobVerdict::Stopped,
        }
    }
}

async fn take_steps(probe: &Probe, context: &JobContext) -> Result<JobVerdict, JobsError> {
    let attempt = context.job().attempt;
    for step in 1..=probe.steps {
        tokio::select! {
            biased;
            () = context.stop_token().cancelled() => return Ok(JobVerdict::Stopped),
            () = sleep(Duration::from_millis(probe.step_ms.into())) => {}
        }
        context.events().push_delta(NewJobEvent::new(PROBE_STEP, json!({ "step": step, "attempt": attempt }))).await?;
        context.events().progress(JobProgress {
            fraction: Some(f64::from(step) / f64::from(probe.steps)),
            message: Some(format!("Step {step} of {}", probe.steps)),
        });
        if step >= probe.steps.div_ceil(2) {
            if probe.fail_at_attempts.contains(&attempt) {
                let error = JobError::new(ErrorCode::JobFailed, "The probe was told to fail.");
                return Ok(JobVerdict::Finished(JobOutcome::Retry(error)));
            }
            #[expect(clippy::panic, reason = "what happens to a handler that panics is what is being probed")]
            if probe.panic_at_attempts.contains(&attempt) {
                panic!("the probe was told to panic");
            }
        }
    }
    Ok(JobVerdict::Finished(JobOutcome::Succeeded(json!({ "steps": probe.steps }))))
}

fn refused(message: String) -> JobVerdict {
    JobVerdict::Finished(JobOutcome::Failed(JobError::new(ErrorCode::ValidationFailed, message)))
}
