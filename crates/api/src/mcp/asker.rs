//! Who asks, on its way through the protocol's library to what answers.

use actix_web::web;
use gristmill_domain::{Caller, Scope};
use rmcp::{
    RoleServer,
    model::{ErrorData, ProtocolVersion},
    service::RequestContext,
};

use super::results::Refused;
use crate::state::AppState;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// What handlers share.
    pub(super) state: web::Data<AppState>,
    /// The caller, whose token was checked.
    pub(super) caller: Caller,
    /// The URL that this server was reached at, without a slash at its end.
    pub(super) server: String,
    /// The request's span, for what happens in tasks of the library.
    pub(super) span: tracing::Span,
}

impl Asker {
    /// Who made a request: it came with the HTTP request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        let asker = context.extensions.get::<::http::request::Parts>().and_then(|parts| parts.extensions.get::<Self>());
        asker.cloned().ok_or_else(|| {
            tracing::error!("a request reached the protocol without its caller");
            ErrorData::internal_error("the request lost its caller", None)
        })
    }

    /// Checks that the token covers a scope.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Refused> {
        if self.caller.allows(scope) {
            return Ok(());
        }
        Err(Refused::new(format!("This token does not have the scope `{}`", scope.as_str())))
    }
}

/// Whether a request speaks the revision of 2026-07-28, or a later one.
pub(super) fn is_stateless_revision(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

/// Whether a request's client carries out tasks: then long work is one.
pub(super) fn knows_tasks(context: &RequestContext<RoleServer>) -> bool {
    is_stateless_revision(context) && context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

/// Whether a request's client can ask a person, in a form: one that says nothing of forms has them, unless it has only addresses
/// that a person is sent to.
pub(super) fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let elicitation = context.client_capabilities().and_then(|client| client.elicitation);
    is_stateless_revision(context) && elicitation.is_some_and(|ways| ways.form.is_some() || ways.url.is_none())
}
