//! Who is asking. Every repository call takes one of these.

use serde::{Deserialize, Serialize};

use crate::{JobId, SessionId, TokenId, UserId, users::UserRole};

/// What a personal access token may do. A login session may do everything its user may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Scope {
    /// Read anything the user may read.
    Read,
    /// Change anything the user may change, but for the account itself. Includes `read`.
    Write,
    /// Manage the account: profile, sessions, tokens. Includes `write`.
    Account,
}

impl Scope {
    /// The name on the wire and in storage.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Account => "account",
        }
    }

    /// Reads a stored or sent name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::Account].into_iter().find(|scope| scope.as_str() == name)
    }
}

/// What the caller proved its identity with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An access token of a login session.
    Session(SessionId),
    /// A personal access token.
    PersonalToken(TokenId),
    /// A job that the user submitted: the server works on the user's behalf.
    Job(JobId),
}

/// An authenticated caller: the user, and what the presented credential allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user on whose behalf the call is made.
    pub user_id: UserId,
    /// The user's role. Grants nothing inside other users' projects.
    pub role: UserRole,
    /// Whether the user's address is verified; most routes refuse callers that are not.
    pub email_verified: bool,
    /// The credential that was presented.
    pub credential: Credential,
    /// The widest scope of the credential.
    pub scope: Scope,
}

impl Caller {
    /// The owner of a job, for what the job does on the owner's behalf. Nothing of the account can be changed so.
    #[must_use]
    pub fn of_job(owner: UserId, job: JobId) -> Self {
        Self { user_id: owner, role: UserRole::User, email_verified: true, credential: Credential::Job(job), scope: Scope::Write }
    }

    /// Tells whether the credential covers `needed`.
    #[must_use]
    pub fn allows(&self, needed: Scope) -> bool {
        self.scope >= needed
    }
}
