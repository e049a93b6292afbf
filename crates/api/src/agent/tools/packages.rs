//! Python packages of the project.

use actix_web::web;
use gristmill_domain::{ErrorCode, execution::PackageInfo};
use gristmill_runtime::{InstallOutcome, KernelPlace};
use gristmill_workflow::tools::{
    ToolContext,
    args::packages::{InstallPackageArgs, ListPackagesArgs, UninstallPackageArgs},
    registry,
};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{Failure, store};
use crate::{
    notebooks::{place_of, runtime_error},
    state::AppState,
};

pub(super) async fn install_package(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: InstallPackageArgs = registry::parse(args)?;
    let place = own_place(state, context).await?;
    let (done, end) = oneshot::channel();
    let shared = state.clone();
    // It goes on when the turn is stopped: half of an installation is no use to anybody.
    state.tasks.spawn("package installation", async move {
        let (sink, progress) = mpsc::channel(1);
        drop(progress);
        drop(done.send(shared.runtime.install(&place, &args.package_name, sink).await));
    });
    let outcome = tokio::select! {
        outcome = end => outcome.map_err(|_closed| Failure::new("The server is stopping; list the packages again shortly"))?,
        () = context.stop.cancelled() => return Err(Failure::new("Stopped; the installation goes on")),
    };
    result(outcome)
}

pub(super) async fn uninstall_package(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    let args: UninstallPackageArgs = registry::parse(args)?;
    let place = own_place(state, context).await?;
    result(state.runtime.uninstall(&place, &args.package_name, &context.key).await)
}

pub(super) async fn list_packages(
    state: &web::Data<AppState>,
    context: &ToolContext,
    args: &Map<String, Value>,
) -> Result<Value, Failure> {
    registry::parse::<ListPackagesArgs>(args)?;
    let place = own_place(state, context).await?;
    let packages = state.runtime.packages(&place).await.map_err(runtime_error)?;
    let line = |package: PackageInfo| match package.version {
        Some(version) => format!("{}=={version}", package.name),
        None => package.name,
    };
    Ok(json!({ "packages": packages.into_iter().map(line).collect::<Vec<String>>() }))
}

/// The place of the project's notebooks, if the project is the caller's.
async fn own_place(state: &AppState, context: &ToolContext) -> Result<KernelPlace, Failure> {
    let project = state.projects.find(&context.caller, context.project).await;
    let project = project.map_err(store("Project", context.project, ErrorCode::ProjectNotFound))?;
    Ok(place_of(&context.caller, project.id))
}

fn result(outcome: InstallOutcome) -> Result<Value, Failure> {
    let output = json!({ "success": outcome.success, "message": outcome.message });
    if outcome.success { Ok(output) } else { Err(Failure { output: Some(output), ..Failure::new(outcome.message) }) }
}
