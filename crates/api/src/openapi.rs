//! The OpenAPI document, collected from the functions that serve the routes.

use actix_web::App;
use gristmill_api_types::{
    cells::CellView,
    deployments::DeploymentView,
    errors::{ActiveWorkflow, ErrorBody, ErrorDetail, ErrorDetails, ErrorMap, FieldError, FlatErrors, Issue, TextPosition},
    live::{DeploymentSocketMessage, DeploymentSocketRequest, EventStamp, NotebookSocketMessage, NotebookSocketRequest},
};
use gristmill_domain::ErrorCode;
use utoipa::{
    OpenApi as _, PartialSchema, ToSchema,
    openapi::{
        Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
        path::{HttpMethod, Operation, PathItem},
        schema::ObjectBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_actix_web::AppExt;

use crate::routes;

/// Name of the one security scheme.
pub const BEARER: &str = "bearer";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Gristmill",
        description = "Grinds raw tables into deployed models: upload, ask, clean, train, serve.",
        version = "1.0.0",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(
        ErrorBody, ErrorDetail, ErrorDetails, ErrorMap, FieldError, FlatErrors, Issue, TextPosition, ActiveWorkflow,
        NotebookSocketRequest, NotebookSocketMessage,
        EventStamp, CellView, DeploymentSocketRequest, DeploymentSocketMessage, DeploymentView
    )),
    tags(
        (name = "health", description = "Whether the server is in order"),
        (name = "auth", description = "Accounts, logins and tokens"),
        (name = "projects", description = "Projects and their phases"),
        (name = "datasets", description = "Uploaded tables"),
        (name = "documents", description = "Uploaded documents and search in them"),
        (name = "query", description = "SQL over the datasets of a project"),
        (name = "notebooks", description = "Notebooks, their cells and savepoints"),
        (name = "execute", description = "Running code outside of notebooks, and packages"),
        (name = "python", description = "Help with writing Python"),
        (name = "models", description = "Training models, and what they are made of"),
        (name = "experiments", description = "Judging, tuning and comparing models"),
        (name = "deployments", description = "Models behind an address and a key, their requests and their drift"),
        (name = "inference", description = "Deployed models for clients of other protocols: Open Inference Protocol v2, MLflow scoring"),
        (name = "mlflow", description = "Experiment tracking for programs that log to MLflow: set MLFLOW_TRACKING_URI to /api/mlflow"),
        (name = "llm", description = "Language models: what can be chosen, and sessions for speech"),
        (name = "workflows", description = "Agents that plan, clean, make features and train, with a person's approval"),
        (name = "feature engineering", description = "Columns that tell a model more, and the runs of agents that make them"),
        (name = "preprocessing", description = "Cleaning datasets in steps that are measured, approved of and can be undone"),
        (name = "mcp", description = "The Model Context Protocol: tools, resources and prompts for programs with a model of their own"),
        (name = "plan chats", description = "Conversations about a project's plan"),
        (name = "settings", description = "Per-user settings"),
        (name = "jobs", description = "Long work that can be followed and cancelled"),
        (name = "meta", description = "The API about itself"),
    )
)]
struct Base;

/// Makes the document. Needs no server and no database.
#[must_use]
pub fn document() -> OpenApi {
    let (_, collected) = App::new().into_utoipa_app().openapi(Base::openapi()).configure(routes::configure).split_for_parts();
    complete(collected)
}

/// Adds what holds for every operation: security, the error body, and the list of codes.
fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token (JWT) of a login, or a personal access token (`gmp_…`)"))
        .build();
    components.security_schemes.insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(scheme)));
    components.schemas.insert("ErrorCode".into(), error_codes());
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    document.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.responses.responses.entry("default".into()).or_insert_with(error_response);
        }
    }
    document
}

/// The operations of a path.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().filter_map(Option::as_mut)
}

/// The methods that [`operations`] covers, in its order.
pub const METHODS: [HttpMethod; 5] = [HttpMethod::Get, HttpMethod::Put, HttpMethod::Post, HttpMethod::Delete, HttpMethod::Patch];

fn error_response() -> RefOr<Response> {
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))));
    let response = ResponseBuilder::new()
        .description("It failed: `code` says why, docs/ERRORS.md lists the codes and their statuses")
        .content("application/json", content);
    RefOr::T(response.build())
}

fn error_codes() -> RefOr<Schema> {
    let codes = ErrorCode::ALL.iter().map(|code| code.as_str());
    let schema = ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(codes))
        .description(Some("Why a request failed. New codes may come; existing ones keep their meaning."));
    RefOr::T(Schema::Object(schema.build()))
}
