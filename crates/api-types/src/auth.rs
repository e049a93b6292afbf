//! Accounts, logins and tokens (contract 1, section 5).

use garde::Validate;
use gristmill_domain::{
    Scope, TokenId, UserId,
    identity::{LinkedIdentity, Provider},
    users::{Email, User, UserRole},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    common::{ErrorShape, Instant, RequestBody},
    projects::no_nul,
};

/// A user, in the contract's `snake_case`. Never holds a password hash: every field is named here.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserView)]
pub struct UserView {
    /// Identity.
    pub user_id: UserId,
    /// Lower-case address.
    pub email: String,
    /// Display name.
    pub name: String,
    /// Role.
    pub role: UserRole,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// When the account was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
    /// The login before this one.
    #[schema(required = true)]
    pub last_login_at: Option<Instant>,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            user_id: user.id,
            email: user.email,
            name: user.name,
            role: user.role,
            email_verified: user.email_verified,
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
            last_login_at: user.last_login_at.map(Instant),
        }
    }
}

/// `{user}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserEnvelope {
    /// The user.
    pub user: UserView,
}

/// A user with a fresh pair of tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthView {
    /// The user.
    pub user: UserView,
    /// JWT to send as `Authorization: Bearer`.
    pub access_token: String,
    /// Single-use token for the next pair.
    pub refresh_token: String,
}

/// A fresh pair of tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenPairView {
    /// JWT to send as `Authorization: Bearer`.
    pub access_token: String,
    /// Single-use token for the next pair.
    pub refresh_token: String,
}

macro_rules! auth_bodies {
    ($($name:ident),*) => {$(
        impl RequestBody for $name { const SHAPE: ErrorShape = ErrorShape::Issues; }
    )*};
}

auth_bodies!(
    Register,
    Login,
    Refresh,
    Logout,
    ForgotPassword,
    ResetPassword,
    ProfilePatch,
    GoogleCallback,
    VerifyEmail,
    ResendVerification,
    PersonalTokenCreate,
    AccountDelete
);

/// A new account.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Register {
    /// Address; compared without regard to case.
    #[garde(custom(is_email))]
    pub email: String,
    /// At least 8 characters, at most 1024 bytes.
    #[garde(custom(is_new_password))]
    pub password: String,
    /// Display name, 1 to 100 characters.
    #[garde(length(chars, min = 1, max = 100), custom(no_nul))]
    pub name: String,
}

/// A login.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Address.
    #[garde(custom(is_email))]
    pub email: String,
    /// Password.
    #[garde(length(bytes, min = 1, max = 1024))]
    pub password: String,
    /// Keeps the session for 30 days instead of 7.
    #[serde(default)]
    #[garde(skip)]
    pub remember_me: bool,
}

/// A refresh token to exchange.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    /// The token.
    #[garde(length(bytes, min = 1, max = 1024))]
    pub refresh_token: String,
}

/// A logout.
#[derive(Deserialize, Default, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logout {
    /// The session's refresh token; without it, the session of the access token ends.
    #[serde(default)]
    #[garde(inner(length(bytes, max = 1024)))]
    pub refresh_token: Option<String>,
}

/// A forgotten password.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ForgotPassword {
    /// Address of the account.
    #[garde(custom(is_email))]
    pub email: String,
}

/// A new password by one-time link.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ResetPassword {
    /// The token of the link.
    #[garde(length(bytes, min = 1, max = 1024))]
    pub token: String,
    /// At least 8 characters, at most 1024 bytes.
    #[garde(custom(is_new_password))]
    pub password: String,
}

/// Changes to the account.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfilePatch {
    /// Display name, 1 to 100 characters.
    #[serde(default)]
    #[garde(inner(length(chars, min = 1, max = 100), custom(no_nul)))]
    pub name: Option<String>,
    /// New address.
    #[serde(default)]
    #[garde(inner(custom(is_email)))]
    pub email: Option<String>,
    /// Needed to change the password.
    #[serde(default)]
    #[garde(inner(length(bytes, max = 1024)))]
    pub current_password: Option<String>,
    /// At least 8 characters, at most 1024 bytes.
    #[serde(default)]
    #[garde(inner(custom(is_new_password)))]
    pub new_password: Option<String>,
}

/// Where sign-in with Google begins.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoogleStart {
    /// Where to send the browser.
    pub auth_url: String,
}

/// What Google adds to our address when it sends a browser back.
#[derive(Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GoogleReturn {
    /// Google's code.
    #[garde(inner(length(bytes, max = 4096)))]
    pub code: Option<String>,
    /// The state that the browser left with.
    #[garde(inner(length(bytes, max = 4096)))]
    pub state: Option<String>,
    /// Why there is no code, such as `access_denied`.
    #[garde(inner(length(bytes, max = 4096)))]
    pub error: Option<String>,
}

/// The end of a sign-in with Google.
#[derive(Deserialize, Validate, ToSchema)]
pub struct GoogleCallback {
    /// The `code` that the page of the frontend was opened with.
    #[garde(length(bytes, min = 1, max = 4096))]
    pub code: String,
}

/// A verification link.
#[derive(Deserialize, Validate, ToSchema)]
pub struct VerifyEmail {
    /// The token of the link.
    #[garde(length(bytes, min = 1, max = 1024))]
    pub token: String,
}

/// A wish for another verification mail.
#[derive(Deserialize, Validate, ToSchema)]
pub struct ResendVerification {
    /// Replaces the account's address first.
    #[serde(default)]
    #[garde(inner(custom(is_email)))]
    pub email: Option<String>,
}

/// Whether the account is verified.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationStatusView {
    /// Read from the store, never cached.
    pub email_verified: bool,
}

/// A login session, in the contract's `snake_case`.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginSessionView {
    /// Identity, for revoking it.
    pub token_id: TokenId,
    /// Where it was opened from.
    pub ip_address: Option<String>,
    /// What opened it.
    pub user_agent: Option<String>,
    /// When it was opened.
    pub created_at: Instant,
    /// Whether it is the one of the `x-refresh-token` header.
    pub current: bool,
}

/// `{sessions}`, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoginSessionList {
    /// The caller's open sessions.
    pub sessions: Vec<LoginSessionView>,
}

/// Who vouches for people beside this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentityProvider {
    /// Google.
    Google,
}

impl From<Provider> for IdentityProvider {
    fn from(provider: Provider) -> Self {
        match provider {
            Provider::Google => Self::Google,
        }
    }
}

/// An account at another provider by which the caller logs in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityView {
    /// The provider, for unlinking it.
    pub provider: IdentityProvider,
    /// Since when it is linked.
    pub linked_at: Instant,
}

impl From<LinkedIdentity> for IdentityView {
    fn from(identity: LinkedIdentity) -> Self {
        Self { provider: identity.provider.into(), linked_at: identity.linked_at.into() }
    }
}

/// `{identities}`, the oldest link first.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityList {
    /// The caller's identities at other providers.
    pub identities: Vec<IdentityView>,
}

/// A personal access token to be made.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalTokenCreate {
    /// What it is for, 1 to 100 characters.
    #[garde(length(chars, min = 1, max = 100), custom(no_nul))]
    pub name: String,
    /// What it may do; the widest counts. `read` and `write` when absent.
    #[serde(default)]
    #[garde(inner(length(min = 1, max = 3)))]
    pub scopes: Option<Vec<Scope>>,
    /// Days until it ends, 1 to 365; 90 when absent.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = 365)))]
    pub expires_in_days: Option<u32>,
}

/// A personal access token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersonalTokenView {
    /// Identity.
    pub token_id: TokenId,
    /// What it is for.
    pub name: String,
    /// Its first characters, to tell it apart.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Instant>,
}

/// `{tokens}`, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonalTokenList {
    /// The caller's tokens.
    pub tokens: Vec<PersonalTokenView>,
}

/// A new token, with the secret that is shown only now.
#[derive(Serialize, ToSchema)]
pub struct PersonalTokenCreated {
    /// What is stored of it.
    pub token: PersonalTokenView,
    /// The token itself: send it as `Authorization: Bearer`. It cannot be shown again.
    pub secret: String,
}

/// The wish to delete the account.
#[derive(Deserialize, Validate, ToSchema)]
pub struct AccountDelete {
    /// The account's password.
    #[garde(length(bytes, min = 1, max = 1024))]
    pub password: String,
}

fn is_email(text: &str, (): &()) -> garde::Result {
    Email::parse(text).map(|_| ()).map_err(garde::Error::new)
}

fn is_new_password(text: &str, (): &()) -> garde::Result {
    if text.chars().count() < 8 {
        return Err(garde::Error::new("must have at least 8 characters"));
    }
    if text.len() > 1024 {
        return Err(garde::Error::new("must have at most 1024 bytes"));
    }
    no_nul(text, &())
}
