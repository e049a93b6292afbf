//! Typed identifiers. One newtype per kind of thing, so that an id of another kind does not compile.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// Says that a text is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be a UUID")]
pub struct InvalidId {
    /// The kind of thing that the id should have named, as clients know it (`projectId`).
    pub kind: &'static str,
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = Uuid))]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new random (version 4) id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the hyphenated form: braces and `urn:` prefixes would give one thing two spellings.
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Ok(Self(id)),
                    _ => Err(InvalidId { kind: $kind }),
                }
            }
        }
    )*};
}

id_types! {
    /// A user account.
    UserId = "userId";
    /// A project: the unit of ownership and isolation.
    ProjectId = "projectId";
    /// A dataset.
    DatasetId = "datasetId";
    /// A document.
    DocumentId = "documentId";
    /// A piece of a document.
    ChunkId = "chunkId";
    /// A job in the durable queue.
    JobId = "jobId";
    /// A login: one family of rotating refresh tokens.
    SessionId = "sessionId";
    /// A stored token of any kind (refresh, personal access, one-time).
    TokenId = "tokenId";
    /// One SQL result.
    QueryId = "queryId";
    /// A notebook.
    NotebookId = "notebookId";
    /// A cell of a notebook.
    CellId = "cellId";
    /// A stored state of a notebook.
    SavepointId = "savepointId";
    /// A kernel session outside of notebooks.
    ExecutionSessionId = "sessionId";
    /// A trained model.
    ModelId = "modelId";
    /// A tuning study.
    StudyId = "studyId";
    /// A deployed model.
    DeploymentId = "deploymentId";
    /// A key of a deployment.
    ApiKeyId = "keyId";
    /// One answered request for predictions.
    PredictionId = "predictionId";
    /// A run that a program logged.
    RunId = "runId";
    /// A model that a program logged.
    LoggedModelId = "loggedModelId";
    /// A conversation about a project's plan.
    PlanChatId = "chatId";
    /// A question with a known answer.
    GoldenQuestionId = "goldenQuestionId";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_the_hyphenated_form() {
        let id = ProjectId::random();
        assert_eq!(id.to_string().parse::<ProjectId>().unwrap(), id);
        for bad in ["", "x", "123", &format!("{{{id}}}"), &id.0.simple().to_string()] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad:?} should be refused");
        }
    }
}
