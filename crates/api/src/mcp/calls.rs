//! A call of a tool, from its name and arguments to a result, a question for a person, or a task.

use gristmill_domain::{ErrorCode, NotebookId, ProjectId, Scope, jobs::Job, notebooks::NotebookKind, ports::StoreError};
use gristmill_workflow::tools::{CODE_HASH, ToolContext, ToolHost, outside::Reach, registry};
use rmcp::{
    RoleServer,
    model::{CallToolRequestParams, CallToolResponse, CreateTaskResult, ErrorData, InputResponses},
    service::RequestContext,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    approvals::{self, Standing},
    asker::{Asker, knows_tasks},
    outside::{self, Done},
    results::{Refused, failed, of_output, succeeded, wrong_arguments},
    tasks,
    tools::Known,
};
use crate::{agent::ServerTools, error::ApiError};

/// Arguments by which some want a file fetched.
const ADDRESSES: [&str; 4] = ["url", "uri", "href", "link"];

/// A call whose tool, project and arguments are in order.
#[derive(Debug)]
pub(super) struct Call {
    /// The tool.
    pub(super) known: Known,
    /// The caller's project, of tools that work in one.
    pub(super) project: Option<ProjectId>,
    /// The arguments, as they were sent.
    pub(super) args: Map<String, Value>,
    /// A phase notebook of the project, when one was named.
    notebook: Option<NotebookId>,
}

impl Call {
    /// Where a tool of agents works for it. Nobody has approved of anything yet.
    pub(super) fn place(&self, asker: &Asker, context: &RequestContext<RoleServer>) -> Result<ToolContext, ErrorData> {
        let project = self.project.ok_or_else(|| ErrorData::internal_error("a tool without its project", None))?;
        Ok(ToolContext {
            caller: asker.caller.clone(),
            project,
            run: None,
            phase: None,
            dataset: None,
            notebook: self.notebook,
            // Each call stands for itself: what repeats it is another call.
            key: format!("mcp/{}", Uuid::new_v4()),
            is_approved: false,
            stop: context.ct.clone(),
        })
    }
}

/// Answers a call. Everything that a model can mend is a result that says so; only a request that is none is an error.
pub(super) async fn answer(
    asker: &Asker,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let CallToolRequestParams { name, arguments, input_responses, request_state, .. } = request;
    let mut call = match read(asker, &name, arguments.unwrap_or_default()).await {
        Ok(call) => call,
        Err(refused) => return Ok(failed(refused).into()),
    };
    let reply = Reply { responses: input_responses, state: request_state };
    let standing = approvals::standing(asker, &call, context, &reply).await?;
    let is_approved = match standing {
        Standing::NotAsked => false,
        Standing::Approved(seen) => {
            call.args.extend(seen.map(|seen| (CODE_HASH.to_owned(), seen.into())));
            true
        }
        Standing::Declined => {
            let refused = Refused::new("A person declined this call; do not repeat it, ask what they want instead");
            return Ok(failed(refused).into());
        }
        Standing::Refused(why) => return Ok(failed(Refused::new(why)).into()),
        Standing::Asks(question) => return Ok((*question).into()),
    };
    match call.known {
        Known::Agents(_, tool) => {
            let place = ToolContext { is_approved, ..call.place(asker, context)? };
            let output = ServerTools::new(asker.state.clone()).run(&place, tool, &call.args).await;
            Ok(of_output(output).into())
        }
        Known::Outside(spec) => match outside::run(asker, spec, &call).await {
            Ok(Done::Output(output)) => Ok(succeeded(output).into()),
            Ok(Done::Job(job)) => long(asker, &job, context).await,
            Ok(Done::Submitted(job)) => Ok(succeeded(tasks::handle(&job)).into()),
            Err(refused) => Ok(failed(refused).into()),
        },
    }
}

/// What a client sends along when it repeats a call after a question.
#[derive(Debug)]
pub(super) struct Reply {
    /// The answers.
    pub(super) responses: Option<InputResponses>,
    /// What the question was sent with.
    pub(super) state: Option<String>,
}

/// Long work: a task where the client knows tasks, else the call waits for its end.
async fn long(asker: &Asker, job: &Job, context: &RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
    if knows_tasks(context) {
        return Ok(CreateTaskResult::new(tasks::task_of(asker, job)).into());
    }
    Ok(match tasks::followed(asker, job, context).await {
        Ok(output) => succeeded(output).into(),
        Err(refused) => failed(refused).into(),
    })
}

/// Finds the tool and checks what it is called with: first what needs no database.
async fn read(asker: &Asker, name: &str, args: Map<String, Value>) -> Result<Call, Refused> {
    let Some(known) = Known::find(name) else {
        let name: String = name.chars().take(100).collect();
        return Err(Refused::invalid(&format!("Tool {name} not found")));
    };
    asker.require(if known.only_reads() { Scope::Read } else { Scope::Write })?;
    let works_in_project = match known {
        Known::Agents(..) => true,
        Known::Outside(spec) => spec.reach == Reach::Project,
    };
    let named = if works_in_project { Some(named_project(known, &args)?) } else { None };
    check(known, &args)?;
    let project = match named {
        None => None,
        Some(text) => Some(own_project(asker, text).await?),
    };
    let notebook = match (known, project) {
        (Known::Agents(..), Some(project)) => named_notebook(asker, project, &args).await?,
        _ => None,
    };
    Ok(Call { known, project, args, notebook })
}

fn check(known: Known, args: &Map<String, Value>) -> Result<(), Refused> {
    match known {
        Known::Agents(spec, tool) => registry::check(tool, args).map(drop).map_err(|error| wrong_arguments(spec.name, &error)),
        Known::Outside(spec) => {
            if spec.tool.as_str().starts_with("upload_") && ADDRESSES.iter().any(|address| args.contains_key(*address)) {
                let words = "This server fetches nothing from addresses that a program names: it could be made to read what only \
                    the server can reach. Send the text in `content`, or the file to /api/upload/dataset or /api/upload/doc.";
                return Err(Refused::invalid(words));
            }
            spec.check(args).map(drop).map_err(|error| wrong_arguments(spec.tool.as_str(), &error))
        }
    }
}

fn named_project(known: Known, args: &Map<String, Value>) -> Result<&str, Refused> {
    let wrong = |reason: &str| {
        let name = known.name();
        Refused::invalid(&format!("Invalid arguments for tool {name}: `projectId` {reason}; list_projects gives the ids"))
    };
    match args.get("projectId") {
        None | Some(Value::Null) => Err(wrong("is required")),
        Some(Value::String(text)) if text.is_empty() => Err(wrong("must not be empty")),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong("must be a text")),
    }
}

/// A project of the caller's. What is no id looks like one of somebody else's.
pub(super) async fn own_project(asker: &Asker, text: &str) -> Result<ProjectId, Refused> {
    let id: ProjectId = text.parse().map_err(|_error| Refused::missing("Project"))?;
    match asker.state.projects.find(&asker.caller, id).await {
        Ok(_) => Ok(id),
        Err(StoreError::NotFound) => Err(Refused::missing("Project")),
        Err(error) => Err(ApiError::store(ErrorCode::ProjectNotFound)(error).into()),
    }
}

/// The notebook that a call names. It must be one of the project's phases, whether the tool looks at it or not.
async fn named_notebook(asker: &Asker, project: ProjectId, args: &Map<String, Value>) -> Result<Option<NotebookId>, Refused> {
    let text = match args.get("notebookId") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let id: NotebookId = text.parse().map_err(|_error| Refused::missing("Notebook"))?;
    match asker.state.notebooks.find(&asker.caller, id).await {
        Ok(notebook) if notebook.project_id == project && notebook.kind == NotebookKind::Phase => Ok(Some(id)),
        // Scratch pads are people's.
        Ok(_) | Err(StoreError::NotFound) => Err(Refused::missing("Notebook")),
        Err(error) => Err(ApiError::store(ErrorCode::NotebookNotFound)(error).into()),
    }
}
