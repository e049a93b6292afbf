//! Experiment tracking for programs that log to MLflow: `MLFLOW_TRACKING_URI=<server>/api/mlflow` and, as
//! `MLFLOW_TRACKING_TOKEN`, a personal access token. An experiment is a project; a project's trainings are among its runs.

mod artifacts;
mod experiments;
mod links;
mod logged;
mod registry;
mod runs;
mod versions;
mod wire;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use self::wire::MlflowError;
pub(super) use self::wire::unknown_endpoint;

/// Paths that programs speak MLflow's protocol to.
pub(super) const PREFIX: &str = "/api/mlflow/";

pub(super) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .configure(experiments::configure)
        .configure(runs::configure)
        .configure(links::configure)
        .configure(artifacts::configure)
        .configure(logged::configure)
        .configure(registry::configure)
        .configure(versions::configure);
}
