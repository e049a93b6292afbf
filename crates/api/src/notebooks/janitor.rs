//! What nobody asks for: lost runs, old log entries, forgotten sessions, and what kernels tell by themselves.

use std::time::Duration;

use actix_web::web;
use chrono::TimeDelta;
use gristmill_domain::notebooks::NotebookEvent;
use gristmill_runtime::{PlaceKind, RuntimeEventKind};
use tokio::sync::broadcast::error::RecvError;

use crate::{error::chain, state::AppState};

/// How long a reconnecting watcher can ask for what it missed.
const EVENTS_KEPT: TimeDelta = TimeDelta::hours(6);
/// After this long without use a session goes, with its workspace. Its project's packages and datasets stay.
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(7);
/// How often lost runs are looked for.
const LOST_RUNS_INTERVAL: Duration = Duration::from_secs(5);
/// How often old entries and sessions are looked for: every so many rounds.
const PRUNE_ROUNDS: u32 = 120;

/// Sweeps for ever. Run it in a task that is aborted at shutdown.
pub async fn sweep(state: web::Data<AppState>) {
    let mut ticks = tokio::time::interval(LOST_RUNS_INTERVAL);
    for round in (0..PRUNE_ROUNDS).cycle() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = state.tasks.stopping().cancelled() => return,
        }
        let now = state.clock.now();
        match state.notebooks.recover_lost_runs(now).await {
            Ok(0) => {}
            Ok(notebooks) => tracing::warn!(notebooks, "runs whose server died were given back"),
            Err(error) => tracing::warn!(error.cause = chain(&error), "lost runs could not be looked for"),
        }
        if round != 0 {
            continue;
        }
        if let Err(error) = state.notebooks.prune_events(now - EVENTS_KEPT).await {
            tracing::warn!(error.cause = chain(&error), "old notebook events could not be removed");
        }
        match state.execution_sessions.prune(now - SESSIONS_KEPT).await {
            Ok(sessions) => {
                for session in sessions {
                    state.runtime.discard_session(session.project_id, session.id).await;
                }
            }
            Err(error) => tracing::warn!(error.cause = chain(&error), "unused sessions could not be removed"),
        }
    }
}

/// Ends what runs here for projects that were deleted on another server while nothing was heard of it.
pub async fn end_deleted_projects(state: web::Data<AppState>) {
    let running = state.runtime.projects();
    if running.is_empty() {
        return;
    }
    match state.projects.gone(&running).await {
        Ok(gone) => {
            for project in gone {
                state.runtime.discard_project(project).await;
            }
        }
        Err(error) => tracing::warn!(error.cause = chain(&error), "deleted projects could not be looked for"),
    }
}

/// Tells a project's watchers when its kernel went away by itself.
pub async fn log_kernel_events(state: web::Data<AppState>) {
    let mut events = state.runtime.events();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = state.tasks.stopping().cancelled() => return,
        };
        match event {
            Ok(event) if event.place.kind == PlaceKind::Notebook => {
                if !matches!(event.kind, RuntimeEventKind::Culled | RuntimeEventKind::Died { .. }) {
                    continue;
                }
                let logged =
                    state.notebooks.log_in_project(event.place.project, &NotebookEvent::KernelStopped, state.clock.now());
                if let Err(error) = logged.await {
                    tracing::warn!(error.cause = chain(&error), "the end of a kernel could not be logged");
                }
            }
            // A missed event is a missed message to a watcher, nothing more.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
